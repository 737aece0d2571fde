// Runs kernels as the IR defines them, slowly and with every check: the oracle for lowerings and emitters.

import type {
  Affine,
  Bound,
  BufferDecl,
  IndexVar,
  Kernel,
  MemoryType,
  Reg,
  RegType,
  Stmt,
} from './ir.js'
import { bitcastLane, convertLane, type Lane, lanewise } from './lanewise.js'
import { formatStmt } from './print.js'

/** Memory a kernel's buffer is bound to. */
export type Memory = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array

export const MEMORY_ARRAY = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  i64: BigInt64Array,
  u8: Uint8Array,
} as const satisfies { readonly [T in MemoryType]: unknown }

export interface InterpretOptions {
  /** Whether `fma` rounds once. Default true. */
  readonly fused?: boolean
  /** Chunks to run, in order. Default: all of them, last first, since order must not matter. */
  readonly chunks?: readonly number[]
}

/**
 * Runs a kernel on memories bound to its slots, in the order of their declarations.
 * @returns the status word: 0, or the lowest code of a fault.
 * @throws on any access outside a buffer, use of an unset register, or statement the IR does not define.
 */
export function interpretKernel(
  kernel: Kernel,
  slots: readonly Memory[],
  options: InterpretOptions = {},
): number {
  const memories: Memory[] = []
  let next = 0
  for (const b of kernel.buffers) {
    if (b.space === 'scratch') {
      memories[b.id] = new MEMORY_ARRAY[b.type](b.length)
      continue
    }
    const memory = slots[next++]
    if (memory === undefined) throw new Error(`${kernel.name}: nothing is bound to ${b.name}`)
    if (!(memory instanceof MEMORY_ARRAY[b.type])) {
      throw new Error(`${kernel.name}: ${b.name} is ${b.type}, bound to ${memory.constructor.name}`)
    }
    if (memory.length < b.length) {
      throw new Error(
        `${kernel.name}: ${b.name} has ${b.length} elements, bound to ${memory.length}`,
      )
    }
    memories[b.id] = memory
  }
  const machine = new Machine(kernel, memories, options.fused ?? true)
  const chunks =
    options.chunks ?? Array.from({ length: kernel.grid }, (_, i) => kernel.grid - 1 - i)
  for (const chunk of chunks) machine.run(chunk)
  return machine.status
}

/** The state of one thread: registers and index variables, each a value or a value a lane. */
class Machine {
  status = 0
  readonly regs: Lane[][] = []
  readonly vars = new Map<number, number | number[]>()
  /** Lanes of the open vector loop, 0 outside one, and which of them are active. */
  private width = 0
  private mask: boolean[] = [true]

  constructor(
    private readonly kernel: Kernel,
    private readonly memories: readonly Memory[],
    readonly fused: boolean,
  ) {}

  run(chunk: number): void {
    for (const b of this.kernel.buffers) {
      if (b.space === 'scratch') poison(this.memories[b.id] as Memory)
    }
    this.regs.length = 0
    this.vars.clear()
    this.vars.set(this.kernel.chunk.id, chunk)
    this.block(this.kernel.body)
  }

  block(body: readonly Stmt[]): void {
    for (const s of body) this.step(s)
  }

  fail(s: Stmt, why: string): never {
    throw new Error(`${this.kernel.name}: ${why} in \`${formatStmt(s)}\``)
  }

  private step(s: Stmt): void {
    const run = STEPS[s.op] as (machine: Machine, s: Stmt) => void
    run(this, s)
  }

  vector(s: Extract<Stmt, { op: 'vector' }>): void {
    if (this.width !== 0) this.fail(s, 'a vector loop inside another')
    const count = this.bound(s, s.count)
    this.width = s.lanes
    for (let base = 0; base < count; base += s.lanes) {
      const lanes = Array.from({ length: s.lanes }, (_, l) => base + l)
      this.mask = lanes.map((i) => i < count)
      this.vars.set(s.variable.id, lanes)
      this.block(s.body)
    }
    this.width = 0
    this.mask = [true]
  }

  when(s: Extract<Stmt, { op: 'when' }>): void {
    const outer = this.mask
    const holds = outer.map((on, l) => {
      if (!on) return false
      const left = this.affine(s, s.left, l)
      const right = this.affine(s, s.right, l)
      return s.cmp === 'lt' ? left < right : s.cmp === 'ge' ? left >= right : left === right
    })
    if (holds.includes(true)) {
      this.mask = holds
      this.block(s.body)
    }
    if (s.otherwise !== undefined) {
      const fails = outer.map((on, l) => on && !holds[l])
      if (fails.includes(true)) {
        this.mask = fails
        this.block(s.otherwise)
      }
    }
    this.mask = outer
  }

  typeOf(s: Extract<Stmt, { op: 'set' }>): RegType {
    const last = s.args[s.args.length - 1] as Reg
    for (const a of s.fn === 'select' ? s.args.slice(1) : s.args) {
      if (a.type !== last.type) this.fail(s, `arguments of types ${a.type} and ${last.type}`)
    }
    return last.type
  }

  literal(type: RegType, value: number | bigint): Lane {
    if (type === 'i64') return BigInt.asIntN(64, BigInt(value))
    if (type === 'bool') return Number(value) !== 0
    if (type === 'f32') return Math.fround(Number(value))
    return type === 'i32' ? Number(value) | 0 : Number(value)
  }

  /** Runs `body` for each active lane. */
  each(body: (lane: number) => void): void {
    const { mask } = this
    for (let l = 0; l < mask.length; l++) if (mask[l]) body(l)
  }

  values(s: Stmt, r: Reg): (lane: number) => Lane {
    const v = this.regs[r.id]
    if (v === undefined) this.fail(s, `r${r.id} is read before it is set`)
    if (this.width === 0 && r.lanes > 0) this.fail(s, `r${r.id} has lanes outside a vector loop`)
    return (l) => {
      const x = v.length === 1 ? v[0] : v[l]
      if (x === undefined) this.fail(s, `lane ${l} of r${r.id} is read before it is set`)
      return x
    }
  }

  declare(s: Stmt, r: Reg, value: Lane): void {
    if (r.lanes > 0 && this.width === 0) {
      this.regs[r.id] = new Array<Lane>(r.lanes).fill(value)
    } else {
      this.assign(s, r, () => value)
    }
  }

  assign(s: Stmt, r: Reg, value: (lane: number) => Lane): void {
    const width = Math.max(1, this.width)
    let target = this.regs[r.id]
    if (target === undefined) {
      target = new Array<Lane>(width)
      this.regs[r.id] = target
    } else if (target.length !== width) {
      this.fail(s, `r${r.id} has ${target.length} lanes where ${width} are set`)
    }
    const { mask } = this
    for (let l = 0; l < width; l++) if (mask[l]) target[l] = value(l)
  }

  define(v: IndexVar, value: (lane: number) => number): void {
    if (this.width === 0) {
      this.vars.set(v.id, value(0))
      return
    }
    this.vars.set(
      v.id,
      this.mask.map((on, l) => (on ? value(l) : Number.NaN)),
    )
  }

  affine(s: Stmt, a: Affine, lane: number): number {
    let sum = a.constant
    for (const t of a.terms) {
      const v = this.vars.get(t.variable.id)
      if (v === undefined) this.fail(s, `${t.variable.name} is not defined here`)
      sum += t.coefficient * (typeof v === 'number' ? v : (v[lane] as number))
    }
    return sum
  }

  /** A value that must be the same for all lanes. */
  uniform(s: Stmt, a: Affine): number {
    for (const t of a.terms) {
      const v = this.vars.get(t.variable.id)
      if (Array.isArray(v)) this.fail(s, `a bound that differs between lanes (${t.variable.name})`)
    }
    return this.affine(s, a, 0)
  }

  bound(s: Stmt, b: Bound): number {
    if (!('min' in b)) return this.uniform(s, b)
    return Math.min(this.uniform(s, b.min[0]), this.uniform(s, b.min[1]))
  }

  private check(s: Stmt, b: BufferDecl, at: number, access: 'read' | 'write'): Memory {
    if (!Number.isInteger(at) || at < 0 || at >= b.length) {
      this.fail(s, `element ${at} of ${b.name}, which has ${b.length},`)
    }
    if (b.access !== 'readwrite' && b.access !== access) {
      this.fail(s, `${access} of ${b.name}, which is declared ${b.access},`)
    }
    return this.memories[b.id] as Memory
  }

  read(s: Stmt, b: BufferDecl, at: number): Lane {
    return this.check(s, b, at, 'read')[at] as Lane
  }

  write(s: Stmt, b: BufferDecl, at: number, value: Lane): void {
    const memory = this.check(s, b, at, 'write')
    if (memory instanceof BigInt64Array) {
      if (typeof value !== 'bigint') this.fail(s, `${typeof value} stored as i64`)
      memory[at] = value
    } else {
      if (typeof value !== 'number') this.fail(s, `${typeof value} stored as ${b.type}`)
      memory[at] = value
    }
  }
}

/** What each statement does. */
const STEPS: {
  readonly [Op in Stmt['op']]: (machine: Machine, s: Stmt & { readonly op: Op }) => void
} = {
  const: (m, s) => m.declare(s, s.dst, m.literal(s.dst.type, s.value)),

  set: (m, s) => {
    const f = lanewise(s.fn, m.typeOf(s), m.fused)
    const args = s.args.map((r) => m.values(s, r))
    m.assign(s, s.dst, (l) => f(...args.map((a) => a(l))))
  },

  move: (m, s) => m.assign(s, s.dst, m.values(s, s.from)),

  convert: (m, s) => {
    const from = m.values(s, s.from)
    m.assign(s, s.dst, (l) => convertLane(s.dst.type, s.from.type, from(l)))
  },

  bitcast: (m, s) => {
    const from = m.values(s, s.from)
    m.assign(s, s.dst, (l) => bitcastLane(s.dst.type, s.from.type, from(l)))
  },

  index: (m, s) =>
    m.assign(s, s.dst, (l) => convertLane(s.dst.type, 'i64', BigInt(m.affine(s, s.value, l)))),

  divide: (m, s) => m.define(s.variable, (l) => Math.floor(m.affine(s, s.value, l) / s.by)),

  modulo: (m, s) =>
    m.define(s.variable, (l) => {
      const v = m.affine(s, s.value, l)
      if (v < 0) m.fail(s, `modulo of ${v}`)
      return v % s.by
    }),

  prefetch: () => {},

  load: (m, s) => m.assign(s, s.dst, (l) => m.read(s, s.buffer, m.affine(s, s.at, l))),

  gather: (m, s) => {
    const offset = m.values(s, s.offset)
    m.assign(s, s.dst, (l) =>
      m.read(s, s.buffer, m.affine(s, s.at, l) + s.scale * (offset(l) as number)),
    )
  },

  store: (m, s) => {
    const from = m.values(s, s.from)
    const when = s.when && m.values(s, s.when)
    m.each((l) => {
      if (when === undefined || when(l)) m.write(s, s.buffer, m.affine(s, s.at, l), from(l))
    })
  },

  scatter: (m, s) => {
    const from = m.values(s, s.from)
    const offset = m.values(s, s.offset)
    m.each((l) => {
      m.write(s, s.buffer, m.affine(s, s.at, l) + s.scale * (offset(l) as number), from(l))
    })
  },

  for: (m, s) => {
    const from = m.uniform(s, s.from)
    const to = m.bound(s, s.to)
    for (let i = from; i < to; i += s.step) {
      m.vars.set(s.variable.id, i)
      m.block(s.body)
    }
  },

  vector: (m, s) => m.vector(s),

  combine: (m, s) => {
    const lanes = [...(m.regs[s.from.id] ?? m.fail(s, 'an unset register'))]
    const f = lanewise(s.fn, s.from.type, m.fused)
    for (let half = lanes.length >> 1; half >= 1; half >>= 1) {
      for (let i = 0; i < half; i++) lanes[i] = f(lanes[i] as Lane, lanes[i + half] as Lane)
    }
    m.assign(s, s.dst, () => lanes[0] as Lane)
  },

  when: (m, s) => m.when(s),

  status: (m, s) => {
    const cond = m.values(s, s.cond)
    m.each((l) => {
      if (cond(l) && (m.status === 0 || s.code < m.status)) m.status = s.code
    })
  },
}

/** Fills memory nobody has written with values that show up in results. */
export function poison(memory: Memory): void {
  if (memory instanceof BigInt64Array) memory.fill(-0x1234567812345678n)
  else if (memory instanceof Float32Array || memory instanceof Float64Array) memory.fill(Number.NaN)
  else memory.fill(0x7a5a5aa5)
}

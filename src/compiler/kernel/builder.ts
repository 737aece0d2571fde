// Writes kernels: every lowering makes its statements through this builder.

import { affine, indexVar, ofVar } from './affine.js'
import type {
  Affine,
  Bound,
  BufferDecl,
  Fn,
  IndexVar,
  Kernel,
  MemoryType,
  Reg,
  RegType,
  Stmt,
} from './ir.js'

const REGISTER_OF: Record<MemoryType, RegType> = {
  f32: 'f32',
  f64: 'f64',
  i32: 'i32',
  i64: 'i64',
  u8: 'i32',
}

const COMPARISONS: ReadonlySet<Fn> = new Set(['eq', 'ne', 'lt', 'le'])

/**
 * A kernel in the making. Statements go to the innermost open loop; `loop`, `vector` and `when` open
 * one around a callback. Registers are typed by what they are made from.
 */
export class KernelBuilder {
  readonly chunk: IndexVar = indexVar('chunk')
  readonly buffers: BufferDecl[] = []
  private body: Stmt[] = []
  private nextReg = 0
  flops = 0
  bytes = 0

  constructor(
    readonly name: string,
    public grid = 1,
  ) {}

  /** The finished kernel. */
  finish(): Kernel {
    return {
      name: this.name,
      buffers: this.buffers,
      grid: this.grid,
      chunk: this.chunk,
      body: this.body,
      flops: this.flops,
      bytes: this.bytes,
    }
  }

  buffer(name: string, type: MemoryType, access: BufferDecl['access'], length: number): BufferDecl {
    const b: BufferDecl = { id: this.buffers.length, name, type, space: 'slot', access, length }
    this.buffers.push(b)
    return b
  }

  /** Memory of the running thread's own, not initialised. */
  scratch(name: string, type: MemoryType, length: number): BufferDecl {
    const b: BufferDecl = {
      id: this.buffers.length,
      name,
      type,
      space: 'scratch',
      access: 'readwrite',
      length,
    }
    this.buffers.push(b)
    return b
  }

  emit(stmt: Stmt): void {
    this.body.push(stmt)
  }

  reg(type: RegType, lanes = 0): Reg {
    return { id: this.nextReg++, type, lanes }
  }

  const(type: RegType, value: number | bigint): Reg {
    const dst = this.reg(type)
    this.emit({ op: 'const', dst, value: type === 'i64' ? BigInt(value) : value })
    return dst
  }

  /** A lanewise operation. Comparisons give `bool`; everything else the type of its last argument. */
  set(fn: Fn, ...args: Reg[]): Reg {
    const last = args[args.length - 1] as Reg
    const dst = this.reg(COMPARISONS.has(fn) ? 'bool' : last.type)
    this.emit({ op: 'set', dst, fn, args })
    return dst
  }

  convert(type: RegType, from: Reg): Reg {
    if (from.type === type) return from
    const dst = this.reg(type)
    this.emit({ op: 'convert', dst, from })
    return dst
  }

  bitcast(type: RegType, from: Reg): Reg {
    if (from.type === type) return from
    const dst = this.reg(type)
    this.emit({ op: 'bitcast', dst, from })
    return dst
  }

  index(type: RegType, value: Affine): Reg {
    const dst = this.reg(type)
    this.emit({ op: 'index', dst, value })
    return dst
  }

  /** floor(value / by) and value mod by as index variables; `value` must not be negative. */
  divmod(value: Affine, by: number, name = 'q'): { quotient: IndexVar; remainder: IndexVar } {
    const quotient = indexVar(name)
    const remainder = indexVar(`${name}r`)
    this.emit({ op: 'divide', variable: quotient, value, by })
    this.emit({ op: 'modulo', variable: remainder, value, by })
    return { quotient, remainder }
  }

  load(buffer: BufferDecl, at: Affine): Reg {
    const dst = this.reg(REGISTER_OF[buffer.type])
    this.emit({ op: 'load', dst, buffer, at })
    return dst
  }

  gather(buffer: BufferDecl, at: Affine, offset: Reg, scale: number): Reg {
    const dst = this.reg(REGISTER_OF[buffer.type])
    this.emit({ op: 'gather', dst, buffer, at, offset, scale })
    return dst
  }

  store(buffer: BufferDecl, at: Affine, from: Reg, when?: Reg): void {
    this.emit(
      when === undefined
        ? { op: 'store', buffer, at, from }
        : { op: 'store', buffer, at, from, when },
    )
  }

  /** An accumulator starting at `value`; `lanes` > 0 for one that a vector loop updates. */
  accumulator(type: RegType, value: number | bigint, lanes = 0): Reg {
    const dst = this.reg(type, lanes)
    this.emit({ op: 'const', dst, value: type === 'i64' ? BigInt(value) : value })
    return dst
  }

  /** Reassigns an accumulator: `target = fn(args)`. */
  update(target: Reg, fn: Fn, ...args: Reg[]): void {
    this.emit({ op: 'set', dst: target, fn, args })
  }

  move(target: Reg, from: Reg): void {
    this.emit({ op: 'move', dst: target, from })
  }

  combine(from: Reg, fn: 'add' | 'mul' | 'min' | 'max'): Reg {
    const dst = this.reg(from.type)
    this.emit({ op: 'combine', dst, from, fn })
    return dst
  }

  /** A serial loop over from, from + step, … below `to`. */
  loop(
    name: string,
    to: Bound | number,
    body: (i: Affine, variable: IndexVar) => void,
    options: { from?: Affine; step?: number; unroll?: boolean } = {},
  ): void {
    const variable = indexVar(name)
    const inner = this.block(() => body(ofVar(variable), variable))
    this.emit({
      op: 'for',
      variable,
      from: options.from ?? affine(0),
      to: typeof to === 'number' ? affine(to) : to,
      step: options.step ?? 1,
      ...(options.unroll ? { unroll: true } : {}),
      body: inner,
    })
  }

  vector(
    name: string,
    count: Bound | number,
    lanes: number,
    body: (i: Affine, variable: IndexVar) => void,
  ): void {
    const variable = indexVar(name)
    const inner = this.block(() => body(ofVar(variable), variable))
    this.emit({
      op: 'vector',
      variable,
      count: typeof count === 'number' ? affine(count) : count,
      lanes,
      body: inner,
    })
  }

  when(
    left: Affine,
    cmp: 'lt' | 'ge' | 'eq',
    right: Affine,
    then: () => void,
    otherwise?: () => void,
  ): void {
    const body = this.block(then)
    const other = otherwise && this.block(otherwise)
    this.emit({ op: 'when', left, cmp, right, body, ...(other ? { otherwise: other } : {}) })
  }

  status(cond: Reg, code: number): void {
    this.emit({ op: 'status', cond, code })
  }

  /** The statements `fill` makes, which go nowhere: for a loop the caller puts together. */
  block(fill: () => void): Stmt[] {
    const outer = this.body
    const inner: Stmt[] = []
    this.body = inner
    try {
      fill()
    } finally {
      this.body = outer
    }
    return inner
  }
}

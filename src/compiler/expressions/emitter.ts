// Emits the value of a node at given coordinates: loads where it is in memory, its expression elsewhere.

import type { DType } from '../../base/dtype.js'
import { stridesOf } from '../../base/shape.js'
import type { Node } from '../../ir/node.js'
import { shapeOf } from '../../ir/sizes.js'
import { coordsEqual, type IndexSpace } from '../coordinates/space.js'
import { isView, viewCoords } from '../coordinates/views.js'
import { isElementwise } from '../costs.js'
import { formatAffine, plus, times, ZERO } from '../kernel/affine.js'
import { type BufferRef, type KernelAssembly, REGISTER_TYPE } from '../kernel/assembly.js'
import type { Affine, Bound, BufferDecl, Fault, IndexVar, Reg } from '../kernel/ir.js'
import { isIndexCheck } from '../kinds.js'
import { constantBelow, constantNumber } from '../simplify/constants.js'
import { boolTo, constantOf, ELEMENTWISE, zero } from './elementwise.js'

/** What emitting needs to know of the plan around a kernel. */
export interface Surroundings {
  /**
   * Where a node that this kernel computes for its whole domain has its element, or null for others.
   * Fusion lets such a node be read at its own place only, so the answer holds wherever it is read.
   */
  placeOf?(node: Node): readonly Affine[] | null
  /** Where a node's value lies in memory (row-major), or null: then it is computed in place. */
  memoryOf(node: Node): BufferRef | null
  /** The code of a fault an operation may report. */
  fault(node: Node, kind: Fault['kind']): number
}

interface Known {
  readonly coords: readonly Affine[]
  readonly reg: Reg
}

/** What a block of statements has computed already; inner blocks see what outer ones have. */
class Scope {
  readonly values = new Map<Node, Known[]>()
  readonly digits = new Map<number, Affine>()
  constructor(readonly outer: Scope | null) {}
}

export class Emitter {
  private scope = new Scope(null)
  /** All loads so far. */
  readonly loads: { readonly buffer: BufferDecl; readonly at: Affine }[] = []

  constructor(
    readonly k: KernelAssembly,
    readonly space: IndexSpace,
    readonly around: Surroundings,
  ) {}

  // ---- blocks ----------------------------------------------------------------------------------

  private within(body: () => void): void {
    this.scope = new Scope(this.scope)
    try {
      body()
    } finally {
      this.scope = this.scope.outer as Scope
    }
  }

  /** Runs `body` with nothing remembered: for code that goes where earlier registers may not reach. */
  fresh<T>(body: () => T): T {
    const outer = this.scope
    this.scope = new Scope(null)
    try {
      return body()
    } finally {
      this.scope = outer
    }
  }

  loop(
    variable: IndexVar,
    from: Affine,
    to: Bound,
    body: () => void,
    options: { unroll?: boolean } = {},
  ): void {
    const inner = this.k.block(() => this.within(body))
    this.k.emit({ op: 'for', variable, from, to, step: 1, ...options, body: inner })
  }

  vector(variable: IndexVar, count: Bound, lanes: number, body: () => void): void {
    const inner = this.k.block(() => this.within(body))
    this.k.emit({ op: 'vector', variable, count, lanes, body: inner })
  }

  private when(left: Affine, cmp: 'lt' | 'ge' | 'eq', right: Affine, body: () => void): void {
    this.k.when(left, cmp, right, () => this.within(body))
  }

  // ---- memory of what is known -----------------------------------------------------------------

  /** Makes `reg` the value of `node` at `coords`, here and in inner blocks. */
  bind(node: Node, coords: readonly Affine[], reg: Reg): void {
    const list = this.scope.values.get(node)
    if (list === undefined) this.scope.values.set(node, [{ coords, reg }])
    else list.push({ coords, reg })
  }

  private known(node: Node, coords: readonly Affine[]): Reg | null {
    for (let s: Scope | null = this.scope; s !== null; s = s.outer) {
      const list = s.values.get(node)
      if (list === undefined) continue
      for (const v of list) if (coordsEqual(v.coords, coords)) return v.reg
    }
    return null
  }

  /** The sum with its digits computed, as statements can use it. */
  resolve(a: Affine): Affine {
    let result = a
    for (const t of a.terms) {
      if (this.space.digitOf(t.variable) === undefined) continue
      const value = this.digitValue(t.variable)
      const rest = {
        constant: result.constant,
        terms: result.terms.filter((u) => u.variable !== t.variable),
      }
      result = plus(rest, times(value, t.coefficient))
    }
    return result
  }

  private digitValue(v: IndexVar): Affine {
    for (let s: Scope | null = this.scope; s !== null; s = s.outer) {
      const found = s.digits.get(v.id)
      if (found !== undefined) return found
    }
    const digit = this.space.digitOf(v)
    if (digit === undefined) throw new Error(`${v.name} is not a digit`)
    let value = this.resolve(digit.value)
    if (digit.by !== 1) value = this.step('divide', value, digit.by)
    if (digit.mod !== 0) value = this.step('modulo', value, digit.mod)
    this.scope.digits.set(v.id, value)
    return value
  }

  private step(op: 'divide' | 'modulo', value: Affine, by: number): Affine {
    const limit = op === 'modulo' ? by : Math.floor(this.space.max(value) / by) + 1
    const variable = this.space.variable(op === 'divide' ? 'q' : 'd', limit)
    this.k.emit({ op, variable, value, by })
    return { constant: 0, terms: [{ variable, coefficient: 1 }] }
  }

  // ---- memory ----------------------------------------------------------------------------------

  /** Address of the element at `coords` of a row-major array. */
  address(shape: readonly number[], coords: readonly Affine[]): Affine {
    return this.resolve(this.space.linear(coords, stridesOf(shape)))
  }

  private load(node: Node, ref: BufferRef, coords: readonly Affine[]): Reg {
    const at = this.address(shapeOf(node), coords)
    const buffer = this.k.use(ref, 'read')
    this.loads.push({ buffer, at })
    return this.fromMemory(node.dtype, this.k.load(buffer, at))
  }

  private fromMemory(dtype: DType, loaded: Reg): Reg {
    return dtype === 'bool' ? this.k.set('ne', loaded, this.k.const('i32', 0)) : loaded
  }

  store(ref: BufferRef, dtype: DType, at: Affine, reg: Reg): void {
    const value = dtype === 'bool' ? boolTo(this.k, 'int32', reg) : reg
    this.k.store(this.k.use(ref, 'write'), at, value)
  }

  // ---- values ----------------------------------------------------------------------------------

  /** The value of `node` at `coords`. */
  read(node: Node, coords: readonly Affine[]): Reg {
    const constant = constantBelow(node)
    if (constant !== null) return this.constant(constant)
    // Views are followed here and not by recursion: chains of them may be long.
    let n = node
    let at = coords
    for (;;) {
      at = this.around.placeOf?.(n) ?? at
      const known = this.known(n, at)
      if (known !== null) return known
      if (!isView(n) || this.around.memoryOf(n) !== null) break
      at = viewCoords(this.space, n, at)
      n = n.inputs[0] as Node
    }
    const ref = this.around.memoryOf(n)
    const reg = ref === null ? this.compute(n, at) : this.load(n, ref, at)
    this.bind(n, at, reg)
    return reg
  }

  private constant(node: Node): Reg {
    const known = this.known(node, [])
    if (known !== null) return known
    const reg = constantOf(this.k, node.dtype, node.attrs.value as number)
    this.bind(node, [], reg)
    return reg
  }

  private compute(node: Node, coords: readonly Affine[]): Reg {
    const special = SPECIAL[node.op.name]
    if (special !== undefined) return special(this, node, coords)
    const { name } = node.op
    if (!isElementwise(name)) {
      const at = (c: readonly Affine[]) => `[${c.map(formatAffine).join(', ')}]`
      const others: string[] = []
      for (let s: Scope | null = this.scope; s !== null; s = s.outer) {
        for (const v of s.values.get(node) ?? []) others.push(at(v.coords))
      }
      const where = others.length > 0 ? ` (known at ${others.join(' and ')})` : ''
      throw new Error(`${this.k.name}: no ${name} at ${at(coords)}${where}`)
    }
    const { inputs } = node
    return ELEMENTWISE[name]({
      k: this.k,
      dtype: node.dtype,
      from: (inputs[0] as Node).dtype,
      args: inputs.map((x) => this.read(x, coords)),
      literal: (i) => constantNumber(inputs[i] as Node),
      fault: (cond) => this.k.status(cond, this.around.fault(node, 'divide')),
    })
  }

  /** `inside` where all `conditions` hold, `fill` elsewhere. */
  guarded(
    dtype: DType,
    fill: Reg,
    conditions: readonly { left: Affine; cmp: 'lt' | 'ge' | 'eq'; right: Affine }[],
    inside: () => Reg,
  ): Reg {
    if (conditions.length === 0) return inside()
    // Truth values travel as integers: a mask is not something to assign under a mask.
    const asBool = dtype === 'bool'
    const type = asBool ? 'i32' : REGISTER_TYPE[dtype]
    const target = this.k.accumulator(type, 0)
    this.k.move(target, asBool ? boolTo(this.k, 'int32', fill) : fill)
    const open = (i: number): void => {
      const c = conditions[i]
      if (c === undefined) {
        const value = inside()
        this.k.move(target, asBool ? boolTo(this.k, 'int32', value) : value)
      } else {
        this.when(this.resolve(c.left), c.cmp, this.resolve(c.right), () => open(i + 1))
      }
    }
    open(0)
    return asBool ? this.k.set('ne', target, this.k.const('i32', 0)) : target
  }

  /** Conditions for lo ≤ value < hi that ranges do not already prove. */
  between(value: Affine, lo: number, hi: number) {
    const out: { left: Affine; cmp: 'lt' | 'ge'; right: Affine }[] = []
    const at = (n: number): Affine => ({ constant: n, terms: [] })
    if (this.space.min(value) < lo) out.push({ left: value, cmp: 'ge', right: at(lo) })
    if (this.space.max(value) >= hi) out.push({ left: value, cmp: 'lt', right: at(hi) })
    return out
  }

  /** The element of an array in memory at `coords` plus `scale` times a data-dependent i32 offset. */
  indirect(node: Node, coords: readonly Affine[], offset: Reg, scale: number): Reg {
    // An array in another shape is the same memory, row by row.
    let home = node
    while (this.around.memoryOf(home) === null && home.op.name === 'reshape') {
      home = home.inputs[0] as Node
    }
    const ref = this.around.memoryOf(home)
    if (ref === null) throw new Error(`${node.op.name} is not in memory`)
    const at = this.address(shapeOf(node), coords)
    return this.fromMemory(node.dtype, this.k.gather(this.k.use(ref, 'read'), at, offset, scale))
  }
}

type Special = (e: Emitter, node: Node, coords: readonly Affine[]) => Reg

/** Primitives that are neither views nor lanewise: sources, and reads whose place is data. */
const SPECIAL: Readonly<Record<string, Special>> = {
  iota: (e, node, coords) => {
    const at = e.resolve(coords[node.attrs.axis as number] as Affine)
    if (node.dtype === 'bool') {
      return e.k.set('ne', e.k.index('i32', at), e.k.const('i32', 0))
    }
    const reg = e.k.index(REGISTER_TYPE[node.dtype], at)
    return node.dtype === 'uint8' ? e.k.set('and', reg, e.k.const('i32', 255)) : reg
  },

  pad: (e, node, coords) => {
    const [x, fill] = node.inputs as [Node, Node]
    const { low, interior } = node.attrs as { low: readonly number[]; interior: readonly number[] }
    const conditions: { left: Affine; cmp: 'lt' | 'ge' | 'eq'; right: Affine }[] = []
    const inner = coords.map((c, i) => {
      const size = shapeOf(x)[i] as number
      const step = (interior[i] as number) + 1
      const raw = plus(c, -(low[i] as number))
      conditions.push(...e.between(raw, 0, (size - 1) * step + 1))
      if (step === 1) return raw
      const within = e.space.digit(raw, 1, step)
      conditions.push({ left: within, cmp: 'eq', right: ZERO })
      return e.space.digit(raw, step, 0)
    })
    return e.guarded(node.dtype, e.read(fill, []), conditions, () => e.read(x, inner))
  },

  concat: (e, node, coords) => {
    const axis = node.attrs.axis as number
    let start = 0
    let result: Reg | null = null
    for (const part of node.inputs) {
      const size = shapeOf(part)[axis] as number
      const own = coords.map((c, i) => (i === axis ? plus(c, -start) : c))
      const conditions = e.between(own[axis] as Affine, 0, size)
      start += size
      if (size === 0) continue
      const otherwise: Reg = result ?? zero(e.k, node.dtype)
      result = e.guarded(node.dtype, otherwise, conditions, () => e.read(part, own))
    }
    return result ?? zero(e.k, node.dtype)
  },

  gather: (e, node, coords) => {
    const [x, indices] = node.inputs as [Node, Node]
    const axis = node.attrs.axis as number
    const rank = indices.shape.length
    const index = e.read(indices, coords.slice(axis, axis + rank))
    const size = shapeOf(x)[axis] as number
    const safe = checkedIndex(e, node, index, size)
    if (isIndexCheck(node)) {
      if (node.dtype === 'bool') return e.k.set('ne', safe, e.k.const('i32', 0))
      const value = e.k.convert(REGISTER_TYPE[node.dtype], safe)
      return node.dtype === 'uint8' ? e.k.set('and', value, e.k.const('i32', 255)) : value
    }
    const at = [...coords.slice(0, axis), ZERO, ...coords.slice(axis + rank)]
    return e.indirect(x, at, safe, stridesOf(shapeOf(x))[axis] as number)
  },

  dynamicSlice: (e, node, coords) => {
    const [x, ...starts] = node.inputs as [Node, ...Node[]]
    const offset = blockOffset(e, shapeOf(x), shapeOf(node), starts)
    // All axes move at once, so the array is seen as one flat axis of memory.
    return e.indirect(x, coords, offset, 1)
  },
}

/** An index that lies in [0, size): the one given, or 0 (and a fault) where it does not. */
export function checkedIndex(e: Emitter, node: Node, index: Reg, size: number): Reg {
  const none = e.k.const('i32', 0)
  const bad = e.k.set(
    'or',
    e.k.set('lt', index, none),
    e.k.set('le', e.k.const('i32', size), index),
  )
  e.k.status(bad, e.around.fault(node, 'index'))
  return e.k.set('select', bad, none, index)
}

/** Offset, in elements, of a block of `sizes` at scalar `starts`, clamped so that the block fits. */
export function blockOffset(
  e: Emitter,
  shape: readonly number[],
  sizes: readonly number[],
  starts: readonly Node[],
): Reg {
  const strides = stridesOf(shape)
  let offset = e.k.const('i32', 0)
  for (let i = 0; i < shape.length; i++) {
    const last = (shape[i] as number) - (sizes[i] as number)
    const start = e.read(starts[i] as Node, [])
    const clamped = e.k.set(
      'min',
      e.k.set('max', start, e.k.const('i32', 0)),
      e.k.const('i32', last),
    )
    offset = e.k.set('add', offset, e.k.set('mul', clamped, e.k.const('i32', strides[i] as number)))
  }
  return offset
}

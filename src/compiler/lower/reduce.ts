// Lowers a reduce group: reductions over the same axes, with elementwise work before, between and after.
//
// The group runs in passes over its reduced axes. A reduction that needs the result of another (the sum
// of a softmax needs its maximum) is one pass later; values of the whole domain are computed again in
// each pass that needs them, or kept in scratch memory if that is dear. Along a row (`lanes`) a vector
// holds 16 neighbours; otherwise (`serial`) it holds the same element of neighbouring results.

import { DTYPES, type DType, isFloat } from '../../base/dtype.js'
import { stridesOf } from '../../base/shape.js'
import type { Node } from '../../ir/node.js'
import { laneCost } from '../fuse/classify.js'
import { affine, ofVar, plus, times, ZERO } from '../kernel/affine.js'
import type { Affine, Bound, BufferDecl, Fn, Reg } from '../kernel/ir.js'
import { REDUCE_LANES, reductionOrder } from '../numerics.js'
import { KernelAssembly, type KernelCall, MEMORY_TYPE, REGISTER_TYPE } from './assembly.js'
import { Emitter } from './emitter.js'
import type { GroupLowering } from './lower.js'
import { vectorAxis } from './map.js'
import {
  type Axis,
  inPieces,
  isReduction,
  type Loop,
  MemberCoords,
  overChunks,
  planAxes,
} from './nest.js'
import { IndexSpace } from './space.js'

const CHUNK = 16384
/** A lane's work that is kept in scratch rather than done again in a later pass. */
const DEAR = 10
const MOST_SCRATCH = 1 << 18

interface Reduction {
  readonly fn: 'add' | 'mul' | 'max' | 'min'
  readonly identity: (dtype: DType) => number | bigint
}
const lowest = (d: DType): number | bigint =>
  isFloat(d) ? Number.NEGATIVE_INFINITY : d === 'int64' ? -(2n ** 63n) : DTYPES[d].min
const highest = (d: DType): number | bigint =>
  isFloat(d) ? Number.POSITIVE_INFINITY : d === 'int64' ? 2n ** 63n - 1n : DTYPES[d].max
const REDUCTIONS: Readonly<Record<string, Reduction>> = {
  reduceSum: { fn: 'add', identity: () => 0 },
  reduceProd: { fn: 'mul', identity: () => 1 },
  reduceMax: { fn: 'max', identity: lowest },
  reduceMin: { fn: 'min', identity: highest },
}
const reductionOf = (node: Node): Reduction =>
  REDUCTIONS[
    node.op.name === 'partialReduce' ? (node.attrs.fn as string) : node.op.name
  ] as Reduction

interface Pass {
  readonly reductions: Node[]
  readonly stores: Node[]
}

/** In which pass each value can be computed: one more than the reductions it needs. */
function schedulePasses(g: GroupLowering): { passes: Pass[]; stage: Map<Node, number> } {
  const { group } = g
  const stage = new Map<Node, number>()
  const seen = new Map<Node, number>()
  const below = (node: Node): number => {
    const known = stage.get(node) ?? seen.get(node)
    if (known !== undefined) return known
    let s = 0
    if (!g.traced.inMemory(node)) for (const x of node.inputs) s = Math.max(s, below(x))
    seen.set(node, s)
    return s
  }
  const passes: Pass[] = []
  const passAt = (i: number): Pass => {
    while (passes.length <= i) passes.push({ reductions: [], stores: [] })
    return passes[i] as Pass
  }
  for (const [m, level] of group.members) {
    let s = 0
    for (const x of m.inputs) s = Math.max(s, below(x))
    if (isReduction(m)) passAt(s++).reductions.push(m)
    stage.set(m, s)
    if (level === 'full' && group.stored.has(m)) passAt(s).stores.push(m)
  }
  return { passes, stage }
}

/** Dear values of the whole domain that a later pass than their own needs again. */
function scratchMembers(
  g: GroupLowering,
  passes: readonly Pass[],
  stage: Map<Node, number>,
): Node[] {
  const kept = new Set<Node>()
  passes.forEach((pass, p) => {
    for (const m of neededIn(g, pass, new Set())) {
      const dear = laneCost(m) >= DEAR && m.dtype !== 'bool'
      if (dear && (stage.get(m) as number) < p) kept.add(m)
    }
  })
  return [...kept]
}

/** Full-domain members a pass computes, not looking below those in `stopAt`. */
function neededIn(g: GroupLowering, pass: Pass, stopAt: ReadonlySet<Node>): Set<Node> {
  const needed = new Set<Node>()
  const stack = [...pass.stores, ...pass.reductions.map((r) => r.inputs[0] as Node)]
  const seen = new Set<Node>()
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    if (seen.has(n) || isReduction(n) || g.traced.inMemory(n)) continue
    seen.add(n)
    const level = g.group.members.get(n)
    if (level === 'kept') continue
    if (level === 'full') needed.add(n)
    if (!stopAt.has(n)) stack.push(...n.inputs)
  }
  return needed
}

export function lowerReduce(g: GroupLowering): KernelCall[] {
  const { group } = g
  const segments = group.domain.map((size, i) => ({ size, reduced: group.axes.includes(i) }))
  if (segments.some((s) => !s.reduced && s.size === 0)) return []
  const lanes = reductionOrder(segments).kind === 'lanes'
  const cut = group.block > 0 ? (group.axes[0] as number) : -1
  const last = segments.length - 1
  const domain = segments.map((s, i) => ({ ...s, fixed: i === cut || (lanes && i === last) }))
  const { axes } = planAxes(() => new IndexSpace(), g.traced, domain)
  return [new ReduceKernel(g, axes, lanes).build()]
}

class ReduceKernel {
  private readonly space = new IndexSpace()
  private readonly k: KernelAssembly
  private readonly e: Emitter
  /** For each axis, its index; loops over kept axes and over reduced ones. */
  private readonly index: Affine[] = []
  private readonly outer: Loop[] = []
  private readonly inner: { loop: Loop; to: Bound }[] = []
  private vector: { variable: Loop['variable']; count: Bound; lanes: number } | null = null
  /** The block's number where the first reduced axis is cut. */
  private blockIndex: Affine = ZERO
  private readonly scratch = new Map<Node, BufferDecl>()
  private readonly places: MemberCoords
  private reduced = 1
  private readonly passes: Pass[]
  private readonly stage: Map<Node, number>
  /** Where a full-domain value lies in scratch. */
  private scratchAt: Affine = ZERO

  constructor(
    private readonly g: GroupLowering,
    private readonly axes: readonly Axis[],
    private readonly lanes: boolean,
  ) {
    this.k = new KernelAssembly(g.name)
    this.places = new MemberCoords(this.space, axes, this.index)
    this.e = new Emitter(this.k, this.space, {
      ...g.around,
      placeOf: (n) => {
        const level = g.group.members.get(n)
        return level === undefined ? null : this.coordsOf(n, level)
      },
    })
    const plan = schedulePasses(g)
    this.passes = plan.passes
    this.stage = plan.stage
  }

  build(): KernelCall {
    const { g, k, e } = this
    const dear = scratchMembers(g, this.passes, this.stage)
    this.layOut(dear.length > 0)
    const vectorOutside = !this.lanes && this.vector !== null
    const work = this.reduced * (vectorOutside ? this.vectorWork : 1)
    overChunks(e, this.outer, work, CHUNK, () => {
      if (!vectorOutside || this.vector === null) return this.results(dear)
      e.vector(this.vector.variable, this.vector.count, this.vector.lanes, () => this.results(dear))
    })
    k.flops = g.costPerElement * g.group.elements * Math.max(1, this.passes.length)
    k.bytes = g.bytes
    return k.call()
  }

  private vectorWork = 1

  /** Decides the loops: kept axes outside, reduced ones inside, one of them as a vector. */
  private layOut(usesScratch: boolean): void {
    const { axes, space, g } = this
    const { block } = g.group
    const firstReduced = axes.findIndex((a) => a.reduced)
    const at = this.lanes ? axes.length - 1 : vectorAxis(axes, g.target.mapLanes, (a) => !a.reduced)
    for (const a of axes) if (a.reduced) this.reduced *= a.size
    if (block > 0) this.reduced = (this.reduced / (axes[firstReduced] as Axis).size) * block
    axes.forEach((axis, i) => {
      if (i === firstReduced && block > 0) this.index.push(this.cutAxis(axis, block, i === at))
      else if (i === at && !axis.reduced) this.index.push(this.vectorResults(axis, usesScratch))
      else {
        const variable = space.variable(axis.reduced ? `r${i}` : `x${i}`, axis.size)
        this.index.push(ofVar(variable))
        const loop = { variable, size: axis.size }
        if (i === at) this.vector = { variable, count: affine(axis.size), lanes: REDUCE_LANES }
        else if (axis.reduced) this.inner.push({ loop, to: affine(axis.size) })
        else this.outer.push(loop)
      }
    })
    this.layOutScratch()
  }

  /** The first reduced axis in blocks: the block is an axis of the results. */
  private cutAxis(axis: Axis, block: number, isVector: boolean): Affine {
    const { space } = this
    const blocks = Math.ceil(axis.size / block)
    const number = space.variable('block', blocks)
    const within = space.variable('r', block)
    this.blockIndex = ofVar(number)
    this.outer.unshift({ variable: number, size: blocks })
    const start = times(this.blockIndex, block)
    const left = plus(times(start, -1), axis.size)
    const count: Bound = axis.size % block === 0 ? affine(block) : { min: [affine(block), left] }
    if (isVector) this.vector = { variable: within, count, lanes: REDUCE_LANES }
    else this.inner.push({ loop: { variable: within, size: block }, to: count })
    return plus(start, ofVar(within))
  }

  /** Neighbouring results in a vector; a chunk takes about CHUNK elements of the domain. */
  private vectorResults(axis: Axis, usesScratch: boolean): Affine {
    const { mapLanes } = this.g.target
    const wanted = Math.ceil(CHUNK / Math.max(1, this.reduced) / mapLanes) * mapLanes
    const pieces = inPieces(this.space, axis.size, usesScratch ? mapLanes : wanted)
    if (pieces.outer !== null) this.outer.push(pieces.outer)
    this.vector = { variable: pieces.inner, count: pieces.count, lanes: mapLanes }
    this.vectorWork = Math.min(axis.size, usesScratch ? mapLanes : wanted)
    return pieces.index
  }

  private layOutScratch(): void {
    // Row-major over the reduced axes; a serial group keeps a vector's lanes side by side.
    const sizes = [...this.inner.map((l) => l.loop.size)]
    const indices = this.inner.map((l) => ofVar(l.loop.variable))
    if (this.vector !== null) {
      sizes.push(this.lanes ? this.reduced / sizes.reduce((p, n) => p * n, 1) : this.vector.lanes)
      indices.push(ofVar(this.vector.variable))
    }
    const strides = stridesOf(sizes)
    this.scratchAt = indices.reduce((sum, v, i) => plus(sum, times(v, strides[i] as number)), ZERO)
  }

  private readonly kept = new Map<Node, readonly Affine[]>()

  private coordsOf(node: Node, level: 'full' | 'kept'): readonly Affine[] {
    const { places, blockIndex } = this
    const shape = node.shape as readonly number[]
    if (level === 'full' || node.op.name !== 'partialReduce') return places.of(shape, level)
    // Partial results have the block as their first axis.
    let coords = this.kept.get(node)
    if (coords === undefined) {
      coords = [blockIndex, ...places.of(shape.slice(1), 'kept')]
      this.kept.set(node, coords)
    }
    return coords
  }

  /** One result, or a vector of them: all passes, then what is kept. */
  private results(dear: readonly Node[]): void {
    const { g, e } = this
    const { group } = g
    const available = new Set<Node>()
    this.passes.forEach((pass, p) => {
      this.keptMembers(p)
      this.runPass(pass, dear, available)
    })
    this.keptMembers(Number.POSITIVE_INFINITY)
    for (const [m, level] of group.members) {
      if (level !== 'kept' || !group.stored.has(m)) continue
      const coords = this.coordsOf(m, 'kept')
      e.store(g.refOf(m), m.dtype, e.address(m.shape as number[], coords), e.read(m, coords))
    }
  }

  /** Computes what is kept and needs no more than `passes` passes, before the loops that use it. */
  private keptMembers(passes: number): void {
    for (const [m, level] of this.g.group.members) {
      if (level !== 'kept' || isReduction(m)) continue
      if ((this.stage.get(m) as number) <= passes) this.e.read(m, this.coordsOf(m, 'kept'))
    }
  }

  private runPass(pass: Pass, dear: readonly Node[], available: Set<Node>): void {
    const { k, e } = this
    const accumulators = pass.reductions.map((r) => {
      const { identity } = reductionOf(r)
      const type = REGISTER_TYPE[r.dtype]
      return k.accumulator(type, identity(r.dtype), this.lanes ? REDUCE_LANES : 0)
    })
    const needed = neededIn(this.g, pass, available)
    const fromScratch = [...needed].filter((m) => available.has(m))
    const toScratch = dear.filter((m) => needed.has(m) && !available.has(m) && this.fitsScratch(m))
    const body = (): void => {
      for (const m of fromScratch) {
        e.bind(
          m,
          this.coordsOf(m, 'full'),
          k.load(this.scratch.get(m) as BufferDecl, this.scratchAt),
        )
      }
      pass.reductions.forEach((r, i) => {
        const x = r.inputs[0] as Node
        const value = e.read(x, this.coordsOf(x, 'full'))
        const acc = accumulators[i] as Reg
        k.update(acc, reductionOf(r).fn as Fn, acc, value)
      })
      for (const m of pass.stores) {
        const coords = this.coordsOf(m, 'full')
        e.store(this.g.refOf(m), m.dtype, e.address(m.shape as number[], coords), e.read(m, coords))
      }
      for (const m of toScratch) {
        k.store(this.scratchFor(m), this.scratchAt, e.read(m, this.coordsOf(m, 'full')))
      }
    }
    this.overReduced(0, body)
    for (const m of toScratch) available.add(m)
    pass.reductions.forEach((r, i) => {
      const acc = accumulators[i] as Reg
      const total = this.lanes ? k.combine(acc, reductionOf(r).fn) : acc
      const wrapped = r.dtype === 'uint8' ? k.set('and', total, k.const('i32', 255)) : total
      e.bind(r, this.coordsOf(r, 'kept'), wrapped)
    })
  }

  private overReduced(i: number, body: () => void): void {
    const { e } = this
    const next = this.inner[i]
    if (next !== undefined) {
      e.loop(next.loop.variable, ZERO, next.to, () => this.overReduced(i + 1, body))
    } else if (this.lanes && this.vector !== null) {
      e.vector(this.vector.variable, this.vector.count, this.vector.lanes, body)
    } else {
      // Also without a loop the body is a block of its own: what it computes is not known after it.
      body()
    }
  }

  private fitsScratch(m: Node): boolean {
    return this.scratchLength() * DTYPES[m.dtype].bytes <= MOST_SCRATCH
  }

  private scratchLength(): number {
    return this.reduced * (this.lanes || this.vector === null ? 1 : this.vector.lanes)
  }

  private scratchFor(m: Node): BufferDecl {
    let decl = this.scratch.get(m)
    if (decl === undefined) {
      decl = this.k.scratch(m.op.name, MEMORY_TYPE[m.dtype], this.scratchLength())
      this.scratch.set(m, decl)
    }
    return decl
  }
}

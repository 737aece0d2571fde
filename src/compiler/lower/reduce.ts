// Lowers a reduce group: reductions over the same axes, with elementwise work before, between and after.
//
// The group runs in passes over its reduced axes; values of the whole domain are computed again in each
// pass that needs them, or kept in scratch memory if that is dear. How the domain is walked:
//
// `along`    a vector holds 16 neighbours of a row, which is reduced as the vector moves on;
// `columns`  a vector holds the same element of neighbouring results, and stays until they are done;
// `streams`  the same, but many results wait in scratch memory while a few rows at a time go by, so that
//            memory is read in the order in which it lies.

import { DTYPES } from '../../base/dtype.js'
import { stridesOf } from '../../base/shape.js'
import type { Node } from '../../ir/node.js'
import { IndexSpace } from '../coordinates/space.js'
import { laneCost } from '../costs.js'
import { affine, coefficientOf, ofVar, plus, times, ZERO } from '../kernel/affine.js'
import type { Affine, Bound, BufferDecl, IndexVar, Reg } from '../kernel/ir.js'
import { REDUCE_LANES, ROW_GROUP, reductionOrder } from '../numerics.js'
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
import {
  dearMembers,
  isOrderless,
  neededIn,
  type Pass,
  reductionOf,
  type Schedule,
  schedulePasses,
} from './passes.js'

const CHUNK = 16384
/** Bytes of an element, about, where rows have to fit the cache. */
const ROW_BYTES = 4
const MOST_SCRATCH = 1 << 19
/** Elements of a result up to which they are written out. */
const WRITTEN_OUT = 9
/** Registers of an accumulator whose lanes may be combined in any order: enough to hide latencies. */
const CHAINS = 4

// Streams: fewest rows and columns worth it, and how many columns wait in scratch memory.
const FEWEST_ROWS = 2 * ROW_GROUP
const FEWEST_COLUMNS = 32
const NARROWEST_PIECE = 128
const WIDEST_PIECE = 4096
/** Elements of a chunk: few enough to share, many enough to read long runs. */
const STREAM_CHUNKS = 16
const LONGEST_STREAM = 1 << 19
/** Elements that several passes go over: they should not leave the second-level cache in between. */
const STAYING = 1 << 17
/** Rows read at once are fewer where an element takes much work: their code is written out. */
const COSTLY = 12

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

/** The axis along which rows stream by: where its elements start, and how many there are. */
interface Rows {
  readonly axis: number
  readonly start: Affine
  readonly count: Bound
  /** Most that `count` can be. */
  readonly size: number
}

class ReduceKernel {
  private readonly space = new IndexSpace()
  private readonly k: KernelAssembly
  private readonly e: Emitter
  private readonly walk: 'along' | 'columns' | 'streams'
  /** The axis vectors lie along, or -1. */
  private readonly at: number
  /** For each axis, its index; loops over kept axes and over reduced ones. */
  private readonly index: Affine[] = []
  private readonly outer: Loop[] = []
  private readonly inner: { axis: number; loop: Loop; to: Bound }[] = []
  private vector: { variable: IndexVar; count: Bound; lanes: number; most: number } | null = null
  private rows: Rows | null = null
  /** The block's number where the first reduced axis is cut. */
  private blockIndex: Affine = ZERO
  private readonly scratch = new Map<Node, BufferDecl>()
  /** For streams: where the results of each reduction wait. */
  private readonly sums = new Map<Node, BufferDecl>()
  private places: MemberCoords
  /** Coordinates of partial results, which have the block as their first axis. */
  private readonly partial = new Map<Node, readonly Affine[]>()
  /** Elements that make one result, in this kernel. */
  private reduced = 1
  private readonly schedule: Schedule
  private readonly dear: readonly Node[]

  constructor(
    private readonly g: GroupLowering,
    private readonly axes: readonly Axis[],
    along: boolean,
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
    this.schedule = schedulePasses(g)
    this.dear = dearMembers(g, this.schedule)
    const last = axes.length - 1
    this.at = along ? last : vectorAxis(axes, g.target.mapLanes, (a) => !a.reduced)
    for (const a of axes) if (a.reduced) this.reduced *= a.size
    const { block } = g.group
    if (block > 0) {
      this.reduced = (this.reduced / (axes.find((a) => a.reduced) as Axis).size) * block
    }
    const streams =
      this.at === last && this.reduced >= FEWEST_ROWS && (axes[last]?.size ?? 0) >= FEWEST_COLUMNS
    this.walk = along ? 'along' : streams ? 'streams' : 'columns'
  }

  build(): KernelCall {
    const { g, k, e, walk } = this
    this.layOut()
    const columns = walk === 'along' || this.vector === null ? 1 : this.vector.most
    overChunks(e, this.outer, this.reduced * columns, CHUNK, () => {
      if (walk === 'columns' && this.vector !== null) this.overVector(() => this.results())
      else this.results()
    })
    k.flops = g.costPerElement * g.group.elements * Math.max(1, this.schedule.passes.length)
    k.bytes = g.bytes
    return k.call()
  }

  // ---- loops -----------------------------------------------------------------------------------

  /** Decides the loops: kept axes outside, reduced ones inside, one of them as a vector. */
  private layOut(): void {
    const { axes, space, at } = this
    const { block } = this.g.group
    const firstReduced = axes.findIndex((a) => a.reduced)
    const lastReduced = this.walk === 'streams' ? axes.findLastIndex((a) => a.reduced) : -1
    axes.forEach((axis, i) => {
      if (i === at && !axis.reduced) {
        this.index.push(this.columnsOf(axis))
        return
      }
      const { start, count, size } =
        i === firstReduced && block > 0
          ? this.cutAxis(axis, block)
          : { start: ZERO, count: affine(axis.size), size: axis.size }
      if (i === lastReduced) {
        this.rows = { axis: i, start, count, size }
        this.index.push(start)
        return
      }
      const variable = space.variable(axis.reduced ? `r${i}` : `x${i}`, size)
      this.index.push(plus(start, ofVar(variable)))
      const loop = { variable, size }
      if (i === at) this.vector = { variable, count, lanes: REDUCE_LANES, most: size }
      else if (axis.reduced) this.inner.push({ axis: i, loop, to: count })
      else this.outer.push(loop)
    })
  }

  /** The first reduced axis in blocks: the block is an axis of the results. */
  private cutAxis(axis: Axis, block: number): { start: Affine; count: Bound; size: number } {
    const blocks = Math.ceil(axis.size / block)
    const number = this.space.variable('block', blocks)
    this.blockIndex = ofVar(number)
    this.outer.unshift({ variable: number, size: blocks })
    const start = times(this.blockIndex, block)
    const left = plus(times(start, -1), axis.size)
    const count: Bound = axis.size % block === 0 ? affine(block) : { min: [affine(block), left] }
    return { start, count, size: block }
  }

  /** Neighbouring results in a vector, as many to a chunk as suits the walk. */
  private columnsOf(axis: Axis): Affine {
    const { mapLanes } = this.g.target
    const wanted = this.walk === 'streams' ? this.streamWidth(axis) : this.columnCount()
    const piece = Math.ceil(wanted / mapLanes) * mapLanes
    const pieces = inPieces(this.space, axis.size, piece)
    if (pieces.outer !== null) this.outer.push(pieces.outer)
    const most = Math.min(axis.size, piece)
    this.vector = { variable: pieces.inner, count: pieces.count, lanes: mapLanes, most }
    return pieces.index
  }

  private columnCount(): number {
    return this.dear.length > 0 ? 1 : Math.ceil(CHUNK / Math.max(1, this.reduced))
  }

  private streamWidth(axis: Axis): number {
    const { passes } = this.schedule
    const share = Math.min(LONGEST_STREAM, this.g.group.elements / STREAM_CHUNKS)
    const elements = passes.length > 1 ? Math.min(share, STAYING) : share
    const waiting = passes.reduce((n, p) => n + p.reductions.length, 0)
    const most = Math.max(NARROWEST_PIECE, WIDEST_PIECE / Math.max(1, waiting))
    const wanted = Math.min(most, Math.max(NARROWEST_PIECE, elements / this.reduced))
    // Pieces of one size, rather than a rest that takes as long as they do.
    return Math.ceil(axis.size / Math.ceil(axis.size / wanted))
  }

  private overVector(body: () => void, lanes = this.vector?.lanes ?? 1): void {
    const { variable, count } = this.vector as NonNullable<typeof this.vector>
    this.e.vector(variable, count, lanes, body)
  }

  // ---- values ----------------------------------------------------------------------------------

  private coordsOf(node: Node, level: 'full' | 'kept'): readonly Affine[] {
    const { places, blockIndex } = this
    const shape = node.shape as readonly number[]
    if (level === 'full' || node.op.name !== 'partialReduce') return places.of(shape, level)
    let coords = this.partial.get(node)
    if (coords === undefined) {
      coords = [blockIndex, ...places.of(shape.slice(1), 'kept')]
      this.partial.set(node, coords)
    }
    return coords
  }

  /** Runs `body` with another index along an axis. */
  private placed(axis: number, index: Affine, body: () => void): void {
    const { places } = this
    const before = this.index[axis] as Affine
    this.index[axis] = index
    this.places = new MemberCoords(this.space, this.axes, this.index.slice())
    body()
    this.places = places
    this.index[axis] = before
  }

  private storeMember(m: Node, level: 'full' | 'kept'): void {
    const { e, g } = this
    const coords = this.coordsOf(m, level)
    e.store(g.refOf(m), m.dtype, e.address(m.shape as number[], coords), e.read(m, coords))
  }

  /** Computes what is kept of the results, and stores what is wanted of it. */
  private keep(): void {
    const { e, g } = this
    for (const [m, level] of g.group.members) {
      if (level === 'kept' && !isReduction(m)) e.read(m, this.coordsOf(m, 'kept'))
    }
    for (const [m, level] of g.group.members) {
      if (level === 'kept' && g.group.stored.has(m)) this.storeMember(m, 'kept')
    }
  }

  /** One result, or a vector or a scratch memory full of them: all passes, then what is kept. */
  private results(): void {
    const available = new Set<Node>()
    const { passes } = this.schedule
    if (this.walk !== 'streams') {
      for (const [p, pass] of passes.entries()) this.runPass(pass, p, available)
      this.keep()
      return
    }
    for (const [p, pass] of passes.entries()) this.streamPass(pass, passes.slice(0, p), available)
    this.overVector(() => {
      this.bindSums(passes)
      this.keep()
    })
  }

  /** What a pass does with one element (or one a lane): reduces it, stores it, keeps it for later. */
  private element(pass: Pass, accumulators: readonly Reg[], available: ReadonlySet<Node>): void {
    const { k, e } = this
    for (const m of neededIn(this.g, pass, available).full) {
      if (!available.has(m)) continue
      const kept = k.load(this.scratch.get(m) as BufferDecl, this.scratchAt())
      e.bind(m, this.coordsOf(m, 'full'), kept)
    }
    pass.reductions.forEach((r, i) => {
      const x = r.inputs[0] as Node
      const acc = accumulators[i] as Reg
      k.update(acc, reductionOf(r).fn, acc, e.read(x, this.coordsOf(x, 'full')))
    })
    for (const m of pass.stores) this.storeMember(m, 'full')
    for (const m of this.toScratch(pass, available)) {
      k.store(this.scratchFor(m), this.scratchAt(), e.read(m, this.coordsOf(m, 'full')))
    }
  }

  private bindResult(r: Node, total: Reg): void {
    const { k, e } = this
    const wrapped = r.dtype === 'uint8' ? k.set('and', total, k.const('i32', 255)) : total
    e.bind(r, this.coordsOf(r, 'kept'), wrapped)
  }

  // ---- along rows and columns ------------------------------------------------------------------

  private runPass(pass: Pass, number: number, available: Set<Node>): void {
    const { k, g } = this
    const soon = number === 1 ? this.nextRow() : []
    const orderless = pass.reductions.every(isOrderless)
    const most = Math.max(REDUCE_LANES, CHAINS * g.target.nativeLanes)
    const lanes = this.walk !== 'along' ? 0 : orderless ? most : REDUCE_LANES
    const accumulators = pass.reductions.map((r) =>
      k.accumulator(REGISTER_TYPE[r.dtype], reductionOf(r).identity(r.dtype), lanes),
    )
    this.overReduced(0, lanes, () => {
      for (const { buffer, at } of soon) k.emit({ op: 'prefetch', buffer, at })
      this.element(pass, accumulators, available)
    })
    for (const m of this.toScratch(pass, available)) available.add(m)
    pass.reductions.forEach((r, i) => {
      const acc = accumulators[i] as Reg
      this.bindResult(r, lanes > 0 ? k.combine(acc, reductionOf(r).fn) : acc)
    })
  }

  /**
   * Where the first pass will read the row after this one. The second pass asks for it: it finds its own row
   * in the cache, and would leave memory idle.
   */
  private nextRow(): { buffer: BufferDecl; at: Affine }[] {
    const { outer, vector, e, g } = this
    const next = outer[outer.length - 1]?.variable
    const worthIt = g.target.prefetches && this.reduced * ROW_BYTES <= g.target.cache.l2 / 4
    if (this.walk !== 'along' || next === undefined || vector === null || !worthIt) return []
    const known = [vector.variable, ...outer.map((l) => l.variable)]
    return e.loads.flatMap(({ buffer, at }) => {
      const step = coefficientOf(at, next)
      const plain = at.terms.every((t) => known.includes(t.variable))
      if (!plain || step === 0 || coefficientOf(at, vector.variable) !== 1) return []
      return [{ buffer, at: plus(at, step) }]
    })
  }

  /** Few elements a result, such as a pool's window: written out, and remembered from pass to pass. */
  private get writtenOut(): boolean {
    const { g, walk, dear, reduced } = this
    return walk === 'columns' && dear.length === 0 && reduced <= WRITTEN_OUT && g.group.block === 0
  }

  private overReduced(i: number, lanes: number, body: () => void): void {
    const next = this.inner[i]
    if (next !== undefined && this.writtenOut) {
      for (let at = 0; at < next.loop.size; at++) {
        this.placed(next.axis, affine(at), () => this.overReduced(i + 1, lanes, body))
      }
    } else if (next !== undefined) {
      const { loop, to } = next
      this.e.loop(loop.variable, ZERO, to, () => this.overReduced(i + 1, lanes, body))
    } else if (lanes > 0) {
      this.overVector(body, lanes)
    } else {
      // Also without a loop the body is a block of its own: what it computes is not known after it.
      body()
    }
  }

  // ---- streams ---------------------------------------------------------------------------------

  private sumOf(r: Node): BufferDecl {
    let decl = this.sums.get(r)
    if (decl === undefined) {
      decl = this.k.scratch(r.op.name, MEMORY_TYPE[r.dtype], this.vector?.most ?? 1)
      this.sums.set(r, decl)
    }
    return decl
  }

  private get column(): Affine {
    return ofVar((this.vector as NonNullable<typeof this.vector>).variable)
  }

  private bindSums(passes: readonly Pass[]): void {
    for (const r of passes.flatMap((p) => p.reductions)) {
      this.bindResult(r, this.k.load(this.sumOf(r), this.column))
    }
  }

  private streamPass(pass: Pass, before: readonly Pass[], available: Set<Node>): void {
    const { k, e, g } = this
    if (pass.reductions.length > 0) {
      this.overVector(() => {
        for (const r of pass.reductions) {
          const empty = k.const(REGISTER_TYPE[r.dtype], reductionOf(r).identity(r.dtype))
          k.store(this.sumOf(r), this.column, empty)
        }
      })
    }
    const { full, kept } = neededIn(g, pass, available)
    const rows = [...full].some((m) => laneCost(m) >= COSTLY) ? ROW_GROUP / 4 : ROW_GROUP
    const overInner = (i: number): void => {
      const next = this.inner[i]
      if (next === undefined) this.overRows(rows, group)
      else e.loop(next.loop.variable, ZERO, next.to, () => overInner(i + 1))
    }
    /** Takes `count` rows from `first` on, for all columns. */
    const group = (first: Affine, count: number): void =>
      this.overVector(() => {
        this.bindSums(before)
        for (const m of kept) if (!isReduction(m)) e.read(m, this.coordsOf(m, 'kept'))
        const accumulators = pass.reductions.map((r) => {
          const { identity } = reductionOf(r)
          const acc = k.accumulator(REGISTER_TYPE[r.dtype], identity(r.dtype))
          k.move(acc, k.load(this.sumOf(r), this.column))
          return acc
        })
        const { axis } = this.rows as Rows
        const row = this.space.variable('u', count)
        const body = (): void =>
          this.placed(axis, plus(first, ofVar(row)), () =>
            this.element(pass, accumulators, available),
          )
        e.loop(row, ZERO, affine(count), body, { unroll: true })
        pass.reductions.forEach((r, i) => {
          k.store(this.sumOf(r), this.column, accumulators[i] as Reg)
        })
      })
    overInner(0)
    for (const m of this.toScratch(pass, available)) available.add(m)
  }

  /** Goes over the rows, `per` of them at a time and then the rest. */
  private overRows(per: number, group: (first: Affine, count: number) => void): void {
    const { e, k, space } = this
    const { start, count, size } = this.rows as Rows
    const groups = Math.floor(size / per)
    const number = space.variable('rows', groups)
    const first = plus(start, times(ofVar(number), per))
    if (!('min' in count)) {
      if (groups > 0) e.loop(number, ZERO, affine(groups), () => group(first, per))
      if (size % per > 0) group(plus(start, groups * per), size % per)
      return
    }
    // Whole blocks are whole groups; only the last block may have a rest, one row at a time.
    const left = count.min[1]
    const whole = space.variable('groups', Math.floor(space.max(left) / per) + 1)
    k.emit({ op: 'divide', variable: whole, value: left, by: per })
    const to: Bound = { min: [affine(groups), ofVar(whole)] }
    e.loop(number, ZERO, to, () => group(first, per))
    const row = space.variable('r', size)
    e.loop(row, times(ofVar(whole), per), count, () => group(plus(start, ofVar(row)), 1))
  }

  // ---- scratch memory --------------------------------------------------------------------------

  /** Dear members a pass computes that are kept for later ones. */
  private toScratch(pass: Pass, available: ReadonlySet<Node>): Node[] {
    const needed = neededIn(this.g, pass, available).full
    const fits = (m: Node): boolean => this.scratchLength() * DTYPES[m.dtype].bytes <= MOST_SCRATCH
    return this.dear.filter((m) => needed.has(m) && !available.has(m) && fits(m))
  }

  private scratchLength(): number {
    if (this.walk === 'along' || this.vector === null) return this.reduced
    const { most, lanes } = this.vector
    return this.reduced * (this.walk === 'streams' ? most : lanes)
  }

  /** Where a full-domain value lies in scratch: row-major over the reduced axes, then the vector's. */
  private scratchAt(): Affine {
    const sizes = this.inner.map((l) => l.loop.size)
    const indices = this.inner.map((l) => ofVar(l.loop.variable))
    if (this.rows !== null) {
      sizes.push(this.rows.size)
      indices.push(plus(this.index[this.rows.axis] as Affine, times(this.rows.start, -1)))
    }
    if (this.vector !== null) {
      const along = this.reduced / sizes.reduce((p, n) => p * n, 1)
      const { most, lanes, variable } = this.vector
      sizes.push(this.walk === 'along' ? along : this.walk === 'streams' ? most : lanes)
      indices.push(ofVar(variable))
    }
    const strides = stridesOf(sizes)
    return indices.reduce((sum, v, i) => plus(sum, times(v, strides[i] as number)), ZERO)
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

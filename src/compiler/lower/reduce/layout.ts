// The loops of a reduce group. How the domain is walked:
//
// `along`    a vector holds 16 neighbours of a row, which is reduced as the vector moves on;
// `columns`  a vector holds the same element of neighbouring results, and stays until they are done;
// `streams`  the same, but many results wait in scratch memory while a few rows at a time go by, so that
//            memory is read in the order in which it lies.

import type { IndexSpace } from '../../coordinates/space.js'
import { affine, ofVar, plus, times, ZERO } from '../../kernel/affine.js'
import type { Affine, Bound, IndexVar } from '../../kernel/ir.js'
import { REDUCE_LANES, ROW_GROUP } from '../../numerics.js'
import type { GroupLowering } from '../lower.js'
import { vectorAxis } from '../map.js'
import { type Axis, inPieces, type Loop } from '../nest.js'
import type { Schedule } from './passes.js'

/** Elements of a chunk. */
export const CHUNK = 16384

// Streams: fewest rows and columns worth it, and how many columns wait in scratch memory.
const FEWEST_ROWS = 2 * ROW_GROUP
const FEWEST_COLUMNS = 32
const NARROWEST_PIECE = 128
const WIDEST_PIECE = 4096
/** Chunks of a stream: few enough to read long runs, many enough to share. */
const STREAM_CHUNKS = 16
const LONGEST_STREAM = 1 << 19
/** Elements that several passes go over: they should not leave the second-level cache in between. */
const STAYING = 1 << 17

/** The loop whose neighbouring rounds share a vector. */
interface VectorLoop {
  readonly variable: IndexVar
  readonly count: Bound
  readonly lanes: number
  /** Most that `count` can be. */
  readonly most: number
}

/** The axis along which rows stream by: where its elements start, and how many there are. */
export interface Rows {
  readonly axis: number
  readonly start: Affine
  readonly count: Bound
  /** Most that `count` can be. */
  readonly size: number
}

/** A loop over a reduced axis. */
export interface ReducedLoop {
  readonly axis: number
  readonly loop: Loop
  readonly to: Bound
}

/** Kept axes outside, reduced ones inside, one of them as a vector. */
export interface Layout {
  readonly walk: 'along' | 'columns' | 'streams'
  readonly axes: readonly Axis[]
  /** For each axis, the index at which the loops stand. */
  readonly index: readonly Affine[]
  readonly outer: readonly Loop[]
  readonly inner: readonly ReducedLoop[]
  readonly vector: VectorLoop | null
  /** For streams. */
  readonly rows: Rows | null
  /** The block's number where the first reduced axis is cut: the block is an axis of the results. */
  readonly block: Affine
  /** Elements that make one result, in this kernel. */
  readonly reduced: number
}

/** What decides between walks. */
interface Work {
  readonly g: GroupLowering
  readonly axes: readonly Axis[]
  readonly schedule: Schedule
  /** Whether the numerics of the group want its rows cut into lanes. */
  readonly along: boolean
}

export function layOut(space: IndexSpace, work: Work): Layout {
  const { g, axes, along } = work
  const { block } = g.group
  const reduced = elementsOfResult(axes, block)
  const last = axes.length - 1
  const at = along ? last : vectorAxis(axes, g.target.mapLanes, (a) => !a.reduced)
  const manyColumns = at === last && (axes[last]?.size ?? 0) >= FEWEST_COLUMNS
  const walk = along ? 'along' : manyColumns && reduced >= FEWEST_ROWS ? 'streams' : 'columns'

  const index: Affine[] = []
  const outer: Loop[] = []
  const inner: ReducedLoop[] = []
  let vector: VectorLoop | null = null
  let rows: Rows | null = null
  let blockIndex = ZERO
  const firstReduced = axes.findIndex((a) => a.reduced)
  const lastReduced = axes.findLastIndex((a) => a.reduced)
  for (const [i, axis] of axes.entries()) {
    if (i === at && !axis.reduced) {
      const { mapLanes: lanes } = g.target
      const wanted =
        walk === 'streams' ? streamWidth(axis, reduced, work) : fewColumns(reduced, work)
      const piece = Math.ceil(wanted / lanes) * lanes
      const pieces = inPieces(space, axis.size, piece)
      if (pieces.outer !== null) outer.push(pieces.outer)
      const { inner: variable, count } = pieces
      vector = { variable, count, lanes, most: Math.min(axis.size, piece) }
      index.push(pieces.index)
      continue
    }
    let part: Part = { start: ZERO, count: affine(axis.size), size: axis.size }
    if (i === firstReduced && block > 0) {
      const blocks = Math.ceil(axis.size / block)
      const number = space.variable('block', blocks)
      blockIndex = ofVar(number)
      outer.unshift({ variable: number, size: blocks })
      part = blockOf(axis, block, blockIndex)
    }
    const { start, count, size } = part
    if (i === lastReduced && walk === 'streams') {
      rows = { axis: i, ...part }
      index.push(start)
      continue
    }
    const variable = space.variable(axis.reduced ? `r${i}` : `x${i}`, size)
    index.push(plus(start, ofVar(variable)))
    const loop = { variable, size }
    if (i === at) vector = { variable, count, lanes: REDUCE_LANES, most: size }
    else if (axis.reduced) inner.push({ axis: i, loop, to: count })
    else outer.push(loop)
  }
  return { walk, axes, index, outer, inner, vector, rows, block: blockIndex, reduced }
}

function elementsOfResult(axes: readonly Axis[], block: number): number {
  const sizes = axes.filter((a) => a.reduced).map((a) => a.size)
  if (block > 0) sizes[0] = block
  return sizes.reduce((p, n) => p * n, 1)
}

/** Some elements of an axis. */
interface Part {
  readonly start: Affine
  readonly count: Bound
  /** Most that `count` can be. */
  readonly size: number
}

/** One of the blocks an axis is cut into; the last may be shorter. */
function blockOf(axis: Axis, block: number, number: Affine): Part {
  const start = times(number, block)
  const left = plus(times(start, -1), axis.size)
  const count: Bound = axis.size % block === 0 ? affine(block) : { min: [affine(block), left] }
  return { start, count, size: block }
}

/** Neighbouring results that a vector loop goes over, one vector after the other. */
const fewColumns = (reduced: number, { schedule }: Work): number =>
  schedule.dear.length > 0 ? 1 : Math.ceil(CHUNK / Math.max(1, reduced))

/** Neighbouring results that wait in scratch memory. */
function streamWidth(axis: Axis, reduced: number, { g, schedule: { passes } }: Work): number {
  const share = Math.min(LONGEST_STREAM, g.group.elements / STREAM_CHUNKS)
  const elements = passes.length > 1 ? Math.min(share, STAYING) : share
  const waiting = passes.reduce((n, p) => n + p.reductions.length, 0)
  const most = Math.max(NARROWEST_PIECE, WIDEST_PIECE / Math.max(1, waiting))
  const wanted = Math.min(most, Math.max(NARROWEST_PIECE, elements / reduced))
  // Pieces of one size, rather than a rest that takes as long as they do.
  return Math.ceil(axis.size / Math.ceil(axis.size / wanted))
}

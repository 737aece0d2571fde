// The order of floating-point additions: fixed here, by shapes alone, for every backend.
//
// A reduction's result depends on the order of its additions, so the order is part of the operation. It
// never depends on threads, fusion, layout or target: a schedule may only choose among loops that give
// the same bits. Sign and payload of a NaN are no part of them: which operand's an operation passes on is
// up to the processor, and WebAssembly leaves it open.
//
// This file is about reductions; contract/numerics.ts does for dot and conv.

/**
 * Dot products and convolutions run through the contracted index in blocks of about this many terms:
 * within a block, one chain of fma from zero in index order; block sums are added in block order.
 */
export const K_BLOCK = 512

/** Virtual lanes of a reduction along a row: element i of the row goes to lane i mod 16. */
export const REDUCE_LANES = 16

/** Rows shorter than this are reduced serially, and several outputs share a vector. */
const SHORTEST_ROW = 32

/** A run of neighbouring axes that are all kept or all reduced. */
export interface Segment {
  readonly size: number
  readonly reduced: boolean
}

/** The shape a reduction sees: axes of size 1 dropped, neighbours of one kind merged. */
export function segmentsOf(shape: readonly number[], axes: readonly number[]): Segment[] {
  const out: { size: number; reduced: boolean }[] = []
  for (let i = 0; i < shape.length; i++) {
    const size = shape[i] as number
    if (size === 1) continue
    const reduced = axes.includes(i)
    const last = out[out.length - 1]
    if (last !== undefined && last.reduced === reduced) last.size *= size
    else out.push({ size, reduced })
  }
  return out
}

export interface ReductionOrder {
  /**
   * `lanes`: the trailing segment is reduced, its elements go round 16 lanes (outer reduced segments
   * serially around it), and the lanes are combined in halves at the end.
   * `serial`: each output adds its elements one after the other in row-major order.
   */
  readonly kind: 'lanes' | 'serial'
  /**
   * Above 0: the first reduced segment is cut into blocks of this many; each block is reduced by itself,
   * and the partial results, laid out [blocks, …kept], are reduced over their first axis.
   */
  readonly block: number
}

/** Elements of one block of a long reduction. */
const BLOCK_ELEMENTS = 16384
/** A row longer than this is cut when there are few rows to share among threads. */
const LONG_ROW = 2 * BLOCK_ELEMENTS
const FEW_OUTPUTS = 32
const LONGEST_ROW = 1 << 20
/** Columns: cut when longer than this, or when long and too narrow to share by columns. */
const LONG_COLUMN = 512
const LONGEST_COLUMN = 4096
const NARROW = 1 << 16
/** Rows of one block of columns: whole groups of rows, and enough to make partial results rare. */
const SHORTEST_BLOCK = 128
const LONGEST_BLOCK = 1024
/** Rows that are added to all columns at once, where rows stream by. */
export const ROW_GROUP = 8

/** How a reduction over these segments adds. Integers and max/min give the same in any order. */
export function reductionOrder(segments: readonly Segment[]): ReductionOrder {
  let reduced = 1
  let kept = 1
  let first = 0
  for (const s of segments) {
    if (!s.reduced) kept *= s.size
    else {
      reduced *= s.size
      if (first === 0) first = s.size
    }
  }
  const last = segments[segments.length - 1]
  const row = last?.reduced && last.size >= SHORTEST_ROW
  const long = row
    ? reduced > LONGEST_ROW || (reduced > LONG_ROW && kept < FEW_OUTPUTS)
    : reduced > LONGEST_COLUMN || (reduced >= LONG_COLUMN && kept < NARROW)
  const kind = row ? 'lanes' : 'serial'
  if (!long) return { kind, block: 0 }
  // Cutting the row itself keeps whole vectors together; cutting an outer axis may cut anywhere.
  const cutsRow = row && reduced === first
  const wanted = BLOCK_ELEMENTS / ((reduced / first) * (row ? 1 : kept))
  const grain = cutsRow ? REDUCE_LANES : row ? 1 : ROW_GROUP
  const whole = Math.round(wanted / grain) * grain
  const block = cutsRow ? whole : Math.max(row ? 1 : SHORTEST_BLOCK, Math.min(LONGEST_BLOCK, whole))
  return { kind, block: block * 2 <= first ? block : 0 }
}

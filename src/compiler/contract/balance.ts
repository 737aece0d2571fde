// How large the chunks of a product are: as large as they may be, but so that processors that share them
// are done at about the same time.

import type { Target } from '../kernel/ir.js'
import { type Packing, roundUp, type Tile, tiledCost } from './choose.js'
import type { Extent } from './cutting.js'

/** A chunk's share of the result. */
export interface Chunk {
  readonly rows: number
  readonly columns: number
}

/** Cycles that a chunk takes before its first multiply-add and after its last. */
const CHUNK_CYCLES = 2000
/**
 * Rows whose multiply-adds with an element take as long as packing it does. (A first tile's do not take so much
 * longer; but it is all that a chunk of few rows has.)
 */
const PACKING_ROWS: Record<Packing, number> = { none: 0, first: 30, apart: 20 }
/** Columns whose multiply-adds with an element of the rows' operand take as long as fetching it does. */
const READING_COLUMNS = 3
/** How much of a chunk is waited for in the end: threads are not equally fast. */
const WAITED_FOR = 0.5
/** How much of the time a choice may take that makes more chunks than one found before it. */
const CLEARLY = 0.99
/** Processors, where their number is not known. */
const MANY = 32

/**
 * The chunks with which all processors are done soonest.
 *
 * @param packing how each chunk packs its columns
 * @param wanted chunks that are many enough
 */
export function balance(
  e: Extent,
  tile: Tile,
  target: Target,
  packing: Packing,
  wanted: number,
  most: Chunk,
): Chunk {
  const copies = e.batch * e.parts
  const native = e.bytes === 8 ? target.nativeLanes / 2 : target.nativeLanes
  const cycles = ({ rows, columns }: Chunk): number => {
    const step = tiledCost(rows, columns, evened(tile, rows), native, target)
    const copying = PACKING_ROWS[packing] / rows + READING_COLUMNS / columns
    return CHUNK_CYCLES + (e.depth / e.parts) * step * (1 + copying)
  }
  const count = ({ rows, columns }: Chunk): number =>
    copies * Math.ceil(e.rows / rows) * Math.ceil(e.columns / columns)
  const limit = Math.max(2 * wanted, count(most))
  const rowSizes = sizesOfRows(e.rows, tile, most.rows, wanted)
  // What is not packed apart is cut along its columns only where it has too few rows.
  const rowsAlone = packing !== 'apart' && 2 * count({ ...most, rows: rowSizes.at(-1)! }) > wanted
  const columnSizes = rowsAlone ? [most.columns] : sizesOfColumns(tile.lanes, most.columns)

  let best = most
  let least = Number.POSITIVE_INFINITY
  for (const rows of rowSizes) {
    for (const columns of columnSizes) {
      const chunk = { rows, columns }
      if (count(chunk) > limit) continue
      const time = finish(e, chunk, cycles, target.processors ?? MANY)
      if (time < CLEARLY * least) [best, least] = [chunk, time]
    }
  }
  return best
}

/** The tile, with rows so few that the tiles of a chunk are as equal as can be. */
export const evened = (tile: Tile, rows: number): Tile => ({
  ...tile,
  rows: Math.ceil(rows / Math.ceil(rows / tile.rows)),
})

/** Rows to choose from, most first: equal shares where all divide, else multiples of evened tiles. */
function sizesOfRows(total: number, tile: Tile, most: number, wanted: number): number[] {
  const sizes = [most]
  for (let n = Math.ceil(total / most) + 1; n <= wanted; n++) {
    const each = Math.ceil(total / n)
    const size = total % n === 0 ? each : roundUp(each, evened(tile, each).rows)
    if (size <= tile.rows) break
    if (size < sizes.at(-1)!) sizes.push(size)
  }
  return sizes
}

/** Columns to choose from, most first. */
function sizesOfColumns(unit: number, most: number): number[] {
  const sizes = [most]
  for (let size = most - unit; size >= 2 * unit; size -= unit) sizes.push(size)
  return sizes
}

/** Cycles until the last processor is done, if each takes the next chunk as soon as it can. */
function finish(
  e: Extent,
  chunk: Chunk,
  cycles: (chunk: Chunk) => number,
  processors: number,
): number {
  const along = (total: number, size: number): number[] =>
    Array.from({ length: Math.ceil(total / size) }, (_, i) => Math.min(size, total - i * size))
  const rows = along(e.rows, chunk.rows)
  const times = along(e.columns, chunk.columns).flatMap((columns) =>
    rows.map((r) => cycles({ rows: r, columns })),
  )
  const busy = new Array<number>(processors).fill(0)
  for (let copy = 0; copy < e.batch * e.parts; copy++) {
    for (const time of times) busy[busy.indexOf(Math.min(...busy))]! += time
  }
  return Math.max(...busy) + WAITED_FOR * times[0]!
}

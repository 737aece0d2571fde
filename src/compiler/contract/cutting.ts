// How a product is cut into chunks: independent pieces of the result that fit the caches and that are
// many enough for threads to share, decided by shapes and caches and never by how many threads there are.

import type { Target } from '../kernel/ir.js'
import { roundUp, type Tile } from './choose.js'

export interface Cutting {
  readonly tile: Tile
  readonly rows: number
  readonly columns: number
  /** Rows and columns of a chunk (multiples of the tile), and how many chunks there are of each. */
  readonly chunkRows: number
  readonly chunkColumns: number
  readonly rowChunks: number
  readonly columnChunks: number
  /** Batch indices a chunk runs over, and how many chunks that makes. */
  readonly chunkBatch: number
  readonly batchChunks: number
}

/** Multiply-adds worth handing to another thread, and most chunks to hand out. */
const CHUNK_WORK = 1 << 18
const MOST_CHUNKS = 32

export interface Extent {
  readonly batch: number
  readonly rows: number
  readonly columns: number
  /** Elements of a block of K, and of all of K. */
  readonly block: number
  readonly depth: number
  readonly parts: number
  readonly bytes: number
}

export function cut(e: Extent, tile: Tile, target: Target): Cutting {
  const perK = e.block * e.bytes
  // The rows' operand of a chunk takes half of the second-level cache, packed panels a quarter.
  const atMost = (total: number, unit: number, cache: number): number =>
    Math.min(roundUp(total, unit), Math.max(4, Math.floor(cache / perK / unit)) * unit)
  let chunkRows = atMost(e.rows, tile.rows, target.cache.l2 / 2)
  let chunkColumns = atMost(e.columns, tile.lanes, target.cache.l2 / 4)
  const work = e.batch * e.rows * e.columns * e.depth
  const wanted = Math.max(1, Math.min(MOST_CHUNKS, Math.floor(work / CHUNK_WORK)))
  const missing = (): number =>
    wanted /
    (e.batch * e.parts * Math.ceil(e.rows / chunkRows) * Math.ceil(e.columns / chunkColumns))
  // Cutting columns repeats no packing, so it comes first; two tiles a chunk are left at least.
  chunkColumns = divide(chunkColumns, tile.lanes, missing())
  if (missing() >= 2) chunkRows = divide(chunkRows, tile.rows, missing())
  const rowChunks = Math.ceil(e.rows / chunkRows)
  const columnChunks = Math.ceil(e.columns / chunkColumns)
  const alone = rowChunks * columnChunks > 1
  const chunkBatch = alone ? 1 : Math.max(1, Math.floor((e.batch * e.parts) / wanted))
  const batch = Math.min(e.batch, chunkBatch)
  return {
    tile,
    rows: e.rows,
    columns: e.columns,
    chunkRows,
    chunkColumns,
    rowChunks,
    columnChunks,
    chunkBatch: batch,
    batchChunks: Math.ceil(e.batch / batch),
  }
}

/** `size`, a multiple of `unit`, cut into about `pieces`, each of two units or more. */
function divide(size: number, unit: number, pieces: number): number {
  const units = size / unit
  const cuts = Math.min(Math.ceil(pieces), Math.floor(units / 2))
  return cuts > 1 ? Math.ceil(units / cuts) * unit : size
}

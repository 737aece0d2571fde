// How a product is cut into chunks: independent pieces of the result that fit the caches and that are
// many enough for threads to share, decided by shapes and the machine and never by how many threads are
// used.

import { piecesOf } from '../chain.js'
import type { Target } from '../kernel/ir.js'
import { roundUp, type Tile } from './choose.js'

export interface Cutting {
  readonly tile: Tile
  readonly rows: number
  readonly columns: number
  /**
   * Rows and columns of a chunk, and how many chunks there are of each: multiples of the tile, but that
   * rows may be cut into equal pieces.
   */
  readonly chunkRows: number
  readonly chunkColumns: number
  readonly rowChunks: number
  readonly columnChunks: number
  /** Batch indices a chunk runs over, and how many chunks that makes. */
  readonly chunkBatch: number
  readonly batchChunks: number
}

/** Multiply-adds worth handing to another thread. */
const CHUNK_WORK = 1 << 18
/** Multiply-adds of a chunk that wastes little on packing what its neighbours pack too. */
const LARGE_CHUNK_WORK = 1 << 26
/** Chunks for each processor, if they are not large, and most chunks of all. */
const CHUNKS_PER_PROCESSOR = 4
const MOST_CHUNKS = 32
/** How much more a chunk may take than its share of a cache, rather than leave little for another. */
const TOLERANCE = 1.1

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

/**
 * Cuts along `first` as long as chunks of two tiles are left. (Cutting columns repeats no packing of
 * panels.)
 */
export function cut(e: Extent, tile: Tile, target: Target, first: 'rows' | 'columns'): Cutting {
  const perK = e.block * e.bytes
  // In the second-level cache, the rows' operand of a chunk may take a half, its panels a quarter.
  const atMost = (total: number, unit: number, cache: number): number => {
    const most = Math.max(4 * unit, (TOLERANCE * cache) / perK)
    return roundUp(Math.ceil(total / Math.ceil(total / most)), unit)
  }
  let chunkRows = atMost(e.rows, tile.rows, target.cache.l2 / 2)
  let chunkColumns = atMost(e.columns, tile.lanes, target.cache.l2 / 4)
  const pieces = piecesOf(target)
  if (pieces !== null && chunkColumns >= e.columns && inPieces(e, tile, pieces)) {
    return {
      tile,
      rows: e.rows,
      columns: e.columns,
      chunkRows: e.rows / pieces,
      chunkColumns,
      rowChunks: pieces,
      columnChunks: 1,
      chunkBatch: 1,
      batchChunks: 1,
    }
  }
  const work = e.batch * e.rows * e.columns * e.depth
  const chunks = CHUNKS_PER_PROCESSOR * (target.processors ?? MOST_CHUNKS)
  const enough = Math.min(MOST_CHUNKS, Math.max(chunks, work / LARGE_CHUNK_WORK))
  const wanted = Math.max(1, Math.floor(Math.min(enough, work / CHUNK_WORK)))
  const missing = (): number =>
    wanted /
    (e.batch * e.parts * Math.ceil(e.rows / chunkRows) * Math.ceil(e.columns / chunkColumns))
  const cutColumns = (): void => {
    chunkColumns = divide(chunkColumns, tile.lanes, missing())
  }
  const cutRows = (): void => {
    chunkRows = divide(chunkRows, tile.rows, missing())
  }
  const [firstCut, secondCut] = first === 'columns' ? [cutColumns, cutRows] : [cutRows, cutColumns]
  firstCut()
  if (missing() >= 2) secondCut()
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

/** Tiles of rows that make it worth while to read all columns' operand with them. */
const PIECE_TILES = 4

/**
 * Whether the result is cut into pieces of rows, as other kernels that go through these rows are: where
 * rows are many beside the columns, a chain of kernels gains more than a product alone could lose.
 */
const inPieces = (e: Extent, tile: Tile, pieces: number): boolean =>
  e.batch === 1 &&
  e.parts === 1 &&
  e.depth === e.block &&
  e.rows >= 2 * e.columns &&
  e.rows % pieces === 0 &&
  e.rows / pieces >= PIECE_TILES * tile.rows

/** `size`, a multiple of `unit`, cut into about `pieces`, each of two units or more. */
function divide(size: number, unit: number, pieces: number): number {
  const units = size / unit
  const cuts = Math.min(Math.ceil(pieces), Math.floor(units / 2))
  return cuts > 1 ? Math.ceil(units / cuts) * unit : size
}

// How a product is cut into chunks: independent pieces of the result that fit the caches and that are
// many enough for threads to share, decided by shapes and the machine and never by how many threads are
// used.

import { piecesOf } from '../chain.js'
import type { Target } from '../kernel/ir.js'
import { balance, type Chunk, evened } from './balance.js'
import { type Packing, roundUp, type Tile } from './choose.js'

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

/** Multiply-adds below which a product is brief: it is done in microseconds. */
const BRIEF = 1 << 18
/** The same for one with few of them to a result, and how few. */
const BRIEF_SHALLOW = 1 << 23
const SHALLOW = 64
/** How low a tile may be that divides the rows. */
const LOWEST = 0.6

/** Whether a product spends its time less on multiply-adds than on what is done with its results. */
function isBrief(e: Extent): boolean {
  const work = e.batch * e.rows * e.columns * e.depth
  return work < BRIEF || (work < BRIEF_SHALLOW && e.depth <= SHALLOW)
}

/** A tile of somewhat fewer rows that leaves none over, if there is one: what is left over takes code of its own. */
function dividing(tile: Tile, rows: number): Tile {
  for (let height = tile.rows; height >= LOWEST * tile.rows; height--) {
    if (rows % height === 0) return { ...tile, rows: height }
  }
  return tile
}

/**
 * Cuts so finely that threads are done at about the same time.
 *
 * @param packing how the columns' operand is packed into panels
 */
export function cut(e: Extent, given: Tile, target: Target, packing: Packing): Cutting {
  const tile = isBrief(e) ? dividing(given, e.rows) : given
  const perK = e.block * e.bytes
  // In the second-level cache, the rows' operand of a chunk may take a half, and its panels a quarter.
  const atMost = (total: number, unit: number, cache: number, least = 4): number => {
    const most = Math.max(least * unit, (TOLERANCE * cache) / perK)
    return roundUp(Math.ceil(total / Math.ceil(total / most)), unit)
  }
  const { l2 } = target.cache
  const mostRows = atMost(e.rows, tile.rows, l2 / 2)
  const mostColumns = atMost(e.columns, tile.lanes, l2 / 4)
  // Panels packed apart take less of it, as many tiles of rows read them. Where they are packed block after
  // block, sums wait there as well, and rows' elements pass by: then it is the sums that may take a half.
  const apart = (): Chunk => {
    const several = e.depth > e.block
    const columns = atMost(e.columns, tile.lanes, l2 / (several ? 6 : 8), 2)
    const rows = several ? atMost(e.rows, tile.rows, ((l2 / 2) * e.block) / columns) : mostRows
    return { rows, columns }
  }
  const pieces = piecesOf(target)
  if (pieces !== null && mostColumns >= e.columns && inPieces(e, tile, pieces)) {
    return cutInto(e, tile, e.rows / pieces, mostColumns, 1)
  }
  const work = e.batch * e.rows * e.columns * e.depth
  const chunks = CHUNKS_PER_PROCESSOR * (target.processors ?? MOST_CHUNKS)
  const enough = Math.min(MOST_CHUNKS, Math.max(chunks, work / LARGE_CHUNK_WORK))
  const wanted = Math.max(1, Math.floor(Math.min(enough, work / CHUNK_WORK)))
  const most: Chunk = packing === 'apart' ? apart() : { rows: mostRows, columns: mostColumns }
  const copies = e.batch * e.parts
  const { rows, columns } = copies < wanted ? balance(e, tile, target, packing, wanted, most) : most
  const isCut = rows < e.rows || columns < e.columns
  const chunkBatch = isCut ? 1 : Math.max(1, Math.floor(copies / wanted))
  return cutInto(e, tile, rows, columns, Math.min(e.batch, chunkBatch))
}

/** Cuts into chunks of a size, whose tiles are as equal as can be. */
function cutInto(
  e: Extent,
  tile: Tile,
  chunkRows: number,
  chunkColumns: number,
  chunkBatch: number,
): Cutting {
  return {
    tile: evened(tile, chunkRows),
    rows: e.rows,
    columns: e.columns,
    chunkRows,
    chunkColumns,
    rowChunks: Math.ceil(e.rows / chunkRows),
    columnChunks: Math.ceil(e.columns / chunkColumns),
    chunkBatch,
    batchChunks: Math.ceil(e.batch / chunkBatch),
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

// How a product is divided among chunks, and where each finds its panels of lanes.

import { DTYPES } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import type { Target } from '../kernel/ir.js'
import { blockLength } from './blocks.js'
import { type FactorShape, type Packing, packLanes, type Tile } from './choose.js'
import { cut, type Extent } from './cutting.js'
import type { Product } from './factors.js'

/**
 * Where the lanes of a panel are read: in the operand as it lies in memory; there by the chunk's first tile of
 * rows, and by all others in what that has packed; in what the chunk has packed before; or in what a kernel
 * of its own has packed, ahead of the product, for all chunks.
 */
export type PanelsFrom = 'operand' | 'first' | 'scratch' | 'ahead'

/**
 * Rows a chunk must have for packing its panels anew in every chunk, as an element packed costs as much as
 * about twenty rows' multiply-adds with it. (Patches, which overlap, always are.)
 */
const PACK_IN_CHUNK_ROWS = 384

/** Divides a product; `lanes` is the shape of its right factor. */
export function divide(p: Product, lanes: FactorShape, tile: Tile, target: Target) {
  const extent: Extent = {
    batch: sizeOf(p.batch),
    rows: sizeOf(p.left.free),
    columns: sizeOf(p.right.free),
    block: blockLength(p.numerics, p.contract),
    depth: sizeOf(p.contract),
    parts: p.numerics.parts,
    bytes: DTYPES[p.dtype].bytes,
  }
  const packing = packLanes(p, lanes, extent.rows, extent.columns, tile, target)
  const cutting = cut(extent, tile, target, packing)
  const anew =
    cutting.rowChunks === 1 || cutting.chunkRows >= PACK_IN_CHUNK_ROWS || p.right.free.length > 1
  const from: Record<Packing, PanelsFrom> = {
    none: 'operand',
    first: 'first',
    apart: anew ? 'scratch' : 'ahead',
  }
  return { extent, cutting, from: from[packing] }
}

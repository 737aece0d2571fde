// How a convolution is cut into chunks: independent units of positions and features, decided by shapes and
// caches and never by how many threads there are.

import { DTYPES } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import { ofVar } from '../kernel/affine.js'
import { KernelAssembly, MEMORY_TYPE } from '../kernel/assembly.js'
import type { Affine, BufferDecl, Target } from '../kernel/ir.js'
import { unflatten } from './axes.js'
import { blockLength } from './blocks.js'
import type { Patches, Staging } from './patches.js'
import { forTiles, type Span } from './tiles.js'
import { columnsOf, linesOf, type Unit } from './windows.js'

export type Extent = Omit<Span, 'at'>

export interface WindowCutting {
  readonly features: Extent
  readonly images: Extent
  readonly lines: Extent
  readonly columns: Extent
}

/** Multiply-adds worth handing to another thread, and most chunks to hand out. */
const CHUNK_WORK = 1 << 18
const MOST_CHUNKS = 64
/** Chunks that will do where more of them cost something. */
const ENOUGH_CHUNKS = 16

/** Chunks along images first, then lines, then features, until there are enough. */
export function cutWindows(
  c: Patches,
  unit: Unit,
  featuresOfTile: number,
  target: Target,
): WindowCutting {
  const bytes = DTYPES[c.dtype].bytes
  const block = blockLength(c.numerics, c.contract)
  const fitting = Math.floor(target.cache.l2 / 2 / (block * bytes) / featuresOfTile)
  const mostFeatures = Math.max(4, fitting) * featuresOfTile
  const featureCuts = Math.ceil(c.features / mostFeatures)
  const total = sizeOf(c.output) * c.images
  const work = c.groups * c.features * total * sizeOf(c.contract)
  const wanted = Math.max(1, Math.min(MOST_CHUNKS, Math.floor(work / CHUNK_WORK)))
  let missing = wanted / (c.groups * c.numerics.parts * featureCuts)
  const share = (size: number, of: number, cuts: number): Extent => {
    const units = Math.ceil(size / of)
    const pieces = Math.max(1, Math.min(units, Math.floor(cuts)))
    const chunk = Math.ceil(units / pieces) * of
    const chunks = Math.ceil(size / chunk)
    missing /= chunks
    return { total: size, chunk, chunks, unit: of }
  }
  const images = share(c.images, unit.images, missing)
  const lines = share(linesOf(c), unit.lines, missing)
  const columns = share(columnsOf(c), unit.columns, missing)
  // Chunks of features copy the same windows again, so only as many as are really needed.
  const fewer = (missing * ENOUGH_CHUNKS) / MOST_CHUNKS
  const features = share(c.features, featuresOfTile, Math.max(featureCuts, fewer))
  return { features, images, lines, columns }
}

/** Whether chunks have whole images to themselves, and the images' stage fits their cache. */
export function stagesInChunk(
  c: Patches,
  { elements }: Staging,
  unit: Unit,
  { features, lines, columns }: WindowCutting,
  target: Target,
): boolean {
  const whole = features.chunks * lines.chunks * columns.chunks * c.numerics.parts === 1
  const bytes = DTYPES[c.dtype].bytes
  return whole && elements * unit.images * bytes <= target.cache.l2 / 2
}

/** Where a chunk is: which part and group, and its share of each axis. */
export interface Place {
  readonly part: Affine
  readonly group: Affine
  readonly features: Span
  readonly images: Span
  readonly lines: Span
  readonly columns: Span
}

/** A unit's origin and its size, which at the ends of axes is less than usual. */
export interface UnitAt extends Unit {
  readonly image: Affine
  readonly line: Affine
  readonly column: Affine
}

/** A kernel with a chunk for each share of the work, and where its chunk is. */
export function openChunk(c: Patches, cut: WindowCutting): { k: KernelAssembly; place: Place } {
  const spans = [cut.features, cut.images, cut.lines, cut.columns]
  const chunks = [c.numerics.parts, c.groups, ...spans.map((s) => s.chunks)]
  const k = new KernelAssembly(c.name, sizeOf(chunks))
  k.flops = 2 * c.groups * c.features * c.images * sizeOf(c.output) * sizeOf(c.contract)
  k.bytes =
    4 * c.groups * (c.features + c.images * sizeOf(c.output)) * (sizeOf(c.contract) + c.features)
  const [part, group, f, i, l, w] = unflatten(k, ofVar(k.chunk), chunks) as Affine[]
  const place = {
    part: part!,
    group: group!,
    features: { ...cut.features, at: f! },
    images: { ...cut.images, at: i! },
    lines: { ...cut.lines, at: l! },
    columns: { ...cut.columns, at: w! },
  }
  return { k, place }
}

/** Memory in a chunk for what the images of a unit see of the input, its zeros written out. */
export const stageOfUnit = (k: KernelAssembly, c: Patches, { images }: Unit): BufferDecl =>
  k.scratch('padded', MEMORY_TYPE[c.dtype], images * c.staging!.elements)

/** Goes over the units of a chunk. With a stage, images are copied there before their units are computed. */
export function forUnits(
  k: KernelAssembly,
  c: Patches,
  at: Place,
  { stage, lanes }: { readonly stage: BufferDecl | null; readonly lanes: number },
  body: (u: UnitAt) => void,
): void {
  forTiles(k, 'image', at.images, (_i, image, images) => {
    if (stage !== null) c.staging!.enter(k, stage, lanes, at.group, { image, images })
    forTiles(k, 'line', at.lines, (_l, line, lines) => {
      forTiles(k, 'column', at.columns, (_c, column, columns) => {
        body({ image, line, column, images, lines, columns })
      })
    })
  })
}

// Lowers `conv` to kernels: looks at the shape of a convolution and picks the loops that suit it.

import type { KernelCall, LoweringContext, Reader, Writer } from '../lower/assembly.js'
import { shapeOf } from './choose.js'
import { tiledFeatures } from './featurekernel.js'
import { featureTiling } from './featuretiles.js'
import { lowerProduct } from './gemm.js'
import { convNumerics } from './numerics.js'
import { asProduct, asProductPerImage, type Patches, patchesOf, positionsOf } from './patches.js'
import { phaseKernel, phasesOf, phaseWriter } from './phases.js'
import { plainProduct } from './plain.js'
import { Probe } from './probe.js'
import { type ConvSpec, convSizes, product } from './spec.js'
import { needsNoStage, Stage } from './stage.js'
import { tiledWindows } from './windowkernel.js'
import { columnsOf, packedTiling, tileWindows } from './windows.js'

/** Kernels that compute `conv` of what the readers read and hand it to `out`. */
export function lowerConv(
  spec: ConvSpec,
  input: Reader,
  kernel: Reader,
  out: Writer,
  ctx: LoweringContext,
): KernelCall[] {
  const phases = phasesOf(spec)
  if (phases !== null) {
    return phases.flatMap((p) =>
      lowerConv(p.spec, input, phaseKernel(p, kernel), phaseWriter(p, out), ctx),
    )
  }
  const sizes = convSizes(spec)
  const numerics = convNumerics(spec)
  const results = sizes.groups * sizes.batch * sizes.features * product(sizes.output)
  if (results === 0) return []
  const window = product(sizes.kernel)
  const plainInput = new Probe(input.shape.length, (k, c) => input.read(k, c)).plain
  const asIs = needsNoStage(spec, sizes) && (plainInput || window === 1)
  const empty = sizes.channels * window === 0
  const staged = asIs || empty ? null : new Stage(spec, sizes, input)
  const read: Reader['read'] = staged?.read ?? ((k, coords) => input.read(k, coords))
  const origin = spec.attrs.low.map((low) => (asIs ? -low : 0))
  const c = patchesOf(spec, sizes, numerics, read, kernel, out, origin, staged)
  const tiled = spec.dtype === 'float32' || spec.dtype === 'float64' || spec.dtype === 'int32'
  // A window of one element makes a matrix product for every image.
  const perImage = window === 1 && positionsOf(c) >= 16
  if (tiled && !empty) {
    const kernelShape = shapeOf(asProduct(c), 'left')
    const plain = kernelShape.plain && kernelShape.follows.every((f) => f)
    const suits = linesSuit(c)
    const windows = suits
      ? tileWindows(c, ctx.target, plain)
      : perImage
        ? packedTiling(c, ctx.target, plain)
        : null
    const features = featureTiling(c, ctx.target)
    if (features !== null && features.cost < (windows?.cost ?? Number.POSITIVE_INFINITY)) {
      return tiledFeatures(c, features.tiling, ctx)
    }
    if (suits && windows !== null) return tiledWindows(c, windows.tiling, ctx)
  }
  const calls: KernelCall[] = []
  c.staging?.ahead(ctx, calls)
  if (!tiled || empty) return [...calls, ...plainProduct(asProduct(c))]
  return [...calls, ...lowerProduct(perImage ? asProductPerImage(c) : asProduct(c), ctx)]
}

/** Columns below which lines are too short to be copied or loaded along them. */
const SHORT_LINE = 4

/**
 * Whether windows are worth walking line by line. A window of one element makes a matrix product, and of a
 * large window over few positions what is contiguous is K, along which products pack.
 */
function linesSuit(c: Patches): boolean {
  if (product(c.contract.slice(1)) === 1 && positionsOf(c) >= 16) return false
  const along = c.contract.length > 1 ? c.contract.at(-1)! : 1
  const columns = columnsOf(c)
  return columns >= SHORT_LINE && (columns >= 16 || along <= 4 * columns)
}

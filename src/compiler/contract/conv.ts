// Lowers `conv` to kernels: looks at the shape of a convolution and picks the loops that suit it.

import { sizeOf } from '../../base/shape.js'
import type { KernelCall, LoweringContext, Reader, Writer } from '../kernel/assembly.js'
import type { Target } from '../kernel/ir.js'
import { shapeOf } from './choose.js'
import type { Product } from './factors.js'
import { tiledFeatures } from './featurekernel.js'
import { type FeatureTiling, featureTiling } from './featuretiles.js'
import { lowerProduct, readingsOfProduct } from './gemm.js'
import { convNumerics } from './numerics.js'
import { asProduct, asProductPerImage, type Patches, patchesOf, positionsOf } from './patches.js'
import { phaseKernel, phasesOf, phaseWriter } from './phases.js'
import { plainProduct } from './plain.js'
import { Probe } from './probe.js'
import { ALWAYS, computed, type Readings, STORED, together } from './readings.js'
import { type ConvSpec, convSizes } from './spec.js'
import { needsNoStage, Stage } from './stage.js'
import { tiledWindows } from './windowkernel.js'
import { columnsOf, packedTiling, tileWindows, type WindowTiling } from './windows.js'

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
  const way = wayOf(spec, input, kernel, out, ctx.target)
  if (way === null) return []
  if (way.by === 'features') return tiledFeatures(way.c, way.tiling, ctx)
  if (way.by === 'windows') return tiledWindows(way.c, way.tiling, ctx)
  const calls: KernelCall[] = []
  way.c.staging?.ahead(ctx, calls)
  if (way.by === 'plain') return [...calls, ...plainProduct(asProduct(way.c))]
  return [...calls, ...lowerProduct(way.product, ctx)]
}

/** How `lowerConv` reads its operands. */
export function readingsOfConv(
  spec: ConvSpec,
  input: Reader,
  kernel: Reader,
  out: Writer,
  target: Target,
): Readings {
  const phases = phasesOf(spec)
  if (phases !== null) {
    const each = phases.map((p) =>
      readingsOfConv(p.spec, input, phaseKernel(p, kernel), phaseWriter(p, out), target),
    )
    return [together(each.map((r) => r[0])), together(each.map((r) => r[1]))]
  }
  const way = wayOf(spec, input, kernel, out, target)
  if (way === null || way.by === 'plain') return [ALWAYS, ALWAYS]
  const staged = needsNoStage(spec, convSizes(spec)) ? STORED : computed(1)
  if (way.by === 'product') {
    if (way.c.staging !== null) return [staged, ALWAYS]
    const [features, positions] = readingsOfProduct(way.product, target)
    return [positions, features]
  }
  // The kernel is packed for lanes of features, laid out for packed windows, and else read as it is.
  const weights =
    way.by === 'features' ? computed(1) : way.tiling.mode === 'packed' ? STORED : ALWAYS
  return [way.c.staging === null ? ALWAYS : staged, weights]
}

/** The loops that suit a convolution. */
type Way =
  | { readonly by: 'features'; readonly c: Patches; readonly tiling: FeatureTiling }
  | { readonly by: 'windows'; readonly c: Patches; readonly tiling: WindowTiling }
  | { readonly by: 'product'; readonly c: Patches; readonly product: Product }
  | { readonly by: 'plain'; readonly c: Patches }

/** Null for a convolution without results. */
function wayOf(
  spec: ConvSpec,
  input: Reader,
  kernel: Reader,
  out: Writer,
  target: Target,
): Way | null {
  const sizes = convSizes(spec)
  const numerics = convNumerics(spec)
  const results = sizes.groups * sizes.batch * sizes.features * sizeOf(sizes.output)
  if (results === 0) return null
  const window = sizeOf(sizes.kernel)
  const plainInput = new Probe(input.shape.length, (k, c) => input.read(k, c)).plain
  const asIs = needsNoStage(spec, sizes) && (plainInput || window === 1)
  const empty = sizes.channels * window === 0
  const staged = asIs || empty ? null : new Stage(spec, sizes, input)
  const read: Reader['read'] = staged?.read ?? ((k, coords) => input.read(k, coords))
  const origin = spec.attrs.low.map((low) => (asIs ? -low : 0))
  const c = patchesOf(spec, sizes, numerics, read, kernel, out, origin, staged)
  const tiled = spec.dtype === 'float32' || spec.dtype === 'float64' || spec.dtype === 'int32'
  if (!tiled || empty) return { by: 'plain', c }
  // A window of one element makes a matrix product for every image.
  const perImage = window === 1 && positionsOf(c) >= 16
  const kernelShape = shapeOf(asProduct(c), 'left')
  const plain = kernelShape.plain && kernelShape.follows.every((f) => f)
  const suits = linesSuit(c)
  const windows = suits
    ? tileWindows(c, target, plain)
    : perImage
      ? packedTiling(c, target, plain)
      : null
  const features = featureTiling(c, target)
  if (features !== null && features.cost < (windows?.cost ?? Number.POSITIVE_INFINITY)) {
    return { by: 'features', c, tiling: features.tiling }
  }
  if (suits && windows !== null) return { by: 'windows', c, tiling: windows.tiling }
  return { by: 'product', c, product: perImage ? asProductPerImage(c) : asProduct(c) }
}

/** Columns below which lines are too short to be copied or loaded along them. */
const SHORT_LINE = 4

/**
 * Whether windows are worth walking line by line. A window of one element makes a matrix product, and of a
 * large window over few positions what is contiguous is K, along which products pack.
 */
function linesSuit(c: Patches): boolean {
  if (sizeOf(c.contract.slice(1)) === 1 && positionsOf(c) >= 16) return false
  const along = c.contract.length > 1 ? c.contract.at(-1)! : 1
  const columns = columnsOf(c)
  return columns >= SHORT_LINE && (columns >= 16 || along <= 4 * columns)
}

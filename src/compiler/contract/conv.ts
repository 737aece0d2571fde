// Lowers `conv` to kernels: looks at the shape of a convolution and picks the loops that suit it.

import type { KernelCall, LoweringContext, Reader, Writer } from '../lower/assembly.js'
import { lowerProduct } from './gemm.js'
import { convNumerics } from './numerics.js'
import { asProduct, asProductPerImage, type Patches, patchesOf, positionsOf } from './patches.js'
import { phaseKernel, phasesOf, phaseWriter } from './phases.js'
import { plainProduct } from './plain.js'
import { Probe } from './probe.js'
import { type ConvSpec, convSizes, product } from './spec.js'
import { needsNoStage, stage } from './stage.js'
import { tiledWindows } from './windowkernel.js'
import { columnsOf, tileWindows } from './windows.js'

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
  const calls: KernelCall[] = []
  const results = sizes.groups * sizes.batch * sizes.features * product(sizes.output)
  if (results === 0) return []
  const window = product(sizes.kernel)
  const plainInput = new Probe(input.shape.length, (k, c) => input.read(k, c)).plain
  const asIs = needsNoStage(spec, sizes) && (plainInput || window === 1)
  const empty = sizes.channels * window === 0
  const source = asIs || empty ? input : stage(spec, sizes, input, ctx, calls)
  const origin = spec.attrs.low.map((low) => (asIs ? -low : 0))
  const c = patchesOf(spec, sizes, numerics, source, kernel, out, origin)
  const tiled = spec.dtype === 'float32' || spec.dtype === 'float64' || spec.dtype === 'int32'
  if (!tiled || empty) return [...calls, ...plainProduct(asProduct(c))]
  return [...calls, ...tiledConv(c, ctx)]
}

/** Columns below which lines are too short to be copied or loaded along them. */
const SHORT_LINE = 4

function tiledConv(c: Patches, ctx: LoweringContext): KernelCall[] {
  const window = product(c.contract.slice(1))
  if (window === 1 && positionsOf(c) >= 16) return lowerProduct(asProductPerImage(c), ctx)
  // A large window over few positions: what is contiguous is K, so patches are packed along it.
  const along = c.contract.length > 1 ? c.contract.at(-1)! : 1
  const columns = columnsOf(c)
  if (columns < SHORT_LINE || (columns < 16 && along > 4 * columns)) {
    return lowerProduct(asProduct(c), ctx)
  }
  return tiledWindows(c, tileWindows(c, ctx.target), ctx)
}

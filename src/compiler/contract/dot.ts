// Lowers `dot`, the contraction every matrix product is, to kernels.

import type { KernelCall, LoweringContext, Reader, Writer } from '../lower/assembly.js'
import { dotNumerics } from './numerics.js'
import { plainDot } from './plain.js'
import type { DotSpec } from './spec.js'

/** Kernels that compute `dot` of what the readers read and hand it to `out`. */
export function lowerDot(
  spec: DotSpec,
  left: Reader,
  right: Reader,
  out: Writer,
  _ctx: LoweringContext,
): KernelCall[] {
  return plainDot(spec, dotNumerics(spec), left, right, out)
}

// Lowers `conv` to kernels.

import type { KernelCall, LoweringContext, Reader, Writer } from '../lower/assembly.js'
import { convNumerics } from './numerics.js'
import { plainConv } from './plain.js'
import type { ConvSpec } from './spec.js'

/** Kernels that compute `conv` of what the readers read and hand it to `out`. */
export function lowerConv(
  spec: ConvSpec,
  input: Reader,
  kernel: Reader,
  out: Writer,
  _ctx: LoweringContext,
): KernelCall[] {
  return plainConv(spec, convNumerics(spec), input, kernel, out)
}

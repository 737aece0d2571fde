// Transposed convolutions: the map that a convolution's input gradient is.

import { dimFloorDiv, dimMul, dimSub, isKnown } from '../base/dim.js'
import { ShapeError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import * as b from '../ir/build.js'
import { convBias } from '../ir/composites/conv.js'
import type { Node } from '../ir/node.js'
import { type ConvOptions, checkBias, checkGroups, operands, unbatched } from './convolve.js'
import type { TensorCore } from './core.js'
import type { Tensor } from './tensor.js'
import { dilated, type PerAxis, perAxis } from './windows.js'

export interface ConvTransposeOptions extends Omit<ConvOptions, 'padding'> {
  /** What is cut off around the result. Default 0. */
  readonly padding?: PerAxis | undefined
  /** Positions added at the end, to choose among the sizes that a stride makes possible. Default 0. */
  readonly outputPadding?: PerAxis | undefined
}

/** The kernel of the convolution whose transpose is wanted: [in, out / g, …] to [out, in / g, …], turned round. */
function turned(weight: Node, groups: number): Node {
  const [inputs, outputs, ...spatial] = weight.shape
  const perGroup = dimFloorDiv(inputs!, groups)
  const rank = spatial.length
  const apart = b.reshape(weight, [groups, perGroup, outputs!, ...spatial])
  const order = [0, 2, 1, ...spatial.map((_, i) => i + 3)]
  const joined = b.reshape(b.transpose(apart, order), [
    dimMul(outputs!, groups),
    perGroup,
    ...spatial,
  ])
  return b.reverse(
    joined,
    Array.from({ length: rank }, (_, i) => i + 2),
  )
}

function convolveTransposed(
  where: string,
  rank: number,
  input: TensorCore,
  kernel: TensorCore,
  options: ConvTransposeOptions,
): Tensor {
  const { x, weight, bias, single } = operands(where, rank, input, kernel, options.bias)
  const { groups = 1 } = options
  checkGroups(where, groups)
  const inputs = weight.shape[0]!
  const divides = isKnown(inputs) && inputs % groups === 0
  if (!divides || (isKnown(x.shape[1]!) && x.shape[1] !== inputs)) {
    const expected = `input with ${inputs} channels (weight is ${formatShape(weight.shape)})`
    throw new ShapeError(
      where,
      divides ? expected : `input channels in ${groups} equal groups`,
      formatShape(divides ? input.shape : weight.shape),
    )
  }
  checkBias(where, bias, dimMul(weight.shape[1]!, groups))
  const strides = perAxis(where, 'stride', options.stride ?? 1, rank)
  const dilation = perAxis(where, 'dilation', options.dilation ?? 1, rank)
  const padding = perAxis(where, 'padding', options.padding ?? 0, rank)
  const more = perAxis(where, 'outputPadding', options.outputPadding ?? 0, rank)
  const reach = weight.shape.slice(2).map((n, i) => Number(dimSub(dilated(n, dilation[i]!), 1)))
  const y = convBias(x, turned(weight, groups), bias, {
    strides: strides.map(() => 1),
    low: reach.map((r, i) => r - padding[i]!),
    high: reach.map((r, i) => r - padding[i]! + more[i]!),
    inputDilation: strides,
    kernelDilation: dilation,
    groups,
    batchGroups: 1,
  })
  return unbatched(y, single)
}

/** The transpose of `conv1d`, for a weight [in, out / groups, size]. Mirrors `torch.nn.functional.conv_transpose1d`. */
export function convTranspose1d(
  x: TensorCore,
  weight: TensorCore,
  options: ConvTransposeOptions = {},
): Tensor {
  return convolveTransposed('convTranspose1d', 1, x, weight, options)
}

/**
 * The transpose of `conv2d`, for a weight [in, out / groups, height, width]; a stride spreads the input
 * out. Mirrors `torch.nn.functional.conv_transpose2d`.
 *
 * Positions on an axis: (n - 1) · stride - 2 · padding + dilation · (size - 1) + outputPadding + 1.
 */
export function convTranspose2d(
  x: TensorCore,
  weight: TensorCore,
  options: ConvTransposeOptions = {},
): Tensor {
  return convolveTransposed('convTranspose2d', 2, x, weight, options)
}

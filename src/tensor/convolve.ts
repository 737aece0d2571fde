// Convolutions as functions of tensors.

import { type Dim, dimMul, isKnown } from '../base/dim.js'
import { promote } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import * as b from '../ir/build.js'
import { convBias } from '../ir/composites/conv.js'
import type { Node } from '../ir/node.js'
import { expose, type TensorCore } from './core.js'
import { asFloat } from './operand.js'
import type { Tensor } from './tensor.js'
import { type ConvPadding, dilated, type PerAxis, perAxis, sides } from './windows.js'

export interface ConvOptions {
  /** A value for each output channel. */
  readonly bias?: TensorCore | null | undefined
  /** Default 1. */
  readonly stride?: PerAxis | undefined
  /** Default 0. */
  readonly padding?: ConvPadding | undefined
  /** Default 1. */
  readonly dilation?: PerAxis | undefined
  /** Blocks of channels that do not see each other. Default 1. */
  readonly groups?: number | undefined
}

/** The operands at one float dtype, the input as a batch. */
export interface Operands {
  readonly x: Node
  readonly weight: Node
  readonly bias: Node | null
  /** The input came without a batch axis. */
  readonly single: boolean
}

const LAYOUT = ['length', 'height, width', 'depth, height, width']

export function operands(
  where: string,
  rank: number,
  input: TensorCore,
  kernel: TensorCore,
  bias: TensorCore | null | undefined,
): Operands {
  const axes = LAYOUT[rank - 1]!
  if (kernel.ndim !== rank + 2) {
    const expected = `weight [out, in / groups, ${axes}]`
    throw new ShapeError(where, expected, formatShape(kernel.shape))
  }
  if (input.ndim !== rank + 2 && input.ndim !== rank + 1) {
    const expected = `input [batch, channels, ${axes}]`
    throw new ShapeError(where, expected, formatShape(input.shape))
  }
  const single = input.ndim === rank + 1
  const [p, q] = [asFloat(input.node), asFloat(kernel.node)]
  const dtype = promote(p.dtype, q.dtype)
  const x = b.cast(single ? b.reshape(p, [1, ...p.shape]) : p, dtype)
  const extra = bias === null || bias === undefined ? null : b.cast(bias.node, dtype)
  return { x, weight: b.cast(q, dtype), bias: extra, single }
}

export const unbatched = (y: Node, single: boolean): Tensor =>
  expose(single ? b.reshape(y, y.shape.slice(1)) : y)

export function checkBias(where: string, bias: Node | null, channels: Dim): void {
  if (bias === null || (bias.shape.length === 1 && bias.shape[0] === channels)) return
  throw new ShapeError(where, `a bias of shape [${channels}]`, formatShape(bias.shape))
}

export function checkGroups(where: string, groups: number): void {
  if (Number.isInteger(groups) && groups >= 1) return
  throw new ValueError(where, 'a whole number of groups, at least 1', String(groups))
}

function convolve(
  where: string,
  rank: number,
  input: TensorCore,
  kernel: TensorCore,
  options: ConvOptions,
): Tensor {
  const { x, weight, bias, single } = operands(where, rank, input, kernel, options.bias)
  const { groups = 1 } = options
  checkGroups(where, groups)
  const channels = dimMul(weight.shape[1]!, groups)
  if (isKnown(x.shape[1]!) && x.shape[1] !== channels) {
    const grouped = groups === 1 ? '' : ` in ${groups} groups`
    throw new ShapeError(
      where,
      `input with ${channels} channels${grouped} (weight is ${formatShape(weight.shape)})`,
      formatShape(input.shape),
      { input: input.shape, weight: weight.shape },
    )
  }
  checkBias(where, bias, weight.shape[0]!)
  const strides = perAxis(where, 'stride', options.stride ?? 1, rank)
  const kernelDilation = perAxis(where, 'dilation', options.dilation ?? 1, rank)
  const extents = weight.shape.slice(2).map((n, i) => dilated(n, kernelDilation[i]!))
  const around = sides(where, options.padding ?? 0, x.shape.slice(2), extents, strides)
  const y = convBias(x, weight, bias, {
    strides,
    ...around,
    inputDilation: strides.map(() => 1),
    kernelDilation,
    groups,
    batchGroups: 1,
  })
  return unbatched(y, single)
}

/**
 * Convolution (cross-correlation) of an input [batch, in, length] with a weight [out, in / groups,
 * size], to [batch, out, positions]; the batch axis may be missing. Mirrors `torch.nn.functional.conv1d`.
 */
export function conv1d(x: TensorCore, weight: TensorCore, options: ConvOptions = {}): Tensor {
  return convolve('conv1d', 1, x, weight, options)
}

/**
 * Convolution (cross-correlation) of an input [batch, in, height, width] with a weight [out,
 * in / groups, height, width]; the batch axis may be missing. Mirrors `torch.nn.functional.conv2d`.
 *
 * Positions on an axis: ⌊(n + before + after - dilation · (size - 1) - 1) / stride⌋ + 1.
 *
 * @throws ShapeError when channels do not match, or the kernel is larger than the padded input.
 */
export function conv2d(x: TensorCore, weight: TensorCore, options: ConvOptions = {}): Tensor {
  return convolve('conv2d', 2, x, weight, options)
}

/** As `conv2d`, with three spatial axes. Mirrors `torch.nn.functional.conv3d`. */
export function conv3d(x: TensorCore, weight: TensorCore, options: ConvOptions = {}): Tensor {
  return convolve('conv3d', 3, x, weight, options)
}

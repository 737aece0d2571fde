// Activation functions as functions of a tensor: the methods' other form.

import type { AxisArg } from '../../tensor/axes.js'
import type { Tensor } from '../../tensor/tensor.js'

/** max(x, 0). */
export const relu = (x: Tensor): Tensor => x.relu()

/** 1 / (1 + exp(-x)). */
export const sigmoid = (x: Tensor): Tensor => x.sigmoid()

/** x · sigmoid(x), also known as swish. [arXiv:1606.08415](https://arxiv.org/abs/1606.08415) */
export const silu = (x: Tensor): Tensor => x.silu()

/** log(1 + exp(x)). */
export const softplus = (x: Tensor): Tensor => x.softplus()

/** The hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => x.tanh()

/** x where positive, `negativeSlope` · x elsewhere (default 0.01). */
export const leakyRelu = (x: Tensor, options: { readonly negativeSlope?: number } = {}): Tensor =>
  x.leakyRelu(options.negativeSlope)

/** x where positive, `alpha` (exp(x) - 1) elsewhere. [arXiv:1511.07289](https://arxiv.org/abs/1511.07289) */
export const elu = (x: Tensor, options: { readonly alpha?: number } = {}): Tensor =>
  x.elu(options.alpha)

export interface GeluOptions {
  /** `none`: x·Φ(x) exactly; `tanh`: its approximation. Default `none`. */
  readonly approximate?: 'none' | 'tanh'
}

/** x · Φ(x), with Φ the normal distribution. [arXiv:1606.08415](https://arxiv.org/abs/1606.08415) */
export const gelu = (x: Tensor, options: GeluOptions = {}): Tensor => x.gelu(options)

/** exp(x) / Σ exp(x) along an axis (default: the last). */
export const softmax = (x: Tensor, axis?: AxisArg): Tensor => x.softmax(axis)

/** The logarithm of `softmax` along an axis (default: the last), without its underflow. */
export const logSoftmax = (x: Tensor, axis?: AxisArg): Tensor => x.logSoftmax(axis)

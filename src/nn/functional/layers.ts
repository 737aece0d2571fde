// What layers compute, with their parameters as arguments: linear maps, embedding, dropout, norms.

import { dimEqual } from '../../base/dim.js'
import { ShapeError, ValueError } from '../../base/errors.js'
import { formatShape, type Shape, shapeEqual, sizeOf } from '../../base/shape.js'
import * as b from '../../ir/build.js'
import * as c from '../../ir/composites/index.js'
import {
  batchNormInference,
  batchNorm as batchNormOp,
  layerNorm as layerNormOp,
} from '../../ir/composites/norm.js'
import { withGrad } from '../../runtime/modes.js'
import { nextDraw } from '../../runtime/random.js'
import { expose } from '../../tensor/core.js'
import { indexNode } from '../../tensor/locate.js'
import type { Tensor } from '../../tensor/tensor.js'
import type { Variable } from '../../tensor/variable.js'

/** x · weightᵀ + bias, for x [..., in], weight [out, in] and bias [out]. */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return expose(c.linear(x.node, weight.node, bias?.node ?? null))
}

export interface DropoutOptions {
  /** The probability of an element to become zero. Default 0.5. */
  readonly p?: number
  /** Whether to drop at all. Default true. */
  readonly training?: boolean
}

/**
 * Elements become zero at random with probability `p`; the others are divided by 1 - p, so that means
 * stay. Srivastava et al., JMLR 15 (2014).
 */
export function dropout(x: Tensor, options: DropoutOptions = {}): Tensor {
  const { p = 0.5, training = true } = options
  if (!(p >= 0 && p <= 1)) throw new ValueError('dropout', 'p in [0, 1]', String(p))
  if (!training || p === 0) return x
  const [seed, draw] = nextDraw(x.node)
  return expose(c.dropout(x.node, seed, draw, p))
}

export interface EmbeddingOptions {
  /** An index whose row gets no gradient. Default none. */
  readonly paddingIdx?: number | null
}

/**
 * Rows of weight [count, features] by integer index: [..., features]. An index out of range is an
 * IndexError when the result is computed.
 *
 * @throws DTypeError for indices that are not integers.
 */
export function embedding(
  indices: Tensor,
  weight: Tensor,
  { paddingIdx = null }: EmbeddingOptions = {},
): Tensor {
  if (weight.ndim !== 2) {
    throw new ShapeError('embedding', 'a weight [count, features]', formatShape(weight.shape))
  }
  const index = indexNode('embedding', indices.node)
  const rows = b.gather(weight.node, index, 0, 'embedding')
  if (paddingIdx === null) return expose(rows)
  const isPadding = b.eq(index, b.fullLike(index, paddingIdx))
  const mask = b.unreduce(isPadding, [rows.shape.length - 1], rows.shape)
  return expose(b.select(mask, b.stopGradient(rows), rows))
}

export interface NormOptions {
  readonly weight?: Tensor | null
  readonly bias?: Tensor | null
  /** Added to variances. Default 1e-5. */
  readonly eps?: number
}

/**
 * (x - mean) / √(variance + eps) · weight + bias, with mean and variance over the last axes, whose sizes
 * are `normalizedShape`. [arXiv:1607.06450](https://arxiv.org/abs/1607.06450)
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: number | Shape,
  { weight = null, bias = null, eps = 1e-5 }: NormOptions = {},
): Tensor {
  const shape = typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape
  if (shape.length === 0 || !shapeEqual(x.shape.slice(-shape.length), shape)) {
    const expected = `input whose last sizes are ${formatShape(shape)}`
    throw new ShapeError('layerNorm', expected, formatShape(x.shape))
  }
  const options = { rank: shape.length, epsilon: eps }
  return expose(layerNormOp(x.node, weight?.node ?? null, bias?.node ?? null, options))
}

export interface BatchNormOptions extends NormOptions {
  /** Normalize by this batch, and move the running averages; else by the averages. Default false. */
  readonly training?: boolean
  /** How far the running averages move to each batch's, from 0 to 1. Default 0.1. */
  readonly momentum?: number | Tensor
}

/**
 * (x - mean) / √(variance + eps) · weight + bias for each channel of x [batch, channels, …].
 * [arXiv:1502.03167](https://arxiv.org/abs/1502.03167)
 *
 * In training mean and variance are those of the batch, and the running averages (if there are any) are
 * assigned; the running variance is that of a sample (n - 1), as PyTorch has it.
 */
export function batchNorm(
  x: Tensor,
  runningMean: Variable | null,
  runningVar: Variable | null,
  options: BatchNormOptions = {},
): Tensor {
  const { weight = null, bias = null, eps = 1e-5, training = false, momentum = 0.1 } = options
  const [w, s] = [weight?.node ?? null, bias?.node ?? null]
  const channels = runningMean?.shape[0] ?? weight?.shape[0]
  if (x.ndim < 2 || (channels !== undefined && !dimEqual(x.shape[1]!, channels))) {
    const expected = `input [batch, ${channels ?? 'channels'}, ...]`
    throw new ShapeError('batchNorm', expected, formatShape(x.shape))
  }
  if (!training) {
    if (runningMean === null || runningVar === null) {
      throw new ValueError('batchNorm', 'running averages, or training: true', 'neither')
    }
    const [mean, variance] = [runningMean.node, runningVar.node]
    return expose(batchNormInference(x.node, mean, variance, w, s, { epsilon: eps }))
  }
  const count = (sizeOf(x.shape) as number) / (x.shape[1] as number)
  if (count === 1) {
    const expected = 'more than one value per channel when training'
    throw new ShapeError('batchNorm', expected, formatShape(x.shape))
  }
  const [y, mean, variance] = batchNormOp(x.node, w, s, { epsilon: eps })
  const out = expose(y)
  withGrad(false, () => {
    const moved = (from: Variable, to: Tensor): Tensor => {
      const was = from.detach()
      // Written like this because a factor of 1 - momentum would be a scalar more to supply.
      return was.add(to.sub(was).mul(momentum))
    }
    runningMean?.assign(moved(runningMean, expose(b.stopGradient(mean))))
    const sample = (v: Tensor): Tensor => v.mul(count / (count - 1))
    runningVar?.assign(moved(runningVar, sample(expose(b.stopGradient(variance)))))
  })
  return out
}

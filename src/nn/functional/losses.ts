// Losses: how far predictions are from targets, as one number or, with `reduction: 'none'`, one each.

import { ShapeError } from '../../base/errors.js'
import { formatShape, shapeEqual } from '../../base/shape.js'
import { cast } from '../../ir/build.js'
import * as c from '../../ir/composites/index.js'
import type { Node } from '../../ir/node.js'
import { expose } from '../../tensor/core.js'
import type { Tensor } from '../../tensor/tensor.js'

export interface LossOptions {
  /** `mean` (default) or `sum` over all elements, or `none`: one loss an element. */
  readonly reduction?: c.Reduction
}

export interface ClassLossOptions extends LossOptions {
  /** How much each class counts, [classes]. */
  readonly weight?: Tensor | null
  /** A target that counts for nothing. Default -100. */
  readonly ignoreIndex?: number
}

export interface CrossEntropyOptions extends ClassLossOptions {
  /** How much of each target is spread evenly over all classes, in [0, 1]. Default 0. */
  readonly labelSmoothing?: number
}

/** Classes may come as bytes, as data sets have them. */
const classes = (target: Tensor): Node =>
  target.dtype === 'uint8' ? cast(target.node, 'int32') : target.node

const withWeight = <O extends ClassLossOptions>({ weight, ...rest }: O) => ({
  ...rest,
  ...(weight && { weight: weight.node }),
})

/**
 * Cross entropy of logits [batch, classes, …] with targets [batch, …]: classes, as integers.
 * Probabilities for targets (of the logits' shape) work too. Mirrors
 * `torch.nn.functional.cross_entropy`.
 *
 * A target that is neither a class nor `ignoreIndex` is an IndexError when the loss is computed.
 */
export function crossEntropy(
  logits: Tensor,
  target: Tensor,
  options: CrossEntropyOptions = {},
): Tensor {
  const soft = target.dtype === logits.dtype && shapeEqual(target.shape, logits.shape)
  if (soft) return softCrossEntropy(logits, target, options)
  return expose(c.crossEntropy(logits.node, classes(target), withWeight(options)))
}

/** Cross entropy with a distribution over classes for each target. */
function softCrossEntropy(
  logits: Tensor,
  target: Tensor,
  { weight, reduction = 'mean', labelSmoothing = 0 }: CrossEntropyOptions,
): Tensor {
  const axis = logits.ndim === 1 ? 0 : 1
  const count = logits.shape[axis] as number
  const smoothed =
    labelSmoothing === 0 ? target : target.mul(1 - labelSmoothing).add(labelSmoothing / count)
  let each = expose(c.logSoftmax(logits.node, [axis])).mul(smoothed)
  if (weight) {
    const shape = logits.shape.map((d, i) => (i === axis ? d : 1))
    each = each.mul(weight.reshape(shape))
  }
  const losses = each.sum(axis).neg()
  if (reduction === 'none') return losses
  return reduction === 'sum' ? losses.sum() : losses.mean()
}

/** Negative log likelihood of log probabilities [batch, classes, …]; otherwise as `crossEntropy`. */
export function nllLoss(
  logProbabilities: Tensor,
  target: Tensor,
  options: ClassLossOptions = {},
): Tensor {
  return expose(c.nllLoss(logProbabilities.node, classes(target), withWeight(options)))
}

/** Losses compare element by element: shapes that would merely broadcast are a mistake. */
function sameShape(where: string, prediction: Tensor, target: Tensor): void {
  if (shapeEqual(prediction.shape, target.shape)) return
  throw new ShapeError(
    where,
    `a target of shape ${formatShape(prediction.shape)}, as the prediction is`,
    formatShape(target.shape),
    { prediction: prediction.shape, target: target.shape },
  )
}

const beside = (target: Tensor, prediction: Tensor): Node => cast(target.node, prediction.dtype)

/** (prediction - target)². Mirrors `torch.nn.functional.mse_loss`. */
export function mseLoss(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  sameShape('mseLoss', prediction, target)
  return expose(c.mseLoss(prediction.node, beside(target, prediction), options.reduction))
}

/** |prediction - target|. */
export function l1Loss(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  sameShape('l1Loss', prediction, target)
  return expose(c.l1Loss(prediction.node, beside(target, prediction), options.reduction))
}

export interface SmoothL1Options extends LossOptions {
  /** Where the loss turns from square to linear. Default 1. */
  readonly beta?: number
}

/** d² / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere. [arXiv:1504.08083](https://arxiv.org/abs/1504.08083) */
export function smoothL1Loss(
  prediction: Tensor,
  target: Tensor,
  { reduction, beta }: SmoothL1Options = {},
): Tensor {
  sameShape('smoothL1Loss', prediction, target)
  return expose(c.smoothL1Loss(prediction.node, beside(target, prediction), reduction, beta))
}

export interface HuberOptions extends LossOptions {
  /** Where the loss turns from square to linear. Default 1. */
  readonly delta?: number
}

/** d² / 2 where |d| < delta, delta (|d| - delta / 2) elsewhere. */
export function huberLoss(
  prediction: Tensor,
  target: Tensor,
  { reduction, delta }: HuberOptions = {},
): Tensor {
  sameShape('huberLoss', prediction, target)
  return expose(c.huberLoss(prediction.node, beside(target, prediction), reduction, delta))
}

export interface BinaryLossOptions extends LossOptions {
  /** How much each element counts; broadcasts to the prediction. */
  readonly weight?: Tensor | null
}

/** -(t log p + (1 - t) log(1 - p)) for probabilities p and targets t in [0, 1]. */
export function binaryCrossEntropy(
  probability: Tensor,
  target: Tensor,
  { reduction = 'mean', weight }: BinaryLossOptions = {},
): Tensor {
  sameShape('binaryCrossEntropy', probability, target)
  return expose(
    c.binaryCrossEntropy(probability.node, beside(target, probability), {
      reduction,
      weight: weight?.node ?? null,
    }),
  )
}

export interface BinaryLogitsOptions extends BinaryLossOptions {
  /** How much positive targets count; broadcasts to the prediction. */
  readonly posWeight?: Tensor | null
}

/** Binary cross entropy of sigmoid(x), computed from the logits x so that it cannot overflow. */
export function binaryCrossEntropyWithLogits(
  logit: Tensor,
  target: Tensor,
  { reduction = 'mean', weight, posWeight }: BinaryLogitsOptions = {},
): Tensor {
  sameShape('binaryCrossEntropyWithLogits', logit, target)
  return expose(
    c.binaryCrossEntropyWithLogits(logit.node, beside(target, logit), {
      reduction,
      weight: weight?.node ?? null,
      positiveWeight: posWeight?.node ?? null,
    }),
  )
}

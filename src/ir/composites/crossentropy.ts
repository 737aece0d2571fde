// Losses against integer classes: cross entropy on logits, negative log likelihood on log probabilities.

import type { Dim } from '../../base/dim.js'
import { DTYPES } from '../../base/dtype.js'
import { DTypeError, ShapeError, ValueError } from '../../base/errors.js'
import { formatShape, type Shape, staticShape } from '../../base/shape.js'
import * as b from '../build.js'
import { apply, type Node, type TensorType } from '../node.js'
import { type Attrs, define, type Op, type Sample, type SampleInput } from '../op.js'
import { checkFloat, checkSameDType, checkSameShape } from '../primitives/check.js'
import { allAxes, times } from './math.js'
import { lossType, REDUCTIONS, type Reduction, reduceLoss } from './reduction.js'

export interface CrossEntropyAttrs extends Attrs {
  readonly reduction: string
  /** A target that counts for nothing; it need not be a class. */
  readonly ignoreIndex: number
  /** How much of each target is spread evenly over all classes, in [0, 1]. */
  readonly labelSmoothing: number
}

/** Scores [N, C, …d] have their classes on axis 1, an unbatched [C] on its only one. */
const classAxis = (shape: Shape): number => (shape.length === 1 ? 0 : 1)

function inferLoss(
  where: string,
  [scores, targets, weight]: readonly TensorType[],
  { reduction, labelSmoothing }: CrossEntropyAttrs,
): TensorType {
  checkFloat(where, scores!)
  const { shape, dtype } = scores!
  if (shape.length === 0) throw new ShapeError(where, 'scores [N, C, …] or [C]', formatShape(shape))
  if (targets!.dtype !== 'int32' && targets!.dtype !== 'int64') {
    throw new DTypeError(where, 'targets of dtype int32 or int64', targets!.dtype)
  }
  const axis = classAxis(shape)
  const places = shape.filter((_, i) => i !== axis)
  checkSameShape(where, `targets (scores are ${formatShape(shape)})`, places, targets!.shape)
  if (weight !== undefined) {
    checkSameDType(where, 'class weights', scores!, weight)
    checkSameShape(where, 'class weights', [shape[axis]!], weight.shape)
  }
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ValueError(where, 'labelSmoothing in [0, 1]', String(labelSmoothing))
  }
  return lossType(where, reduction, { shape: places, dtype })
}

/**
 * Targets as int32 indices that are known to be classes, and which of them are ignored. An ignored one
 * reads as class 0. Looking each up in the list of classes makes one that is out of range a fault of the
 * call, instead of a loss that is silently wrong. The list lies on the axis of the classes, which it names.
 */
function checkTargets(
  call: string,
  targets: Node,
  classes: Dim,
  axis: number,
  ignoreIndex: number,
) {
  const ignored = b.eq(targets, b.fullLike(targets, ignoreIndex))
  let narrow = targets
  if (targets.dtype === 'int64') {
    // Casting wraps; what is outside of the classes has to stay outside.
    const { min, max } = DTYPES.int32
    narrow = b.cast(
      b.max(b.min(targets, b.fullLike(targets, max)), b.fullLike(targets, min)),
      'int32',
    )
  }
  const used = b.select(ignored, b.zerosLike(narrow), narrow)
  const list = b.iota([...Array<Dim>(axis).fill(1), classes], axis, 'int32')
  return { ignored, index: b.reshape(b.gather(list, used, axis, call), used.shape) }
}

/** `reduced`, of the shape without the class axis, repeated along that axis. */
const overClasses = (reduced: Node, axis: number, like: Shape): Node =>
  b.unreduce(reduced, [axis], like)

/** A vector over classes spread to the shape of the scores. */
const alongClasses = (vector: Node, axis: number, like: Shape): Node =>
  b.broadcast(
    b.reshape(
      vector,
      like.map((d, i) => (i === axis ? d : 1)),
    ),
    like,
  )

/**
 * The loss Σ −log p[target], where log p = scores − log total, class by class. `total` is absent when
 * the scores are log probabilities already.
 */
function classLoss(
  call: string,
  scores: Node,
  logTotal: Node | null,
  targets: Node,
  weight: Node | undefined,
  { reduction, ignoreIndex, labelSmoothing }: CrossEntropyAttrs,
): Node {
  const { shape } = scores
  const axis = classAxis(shape)
  const { ignored, index } = checkTargets(call, targets, shape[axis]!, axis, ignoreIndex)
  const isTarget = b.eq(overClasses(index, axis, shape), b.iota(shape, axis, 'int32'))
  const sum = (x: Node): Node => b.reduceSum(x, [axis])
  const below = (top: Node | null, x: Node): Node => (top === null ? b.neg(x) : b.sub(top, x))

  // Not a product with the mask: a score of −∞ elsewhere must not make NaN of 0 · ∞.
  let each = below(logTotal, sum(b.select(isTarget, scores, b.zerosLike(scores))))
  const targetWeight = weight && b.gather(weight, index, 0, call)
  if (targetWeight) each = b.mul(each, targetWeight)
  if (labelSmoothing > 0) {
    const spread = logTotal && overClasses(logTotal, axis, shape)
    const every = below(spread, scores)
    const all = sum(weight ? b.mul(every, alongClasses(weight, axis, shape)) : every)
    const classes = staticShape('labelSmoothing', [shape[axis]!])[0]!
    each = b.add(times(each, 1 - labelSmoothing), times(all, labelSmoothing / classes))
  }
  each = b.select(ignored, b.zerosLike(each), each)
  if (reduction !== 'mean') return reduceLoss(each, reduction)
  const counted = targetWeight ?? b.fullLike(each, 1)
  const share = b.select(ignored, b.zerosLike(each), counted)
  return b.div(b.reduceSum(each, allAxes(each)), b.reduceSum(share, allAxes(each)))
}

const ATTRS: Op<CrossEntropyAttrs>['attrs'] = {
  reduction: 'name',
  ignoreIndex: 'int',
  labelSmoothing: 'number',
}

function samplesOf(smoothings: readonly number[], range: SampleInput['range']) {
  const scores = (shape: number[], dtype: 'float32' | 'float64' = 'float32') => ({
    shape,
    dtype,
    ...(range && { range }),
  })
  const classes = (shape: number[], values: number[], dtype: 'int32' | 'int64' = 'int32') => ({
    shape,
    values,
    dtype,
  })
  const weight = (n: number) => ({ shape: [n], range: [0.2, 2] as const })
  const out: Sample<CrossEntropyAttrs>[] = []
  for (const labelSmoothing of smoothings)
    for (const reduction of REDUCTIONS) {
      const attrs = { reduction, ignoreIndex: -100, labelSmoothing }
      out.push({ inputs: [scores([3, 4]), classes([3], [2, 0, 3])], attrs })
      out.push({
        inputs: [scores([2, 3, 2]), classes([2, 2], [2, -100, 1, 0], 'int64'), weight(3)],
        attrs,
        note: 'weights, places, ignored',
      })
    }
  const attrs = { reduction: 'mean', ignoreIndex: 1, labelSmoothing: 0 }
  out.push({ inputs: [scores([3, 4], 'float64'), classes([3], [2, 1, 3])], attrs })
  out.push({ inputs: [scores([4]), classes([], [2])], attrs, note: 'unbatched' })
  out.push({
    inputs: [scores([2, 3]), classes([2], [1, 1])],
    attrs,
    note: 'all ignored',
    smooth: false,
  })
  out.push({
    inputs: [{ shape: [2, 3], values: [-Infinity, 1, 2, 3, -Infinity, 1e4] }, classes([2], [2, 0])],
    attrs,
    note: 'masked classes, extremes',
    smooth: false,
  })
  return out
}

const crossEntropyOp = define<CrossEntropyAttrs>({
  name: 'crossEntropy',
  attrs: ATTRS,
  infer: (inputs, attrs) => inferLoss('crossEntropy', inputs, attrs),
  expand: ([logits, targets, weight], attrs) => {
    const { shape } = logits!
    const axis = classAxis(shape)
    // Shifted before the logarithm, not after: large logits would swallow the loss.
    const top = b.stopGradient(b.reduceMax(logits!, [axis]))
    const z = b.sub(logits!, overClasses(top, axis, shape))
    const logTotal = b.log(b.reduceSum(b.exp(z), [axis]))
    return classLoss('crossEntropy', z, logTotal, targets!, weight, attrs)
  },
  samples: () => samplesOf([0, 0.1], undefined),
})

const nllLossOp = define<CrossEntropyAttrs>({
  name: 'nllLoss',
  attrs: ATTRS,
  infer: (inputs, attrs) => inferLoss('nllLoss', inputs, attrs),
  expand: ([logProbabilities, targets, weight], attrs) =>
    classLoss('nllLoss', logProbabilities!, null, targets!, weight, attrs),
  samples: () => samplesOf([0], [-4, -0.1]),
})

export interface ClassLossOptions {
  /** How much each class counts, [C]. */
  readonly weight?: Node | null
  readonly reduction?: Reduction
  /** Default −100. */
  readonly ignoreIndex?: number
}

const inputsOf = (scores: Node, targets: Node, { weight }: ClassLossOptions): Node[] =>
  weight ? [scores, targets, weight] : [scores, targets]

/**
 * Cross entropy of logits [N, C, …d] (or [C]) against classes [N, …d], int32 or int64:
 * −w[y] (x[y] − log Σ exp x). With smoothing ε it is (1 − ε) of that plus ε/C Σ_c of the same for
 * every class. The mean divides by the sum of the targets' weights, ignored ones left out, as PyTorch
 * does. A target that is neither a class nor `ignoreIndex` is a fault when it is computed.
 */
export const crossEntropy = (
  logits: Node,
  targets: Node,
  options: ClassLossOptions & { readonly labelSmoothing?: number } = {},
): Node => {
  const { reduction = 'mean', ignoreIndex = -100, labelSmoothing = 0 } = options
  const attrs = { reduction, ignoreIndex, labelSmoothing }
  return apply(crossEntropyOp, inputsOf(logits, targets, options), attrs)
}

/** −w[y] x[y], for log probabilities [N, C, …d] (or [C]); else as `crossEntropy`. */
export const nllLoss = (
  logProbabilities: Node,
  targets: Node,
  options: ClassLossOptions = {},
): Node => {
  const { reduction = 'mean', ignoreIndex = -100 } = options
  const attrs = { reduction, ignoreIndex, labelSmoothing: 0 }
  return apply(nllLossOp, inputsOf(logProbabilities, targets, options), attrs)
}

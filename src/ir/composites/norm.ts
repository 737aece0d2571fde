// Normalization: values made to have mean 0 and variance 1 over some axes, then scaled and shifted.

import { type Dim, isKnown } from '../../base/dim.js'
import { ValueError } from '../../base/errors.js'
import { formatShape, type Shape } from '../../base/shape.js'
import * as b from '../build.js'
import { apply, type Node, type TensorType } from '../node.js'
import { type Attrs, define, type Op, type VjpArgs } from '../op.js'
import { checkAxis, checkFloat, checkSameDType, checkSameShape } from '../primitives/check.js'
import { plus, square } from './math.js'

/** How many elements `axes` hold, as a scalar; sizes that are open are counted when a plan runs. */
function countOf(x: TensorType, axes: readonly number[]): Node {
  const sizes = axes.map((i) => x.shape[i]!)
  const open = sizes.filter((d) => !isKnown(d))
  const known = sizes.filter(isKnown).reduce((product, d) => product * d, 1)
  if (open.length === 0) return b.constant(known, x.dtype)
  const each = b.full(known, open, x.dtype)
  return b.reduceSum(
    each,
    open.map((_, i) => i),
  )
}

/** The mean over `axes`, which disappear. */
function average(x: Node, axes: readonly number[]): Node {
  const sum = b.reduceSum(x, axes)
  return b.div(sum, b.broadcastTo(countOf(x, axes), sum.shape))
}

/** What normalizing `x` over `axes` computes on the way. */
interface Normalized {
  readonly mean: Node
  /** Biased: the mean of squared deviations. */
  readonly variance: Node
  /** x − mean. */
  readonly centered: Node
  /** 1 / √(variance + ε), spread to the shape of x. */
  readonly scale: Node
  /** (x − mean) / √(variance + ε). */
  readonly value: Node
}

function normalize(x: Node, axes: readonly number[], epsilon: number): Normalized {
  const mean = average(x, axes)
  const centered = b.sub(x, b.unreduce(mean, axes, x.shape))
  const variance = average(square(centered), axes)
  const scale = b.unreduce(inverseRoot(variance, epsilon), axes, x.shape)
  return { mean, variance, centered, scale, value: b.mul(centered, scale) }
}

const inverseRoot = (variance: Node, epsilon: number): Node =>
  b.div(b.fullLike(variance, 1), b.sqrt(plus(variance, epsilon)))

/** The axes of `x` that are not in `axes`. */
const otherAxes = (x: TensorType, axes: readonly number[]): number[] =>
  x.shape.map((_, i) => i).filter((i) => !axes.includes(i))

/** value · weight + bias, where weight and bias have every axis of value but `shared`. */
function affine(value: Node, shared: readonly number[], weight?: Node, bias?: Node): Node {
  const scaled =
    weight === undefined ? value : b.mul(value, b.unreduce(weight, shared, value.shape))
  return bias === undefined ? scaled : b.add(scaled, b.unreduce(bias, shared, value.shape))
}

/** Which axes are normalized over, and over which ones weight and bias are shared. */
interface Layout {
  readonly over: readonly number[]
  readonly shared: readonly number[]
}

/**
 * The gradients of x, weight and bias, for y = x̂·weight + bias, x̂ = (x − mean)·scale:
 *
 * dx = scale · (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂)), dx̂ = dy · weight
 */
function normGradients(
  { inputs, attrs, needs }: VjpArgs<NormAttrs>,
  grad: Node,
  { over, shared }: Layout,
): (Node | null)[] {
  const [x, weight] = inputs as readonly [Node, Node?]
  const { value, scale } = normalize(x, over, attrs.epsilon)
  const ofInput = (): Node => {
    const ofValue = affine(grad, shared, weight)
    const shift = b.unreduce(average(ofValue, over), over, x.shape)
    const along = b.unreduce(average(b.mul(ofValue, value), over), over, x.shape)
    return b.mul(scale, b.sub(b.sub(ofValue, shift), b.mul(value, along)))
  }
  return [
    needs(0) ? ofInput() : null,
    ...(inputs.length > 1 ? [needs(1) ? b.reduceSum(b.mul(grad, value), shared) : null] : []),
    ...(inputs.length > 2 ? [needs(2) ? b.reduceSum(grad, shared) : null] : []),
  ]
}

interface NormAttrs extends Attrs {
  /** Added to the variance, so that constant input divides by no zero. */
  readonly epsilon: number
}

/** Weight and bias, where they are there, have dtype and shape that fit. */
function checkAffine(
  where: string,
  x: TensorType,
  shape: Shape,
  rest: readonly (TensorType | undefined)[],
): void {
  for (const [i, parameter] of rest.entries()) {
    if (parameter === undefined) continue
    const what = i === 0 ? 'a weight' : 'a bias'
    checkSameDType(where, what, x, parameter)
    checkSameShape(where, what, shape, parameter.shape)
  }
}

/** The inputs of a call: a bias without a weight gets a weight of ones. */
function withAffine(first: readonly Node[], weight: Node | null, bias: Node | null): Node[] {
  if (bias === null) return weight === null ? [...first] : [...first, weight]
  return [...first, weight ?? b.fullLike(bias, 1), bias]
}

export interface LayerNormAttrs extends NormAttrs {
  /** How many axes, from the last one, are normalized together. */
  readonly rank: number
}

const layerLayout = (x: TensorType, { rank }: LayerNormAttrs): Layout => {
  const shared = x.shape.map((_, i) => i).slice(0, x.shape.length - rank)
  return { over: otherAxes(x, shared), shared }
}

const layerNormOp: Op<LayerNormAttrs> = define<LayerNormAttrs>({
  name: 'layerNorm',
  attrs: { rank: 'int', epsilon: 'number' },
  infer: ([x, ...rest], attrs) => {
    checkFloat('layerNorm', x!)
    if (!Number.isInteger(attrs.rank) || attrs.rank < 1 || attrs.rank > x!.shape.length) {
      const expected = `a rank from 1 to ${x!.shape.length} (input is ${formatShape(x!.shape)})`
      throw new ValueError('layerNorm', expected, String(attrs.rank))
    }
    const normalized = x!.shape.slice(x!.shape.length - attrs.rank)
    checkAffine('layerNorm', x!, normalized, rest)
    return { shape: x!.shape, dtype: x!.dtype }
  },
  expand: ([x, weight, bias], attrs) => {
    const { over, shared } = layerLayout(x!, attrs)
    return affine(normalize(x!, over, attrs.epsilon).value, shared, weight, bias)
  },
  vjp: (args) =>
    normGradients(args, args.grad, layerLayout(args.inputs[0]!, args.attrs as LayerNormAttrs)),
  samples: () => [
    {
      inputs: [{ shape: [4, 6] }, { shape: [6] }, { shape: [6] }],
      attrs: { rank: 1, epsilon: 1e-5 },
    },
    { inputs: [{ shape: [2, 3, 5] }], attrs: { rank: 1, epsilon: 1e-5 }, note: 'no weight' },
    {
      inputs: [{ shape: [2, 3, 5] }, { shape: [3, 5] }],
      attrs: { rank: 2, epsilon: 1e-3 },
      note: 'no bias',
    },
    {
      inputs: [{ shape: [7] }, { shape: [7] }, { shape: [7] }],
      attrs: { rank: 1, epsilon: 1e-5 },
      note: 'all axes',
    },
    {
      inputs: [{ shape: [0, 3] }, { shape: [3] }, { shape: [3] }],
      attrs: { rank: 1, epsilon: 1e-5 },
      note: 'empty',
    },
    {
      inputs: [{ shape: [2, 1] }, { shape: [1] }, { shape: [1] }],
      attrs: { rank: 1, epsilon: 0.1 },
      note: 'size 1',
    },
  ],
})

/**
 * (x − mean) / √(variance + ε) · weight + bias, mean and (biased) variance over the last `rank` axes;
 * weight and bias have the shape of those axes. Ba, Kiros & Hinton,
 * [Layer Normalization](https://arxiv.org/abs/1607.06450).
 */
export const layerNorm = (
  x: Node,
  weight: Node | null,
  bias: Node | null,
  { rank, epsilon = 1e-5 }: { rank: number; epsilon?: number },
): Node => apply(layerNormOp, withAffine([x], weight, bias), { rank, epsilon })

export interface BatchNormAttrs extends NormAttrs {
  /** The axis of channels, which keep their own mean and variance. */
  readonly axis: number
}

const BATCH_KINDS = { axis: 'int', epsilon: 'number' } as unknown as Op<BatchNormAttrs>['attrs']

const batchLayout = (x: TensorType, { axis }: BatchNormAttrs): Layout => {
  const over = otherAxes(x, [axis])
  return { over, shared: over }
}

/** Shape of what there is one of for each channel. */
function channelShape(where: string, x: TensorType, axis: number): readonly [Dim] {
  checkFloat(where, x)
  checkAxis(where, axis, x.shape)
  return [x.shape[axis]!]
}

const batchNormOp: Op<BatchNormAttrs> = define<BatchNormAttrs>({
  name: 'batchNorm',
  attrs: BATCH_KINDS,
  infer: ([x, ...rest], { axis }) => {
    const channels = channelShape('batchNorm', x!, axis)
    checkAffine('batchNorm', x!, channels, rest)
    const statistic = { shape: channels, dtype: x!.dtype }
    return [{ shape: x!.shape, dtype: x!.dtype }, statistic, statistic]
  },
  expand: ([x, weight, bias], attrs) => {
    const { over, shared } = batchLayout(x!, attrs)
    const { value, mean, variance } = normalize(x!, over, attrs.epsilon)
    return [affine(value, shared, weight, bias), mean, variance]
  },
  vjp: (args) => {
    const x = args.inputs[0]!
    const layout = batchLayout(x, args.attrs as BatchNormAttrs)
    const [ofOutput, ofMean, ofVariance] = args.grads
    const found: (Node | null)[] = ofOutput
      ? normGradients(args, ofOutput, layout)
      : args.inputs.map(() => null)
    if (!args.needs(0)) return found
    // What flows through the statistics themselves: d mean / dx = 1 / n, d variance / dx = 2·(x − mean) / n.
    const count = b.broadcastTo(countOf(x, layout.over), x.shape)
    const back = (grad: Node): Node => b.div(b.unreduce(grad, layout.over, x.shape), count)
    const terms = [found[0] ?? null, ofMean ? back(ofMean) : null]
    if (ofVariance) {
      const { centered } = normalize(x, layout.over, args.attrs.epsilon as number)
      terms.push(b.mul(back(ofVariance), b.add(centered, centered)))
    }
    const present = terms.filter((t) => t !== null)
    const sum = present.length === 0 ? null : present.reduce((a, c) => b.add(a, c))
    return [sum, ...found.slice(1)]
  },
  samples: () => [
    {
      inputs: [{ shape: [4, 3, 2, 2] }, { shape: [3] }, { shape: [3] }],
      attrs: { axis: 1, epsilon: 1e-5 },
    },
    { inputs: [{ shape: [5, 3] }], attrs: { axis: 1, epsilon: 1e-5 }, note: 'no weight' },
    {
      inputs: [{ shape: [2, 4, 3] }, { shape: [3] }],
      attrs: { axis: 2, epsilon: 1e-3 },
      note: 'channels last',
    },
    {
      inputs: [{ shape: [3, 1, 2] }, { shape: [1] }, { shape: [1] }],
      attrs: { axis: 1, epsilon: 1e-5 },
      note: 'size 1',
    },
  ],
})

/**
 * Batch normalization in training: (x − mean) / √(variance + ε) · weight + bias with the statistics of
 * this very batch, for each channel of `axis`. Gives [y, mean, variance]; the variance is biased, so
 * running averages that want n − 1 have to scale it by n / (n − 1). Ioffe & Szegedy,
 * [Batch Normalization](https://arxiv.org/abs/1502.03167).
 */
export function batchNorm(
  x: Node,
  weight: Node | null,
  bias: Node | null,
  { axis = 1, epsilon = 1e-5 }: { axis?: number; epsilon?: number } = {},
): readonly [y: Node, mean: Node, variance: Node] {
  const node = apply(batchNormOp, withAffine([x], weight, bias), { axis, epsilon })
  return [b.output(node, 0), b.output(node, 1), b.output(node, 2)]
}

const batchNormInferenceOp: Op<BatchNormAttrs> = define<BatchNormAttrs>({
  name: 'batchNormInference',
  attrs: BATCH_KINDS,
  infer: ([x, mean, variance, ...rest], { axis }) => {
    const channels = channelShape('batchNormInference', x!, axis)
    checkSameDType('batchNormInference', 'a mean', x!, mean!)
    checkSameDType('batchNormInference', 'a variance', x!, variance!)
    checkSameShape('batchNormInference', 'a mean', channels, mean!.shape)
    checkSameShape('batchNormInference', 'a variance', channels, variance!.shape)
    checkAffine('batchNormInference', x!, channels, rest)
    return { shape: x!.shape, dtype: x!.dtype }
  },
  expand: ([x, mean, variance, weight, bias], attrs) => {
    const { over } = batchLayout(x!, attrs)
    const scale = inverseRoot(variance!, attrs.epsilon)
    const factor = weight === undefined ? scale : b.mul(scale, weight)
    return affine(b.sub(x!, b.unreduce(mean!, over, x!.shape)), over, factor, bias)
  },
  samples: () => {
    const variance = { shape: [3], range: [0.1, 2] } as const
    const attrs = { axis: 1, epsilon: 1e-5 }
    return [
      {
        inputs: [{ shape: [2, 3, 4] }, { shape: [3] }, variance, { shape: [3] }, { shape: [3] }],
        attrs,
      },
      { inputs: [{ shape: [4, 3] }, { shape: [3] }, variance], attrs, note: 'no weight' },
      {
        inputs: [{ shape: [2, 2, 3] }, { shape: [3] }, variance, { shape: [3] }],
        attrs: { axis: 2, epsilon: 1e-3 },
        note: 'channels last',
      },
      {
        inputs: [{ shape: [0, 3] }, { shape: [3] }, variance, { shape: [3] }, { shape: [3] }],
        attrs,
        note: 'empty',
      },
    ]
  },
})

/** Batch normalization with statistics from elsewhere, such as running averages; all of shape [channels]. */
export const batchNormInference = (
  x: Node,
  mean: Node,
  variance: Node,
  weight: Node | null,
  bias: Node | null,
  { axis = 1, epsilon = 1e-5 }: { axis?: number; epsilon?: number } = {},
): Node =>
  apply(batchNormInferenceOp, withAffine([x, mean, variance], weight, bias), { axis, epsilon })

// Scaled dot-product attention, and its gradient as an operation of its own.
//
// Both stay whole until the compiler has seen them, because a kernel can compute them without writing the
// matrix of scores to memory. Their bodies here say what they mean, to the bit.

import { type Dim, dimFits } from '../../base/dim.js'
import { DTypeError, ShapeError } from '../../base/errors.js'
import { formatShape } from '../../base/shape.js'
import * as b from '../build.js'
import { apply, type Node, type TensorType } from '../node.js'
import { type Attrs, define, type Op, type Sample, type SampleInput } from '../op.js'
import { checkFloat, checkSameDType, checkSameShape } from '../primitives/check.js'
import { times } from './math.js'

export interface AttentionAttrs extends Attrs {
  /** What scores are multiplied by. */
  readonly scale: number
  /** Whether position i attends to positions 0 … i alone. */
  readonly causal: boolean
}

const ATTRS: Op<AttentionAttrs>['attrs'] = { scale: 'number', causal: 'flag' }

/** Queries [B, T, H, D], keys [B, S, H, D], values [B, S, H, E], maybe a mask [B, H, T, S]. */
type Inputs<T> = readonly [query: T, key: T, value: T, mask?: T]

function check(where: string, [q, k, v, mask]: Inputs<TensorType>): void {
  checkFloat(where, q)
  checkSameDType(where, 'keys', q, k)
  checkSameDType(where, 'values', q, v)
  const shapes = [q, k, v].map((x) => x.shape)
  const fits = (i: number, axis: number, j: number): boolean =>
    dimFits(shapes[i]![axis]!, shapes[j]![axis]!)
  const whole =
    shapes.every((s) => s.length === 4) &&
    [0, 2].every((axis) => fits(0, axis, 1) && fits(1, axis, 2)) &&
    fits(0, 3, 1) &&
    fits(1, 1, 2)
  if (!whole) {
    const expected = 'queries [B, T, H, D], keys [B, S, H, D] and values [B, S, H, E]'
    throw new ShapeError(where, expected, shapes.map(formatShape).join(', '))
  }
  if (mask === undefined) return
  if (mask.dtype !== 'bool' && mask.dtype !== q.dtype) {
    throw new DTypeError(where, `a mask of dtype bool or ${q.dtype}`, mask.dtype)
  }
  checkSameShape(where, 'a mask', scoreShape(q, k), mask.shape)
}

const scoreShape = (q: TensorType, k: TensorType): Dim[] => [
  q.shape[0]!,
  q.shape[2]!,
  q.shape[1]!,
  k.shape[1]!,
]

const resultType = ([q, , v]: Inputs<TensorType>): TensorType => ({
  shape: [...q.shape.slice(0, 3), v.shape[3]!],
  dtype: q.dtype,
})

/** Scores [B, H, T, S] as `exponential · share` after a softmax, and the queries they are made from. */
function attend([q, k, , mask]: Inputs<Node>, { scale, causal }: AttentionAttrs) {
  const query = times(q, scale)
  const axes = { leftBatch: [0, 2], rightBatch: [0, 2], leftContract: [3], rightContract: [3] }
  let scores = b.dot([query, k], axes)
  const never = b.fullLike(scores, Number.NEGATIVE_INFINITY)
  if (mask) {
    scores = mask.dtype === 'bool' ? b.select(mask, scores, never) : b.add(scores, mask)
  }
  if (causal) {
    const [row, column] = [2, 3].map((axis) => b.iota(scores.shape, axis, 'int32'))
    scores = b.select(b.le(column!, row!), scores, never)
  }
  const top = b.reduceMax(scores, [3])
  // Of a row that attends to nothing the exponentials are 0, and so is its share.
  const none = b.eq(top, b.fullLike(top, Number.NEGATIVE_INFINITY))
  const shift = b.stopGradient(b.select(none, b.zerosLike(top), top))
  const exponential = b.exp(b.sub(scores, b.unreduce(shift, [3], scores.shape)))
  const total = b.reduceSum(exponential, [3])
  const isZero = b.eq(total, b.zerosLike(total))
  const one = b.fullLike(total, 1)
  // Not a quotient by zero in either branch: its gradient would be NaN.
  const share = b.select(isZero, total, b.div(one, b.select(isZero, one, total)))
  return { query, exponential, share }
}

const headsInside = (x: Node): Node => b.transpose(x, [0, 2, 1, 3])

/** One of the gradient's products: left [B, H, …] times right [B, …, H, …], back in the order of inputs. */
const productBack = (left: Node, leftAxis: number, right: Node): Node =>
  headsInside(
    b.dot([left, right], {
      leftBatch: [0, 1],
      rightBatch: [0, 2],
      leftContract: [leftAxis],
      rightContract: [1],
    }),
  )

/** The weights [B, H, T, S] that attention multiplies values by, in primitives: for what comes between. */
export function attentionWeights(
  query: Node,
  key: Node,
  mask: Node | null,
  attrs: AttentionAttrs,
): Node {
  const inputs: Inputs<Node> = mask ? [query, key, key, mask] : [query, key, key]
  check('attention', inputs)
  const { exponential, share } = attend(inputs, attrs)
  return b.mul(exponential, b.unreduce(share, [3], exponential.shape))
}

/** Gradients of queries, keys, values and scores. */
function gradientsOf(inputs: Inputs<Node>, grad: Node, attrs: AttentionAttrs): readonly Node[] {
  const [, k, v] = inputs
  const { query, exponential, share } = attend(inputs, attrs)
  const { shape } = exponential
  const weights = b.mul(exponential, b.unreduce(share, [3], shape))
  const axes = { leftBatch: [0, 2], rightBatch: [0, 2], leftContract: [3], rightContract: [3] }
  const ofWeights = b.dot([grad, v], axes)
  const along = b.reduceSum(b.mul(weights, ofWeights), [3])
  const ofScores = b.mul(weights, b.sub(ofWeights, b.unreduce(along, [3], shape)))
  return [
    times(productBack(ofScores, 3, k), attrs.scale),
    productBack(ofScores, 2, query),
    productBack(weights, 2, grad),
    ofScores,
  ]
}

const samplesOf = (withGrad: boolean): Sample<AttentionAttrs>[] => {
  const out: Sample<AttentionAttrs>[] = []
  const add = (
    [B, T, S, H, D, E]: readonly [number, number, number, number, number, number],
    causal: boolean,
    rest: Pick<Sample, 'note'> & { mask?: 'bool' | 'float32'; dtype?: 'float32' | 'float64' } = {},
  ): void => {
    const { mask, dtype = 'float32', ...other } = rest
    const inputs: SampleInput[] = [
      { shape: [B, T, H, D], dtype },
      { shape: [B, S, H, D], dtype },
      { shape: [B, S, H, E], dtype },
      ...(withGrad ? [{ shape: [B, T, H, E], dtype }] : []),
    ]
    if (mask) inputs.push({ shape: [B, H, T, S], dtype: mask })
    out.push({ inputs, attrs: { scale: 0.5, causal }, ...other })
  }
  add([1, 2, 3, 1, 2, 2], false)
  add([2, 3, 3, 2, 2, 1], true)
  add([1, 2, 2, 1, 3, 2], false, { dtype: 'float64' })
  add([1, 2, 3, 2, 2, 2], false, { mask: 'float32' })
  add([1, 3, 4, 1, 2, 2], false, { mask: 'bool', note: 'masked' })
  add([1, 0, 3, 1, 2, 2], false, { note: 'no queries' })
  add([1, 34, 34, 2, 3, 5], true, { note: 'rows as long as a kernel of its own takes' })
  return out
}

/** Results: gradients of queries, keys and values, from the inputs, the result's gradient, and the mask. */
const gradientOp = define<AttentionAttrs>({
  name: 'attentionGradient',
  attrs: ATTRS,
  whole: true,
  infer: ([q, k, v, grad, mask]) => {
    const inputs: Inputs<TensorType> = mask ? [q!, k!, v!, mask] : [q!, k!, v!]
    check('attentionGradient', inputs)
    checkSameDType('attentionGradient', 'a gradient', q!, grad!)
    checkSameShape('attentionGradient', 'a gradient', resultType(inputs).shape, grad!.shape)
    return [q!, k!, v!].map(({ shape, dtype }) => ({ shape, dtype }))
  },
  expand: ([q, k, v, grad, mask], attrs) =>
    gradientsOf(mask ? [q!, k!, v!, mask] : [q!, k!, v!], grad!, attrs).slice(0, 3),
  samples: () => samplesOf(true),
})

const attentionOp = define<AttentionAttrs>({
  name: 'attention',
  attrs: ATTRS,
  whole: true,
  infer: (inputs) => {
    const all = inputs as unknown as Inputs<TensorType>
    check('attention', all)
    return resultType(all)
  },
  expand: (given, attrs) => {
    const inputs = given as unknown as Inputs<Node>
    const { exponential, share } = attend(inputs, attrs)
    // Divided after the product: there is less of the result than there is of the scores.
    const sum = productBack(exponential, 3, inputs[2])
    const [, H, T] = exponential.shape
    const shares = b.transpose(b.reshape(share, [share.shape[0]!, H!, T!, 1]), [0, 2, 1, 3])
    return b.mul(sum, b.broadcast(shares, sum.shape))
  },
  vjp: ({ inputs, attrs, grad, needs }) => {
    const all = inputs as unknown as Inputs<Node>
    const [q, k, v, mask] = all
    const asked = (list: readonly Node[]): (Node | null)[] =>
      inputs.map((_, i) => (needs(i) ? list[i]! : null))
    // The gradient of a mask that is added is that of the scores, which a kernel never writes.
    if (mask && needs(3)) return asked(gradientsOf(all, grad, attrs))
    const node = apply(gradientOp, mask ? [q, k, v, grad, mask] : [q, k, v, grad], attrs)
    return asked([0, 1, 2].map((i) => b.output(node, i)))
  },
  samples: () => samplesOf(false),
})

/**
 * softmax(scale · Q Kᵀ + mask) V for queries [B, T, H, D], keys [B, S, H, D] and values [B, S, H, E], of B
 * sequences and H heads: [B, T, H, E]. A mask [B, H, T, S] is added if it is of a float dtype; if it is
 * bool, its true elements take part. A position that attends to nothing gets zeros.
 * [arXiv:1706.03762](https://arxiv.org/abs/1706.03762)
 */
export const attention = (
  query: Node,
  key: Node,
  value: Node,
  mask: Node | null,
  attrs: AttentionAttrs,
): Node => apply(attentionOp, mask ? [query, key, value, mask] : [query, key, value], attrs)

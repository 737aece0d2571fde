// Softmax and its kin over axes, shifted by the maximum so that exp never overflows.

import type { Shape } from '../../base/shape.js'
import * as b from '../build.js'
import { apply, type Node } from '../node.js'
import { type Attrs, define, type Sample, type VjpArgs } from '../op.js'
import { checkAxes, checkFloat } from '../primitives/check.js'

export interface SoftmaxAttrs extends Attrs {
  readonly axes: readonly number[]
}

interface Family {
  readonly name: string
  readonly reduces: boolean
  readonly body: (x: Node, axes: readonly number[]) => Node
  readonly vjp: (args: VjpArgs<SoftmaxAttrs>, x: Node) => Node
}

const samples = (): Sample<SoftmaxAttrs>[] => [
  { inputs: [{ shape: [5] }], attrs: { axes: [0] } },
  { inputs: [{ shape: [3, 7] }], attrs: { axes: [1] } },
  { inputs: [{ shape: [2, 3, 4], dtype: 'float64' }], attrs: { axes: [0, 2] } },
  { inputs: [{ shape: [1, 1] }], attrs: { axes: [1] }, note: 'one element' },
  { inputs: [{ shape: [0, 3] }], attrs: { axes: [1] }, note: 'empty' },
  {
    inputs: [{ shape: [2, 3], values: [1e4, 1e4, -1e4, -90, 0, 90] }],
    attrs: { axes: [1] },
    note: 'extremes',
    smooth: false,
  },
  {
    inputs: [{ shape: [2, 2], values: [-Infinity, 1, 2, -Infinity] }],
    attrs: { axes: [1] },
    note: 'masked',
    smooth: false,
  },
]

function family(f: Family): (x: Node, axes: readonly number[]) => Node {
  const op = define<SoftmaxAttrs>({
    name: f.name,
    attrs: { axes: 'ints' },
    infer: ([x], { axes }) => {
      checkFloat(f.name, x!)
      checkAxes(f.name, axes, x!.shape)
      const shape = f.reduces ? x!.shape.filter((_, i) => !axes.includes(i)) : x!.shape
      return { shape, dtype: x!.dtype }
    },
    expand: ([x], { axes }) => f.body(x!, axes),
    vjp: (args) => [f.vjp(args, args.inputs[0]!)],
    samples,
  })
  return (x, axes) => apply(op, [x], { axes })
}

/** The maximum over `axes`, spread back. A shift by it changes no result, so it carries no gradient. */
const shiftOf = (x: Node, axes: readonly number[]): Node =>
  b.stopGradient(b.unreduce(b.reduceMax(x, axes), axes, x.shape))

/** The sum over `axes`, spread back beside `like`. */
const total = (x: Node, axes: readonly number[], like: Shape): Node =>
  b.unreduce(b.reduceSum(x, axes), axes, like)

/** Infinities replaced by 0: ∞ − ∞ is NaN, where a shift by nothing gives the right infinity. */
function finiteOrZero(x: Node): Node {
  const infinite = b.eq(b.abs(x), b.fullLike(x, Number.POSITIVE_INFINITY))
  return b.select(infinite, b.zerosLike(x), x)
}

/** exp(x) / Σ exp(x) over `axes`. NaN where all of a set is −∞. */
export const softmax = family({
  name: 'softmax',
  reduces: false,
  body: (x, axes) => {
    const e = b.exp(b.sub(x, shiftOf(x, axes)))
    const sum = b.reduceSum(e, axes)
    // One division a row rather than one an element.
    const share = b.div(b.fullLike(sum, 1), sum)
    return b.mul(e, b.unreduce(share, axes, x.shape))
  },
  vjp: ({ node: y, grad, attrs: { axes } }) => {
    const weighted = b.mul(grad, y)
    return b.sub(weighted, b.mul(y, total(weighted, axes, y.shape)))
  },
})

/** x − log Σ exp(x) over `axes`: log(softmax(x)) without its underflow. */
export const logSoftmax = family({
  name: 'logSoftmax',
  reduces: false,
  body: (x, axes) => {
    const z = b.sub(x, shiftOf(x, axes))
    return b.sub(z, b.unreduce(b.log(b.reduceSum(b.exp(z), axes)), axes, x.shape))
  },
  vjp: ({ node: y, grad, attrs: { axes } }) =>
    b.sub(grad, b.mul(b.exp(y), total(grad, axes, y.shape))),
})

/** log Σ exp(x) over `axes`, which disappear; −∞ (with gradient 0) where all of a set is −∞. */
export const logSumExp = family({
  name: 'logSumExp',
  reduces: true,
  body: (x, axes) => {
    const shift = b.stopGradient(finiteOrZero(b.reduceMax(x, axes)))
    const e = b.exp(b.sub(x, b.unreduce(shift, axes, x.shape)))
    return b.add(shift, b.log(b.reduceSum(e, axes)))
  },
  vjp: ({ node: y, grad, attrs: { axes } }, x) => {
    const shares = b.exp(b.sub(x, b.unreduce(finiteOrZero(y), axes, x.shape)))
    return b.mul(shares, b.unreduce(grad, axes, x.shape))
  },
})

// Activation functions: one input, the same shape out.

import * as b from '../build.js'
import { apply, type Node } from '../node.js'
import { type Attrs, define, NO_ATTRS, type Op, type Sample, type VjpArgs } from '../op.js'
import { checkFloat } from '../primitives/check.js'
import { isPositive, minusFrom, plus, square, times } from './math.js'

interface Activation<A extends Attrs> {
  readonly name: string
  readonly attrs: Op<A>['attrs']
  readonly body: (x: Node, attrs: A) => Node
  /** Only where the body's own gradient would be larger or less accurate. */
  readonly vjp?: (args: VjpArgs<A>, x: Node) => Node
  readonly examples: readonly A[]
}

const CORNERS = [Number.NaN, Infinity, -Infinity, 0, -0, 30, -30, 100, -100]

const activation = <A extends Attrs>(f: Activation<A>): Op<A> =>
  define<A>({
    name: f.name,
    attrs: f.attrs,
    infer: ([x]) => {
      checkFloat(f.name, x!)
      return { shape: x!.shape, dtype: x!.dtype }
    },
    expand: ([x], attrs) => f.body(x!, attrs),
    ...(f.vjp && { vjp: (args: VjpArgs<A>) => [f.vjp!(args, args.inputs[0]!)] }),
    samples: () =>
      f.examples.flatMap((attrs): Sample<A>[] => [
        { inputs: [{ shape: [3, 5] }], attrs },
        { inputs: [{ shape: [], dtype: 'float64' }], attrs, note: 'scalar' },
        { inputs: [{ shape: [0, 2] }], attrs, note: 'empty' },
        {
          inputs: [{ shape: [CORNERS.length], values: CORNERS }],
          attrs,
          note: 'corners',
          smooth: false,
        },
      ]),
  })

const plain = (name: string, body: (x: Node) => Node, vjp?: Activation<Attrs>['vjp']) => {
  const op = activation<Attrs>({ name, attrs: {}, body, examples: [NO_ATTRS], ...(vjp && { vjp }) })
  return (x: Node): Node => apply(op, [x], NO_ATTRS)
}

/** max(x, 0), with gradient 0 at 0; NaN stays NaN. */
export const relu = plain(
  'relu',
  (x) => b.max(x, b.zerosLike(x)),
  // By the result rather than by x, so that x itself need not be kept.
  ({ node, grad }) => b.select(b.le(node, b.zerosLike(node)), b.zerosLike(node), grad),
)

/** 1 / (1 + exp(−x)); exp may overflow for large negative x, and the quotient is then 0, as it should. */
export const sigmoid = plain(
  'sigmoid',
  (x) => b.div(b.fullLike(x, 1), plus(b.exp(b.neg(x)), 1)),
  ({ node, grad }) => b.mul(grad, b.mul(node, minusFrom(1, node))),
)

/** x · sigmoid(x): Hendrycks and Gimpel 2016, [arXiv:1606.08415](https://arxiv.org/abs/1606.08415). */
export const silu = plain('silu', (x) => b.mul(x, sigmoid(x)))

/** log(1 + exp(x)), computed as max(x, 0) + log1p(exp(−|x|)), which neither overflows nor cancels. */
export const softplus = plain(
  'softplus',
  (x) => b.add(b.max(x, b.zerosLike(x)), b.log1p(b.exp(b.neg(b.abs(x))))),
  // Smaller than the body's gradient; and right at 0 the second time too, where max and |x| have kinks.
  ({ grad }, x) => b.mul(grad, sigmoid(x)),
)

export interface GeluAttrs extends Attrs {
  /** `none` is x·Φ(x), exactly; `tanh` the approximation by a tanh of a cubic. */
  readonly approximate: string
}
const geluOp = activation<GeluAttrs>({
  name: 'gelu',
  attrs: { approximate: 'name' },
  body: (x, { approximate }) => {
    const cubic = b.add(x, times(b.mul(square(x), x), 0.044715))
    const side =
      approximate === 'tanh'
        ? b.tanh(times(cubic, Math.sqrt(2 / Math.PI)))
        : b.erf(times(x, Math.SQRT1_2))
    return b.mul(times(x, 0.5), plus(side, 1))
  },
  examples: [{ approximate: 'none' }, { approximate: 'tanh' }],
})
/**
 * x · Φ(x), with Φ the normal distribution: ½ x (1 + erf(x/√2)), or with `'tanh'`
 * ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). [arXiv:1606.08415](https://arxiv.org/abs/1606.08415).
 */
export const gelu = (x: Node, approximate: 'none' | 'tanh' = 'none'): Node =>
  apply(geluOp, [x], { approximate })

export interface LeakyReluAttrs extends Attrs {
  readonly slope: number
}
const leakyReluOp = activation<LeakyReluAttrs>({
  name: 'leakyRelu',
  attrs: { slope: 'number' },
  body: (x, { slope }) => b.select(isPositive(x), x, times(x, slope)),
  examples: [{ slope: 0.01 }, { slope: 0.3 }],
})
/** x where positive, else slope · x. */
export const leakyRelu = (x: Node, slope = 0.01): Node => apply(leakyReluOp, [x], { slope })

export interface EluAttrs extends Attrs {
  readonly alpha: number
}
const eluOp = activation<EluAttrs>({
  name: 'elu',
  attrs: { alpha: 'number' },
  body: (x, { alpha }) => {
    const positive = isPositive(x)
    // The branch not taken must stay finite too: 0 · ∞ in its gradient would be NaN.
    const negative = b.select(positive, b.zerosLike(x), x)
    return b.select(positive, x, times(b.expm1(negative), alpha))
  },
  examples: [{ alpha: 1 }, { alpha: 0.5 }],
})
/** x where positive, else alpha (exp(x) − 1): [arXiv:1511.07289](https://arxiv.org/abs/1511.07289). */
export const elu = (x: Node, alpha = 1): Node => apply(eluOp, [x], { alpha })

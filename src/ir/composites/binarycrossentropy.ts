// Losses of probabilities and logits against targets in [0, 1]: binary cross entropy.

import * as b from '../build.js'
import { apply, type Node } from '../node.js'
import { type Attrs, define, type Op, type Sample, type SampleInput, type VjpArgs } from '../op.js'
import { checkFloat } from '../primitives/check.js'
import { checkSame } from '../primitives/elementwise.js'
import { sigmoid, softplus } from './activations.js'
import { minusFrom, plus } from './math.js'
import { lossType, REDUCTIONS, type Reduction, reduceLoss, spreadLoss } from './reduction.js'

interface BinaryAttrs extends Attrs {
  readonly reduction: string
  /** Whether a weight for each element, and one for positive targets, come after x and target. */
  readonly weighted: boolean
  readonly positiveWeighted: boolean
}

interface Operands {
  readonly x: Node
  readonly target: Node
  readonly weight: Node | null
  readonly positive: Node | null
}

function operands(inputs: readonly Node[], attrs: BinaryAttrs): Operands {
  const rest = inputs.slice(2)
  const weight = attrs.weighted ? rest.shift()! : null
  const positive = attrs.positiveWeighted ? rest.shift()! : null
  return { x: inputs[0]!, target: inputs[1]!, weight, positive }
}

/** The loss of one element, unweighted, and its derivatives, which do without its cancellations. */
interface BinaryLoss {
  readonly name: string
  readonly each: (o: Operands) => Node
  readonly byX: (o: Operands) => Node
  readonly byTarget: (o: Operands) => Node
  readonly byPositive: (o: Operands) => Node
  readonly range?: SampleInput['range']
  readonly takesPositive: boolean
}

/** log x, no less than −100: PyTorch's bound, which keeps the loss finite at 0. */
const boundedLog = (log: Node): Node => b.max(log, b.fullLike(log, -100))

/** How much of log1p(exp(−|x|)) counts: 1 for target 0, the positive weight for target 1. */
const share = ({ target, positive }: Operands): Node | null =>
  positive && plus(b.mul(plus(positive, -1), target), 1)

const scaled = (x: Node, by: Node | null): Node => (by === null ? x : b.mul(x, by))

const LOSSES: readonly BinaryLoss[] = [
  {
    name: 'binaryCrossEntropy',
    each: ({ x, target }) => {
      const one = b.mul(target, boundedLog(b.log(x)))
      const zero = b.mul(minusFrom(1, target), boundedLog(b.log1p(b.neg(x))))
      return b.neg(b.add(one, zero))
    },
    byX: ({ x, target }) => {
      const spread = b.mul(x, minusFrom(1, x))
      return b.div(b.sub(x, target), b.max(spread, b.fullLike(x, 1e-12)))
    },
    byTarget: ({ x }) => b.sub(boundedLog(b.log1p(b.neg(x))), boundedLog(b.log(x))),
    byPositive: ({ x }) => b.zerosLike(x),
    range: [0.1, 0.9],
    takesPositive: false,
  },
  {
    // (1 − t) softplus(x) + w t softplus(−x), with the logarithm they share taken once.
    name: 'binaryCrossEntropyWithLogits',
    each: (o) => {
      const { x, target, positive } = o
      const zero = b.zerosLike(x)
      const above = b.mul(minusFrom(1, target), b.max(x, zero))
      const below = b.mul(scaled(target, positive), b.max(b.neg(x), zero))
      const log = b.log1p(b.exp(b.neg(b.abs(x))))
      return b.add(b.add(above, below), scaled(log, share(o)))
    },
    byX: (o) => b.sub(scaled(sigmoid(o.x), share(o)), scaled(o.target, o.positive)),
    byTarget: ({ x, positive }) => {
      if (positive === null) return b.neg(x)
      return b.sub(b.mul(plus(positive, -1), softplus(b.neg(x))), x)
    },
    byPositive: ({ x, target }) => b.mul(target, softplus(b.neg(x))),
    takesPositive: true,
  },
]

function samplesOf({ range, takesPositive }: BinaryLoss): Sample<BinaryAttrs>[] {
  const out: Sample<BinaryAttrs>[] = []
  const x = (shape: number[]) => ({ shape, ...(range && { range }) })
  const unit = { shape: [3, 4], range: [0.05, 0.95] as const }
  for (const reduction of REDUCTIONS)
    for (const weighted of [false, true])
      for (const positiveWeighted of takesPositive ? [false, true] : [false]) {
        const weights = [weighted, positiveWeighted].filter(Boolean)
        out.push({
          inputs: [
            x([3, 4]),
            unit,
            ...weights.map(() => ({ shape: [3, 4], range: [0.5, 2] as const })),
          ],
          attrs: { reduction, weighted, positiveWeighted },
        })
      }
  const attrs = { reduction: 'mean', weighted: false, positiveWeighted: false }
  const corners = range ? [0, 1, 0, 1, 1e-30] : [60, -60, 200, -200, 0]
  out.push({
    inputs: [
      { shape: [5], values: corners },
      { shape: [5], values: [0, 1, 1, 0, 1] },
    ],
    attrs,
    note: 'extremes',
    smooth: false,
  })
  const none = { ...attrs, reduction: 'sum' }
  out.push({ inputs: [{ shape: [0] }, { shape: [0] }], attrs: none, note: 'empty' })
  return out
}

function defineLoss(f: BinaryLoss): Op<BinaryAttrs> {
  const vjp = ({ inputs, attrs, grad, needs }: VjpArgs<BinaryAttrs>) => {
    const o = operands(inputs, attrs)
    const each = spreadLoss(grad, attrs.reduction, o.x.shape)
    const unweighted = scaled(each, o.weight)
    const rules = [f.byX, f.byTarget].map((by) => () => b.mul(unweighted, by(o)))
    if (attrs.weighted) rules.push(() => b.mul(each, f.each(o)))
    if (attrs.positiveWeighted) rules.push(() => b.mul(unweighted, f.byPositive(o)))
    return rules.map((rule, i) => (needs(i) ? rule() : null))
  }
  return define<BinaryAttrs>({
    name: f.name,
    attrs: {
      reduction: 'name',
      weighted: 'flag',
      positiveWeighted: 'flag',
    },
    infer: (types, { reduction }) => {
      checkFloat(f.name, types[0]!)
      for (const other of types.slice(1)) checkSame(f.name, types[0]!, other)
      return lossType(f.name, reduction, types[0]!)
    },
    expand: (inputs, attrs) => {
      const o = operands(inputs, attrs)
      return reduceLoss(scaled(f.each(o), o.weight), attrs.reduction)
    },
    vjp,
    samples: () => samplesOf(f),
  })
}

const [probabilityOp, logitOp] = LOSSES.map(defineLoss) as [Op<BinaryAttrs>, Op<BinaryAttrs>]

export interface BinaryLossOptions {
  /** How much each element counts; broadcast to the shape of the prediction. */
  readonly weight?: Node | null
  readonly reduction?: Reduction
}

function record(
  op: Op<BinaryAttrs>,
  x: Node,
  target: Node,
  { weight = null, reduction = 'mean' }: BinaryLossOptions,
  positive: Node | null,
): Node {
  const weights = [weight, positive].filter((w) => w !== null)
  return apply(op, [x, target, ...weights.map((w) => b.broadcastTo(w, x.shape))], {
    reduction,
    weighted: weight !== null,
    positiveWeighted: positive !== null,
  })
}

/**
 * −(t log p + (1 − t) log(1 − p)) for probabilities p and targets t in [0, 1], of equal shape;
 * logarithms are bounded by −100 from below, as in PyTorch.
 */
export const binaryCrossEntropy = (
  probability: Node,
  target: Node,
  options: BinaryLossOptions = {},
): Node => record(probabilityOp, probability, target, options, null)

/**
 * Binary cross entropy of sigmoid(x), computed from x itself, so that neither end overflows or
 * cancels. `positiveWeight` (broadcast to x) multiplies the part of target 1.
 */
export const binaryCrossEntropyWithLogits = (
  logit: Node,
  target: Node,
  options: BinaryLossOptions & { readonly positiveWeight?: Node | null } = {},
): Node => record(logitOp, logit, target, options, options.positiveWeight ?? null)

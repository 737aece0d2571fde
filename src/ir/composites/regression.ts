// Losses of a prediction against a target of the same shape, element by element.

import { ValueError } from '../../base/errors.js'
import * as b from '../build.js'
import { apply, type Node } from '../node.js'
import { type Attrs, define, type Op, type Sample } from '../op.js'
import { checkFloat } from '../primitives/check.js'
import { checkSame } from '../primitives/elementwise.js'
import { plus, square, times } from './math.js'
import { lossType, REDUCTIONS, type Reduction, reduceLoss } from './reduction.js'

interface RegressionAttrs extends Attrs {
  readonly reduction: string
  /** Where the loss changes from square to linear; of no meaning for some losses. */
  readonly threshold: number
}

interface RegressionLoss {
  readonly name: string
  /** The loss of one element from d = prediction − target. */
  readonly each: (d: Node, threshold: number) => Node
  /** The least threshold that means something. */
  readonly check?: (threshold: number) => boolean
  readonly thresholds: readonly number[]
}

const small = (d: Node, threshold: number): Node => b.lt(b.abs(d), b.fullLike(d, threshold))
const halfSquare = (d: Node): Node => times(square(d), 0.5)

const LOSSES: readonly RegressionLoss[] = [
  { name: 'mseLoss', each: square, thresholds: [0] },
  { name: 'l1Loss', each: b.abs, thresholds: [0] },
  {
    name: 'smoothL1Loss',
    each: (d, beta) => {
      if (beta === 0) return b.abs(d)
      const linear = plus(b.abs(d), -0.5 * beta)
      return b.select(small(d, beta), times(halfSquare(d), 1 / beta), linear)
    },
    check: (beta) => beta >= 0,
    thresholds: [1, 0.4, 0],
  },
  {
    name: 'huberLoss',
    each: (d, delta) => {
      const linear = times(plus(b.abs(d), -0.5 * delta), delta)
      return b.select(small(d, delta), halfSquare(d), linear)
    },
    check: (delta) => delta > 0,
    thresholds: [1, 0.7],
  },
]

function samplesOf(thresholds: readonly number[]): Sample<RegressionAttrs>[] {
  const out: Sample<RegressionAttrs>[] = []
  for (const threshold of thresholds)
    for (const reduction of REDUCTIONS) {
      out.push({ inputs: [{ shape: [3, 4] }, { shape: [3, 4] }], attrs: { reduction, threshold } })
    }
  const attrs = { reduction: 'mean', threshold: thresholds[0]! }
  const wide = { shape: [5], dtype: 'float64' } as const
  out.push({ inputs: [wide, wide], attrs })
  out.push({ inputs: [{ shape: [] }, { shape: [] }], attrs, note: 'scalar' })
  const same = { shape: [3], values: [1, 2, 3] }
  out.push({ inputs: [same, same], attrs, note: 'no error', smooth: false })
  const sum = { ...attrs, reduction: 'sum' }
  out.push({ inputs: [{ shape: [0] }, { shape: [0] }], attrs: sum, note: 'empty' })
  return out
}

const operations = new Map<string, Op<RegressionAttrs>>()
for (const { name, each, check, thresholds } of LOSSES) {
  const op = define<RegressionAttrs>({
    name,
    attrs: { reduction: 'name', threshold: 'number' },
    infer: ([prediction, target], { reduction, threshold }) => {
      checkFloat(name, prediction!)
      checkSame(name, prediction!, target!)
      if (check?.(threshold) === false) {
        throw new ValueError(name, 'a threshold above zero', String(threshold))
      }
      return lossType(name, reduction, prediction!)
    },
    expand: ([prediction, target], { reduction, threshold }) =>
      reduceLoss(each(b.sub(prediction!, target!), threshold), reduction),
    samples: () => samplesOf(thresholds),
  })
  operations.set(name, op)
}

const loss =
  (name: string) =>
  (prediction: Node, target: Node, reduction: Reduction = 'mean', threshold = 0): Node =>
    apply(operations.get(name)!, [prediction, target], { reduction, threshold })

/** (prediction − target)². */
export const mseLoss = loss('mseLoss') as (p: Node, t: Node, r?: Reduction) => Node
/** |prediction − target|, with gradient 0 where they are equal. */
export const l1Loss = loss('l1Loss') as (p: Node, t: Node, r?: Reduction) => Node
/** ½ d² / beta where |d| < beta, else |d| − ½ beta: Girshick 2015, [arXiv:1504.08083](https://arxiv.org/abs/1504.08083). */
export const smoothL1Loss = (p: Node, t: Node, r: Reduction = 'mean', beta = 1): Node =>
  loss('smoothL1Loss')(p, t, r, beta)
/** ½ d² where |d| < delta, else delta (|d| − ½ delta): Huber 1964. */
export const huberLoss = (p: Node, t: Node, r: Reduction = 'mean', delta = 1): Node =>
  loss('huberLoss')(p, t, r, delta)

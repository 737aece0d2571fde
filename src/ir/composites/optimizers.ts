// One step of an optimizer for one parameter: stochastic gradient descent, Adam, AdamW.

import { ShapeError, ValueError } from '../../base/errors.js'
import { formatShape } from '../../base/shape.js'
import * as b from '../build.js'
import { apply, type Node, type TensorType } from '../node.js'
import { type Attrs, define, type Op, type Sample } from '../op.js'
import { checkFloat } from '../primitives/check.js'
import { checkSame } from '../primitives/elementwise.js'
import { isSubnormal, plus, spread, square, times } from './math.js'

/** The parameter and what belongs to it have one type; step and learning rate are scalars. */
function checkState(where: string, same: readonly TensorType[], scalars: readonly TensorType[]) {
  checkFloat(where, same[0]!)
  for (const x of same) checkSame(where, same[0]!, x)
  for (const x of scalars) {
    checkFloat(where, x)
    if (x.shape.length > 0) throw new ShapeError(where, 'a scalar', formatShape(x.shape))
  }
  return same[0]!
}

/** All 0 or false when left out. */
export interface SgdOptions {
  readonly momentum?: number
  readonly dampening?: number
  readonly nesterov?: boolean
  readonly weightDecay?: number
  readonly maximize?: boolean
}
type SgdAttrs = Attrs & Required<SgdOptions>

/** The gradient as it is descended along: turned when maximizing, weights pulled towards 0. */
function descent(param: Node, grad: Node, weightDecay: number, maximize: boolean): Node {
  const down = maximize ? b.neg(grad) : grad
  return weightDecay === 0 ? down : b.add(down, times(param, weightDecay))
}

/**
 * A moment as it is kept for the next step, with 0 for subnormal numbers. Where gradients are 0 (a unit
 * that is never active), a moment that only shrinks would end among them and stay there, as the smallest
 * times 0.9 rounds to itself; and most processors take a hundred times as long to compute with them.
 */
const kept = (moment: Node): Node => b.select(isSubnormal(moment), b.zerosLike(moment), moment)

const isFirst = (step: Node, like: Node): Node => {
  const first = b.le(step, b.fullLike(step, 1))
  return b.broadcastTo(first, like.shape)
}

const SGD_PLAIN: SgdAttrs = {
  momentum: 0,
  dampening: 0,
  nesterov: false,
  weightDecay: 0,
  maximize: false,
}

/**
 * Inputs param, grad, lr; with momentum also its buffer, and with dampening the number of this step,
 * as the first one is not dampened.
 */
const sgdOp = define<SgdAttrs>({
  name: 'sgdUpdate',
  attrs: {
    momentum: 'number',
    dampening: 'number',
    nesterov: 'flag',
    weightDecay: 'number',
    maximize: 'flag',
  },
  infer: ([param, grad, lr, buffer, step], { momentum, dampening, nesterov }) => {
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      const received = `momentum ${momentum} and dampening ${dampening}`
      throw new ValueError('sgdUpdate', 'momentum and no dampening with nesterov', received)
    }
    if ((momentum !== 0) !== (buffer !== undefined)) {
      const expected = 'a momentum buffer exactly when there is momentum'
      throw new ValueError('sgdUpdate', expected, `momentum ${momentum}`)
    }
    if (momentum !== 0 && dampening !== 0 && step === undefined) {
      throw new ValueError('sgdUpdate', 'the step number when there is dampening', 'none')
    }
    const state = buffer === undefined ? [param!, grad!] : [param!, grad!, buffer]
    const { shape, dtype } = checkState(
      'sgdUpdate',
      state,
      step === undefined ? [lr!] : [lr!, step],
    )
    return state.slice(1).map(() => ({ shape, dtype }))
  },
  expand: ([param, grad, lr, buffer, step], attrs) => {
    const { momentum, dampening, nesterov, weightDecay, maximize } = attrs
    const d = descent(param!, grad!, weightDecay, maximize)
    const move = (direction: Node): Node => b.sub(param!, b.mul(spread(lr!, param!), direction))
    if (buffer === undefined) return [move(d)]
    let fresh = d
    if (dampening !== 0) fresh = b.select(isFirst(step!, d), d, times(d, 1 - dampening))
    const next = kept(b.add(times(buffer, momentum), fresh))
    return [move(nesterov ? b.add(d, times(next, momentum)) : next), next]
  },
  samples: () => {
    const x = { shape: [2, 3] }
    const lr = { shape: [], values: [0.1] }
    const step = (n: number) => ({ shape: [], values: [n] })
    const wide = { shape: [4], dtype: 'float64' as const }
    const withMomentum = { ...SGD_PLAIN, momentum: 0.9 }
    return [
      { inputs: [x, x, lr], attrs: SGD_PLAIN },
      { inputs: [x, x, lr], attrs: { ...SGD_PLAIN, weightDecay: 0.01, maximize: true } },
      { inputs: [x, x, lr, x], attrs: withMomentum },
      { inputs: [wide, wide, lr, wide], attrs: { ...withMomentum, weightDecay: 0.1 } },
      { inputs: [x, x, lr, x], attrs: { ...withMomentum, nesterov: true } },
      {
        inputs: [x, x, lr, { ...x, range: [0, 0] }, step(1)],
        attrs: { ...withMomentum, dampening: 0.5 },
        note: 'first',
        smooth: false,
      },
      { inputs: [x, x, lr, x, step(2)], attrs: { ...withMomentum, dampening: 0.5 }, note: 'later' },
      { inputs: [{ shape: [0] }, { shape: [0] }, lr], attrs: SGD_PLAIN, note: 'empty' },
    ]
  },
})

export interface SgdState {
  readonly param: Node
  readonly grad: Node
  readonly lr: Node
  readonly momentumBuffer?: Node | null
  /** Number of this step, from 1; needed only with dampening. */
  readonly step?: Node | null
}

/**
 * Stochastic gradient descent, as PyTorch's `SGD`: d = ±grad + weightDecay · param;
 * buffer = momentum · buffer + (1 − dampening) d (the first time: d); d = buffer, or with Nesterov
 * d + momentum · buffer; param − lr · d. The buffer starts as zeros, and is there exactly when momentum
 * is not 0. `lr` (and `step`) are float scalars. A buffer's subnormal numbers become 0.
 */
export function sgdUpdate(
  { param, grad, lr, momentumBuffer = null, step = null }: SgdState,
  options: SgdOptions = {},
): { param: Node; momentumBuffer: Node | null } {
  const inputs = [param, grad, lr, momentumBuffer, step].filter((x) => x !== null)
  const attrs: SgdAttrs = { ...SGD_PLAIN, ...options }
  const node = apply(sgdOp, inputs, attrs)
  return { param: b.output(node, 0), momentumBuffer: momentumBuffer && b.output(node, 1) }
}

/** Betas 0.9 and 0.999, eps 1e-8, no decay when left out. */
export interface AdamOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly eps?: number
  readonly weightDecay?: number
  readonly maximize?: boolean
}
type AdamAttrs = Attrs & Required<AdamOptions>

const ADAM: AdamAttrs = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maximize: false }

/**
 * 1 − betaᵗ. The power as such would lose digits where beta is near 1 (0.999 is not a float32);
 * with log(beta) taken in double precision the error stays within an ulp or two.
 */
const biasCorrection = (beta: number, step: Node): Node =>
  b.neg(b.expm1(times(step, Math.log(beta))))

/** The moments after this step, and the parameter moved by them. */
function adamStep(
  start: Node,
  grad: Node,
  [m, v, step, lr]: readonly [Node, Node, Node, Node],
  { beta1, beta2, eps }: AdamAttrs,
): Node[] {
  const m1 = kept(b.add(m, times(b.sub(grad, m), 1 - beta1)))
  const v1 = kept(b.add(times(v, beta2), times(square(grad), 1 - beta2)))
  const t = b.cast(step, start.dtype)
  const stepSize = b.div(b.cast(lr, start.dtype), biasCorrection(beta1, t))
  const scale = b.sqrt(biasCorrection(beta2, t))
  const denominator = plus(b.div(b.sqrt(v1), spread(scale, v1)), eps)
  const moved = b.sub(start, b.mul(spread(stepSize, m1), b.div(m1, denominator)))
  return [moved, m1, v1]
}

function adamFamily(
  name: string,
  body: (param: Node, grad: Node, lr: Node, attrs: AdamAttrs) => { start: Node; grad: Node },
): Op<AdamAttrs> {
  return define<AdamAttrs>({
    name,
    attrs: {
      beta1: 'number',
      beta2: 'number',
      eps: 'number',
      weightDecay: 'number',
      maximize: 'flag',
    },
    infer: ([param, grad, m, v, step, lr]) => {
      const { shape, dtype } = checkState(name, [param!, grad!, m!, v!], [step!, lr!])
      return [0, 1, 2].map(() => ({ shape, dtype }))
    },
    expand: ([param, grad, m, v, step, lr], attrs) => {
      const from = body(param!, grad!, lr!, attrs)
      return adamStep(from.start, from.grad, [m!, v!, step!, lr!], attrs)
    },
    samples: () => {
      const at = (dtype: 'float32' | 'float64', shape: number[], t: number, attrs: AdamAttrs) => ({
        inputs: [
          { shape, dtype },
          { shape, dtype },
          { shape, dtype },
          { shape, dtype, range: [0.1, 1] as const },
          { shape: [], values: [t] },
          { shape: [], values: [0.01] },
        ],
        attrs,
      })
      const out: Sample<AdamAttrs>[] = [
        at('float32', [2, 3], 1, ADAM),
        at('float32', [5], 1000, { ...ADAM, weightDecay: 0.1 }),
        at('float64', [3], 7, { ...ADAM, beta1: 0.5, beta2: 0.9, maximize: true }),
        { ...at('float32', [0], 1, ADAM), note: 'empty' },
      ]
      return out
    },
  })
}

const adamOp = adamFamily('adamUpdate', (param, grad, _, { weightDecay, maximize }) => ({
  start: param,
  grad: descent(param, grad, weightDecay, maximize),
}))

const adamwOp = adamFamily('adamwUpdate', (param, grad, lr, { weightDecay, maximize }) => {
  const shrink = b.sub(b.fullLike(lr, 1), times(lr, weightDecay))
  const start = weightDecay === 0 ? param : b.mul(param, spread(shrink, param))
  return { start, grad: maximize ? b.neg(grad) : grad }
})

export interface AdamState {
  readonly param: Node
  readonly grad: Node
  /** First and second moment, zeros at first. */
  readonly m: Node
  readonly v: Node
  /** Number of this step, from 1, and the learning rate: float scalars. */
  readonly step: Node
  readonly lr: Node
}

const adamBuilder =
  (op: Op<AdamAttrs>) =>
  (
    { param, grad, m, v, step, lr }: AdamState,
    options: AdamOptions = {},
  ): { param: Node; m: Node; v: Node } => {
    const attrs: AdamAttrs = { ...ADAM, ...options }
    const node = apply(op, [param, grad, m, v, step, lr], attrs)
    return { param: b.output(node, 0), m: b.output(node, 1), v: b.output(node, 2) }
  }

/**
 * Adam, as PyTorch's: with g = ±grad + weightDecay · param, m += (1 − beta1)(g − m),
 * v = beta2 v + (1 − beta2) g², param −= lr/(1 − beta1ᵗ) · m / (√v / √(1 − beta2ᵗ) + eps).
 * Subnormal numbers in m and v become 0.
 * Kingma and Ba 2014, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980).
 */
export const adamUpdate = adamBuilder(adamOp)
/**
 * AdamW: weights shrink by lr · weightDecay first, and the gradient is left alone.
 * Loshchilov and Hutter 2017, [arXiv:1711.05101](https://arxiv.org/abs/1711.05101).
 */
export const adamwUpdate = adamBuilder(adamwOp)

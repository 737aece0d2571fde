// Functions of one element: arithmetic, exponentials, trigonometry, rounding.

import { isFloat } from '../../base/dtype.js'
import * as b from '../build.js'
import type { Node } from '../node.js'
import { type Attrs, define, NO_ATTRS, type Sample } from '../op.js'
import { checkDType, mapUnary, type UnaryKernel } from './elementwise.js'
import { erf } from './special.js'

interface UnaryRule {
  readonly kernel: UnaryKernel
  /** The gradient of x from that of y = f(x); `null` where it is zero everywhere. */
  readonly vjp: (grad: Node, x: Node, y: Node) => Node | null
  /** Where samples are drawn from; default [-2, 2]. */
  readonly range?: readonly [number, number]
}

const scaled = (x: Node, factor: number): Node => b.mul(x, b.fullLike(x, factor))
const plusOne = (x: Node): Node => b.add(x, b.fullLike(x, 1))
const oneMinusSquare = (y: Node): Node => b.sub(b.fullLike(y, 1), b.mul(y, y))

/** To the nearest integer, halves to the even neighbour (IEEE 754 roundTiesToEven). */
function roundHalfEven(x: number): number {
  // Beyond 2^52 every double is an integer; the sum would lose its last bit.
  if (!(Math.abs(x) < 2 ** 52)) return x
  const r = Math.abs(x) + 2 ** 52 - 2 ** 52
  return x < 0 || Object.is(x, -0) ? -r : r
}

const RULES: Readonly<Record<string, UnaryRule>> = {
  neg: {
    kernel: { float: (x) => -x, int: (x) => -x, long: (x) => -x },
    vjp: (g) => b.neg(g),
  },
  abs: {
    kernel: { float: Math.abs, int: Math.abs, long: (x) => (x < 0n ? -x : x) },
    // Zero at zero, the subgradient of least size.
    vjp: (g, x) => {
      const zero = b.zerosLike(x)
      return b.select(b.lt(zero, x), g, b.select(b.lt(x, zero), b.neg(g), zero))
    },
  },
  exp: { kernel: { float: Math.exp }, vjp: (g, _, y) => b.mul(g, y) },
  expm1: { kernel: { float: Math.expm1 }, vjp: (g, _, y) => b.mul(g, plusOne(y)) },
  log: { kernel: { float: Math.log }, vjp: (g, x) => b.div(g, x), range: [0.2, 4] },
  log1p: { kernel: { float: Math.log1p }, vjp: (g, x) => b.div(g, plusOne(x)), range: [-0.7, 3] },
  sqrt: {
    kernel: { float: Math.sqrt },
    vjp: (g, _, y) => b.div(scaled(g, 0.5), y),
    range: [0.2, 4],
  },
  sin: { kernel: { float: Math.sin }, vjp: (g, x) => b.mul(g, b.cos(x)) },
  cos: { kernel: { float: Math.cos }, vjp: (g, x) => b.neg(b.mul(g, b.sin(x))) },
  tanh: { kernel: { float: Math.tanh }, vjp: (g, _, y) => b.mul(g, oneMinusSquare(y)) },
  erf: {
    kernel: { float: erf },
    vjp: (g, x) => b.mul(scaled(g, 2 / Math.sqrt(Math.PI)), b.exp(b.neg(b.mul(x, x)))),
  },
  floor: { kernel: { float: Math.floor }, vjp: () => null },
  round: { kernel: { float: roundHalfEven }, vjp: () => null },
}

function samplesOf({ kernel, range }: UnaryRule): Sample[] {
  const x = range === undefined ? {} : { range }
  const out: Sample[] = [
    { inputs: [{ shape: [], ...x }], attrs: NO_ATTRS, note: 'scalar' },
    { inputs: [{ shape: [3, 7], ...x }], attrs: NO_ATTRS },
    { inputs: [{ shape: [17], dtype: 'float64', ...x }], attrs: NO_ATTRS },
    { inputs: [{ shape: [2, 0] }], attrs: NO_ATTRS, note: 'empty' },
    {
      inputs: [{ shape: [6], values: [Number.NaN, Infinity, -Infinity, 0, -0, 1e-30] }],
      attrs: NO_ATTRS,
      note: 'NaN, infinities, zeros',
      smooth: false,
    },
    {
      inputs: [{ shape: [8], values: [0.5, 1.5, -0.5, -2.5, 30, -30, 1e6, 3e-6] }],
      attrs: NO_ATTRS,
      note: 'halves and extremes',
      smooth: false,
    },
  ]
  if (kernel.int) {
    const values = [0, 1, -1, 7, -(2 ** 31), 2 ** 31 - 1]
    out.push({ inputs: [{ shape: [6], dtype: 'int32', values }], attrs: NO_ATTRS, note: 'wraps' })
    out.push({ inputs: [{ shape: [3], dtype: 'uint8', values: [0, 1, 255] }], attrs: NO_ATTRS })
    out.push({
      inputs: [{ shape: [3], dtype: 'int64', values: [5, -5, -(2 ** 63)] }],
      attrs: NO_ATTRS,
      note: 'wraps',
    })
  }
  return out
}

for (const [name, rule] of Object.entries(RULES)) {
  define<Attrs>({
    name,
    attrs: {},
    infer: ([x]) => {
      checkDType(name, rule.kernel, x!.dtype)
      return { shape: x!.shape, dtype: x!.dtype }
    },
    vjp: ({ node, inputs, grad }) => [
      isFloat(node.dtype) ? rule.vjp(grad, inputs[0]!, node) : null,
    ],
    evaluate: ([x], _, types, ctx) => [mapUnary(rule.kernel, x!, types[0]!, ctx)],
    samples: () => samplesOf(rule),
  })
}

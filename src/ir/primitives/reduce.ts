// Reductions over axes, which disappear: sum, product, maximum, minimum.

import { DTYPES, isFloat } from '../../base/dtype.js'
import { ValueError } from '../../base/errors.js'
import { type StaticShape, staticShape, stridesOf } from '../../base/shape.js'
import * as b from '../build.js'
import type { Node, TensorType } from '../node.js'
import { type Attrs, define, type EvalContext, type NDArray, type Op, type Sample } from '../op.js'
import { checkAxes } from './check.js'
import { arithmeticOf, type BinaryKernel, checkDType } from './elementwise.js'
import { offsets, storage, store } from './host.js'
import { firstHit, productOfOthers } from './reducegrad.js'

export interface ReduceAttrs extends Attrs {
  readonly axes: readonly number[]
}
export interface ExtremumAttrs extends ReduceAttrs {
  /** 'first' or 'split': see `build.Ties`. */
  readonly ties: string
}

interface Reduction {
  /** Combines the result so far with an element. */
  readonly kernel: BinaryKernel
  /** What an empty set gives, for a dtype. */
  readonly empty: (type: TensorType) => number | bigint
}

const WRAP = { uint8: 255, int32: -1 } as const
const wrap = (x: number, dtype: string): number => x & WRAP[dtype as keyof typeof WRAP]
const larger = (x: number, y: number): number => Math.max(x, y)
const smaller = (x: number, y: number): number => Math.min(x, y)
const long = (x: bigint): bigint => BigInt.asIntN(64, x)

const SUM: Reduction = {
  kernel: {
    float: (x, y) => x + y,
    int: (x, y, dtype) => wrap(x + y, dtype),
    long: (x, y) => long(x + y),
  },
  empty: () => 0,
}
const PROD: Reduction = {
  kernel: {
    float: (x, y) => x * y,
    int: (x, y, dtype) => wrap(Math.imul(x, y), dtype),
    long: (x, y) => long(x * y),
  },
  empty: () => 1,
}
const MAX: Reduction = {
  kernel: { float: larger, int: larger, long: (x, y) => (x > y ? x : y), bool: larger },
  empty: ({ dtype }) => {
    if (isFloat(dtype)) return -Infinity
    return dtype === 'int64' ? -(2n ** 63n) : DTYPES[dtype].min
  },
}
const MIN: Reduction = {
  kernel: { float: smaller, int: smaller, long: (x, y) => (x < y ? x : y), bool: smaller },
  empty: ({ dtype }) => {
    if (isFloat(dtype)) return Infinity
    return dtype === 'int64' ? 2n ** 63n - 1n : DTYPES[dtype].max
  },
}

/** For each element, in row-major order, the index of the result it belongs to. */
function groups(shape: StaticShape, axes: readonly number[]): Int32Array {
  const kept = stridesOf(shape.filter((_, i) => !axes.includes(i)))
  let k = 0
  const strides = shape.map((_, i) => (axes.includes(i) ? 0 : kept[k++]!))
  return offsets(shape, { start: 0, strides })
}

/** Floats accumulate in double precision and are rounded once, when they are stored. */
function evaluate(
  where: string,
  { kernel, empty }: Reduction,
  x: NDArray,
  axes: readonly number[],
  type: TensorType,
  ctx: EvalContext,
): NDArray {
  const out = ctx.allocate(type)
  const combine = kernel[arithmeticOf(x.dtype) as 'int']!
  const start = empty(type) as number
  const first = x.dtype === 'int64' ? (BigInt(start) as unknown as number) : start
  const sums = new Array<number>(out.data.length).fill(first)
  const source = storage(x.data)
  for (const [i, to] of groups(staticShape(where, x.shape), axes).entries()) {
    sums[to] = combine(sums[to]!, source[i]!, x.dtype)
  }
  for (const [i, sum] of sums.entries()) store(out.data, i, sum)
  return out
}

function shapesOf(attrs: object): Sample<ReduceAttrs>[] {
  const at = (shape: number[], axes: number[], more: object = {}, about: object = {}) => ({
    inputs: [{ shape, ...more }],
    attrs: { axes, ...attrs },
    ...about,
  })
  return [
    at([5], [0]),
    at([3, 5], [0]),
    at([3, 5], [1], { dtype: 'float64' }),
    at([2, 3, 4], [0, 2]),
    at([2, 3, 4], [0, 1, 2]),
    at([2, 17], [1]),
    at([1, 3], [0]),
    at([], [], {}, { note: 'scalar' }),
    at([0, 3], [0], {}, { note: 'empty set' }),
    at([3, 0], [0], {}, { note: 'empty result' }),
    at([2, 3], [1], { values: [1, Number.NaN, 2, 3, Infinity, -Infinity] }, SPECIAL),
    at([7], [0], { dtype: 'int32' }),
    at([4], [0], { dtype: 'int32', values: [2 ** 30, 2 ** 30, 2 ** 30, 3] }, { note: 'wraps' }),
    at(
      [2, 3],
      [0],
      { dtype: 'int64', values: [2 ** 62, 3, -7, 2 ** 62, 5, -9] },
      { note: 'wraps' },
    ),
    at([5], [0], { dtype: 'uint8', values: [200, 100, 3, 7, 1] }, { note: 'wraps' }),
    at([0], [0], { dtype: 'int32' }, { note: 'empty set' }),
    at([0], [0], { dtype: 'int64' }, { note: 'empty set' }),
    at([0], [0], { dtype: 'uint8' }, { note: 'empty set' }),
  ]
}
const SPECIAL = { note: 'NaN, infinities', smooth: false }

interface Family<A extends ReduceAttrs> {
  readonly name: string
  readonly reduction: Reduction
  readonly attrs: Op<A>['attrs']
  readonly check?: (attrs: A) => void
  readonly vjp: (x: Node, result: Node, grad: Node, attrs: A) => Node
  readonly samples: () => readonly Sample<A>[]
}

const reducer = <A extends ReduceAttrs>(f: Family<A>): Op<A> =>
  define<A>({
    name: f.name,
    attrs: f.attrs,
    infer: ([x], attrs) => {
      checkDType(f.name, f.reduction.kernel, x!.dtype)
      f.check?.(attrs)
      checkAxes(f.name, attrs.axes, x!.shape)
      return { shape: x!.shape.filter((_, i) => !attrs.axes.includes(i)), dtype: x!.dtype }
    },
    vjp: ({ node, inputs, grad, attrs }) => [f.vjp(inputs[0]!, node, grad, attrs)],
    evaluate: ([x], { axes }, types, ctx) => [
      evaluate(f.name, f.reduction, x!, axes, types[0]!, ctx),
    ],
    samples: f.samples,
  })

const AXES: Op<ReduceAttrs>['attrs'] = { axes: 'ints' }

export const reduceSum = reducer<ReduceAttrs>({
  name: 'reduceSum',
  reduction: SUM,
  attrs: AXES,
  vjp: (x, _, grad, { axes }) => b.unreduce(grad, axes, x.shape),
  samples: () => shapesOf({}),
})

export const reduceProd = reducer<ReduceAttrs>({
  name: 'reduceProd',
  reduction: PROD,
  attrs: AXES,
  vjp: (x, _, grad, { axes }) => b.mul(b.unreduce(grad, axes, x.shape), productOfOthers(x, axes)),
  samples: () => {
    const zeros = (values: number[], note: string): Sample<ReduceAttrs> => ({
      inputs: [{ shape: [2, 3], values }],
      attrs: { axes: [1] },
      note,
    })
    return [
      ...shapesOf({}),
      zeros([2, 0, 3, 1, 2, 3], 'one zero'),
      zeros([0, 0, 3, 0, 0, 0], 'several zeros'),
    ]
  },
})

function extremum(name: string, reduction: Reduction): Op<ExtremumAttrs> {
  return reducer<ExtremumAttrs>({
    name,
    reduction,
    attrs: { axes: 'ints', ties: 'name' },
    check: ({ ties }) => {
      if (ties !== 'first' && ties !== 'split') {
        throw new ValueError(name, `ties 'first' or 'split'`, `'${ties}'`)
      }
    },
    // An element is hit when it equals the result. Nothing equals NaN: there no gradient flows.
    vjp: (x, result, grad, { axes, ties }) => {
      const equal = b.eq(x, b.unreduce(result, axes, x.shape))
      const zero = b.zerosLike(x)
      if (ties === 'first') {
        return b.select(firstHit(equal, axes), b.unreduce(grad, axes, x.shape), zero)
      }
      const share = b.div(grad, b.reduceSum(b.cast(equal, x.dtype), axes))
      return b.select(equal, b.unreduce(share, axes, x.shape), zero)
    },
    samples: () =>
      ['split', 'first'].flatMap((ties) => [
        ...shapesOf({ ties }).map((s) => ({
          ...s,
          attrs: { ...s.attrs, ties },
          // An infinite result has no slope.
          ...(s.note === 'empty set' && { smooth: false }),
        })),
        {
          inputs: [{ shape: [2, 4], values: [1, 3, 3, 0, -2, -2, -2, -2] }],
          attrs: { axes: [1], ties },
          note: 'ties',
          smooth: false,
        },
        {
          inputs: [{ shape: [2, 2, 3], values: [1, 3, 3, 0, 3, 1, 2, 2, 0, -1, 0, 2] }],
          attrs: { axes: [0, 2], ties },
          note: 'ties over several axes',
          smooth: false,
        },
        {
          inputs: [{ shape: [2, 2], values: [-0, 0, 0, -0] }],
          attrs: { axes: [1], ties },
          note: 'zeros',
          smooth: false,
        },
        { inputs: [{ shape: [2, 3], dtype: 'bool' as const }], attrs: { axes: [1], ties } },
      ]),
  })
}

export const reduceMax = extremum('reduceMax', MAX)
export const reduceMin = extremum('reduceMin', MIN)

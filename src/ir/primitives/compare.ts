// Comparisons, which answer bool, and the choice made with their answers.

import { DTypeError } from '../../base/errors.js'
import * as b from '../build.js'
import { type Attrs, define, NO_ATTRS, type Sample } from '../op.js'
import { type BinaryKernel, checkSame, mapBinary } from './elementwise.js'
import { storage } from './host.js'

/** IEEE comparisons: NaN is equal to nothing, less than nothing. */
const COMPARISONS: Readonly<Record<string, (x: number | bigint, y: number | bigint) => number>> = {
  eq: (x, y) => Number(x === y),
  lt: (x, y) => Number(x < y),
  le: (x, y) => Number(x <= y),
}

const COMPARED = [Number.NaN, 1, 2, 2, -1, 0, Infinity, Infinity]
const WITH = [Number.NaN, 2, 1, 2, 1, -0, Infinity, Number.NaN]
const samplesOf = (): Sample[] => [
  { inputs: [{ shape: [] }, { shape: [] }], attrs: NO_ATTRS, note: 'scalar' },
  { inputs: [{ shape: [3, 5] }, { shape: [3, 5] }], attrs: NO_ATTRS },
  {
    inputs: [
      { shape: [8], values: COMPARED },
      { shape: [8], values: WITH },
    ],
    attrs: NO_ATTRS,
    note: 'NaN, equal, zeros, infinities',
  },
  ...(['float64', 'int32', 'int64', 'uint8'] as const).map((dtype) => ({
    inputs: [
      { shape: [9], dtype, range: [0, 3] as const },
      { shape: [9], dtype, range: [0, 3] as const },
    ],
    attrs: NO_ATTRS,
  })),
  {
    inputs: [
      { shape: [2], dtype: 'int64', values: [2 ** 53, -(2 ** 63)] },
      { shape: [2], dtype: 'int64', values: [2 ** 53 + 2, 2 ** 62] },
    ],
    attrs: NO_ATTRS,
    note: 'beyond 2^53',
  },
  {
    inputs: [
      { shape: [4], dtype: 'bool', values: [0, 0, 1, 1] },
      { shape: [4], dtype: 'bool', values: [0, 1, 0, 1] },
    ],
    attrs: NO_ATTRS,
  },
  { inputs: [{ shape: [0] }, { shape: [0] }], attrs: NO_ATTRS, note: 'empty' },
]

for (const [name, compare] of Object.entries(COMPARISONS)) {
  const kernel: BinaryKernel = { float: compare, int: compare, bool: compare }
  // bigint in, number out: the bool result is stored as a number whatever was compared.
  const wide = { long: compare as unknown as (x: bigint, y: bigint) => bigint }
  define<Attrs>({
    name,
    attrs: {},
    infer: ([x, y]) => {
      checkSame(name, x!, y!)
      return { shape: x!.shape, dtype: 'bool' }
    },
    // No vjp: a bool carries no gradient, so that none is ever asked for.
    evaluate: ([x, y], _, types, ctx) => [
      mapBinary({ ...kernel, ...wide }, x!, y!, types[0]!, ctx),
    ],
    samples: samplesOf,
  })
}

/** `cond ? x : y`, element by element; all three of equal shape. */
export const select = define<Attrs>({
  name: 'select',
  attrs: {},
  infer: ([cond, x, y]) => {
    if (cond!.dtype !== 'bool')
      throw new DTypeError('select', 'a condition of dtype bool', cond!.dtype)
    checkSame('select', x!, y!)
    checkSame('select', { shape: cond!.shape, dtype: x!.dtype }, x!)
    return { shape: x!.shape, dtype: x!.dtype }
  },
  vjp: ({ inputs: [cond], grad, needs }) => {
    const zero = b.zerosLike(grad)
    return [
      null,
      needs(1) ? b.select(cond!, grad, zero) : null,
      needs(2) ? b.select(cond!, zero, grad) : null,
    ]
  },
  evaluate: ([cond, x, y], _, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const [p, q, to] = [storage(x!.data), storage(y!.data), storage(out.data)]
    for (let i = 0; i < to.length; i++) to[i] = cond!.data[i] ? p[i]! : q[i]!
    return [out]
  },
  samples: () => [
    {
      inputs: [{ shape: [], dtype: 'bool', values: [1] }, { shape: [] }, { shape: [] }],
      attrs: NO_ATTRS,
      note: 'scalar',
    },
    {
      inputs: [
        { shape: [2, 3], dtype: 'bool', values: [1, 0, 0, 1, 1, 0] },
        { shape: [2, 3] },
        { shape: [2, 3] },
      ],
      attrs: NO_ATTRS,
    },
    {
      inputs: [
        { shape: [3], dtype: 'bool', values: [1, 0, 1] },
        { shape: [3], values: [1, Number.NaN, 2] },
        { shape: [3], values: [Number.NaN, 4, Infinity] },
      ],
      attrs: NO_ATTRS,
      note: 'NaN where not chosen',
      smooth: false,
    },
    ...(['int32', 'int64', 'uint8', 'bool', 'float64'] as const).map((dtype) => ({
      inputs: [
        { shape: [5], dtype: 'bool' as const, values: [1, 0, 0, 1, 0] },
        { shape: [5], dtype, range: [0, 1] as const },
        { shape: [5], dtype, range: [0, 1] as const },
      ],
      attrs: NO_ATTRS,
    })),
    {
      inputs: [{ shape: [0, 2], dtype: 'bool' }, { shape: [0, 2] }, { shape: [0, 2] }],
      attrs: NO_ATTRS,
      note: 'empty',
    },
  ],
})

// Changes of dtype: by value (`cast`) and by bits (`bitcast`).

import { DTYPES, type DType, isFloat } from '../../base/dtype.js'
import { DTypeError } from '../../base/errors.js'
import * as b from '../build.js'
import { type Attrs, define, type NDArray, type Sample } from '../op.js'
import { arithmeticOf, type NumberArray } from './elementwise.js'
import { storage, store } from './host.js'

export interface CastAttrs extends Attrs {
  readonly dtype: DType
}

/** To the integer range of `dtype`, rounding towards zero: out of range saturates, NaN is 0. */
function saturate(x: number, dtype: DType): number {
  const { min, max } = DTYPES[dtype]
  if (Number.isNaN(x)) return 0
  return Math.trunc(Math.min(Math.max(x, min), max))
}

/** Saturating conversion of a double to int64. */
function toLong(x: number): bigint {
  if (Number.isNaN(x)) return 0n
  if (x >= 2 ** 63) return 2n ** 63n - 1n
  if (x <= -(2 ** 63)) return -(2n ** 63n)
  return BigInt(Math.trunc(x))
}

/**
 * int64 to float32 with a single rounding. By way of a double there would be two; so bits that a
 * double cannot hold are first folded into its lowest one (rounding to odd), which makes the first
 * rounding harmless.
 */
function longToFloat32(x: bigint): number {
  const wide = x > 2n ** 53n || x < -(2n ** 53n)
  if (!wide) return Math.fround(Number(x))
  const sticky = (x & 0x7ffn) === 0n ? 0n : 1n
  return Math.fround(Number(((x >> 11n) | sticky) << 11n))
}

type Convert = (x: number & bigint, to: DType) => number | bigint
/** Conversions by the arithmetic of source and target; integers wrap as they are stored. */
const CONVERT: Readonly<Record<string, Convert>> = {
  'float>float': (x) => x,
  'float>int': saturate,
  'float>long': toLong,
  'int>float': (x) => x,
  'int>int': (x) => x,
  'int>long': (x) => BigInt(x),
  'long>float': (x, to) => (to === 'float32' ? longToFloat32(x) : Number(x)),
  'long>int': (x) => Number(BigInt.asIntN(32, x)),
  'long>long': (x) => x,
  'float>bool': (x) => Number(x !== 0),
  'int>bool': (x) => Number(x !== 0),
  'long>bool': (x) => Number((x as bigint) !== 0n),
  'bool>float': (x) => x,
  'bool>int': (x) => x,
  'bool>long': (x) => BigInt(x),
  'bool>bool': (x) => x,
}

const ALL = Object.keys(DTYPES) as DType[]
const LIMITS = [0, 1, -1, 2.7, -2.7, 300, -300, 3e9, -3e9, 1e19, -1e19, 16777217]

/** Values every dtype can hold are used for each pair; a float source also shows saturation. */
function castSamples(): Sample<CastAttrs>[] {
  const out: Sample<CastAttrs>[] = []
  for (const from of ALL)
    for (const dtype of ALL) {
      const values = isFloat(from)
        ? [...LIMITS, Number.NaN, Infinity, -Infinity, -0]
        : [0, 1, ...(from === 'bool' ? [] : [2, 200])]
      const smooth = isFloat(from) && isFloat(dtype) ? {} : { smooth: false }
      const input = smooth.smooth === false ? { values, shape: [values.length] } : { shape: [2, 3] }
      const attrs = { dtype }
      out.push({
        inputs: [{ ...input, dtype: from }],
        attrs,
        note: `${from} to ${dtype}`,
        ...smooth,
      })
    }
  const long = [2 ** 53 + 2, 2 ** 62 + 2 ** 38, -(2 ** 63), -1, 2 ** 32 + 5]
  for (const dtype of ['float32', 'float64', 'int32', 'uint8'] as const) {
    const inputs = [{ shape: [long.length], dtype: 'int64' as const, values: long }]
    out.push({ inputs, attrs: { dtype }, note: 'beyond 2^53' })
  }
  out.push({ inputs: [{ shape: [0] }], attrs: { dtype: 'int32' }, note: 'empty' })
  return out
}

/**
 * The same values in another dtype. Floats to integers round towards zero, saturate, and send NaN to
 * 0; integers wrap; `bool` is whether a value differs from 0.
 */
export const cast = define<CastAttrs>({
  name: 'cast',
  attrs: { dtype: 'dtype' },
  infer: ([x], { dtype }) => ({ shape: x!.shape, dtype }),
  vjp: ({ inputs: [x], grad }) => [isFloat(x!.dtype) ? b.cast(grad, x!.dtype) : null],
  evaluate: ([x], { dtype }, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const convert = CONVERT[`${arithmeticOf(x!.dtype)}>${arithmeticOf(dtype)}`]!
    for (let i = 0; i < out.data.length; i++) {
      store(out.data, i, convert(x!.data[i] as number & bigint, dtype))
    }
    return [out]
  },
  samples: castSamples,
})

/** The bytes of an array in its true dtype: the reference's precise mode holds float32 as doubles. */
function trueBytes(x: NDArray): ArrayBufferLike {
  if (x.dtype === 'float32') return new Float32Array(x.data as NumberArray).buffer
  return x.data.slice().buffer
}

/** The same bits read as another dtype of equal width. Carries no gradient. */
export const bitcast = define<CastAttrs>({
  name: 'bitcast',
  attrs: { dtype: 'dtype' },
  infer: ([x], { dtype }) => {
    // Not bool: a byte that is neither 0 nor 1 must not come to be in one.
    const fits = DTYPES[dtype].bytes === DTYPES[x!.dtype].bytes && dtype !== 'bool'
    if (!fits || x!.dtype === 'bool') {
      const { bytes } = DTYPES[x!.dtype]
      throw new DTypeError('bitcast', `a dtype of ${bytes} bytes, as ${x!.dtype} has`, dtype)
    }
    return { shape: x!.shape, dtype }
  },
  vjp: () => [null],
  evaluate: ([x], { dtype }, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    storage(out.data).set(storage(new DTYPES[dtype].array(trueBytes(x!))))
    return [out]
  },
  samples: () => [
    { inputs: [{ shape: [3, 2] }], attrs: { dtype: 'int32' }, smooth: false },
    {
      inputs: [{ shape: [], values: [1] }],
      attrs: { dtype: 'int32' },
      note: 'scalar',
      smooth: false,
    },
    { inputs: [{ shape: [5], dtype: 'float64' }], attrs: { dtype: 'int64' }, smooth: false },
    {
      inputs: [{ shape: [3], dtype: 'int32', values: [0x3f800000, 0x7f800000, -(2 ** 31)] }],
      attrs: { dtype: 'float32' },
      note: 'one, infinity, minus zero',
    },
    { inputs: [{ shape: [0], dtype: 'int64' }], attrs: { dtype: 'float64' }, note: 'empty' },
  ],
})

// The defined results of elementwise operations, casts and reductions where other systems leave them open.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import { allocate, type DType, type TypedArray } from '../src/base/dtype.js'
import { ArithmeticError, DTypeError, FeedError, ShapeError } from '../src/base/errors.js'
import * as b from '../src/ir/build.js'
import '../src/ir/composites/index.js'
import type { Node } from '../src/ir/node.js'
import type { NDArray } from '../src/ir/op.js'
import '../src/ir/primitives/index.js'
import { parameter } from '../src/ir/primitives/source.js'

const { NaN: nan, POSITIVE_INFINITY: inf } = Number
const big = (x: number | bigint): bigint => BigInt(x)

function vector(dtype: DType, values: readonly (number | bigint)[]): NDArray {
  const data = allocate(dtype, values.length)
  if (data instanceof BigInt64Array) data.set(values.map(big))
  else data.set(values.map(Number))
  return { shape: [values.length], dtype, data }
}

/** What a function of vectors gives, element by element. */
function run(f: (...inputs: Node[]) => Node, ...arrays: NDArray[]): TypedArray {
  const bindings = new Map(arrays.map((a) => [parameter(a.shape, a.dtype), a]))
  return evaluateGraph([f(...bindings.keys())], bindings)[0]!.data
}

type Row = readonly [
  name: keyof typeof BINARY,
  dtype: DType,
  x: number | bigint,
  y: number | bigint,
  result: number | bigint,
]
const BINARY = {
  add: b.add,
  sub: b.sub,
  mul: b.mul,
  div: b.div,
  rem: b.rem,
  pow: b.pow,
  max: b.max,
  min: b.min,
  shl: b.shl,
  shr: b.shr,
}
const LEAST = -(2 ** 31)
const LEAST_LONG = -(2n ** 63n)
const ROWS: readonly Row[] = [
  ['add', 'int32', 2 ** 31 - 1, 1, LEAST],
  ['mul', 'int32', 65537, 65537, 131073],
  ['mul', 'int32', 123456789, 987654321, -67153019],
  ['sub', 'uint8', 3, 5, 254],
  ['mul', 'uint8', 20, 20, 144],
  ['add', 'int64', 2n ** 63n - 1n, 1, LEAST_LONG],
  ['mul', 'int64', 2n ** 62n, 2, LEAST_LONG],
  ['div', 'int32', 7, -2, -3],
  ['div', 'int32', LEAST, -1, LEAST],
  ['div', 'int64', LEAST_LONG, -1, LEAST_LONG],
  ['div', 'uint8', 250, 7, 35],
  ['div', 'float32', 1, 0, inf],
  ['div', 'float32', 0, 0, nan],
  ['rem', 'int32', -7, 3, -1],
  ['rem', 'int32', LEAST, -1, 0],
  ['rem', 'int64', LEAST_LONG, -1, 0n],
  ['rem', 'float32', -5.5, 2, -1.5],
  ['rem', 'float32', 5, inf, 5],
  ['rem', 'float32', 5, 0, nan],
  ['pow', 'float32', 1, nan, 1],
  ['pow', 'float32', nan, 0, 1],
  ['pow', 'float32', -1, inf, 1],
  ['pow', 'float32', -8, 1 / 3, nan],
  ['pow', 'float32', -2, 3, -8],
  ['max', 'float32', nan, 1, nan],
  ['max', 'float32', 1, nan, nan],
  ['max', 'float32', -0, 0, 0],
  ['max', 'float32', 0, -0, 0],
  ['min', 'float32', 0, -0, -0],
  ['min', 'float32', nan, -inf, nan],
  ['shl', 'int32', 1, 31, LEAST],
  ['shl', 'int32', 1, 32, 0],
  ['shl', 'int32', 1, -1, 0],
  ['shr', 'int32', -8, 1, -4],
  ['shr', 'int32', -8, 40, -1],
  ['shr', 'int32', 8, -1, 0],
  ['shl', 'uint8', 255, 4, 240],
  ['shl', 'uint8', 1, 8, 0],
  ['shr', 'uint8', 255, 7, 1],
  ['shr', 'uint8', 255, 8, 0],
  ['shl', 'int64', 1, 63, LEAST_LONG],
  ['shl', 'int64', 1, 64, 0n],
  ['shr', 'int64', -1, 100, -1n],
  ['shr', 'int64', 5, -3, 0n],
]

describe('two elements', () => {
  it.each(ROWS)('%s of %s %s and %s is %s', (name, dtype, x, y, result) => {
    const expected = typeof run(BINARY[name], vector(dtype, [x]), vector(dtype, [y]))[0]
    const wanted = expected === 'bigint' ? big(result as number) : result
    expect(run(BINARY[name], vector(dtype, [x]), vector(dtype, [y]))[0]).toBe(wanted)
  })

  it.each(['int32', 'int64', 'uint8'] as const)('refuses to divide %s by zero', (dtype) => {
    for (const f of [b.div, b.rem]) {
      const divide = () => run(f, vector(dtype, [1, 2]), vector(dtype, [1, 0]))
      expect(divide).toThrow(ArithmeticError)
      expect(divide).toThrow(/(div|rem): Expected a divisor other than zero\. Received 0\./)
    }
  })

  it('rounds each float32 result', () => {
    const sum = b.add(b.constant(2 ** 24, 'float32'), b.constant(1, 'float32'))
    expect(run(() => b.sub(sum, b.constant(2 ** 24, 'float32')))[0]).toBe(0)
    const precise = evaluateGraph([sum], new Map(), { precise: true })[0]!
    expect(precise.data).toEqual(Float64Array.of(2 ** 24 + 1))
    expect(precise.dtype).toBe('float32')
  })
})

describe('one element', () => {
  it('rounds halves to even and keeps the sign of zero', () => {
    const x = [0.5, 1.5, 2.5, -0.5, -1.5, -0, 2 ** 53, 4503599627370495.5, nan, -inf]
    const rounded = [0, 2, 2, -0, -2, -0, 2 ** 53, 4503599627370496, nan, -inf]
    expect(Array.from(run(b.round, vector('float64', x)) as Float64Array)).toEqual(rounded)
  })

  it('wraps the negative and the absolute value of the least integer', () => {
    expect(run(b.neg, vector('int32', [LEAST]))[0]).toBe(LEAST)
    expect(run(b.abs, vector('int32', [LEAST]))[0]).toBe(LEAST)
    expect(run(b.abs, vector('int64', [LEAST_LONG]))[0]).toBe(LEAST_LONG)
    expect(run(b.neg, vector('uint8', [1]))[0]).toBe(255)
  })

  it('has erf, expm1 and log1p to the last digits', () => {
    // Reference digits from mpmath, 20 places.
    const erf: readonly (readonly [number, number])[] = [
      [1e-10, 1.1283791670955126e-10],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [-2, -0.9953222650189527],
      [3.5, 0.9999992569016276],
      [30, 1],
    ]
    for (const [x, y] of erf) {
      const found = run(b.erf, vector('float64', [x]))[0] as number
      expect(Math.abs(found - y)).toBeLessThanOrEqual(2 ** -52 * Math.abs(y))
    }
    expect(run(b.expm1, vector('float64', [1e-20]))[0]).toBe(1e-20)
    expect(run(b.log1p, vector('float64', [-1e-20]))[0]).toBe(-1e-20)
  })
})

describe('casts', () => {
  const cast = (to: DType, from: DType, values: readonly (number | bigint)[]) =>
    Array.from<number | bigint>(run((x) => b.cast(x, to), vector(from, values)))

  it('saturates floats and sends NaN to zero', () => {
    const x = [2.9, -2.9, 1e10, -1e10, inf, -inf, nan]
    expect(cast('int32', 'float32', x)).toEqual([2, -2, 2 ** 31 - 1, LEAST, 2 ** 31 - 1, LEAST, 0])
    expect(cast('uint8', 'float32', x)).toEqual([2, 0, 255, 0, 255, 0, 0])
    expect(cast('int64', 'float64', [1e30, -1e30, nan, 2 ** 53])).toEqual([
      2n ** 63n - 1n,
      LEAST_LONG,
      0n,
      2n ** 53n,
    ])
  })

  it('wraps integers', () => {
    expect(cast('uint8', 'int32', [256, -1, 300])).toEqual([0, 255, 44])
    expect(cast('int32', 'int64', [2n ** 32n + 5n, 2n ** 31n])).toEqual([5, LEAST])
    expect(cast('uint8', 'int64', [-1n, 511n])).toEqual([255, 255])
  })

  it('asks of bool only whether a value is zero', () => {
    expect(cast('bool', 'float32', [0, -0, 0.1, nan, -inf])).toEqual([0, 0, 1, 1, 1])
    expect(cast('bool', 'int64', [0n, 2n ** 32n])).toEqual([0, 1])
  })

  it('rounds int64 to float32 once', () => {
    // Just above the middle between two float32 values, by less than a double can tell.
    const x = 2n ** 60n + 2n ** 36n + 1n
    expect(cast('float32', 'int64', [x, -x])).toEqual([2 ** 60 + 2 ** 37, -(2 ** 60) - 2 ** 37])
  })

  it('reads the bits of float32 even in double precision', () => {
    const bits = b.bitcast(b.constant(1, 'float32'), 'int32')
    expect(evaluateGraph([bits], new Map(), { precise: true })[0]!.data[0]).toBe(0x3f800000)
  })
})

describe('reductions', () => {
  const empty = (dtype: DType): NDArray => vector(dtype, [])

  it('of nothing is the neutral element', () => {
    expect(run((x) => b.reduceSum(x, [0]), empty('float32'))[0]).toBe(0)
    expect(run((x) => b.reduceProd(x, [0]), empty('int64'))[0]).toBe(1n)
    const least = (dtype: DType) => run((x) => b.reduceMax(x, [0]), empty(dtype))[0]
    const most = (dtype: DType) => run((x) => b.reduceMin(x, [0]), empty(dtype))[0]
    expect([least('float32'), least('int32'), least('uint8'), least('int64')]).toEqual([
      -inf,
      LEAST,
      0,
      LEAST_LONG,
    ])
    expect([most('float64'), most('int32'), most('uint8'), most('int64')]).toEqual([
      inf,
      2 ** 31 - 1,
      255,
      2n ** 63n - 1n,
    ])
    expect([least('bool'), most('bool')]).toEqual([0, 1])
  })

  it('lets NaN win', () => {
    expect(run((x) => b.reduceMax(x, [0]), vector('float32', [1, nan, inf]))[0]).toBe(nan)
    expect(run((x) => b.reduceMin(x, [0]), vector('float32', [-inf, nan, 1]))[0]).toBe(nan)
  })

  it('wraps integers and adds floats up in double precision', () => {
    expect(run((x) => b.reduceSum(x, [0]), vector('uint8', [200, 100]))[0]).toBe(44)
    expect(run((x) => b.reduceProd(x, [0]), vector('int32', [65537, 65537]))[0]).toBe(131073)
    const ones = vector('float32', [2 ** 24, 1, 1, -(2 ** 24)])
    expect(run((x) => b.reduceSum(x, [0]), ones)[0]).toBe(2)
  })
})

describe('refusals', () => {
  const x = parameter([2, 3], 'float32')
  const cases: readonly (readonly [() => Node, new (...a: never[]) => Error, string])[] = [
    [
      () => b.add(x, parameter([3, 2], 'float32')),
      ShapeError,
      'add: Expected operands of equal shape. Received [2, 3] and [3, 2].',
    ],
    [
      () => b.mul(x, parameter([2, 3], 'int32')),
      DTypeError,
      'mul: Expected operands of equal dtype. Received float32 and int32.',
    ],
    [
      () => b.exp(parameter([1], 'int32')),
      DTypeError,
      'exp: Expected a dtype among float32, float64. Received int32.',
    ],
    [
      () => b.and(x, x),
      DTypeError,
      'and: Expected a dtype among int32, int64, uint8, bool. Received float32.',
    ],
    [
      () => b.select(x, x, x),
      DTypeError,
      'select: Expected a condition of dtype bool. Received float32.',
    ],
    [
      () => b.bitcast(x, 'int64'),
      DTypeError,
      'bitcast: Expected a dtype of 4 bytes, as float32 has. Received int64.',
    ],
    [() => b.output(x, 1), Error, 'output: Expected an index below 1. Received 1.'],
  ]
  it.each(cases)('%#', (call, type, message) => {
    expect(call).toThrow(type)
    expect(call).toThrow(message)
  })

  it('names a parameter without a value, and one with another type', () => {
    expect(() => evaluateGraph([b.neg(x)])).toThrow(FeedError)
    const wrong = new Map([[x, vector('float32', [1])]])
    expect(() => evaluateGraph([b.neg(x)], wrong)).toThrow(
      'param: Expected float32 [2, 3]. Received float32 [1].',
    )
  })
})

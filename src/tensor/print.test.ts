import { afterEach, describe, expect, test } from 'vitest'
import { formatTensor, printOptions } from './print.js'

const f32 = (...values: number[]): string =>
  formatTensor(Float32Array.from(values), [values.length], 'float32')
const f64 = (...values: number[]): string =>
  formatTensor(Float64Array.from(values), [values.length], 'float64')

const defaults = { ...printOptions() }
afterEach(() => void printOptions(defaults))

describe('one row', () => {
  test.each([
    ['whole floats', f32(1, 2, 3), '[1., 2., 3.]  float32 [3]'],
    ['fractions line up', f32(1, 2.5, 3.25), '[1.  , 2.5 , 3.25]  float32 [3]'],
    ['signs line up', f32(-1.5, 2), '[-1.5,  2. ]  float32 [2]'],
    ['no more digits than float32 has', f32(0.1, 0.2), '[0.1, 0.2]  float32 [2]'],
    ['eight digits at most', f64(1 / 3, 1), '[0.33333333, 1.        ]  float64 [2]'],
    ['digits that are not shown are rounded', f64(0.999999999, 2), '[1., 2.]  float64 [2]'],
    ['NaN and infinities', f32(Number.NaN, 1, -Infinity), '[ nan,   1., -inf]  float32 [3]'],
    ['only special values', f32(Number.NaN, Infinity), '[nan, inf]  float32 [2]'],
    ['minus zero', f32(-0, 0), '[-0.,  0.]  float32 [2]'],
    ['large values', f32(1e8, 1), '[1.e+08, 1.e+00]  float32 [2]'],
    ['small values', f32(1e-5, 1), '[1.e-05, 1.e+00]  float32 [2]'],
    ['a wide range', f32(0.5, 1234.5), '[5.0000e-01, 1.2345e+03]  float32 [2]'],
    ['zeros do not make a range', f32(0, 0.001), '[0.   , 0.001]  float32 [2]'],
    ['three-digit exponents', f64(1e-200, 1), '[1.e-200, 1.e+000]  float64 [2]'],
  ])('%s', (_, text, expected) => {
    expect(text).toBe(expected)
  })

  test('integers, bool and int64', () => {
    expect(formatTensor(Int32Array.of(6, -12), [2], 'int32')).toBe('[  6, -12]  int32 [2]')
    expect(formatTensor(Uint8Array.of(1, 0), [2], 'bool')).toBe('[ true, false]  bool [2]')
    const long = BigInt64Array.of(9007199254740993n)
    expect(formatTensor(long, [1], 'int64')).toBe('[9007199254740993]  int64 [1]')
  })
})

describe('other shapes', () => {
  test('a scalar', () => {
    expect(formatTensor(Float32Array.of(2.5), [], 'float32')).toBe('2.5  float32 []')
    expect(formatTensor(Float32Array.of(3), [], 'float32')).toBe('3.0  float32 []')
    expect(formatTensor(Float32Array.of(1e-9), [], 'float32')).toBe('1.e-09  float32 []')
    expect(formatTensor(Int32Array.of(3), [], 'int32')).toBe('3  int32 []')
    expect(formatTensor(Uint8Array.of(1), [], 'bool')).toBe('true  bool []')
  })

  test('nothing', () => {
    expect(formatTensor(new Float32Array(0), [0, 3], 'float32')).toBe('[]  float32 [0, 3]')
  })

  test('a matrix has a line per row', () => {
    expect(formatTensor(Int32Array.of(6, 8, 10, 12), [2, 2], 'int32')).toBe(
      '[[ 6,  8],\n [10, 12]]  int32 [2, 2]',
    )
  })

  test('matrices in a stack are a line apart', () => {
    expect(formatTensor(Int32Array.of(1, 2, 3, 4), [2, 2, 1], 'int32')).toBe(
      '[[[1],\n  [2]],\n\n [[3],\n  [4]]]  int32 [2, 2, 1]',
    )
  })

  test('long rows wrap', () => {
    const text = formatTensor(
      Int32Array.from({ length: 40 }, (_, i) => i),
      [40],
      'int32',
    )
    const lines = text.split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[1]).toMatch(/^ 18,/)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(90)
  })

  test('large tensors are summarised', () => {
    const values = Int32Array.from({ length: 2000 }, (_, i) => i)
    expect(formatTensor(values, [2000], 'int32')).toBe(
      '[   0,    1,    2, ..., 1997, 1998, 1999]  int32 [2000]',
    )
    expect(formatTensor(values, [1000, 2], 'int32').split('\n')).toEqual([
      '[[   0,    1],',
      ' [   2,    3],',
      ' [   4,    5],',
      ' ...,',
      ' [1994, 1995],',
      ' [1996, 1997],',
      ' [1998, 1999]]  int32 [1000, 2]',
    ])
  })
})

test('options change how tensors are printed', () => {
  expect(printOptions({ precision: 3 }).precision).toBe(3)
  expect(f64(1 / 3, 1)).toBe('[0.333, 1.   ]  float64 [2]')
  printOptions({ suppress: true })
  expect(f64(1e-5, 1)).toBe('[0., 1.]  float64 [2]')
  printOptions({ threshold: 3, edgeItems: 1 })
  expect(f32(1, 2, 3, 4)).toBe('[1., ..., 4.]  float32 [4]')
})

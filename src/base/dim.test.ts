// Symbolic sizes: arithmetic in normal form, substitution, and open sizes that fit what they meet.

import { describe, expect, test } from 'vitest'
import {
  type Dim,
  dimAdd,
  dimEqual,
  dimExactDiv,
  dimFits,
  dimFloorDiv,
  dimMul,
  dimSubstitute,
  SymDim,
} from './dim.js'
import { ShapeError } from './errors.js'
import { broadcastShapes, formatShape } from './shape.js'

describe('symbolic sizes', () => {
  const n = SymDim.symbol('n')
  const m = SymDim.symbol('m')

  test('have a normal form', () => {
    expect(String(dimAdd(dimMul(n, 2), dimAdd(m, 1)))).toBe('m + 2*n + 1')
    expect(dimEqual(dimMul(dimAdd(n, 1), dimAdd(n, -1)), dimAdd(dimMul(n, n), -1))).toBe(true)
    expect(dimAdd(n, dimMul(n, -1))).toBe(0)
  })

  test('divide exactly, or keep a quotient until they are known', () => {
    expect(String(dimExactDiv(dimMul(n, 6), 3))).toBe('2*n')
    expect(dimExactDiv(n, 2)).toBeNull()
    const half = dimFloorDiv(dimAdd(n, 1), 2)
    expect([3, 4].map((size) => dimSubstitute(half, new Map([['n', size]])))).toEqual([2, 2])
  })

  test('never turn into numbers by accident', () => {
    expect(() => Number(n)).toThrow(ShapeError)
    expect(() => (n as unknown as number) + 1).toThrow(ShapeError)
  })

  test('that are not open fit themselves only', () => {
    expect(dimFits(n, n)).toBe(true)
    expect(dimFits(n, m)).toBe(false)
    expect(dimFits(n, 3)).toBe(false)
  })
})

describe('open sizes', () => {
  test('are taken to be equal to what they have to fit', () => {
    const [n, m] = [SymDim.open('n'), SymDim.open('m')]
    expect(dimEqual(n, m)).toBe(false)
    expect(dimFits(n, m)).toBe(true)
    expect(dimEqual(n, m)).toBe(true)
    expect(dimEqual(dimMul(n, 3), dimMul(m, 3))).toBe(true)
    expect(dimExactDiv(dimMul(n, 4), m)).toBe(4)
    expect(dimFits(m, 5)).toBe(true)
    expect(dimEqual(n, 5)).toBe(true)
    expect(dimFits(n, 6)).toBe(false)
  })

  test('keep their own size where one is given', () => {
    const [n, m] = [SymDim.open('n'), SymDim.open('m')]
    dimFits(n, m)
    const sizes = (env: [string, number][]): Dim[] =>
      [n, m].map((d) => dimSubstitute(d, new Map(env)))
    expect(
      sizes([
        ['n', 2],
        ['m', 3],
      ]),
    ).toEqual([2, 3])
    expect(sizes([['m', 3]])).toEqual([3, 3])
  })

  test('do not fit what is made from them', () => {
    const n = SymDim.open('n')
    expect(dimFits(n, dimAdd(n, 1))).toBe(false)
  })

  test('still broadcast against 1', () => {
    const n = SymDim.open('n')
    expect(formatShape(broadcastShapes('add', [n, 1], [1, 4]))).toBe('[n, 4]')
    expect(formatShape(broadcastShapes('add', [n, 4], [3, 4]))).toBe('[3, 4]')
    expect(() => broadcastShapes('add', [n, 4], [5, 4])).toThrow(ShapeError)
  })
})

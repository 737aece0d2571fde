// Coordinates through chains of reshapes, against counting.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sizeOf, stridesOf } from '../../base/shape.js'
import { formatAffine, ofVar, plus } from '../kernel/affine.js'
import type { Affine, IndexVar } from '../kernel/ir.js'
import { affineEqual, IndexSpace, reshapeCoords } from './space.js'

/** The number a sum stands for, digits worked out. */
function evaluate(space: IndexSpace, a: Affine, values: ReadonlyMap<number, number>): number {
  const of = (v: IndexVar): number => {
    const digit = space.digitOf(v)
    if (digit === undefined) return values.get(v.id) as number
    const q = Math.floor(evaluate(space, digit.value, values) / digit.by)
    return digit.mod === 0 ? q : q % digit.mod
  }
  return a.terms.reduce((sum, t) => sum + t.coefficient * of(t.variable), a.constant)
}

/** Shapes of 720 elements. */
const SHAPES = [
  [720],
  [2, 360],
  [6, 120],
  [8, 9, 10],
  [10, 72],
  [5, 144],
  [1, 720, 1],
  [3, 1, 240],
  [16, 45],
  [4, 5, 36],
  [9, 80],
  [2, 3, 4, 5, 6],
] as const

it('reshapes keep the linear index', () => {
  const chains = fc.array(fc.nat(SHAPES.length - 1), { minLength: 2, maxLength: 5 })
  fc.assert(
    fc.property(chains, fc.nat(719), (chain, element) => {
      const space = new IndexSpace()
      const first = SHAPES[chain[0] as number] as readonly number[]
      const variables = first.map((n, i) => space.variable(`x${i}`, n))
      const values = new Map<number, number>()
      stridesOf(first).forEach((stride, i) => {
        values.set(
          (variables[i] as IndexVar).id,
          Math.floor(element / stride) % (first[i] as number),
        )
      })
      let coords: Affine[] = variables.map((v) => ofVar(v))
      let shape: readonly number[] = first
      for (const next of chain.slice(1)) {
        const to = SHAPES[next] as readonly number[]
        coords = reshapeCoords(space, coords, shape, to)
        shape = to
        coords.forEach((c, i) => {
          const v = evaluate(space, c, values)
          expect(v).toBeGreaterThanOrEqual(0)
          expect(v).toBeLessThan(shape[i] as number)
          expect(space.max(c)).toBeGreaterThanOrEqual(v)
        })
        const flat = space.linear(coords, stridesOf(shape))
        expect(evaluate(space, flat, values)).toBe(element)
      }
      expect(sizeOf(shape)).toBe(720)
    }),
    { numRuns: 400 },
  )
})

it('puts quotients and remainders together again', () => {
  const space = new IndexSpace()
  const x = ofVar(space.variable('x', 12))
  const split = reshapeCoords(space, [x], [12], [3, 4])
  expect(split.every((c) => c.terms.length === 1)).toBe(true)
  expect(reshapeCoords(space, split, [3, 4], [12])[0]).toEqual(x)
  expect(affineEqual(space.linear(split, [4, 1]), x)).toBe(true)
})

it('needs no quotient where ranges show what it is', () => {
  const space = new IndexSpace()
  const [i, j] = [ofVar(space.variable('i', 3)), ofVar(space.variable('j', 4))]
  const flat = reshapeCoords(space, [i, j], [3, 4], [12])
  expect(reshapeCoords(space, flat, [12], [3, 4]).map(formatAffine)).toEqual(['i', 'j'])
  // floor((8·i + j) / 8), and floor((6·i + 2·j') / 12) with j' below 3: a common factor is taken out.
  const k = ofVar(space.variable('k', 3))
  expect(formatAffine(space.digit(space.linear([i, j], [8, 1]), 8, 0))).toBe('i')
  expect(affineEqual(space.digit(space.linear([i, k], [6, 2]), 12, 0), space.digit(i, 2, 0))).toBe(
    true,
  )
})

it('puts digits together that are known in simpler forms', () => {
  // Elements counted in pieces that divide the inner axis: the outer coordinate is one of the piece alone.
  for (const [rows, columns, piece] of [
    [5, 64, 16],
    [5, 64, 64],
    [3, 48, 16],
    [7, 20, 15],
  ] as const) {
    const space = new IndexSpace()
    const at = space.variable('piece', Math.ceil((rows * columns) / piece))
    const index = plus(ofVar(at, piece), ofVar(space.variable('i', piece)))
    const coords = reshapeCoords(space, [index], [rows * columns], [rows, columns])
    expect(space.linear(coords, [columns, 1])).toEqual(index)
  }
})

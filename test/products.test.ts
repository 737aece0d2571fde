// Matrix products of all kinds of sizes: each takes tiles, tails and panels of its own, and code of its own.

import { describe, expect, it } from 'vitest'
import { matmul, tensor } from '../src/index.js'

const ROWS = [1, 2, 3, 13, 50]
const COLUMNS = [1, 7, 16, 20, 32, 33, 48, 100]
const DEPTHS = [1, 5, 64, 100, 513, 1030]
const TURNED = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const

/** Whole numbers so small that their sums are exact in any order. */
const numbers = (count: number, step: number): number[] =>
  Array.from({ length: count }, (_, i) => ((i * step) % 9) - 4)

function product(a: number[], b: number[], [m, k, n]: readonly [number, number, number]): number[] {
  const out = new Array<number>(m * n).fill(0)
  for (let i = 0; i < m; i++) {
    for (let x = 0; x < k; x++) {
      for (let j = 0; j < n; j++) out[i * n + j]! += a[i * k + x]! * b[x * n + j]!
    }
  }
  return out
}

const floats = (values: number[]) => tensor(values, { dtype: 'float32' })

/** A matrix that lies turned in memory, or as it is. */
function matrix(values: number[], rows: number, columns: number, turned: boolean) {
  if (!turned) return floats(values).reshape([rows, columns])
  const other = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!)
  return floats(other).reshape([columns, rows]).transpose(0, 1)
}

describe.each(ROWS)('products of %i rows', (m) => {
  it.each(COLUMNS)('and %i columns', { timeout: 60_000 }, (n) => {
    for (const [at, k] of DEPTHS.entries()) {
      const [a, b] = [numbers(m * k, 7), numbers(k * n, 5)]
      const expected = product(a, b, [m, k, n])
      // Two of the four layouts: all of them with some depth.
      for (const [left, right] of TURNED.filter((_, i) => i % 2 === at % 2)) {
        const c = matmul(matrix(a, m, k, left), matrix(b, k, n, right))
        expect(Array.from(c.dataSync()), `depth ${k}, turned: ${left}, ${right}`).toEqual(expected)
      }
    }
  })
})

/** Sizes with tiles of their own and, in some, chunks of equal rows that are no multiple of a tile's. */
const LARGE = [
  [37, 513, 193],
  [96, 300, 250],
  [100, 1030, 337],
  [256, 64, 200],
  [150, 270, 200],
  [300, 700, 70],
] as const

describe('large products', () => {
  it.each(LARGE)('[%i,%i] by [%i columns]', { timeout: 60_000 }, (m, k, n) => {
    const [a, b] = [numbers(m * k, 7), numbers(k * n, 5)]
    const expected = product(a, b, [m, k, n])
    for (const [left, right] of TURNED) {
      const c = matmul(matrix(a, m, k, left), matrix(b, k, n, right))
      expect(Array.from(c.dataSync()), `turned: ${left}, ${right}`).toEqual(expected)
    }
  })
})

import { describe, expect, test } from 'vitest'
import type { Packing, Tile } from './choose.js'
import { type Cutting, cut } from './cutting.js'
import { target } from './fixtures.js'

const cache = { l1: 48 << 10, l2: 2 << 20 }
const two = { ...target(12, 32, 16), spreads: true, processors: 2, cache }
const usual: Tile = { rows: 12, lanes: 32 }

const square = (n: number, packing: Packing, tile = usual, batch = 1): Cutting =>
  cut(
    {
      ...{ batch, rows: n, columns: n, block: Math.min(512, n), depth: n },
      ...{ parts: 1, bytes: 4 },
    },
    tile,
    two,
    packing,
  )

/** Most elements of the result that one of two threads has, if they take chunks in turns, to half of all. */
function imbalance(c: Cutting): number {
  const threads = [0, 0]
  for (let column = 0; column < c.columns; column += c.chunkColumns) {
    for (let row = 0; row < c.rows; row += c.chunkRows) {
      const less = threads[0]! <= threads[1]! ? 0 : 1
      threads[less]! +=
        Math.min(c.chunkRows, c.rows - row) * Math.min(c.chunkColumns, c.columns - column)
    }
  }
  return Math.max(...threads) / ((c.rows * c.columns) / 2)
}

describe('chunks of a product', () => {
  test('are equal where rows can be shared equally, and so are their tiles', () => {
    const c = square(256, 'none')
    expect(256 % c.chunkRows).toBe(0)
    expect(c.rowChunks % 2).toBe(0)
    // Three tiles of 11, 11 and 10 rows, not of 12, 12 and 8.
    expect([c.chunkRows, c.tile.rows]).toEqual([32, 11])
    expect(imbalance(c)).toBe(1)
  })

  test.each([97, 127, 131, 251, 257, 509])('leave neither thread much to wait for: %d', (n) => {
    expect(imbalance(square(n, 'none'))).toBeLessThan(1.1)
  })

  test.each([384, 512, 768, 1024, 1031, 2048])('… and packed: %d', (n) => {
    for (const tile of [usual, { rows: 9, lanes: 48 }]) {
      expect(imbalance(square(n, 'apart', tile))).toBeLessThan(1.1)
    }
  })

  test.each([1024, 2048, 4096, 8192])('keep panels and sums in the second-level cache: %d', (n) => {
    const c = square(n, 'apart', { rows: 9, lanes: 48 })
    expect(4 * c.chunkColumns * (512 + c.chunkRows)).toBeLessThan(0.75 * cache.l2)
  })

  test('a small product is one, and so is each of many', () => {
    expect(square(24, 'none')).toMatchObject({ rowChunks: 1, columnChunks: 1 })
    const many = square(64, 'none', usual, 100)
    expect(many).toMatchObject({ rowChunks: 1, columnChunks: 1 })
    expect(many.batchChunks).toBeLessThan(100)
  })
})

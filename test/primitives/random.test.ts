// Random bits against published vectors, and against the same cipher in plain JavaScript.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../../src/backends/reference/evaluate.js'
import { SymDim } from '../../src/base/dim.js'
import { constant, randomBits } from '../../src/ir/build.js'
import '../../src/ir/primitives/index.js'
import { INTEGERS, threefry2x32 } from '../../src/ir/primitives/threefry.js'

/** A 32-bit word, written as hexadecimal digits. */
const word = (hex: string) => Number.parseInt(hex, 16) | 0
const hex = (x: number | bigint): string => (Number(x) >>> 0).toString(16).padStart(8, '0')
const scalar = (n: number) => constant(n, 'int32')

function bits(seed: number, draw: number, shape: readonly number[]): number[] {
  const [out] = evaluateGraph([randomBits(scalar(seed), scalar(draw), shape)])
  expect(out!.shape).toEqual(shape)
  return Array.from(out!.data, Number)
}

describe('threefry2x32', () => {
  // Known answers for 20 rounds, from kat_vectors of Random123 (D. E. Shaw Research).
  it.each([
    ['00000000 00000000', '00000000 00000000', '6b200159 99ba4efe'],
    ['ffffffff ffffffff', 'ffffffff ffffffff', '1cb996fc bb002be7'],
    ['243f6a88 85a308d3', '13198a2e 03707344', 'c4923a9c 483df7a0'],
  ])('encrypts counter %s under key %s', (counter, key, expected) => {
    const pair = (text: string) => text.split(' ').map(word)
    const [c0, c1] = pair(counter)
    const [k0, k1] = pair(key)
    const words = threefry2x32(INTEGERS, [k0!, k1!], [c0!, c1!])
    expect(words.map(hex).join(' ')).toBe(expected)
  })
})

/** Threefry-2x32 again, written with JavaScript's own 32-bit arithmetic. */
function threefry(k0: number, k1: number, counter: number): number {
  const rotations = [
    [13, 15, 26, 6],
    [17, 29, 16, 24],
  ]
  const keys = [k0, k1, k0 ^ k1 ^ 0x1bd11bda]
  let x = (counter + k0) | 0
  let y = k1 | 0
  for (let block = 0; block < 5; block++) {
    for (const r of rotations[block % 2]!) {
      x = (x + y) | 0
      y = ((y << r) | (y >>> (32 - r))) ^ x
    }
    x = (x + keys[(block + 1) % 3]!) | 0
    y = (y + keys[(block + 2) % 3]! + block + 1) | 0
  }
  return x
}

describe('randomBits', () => {
  it('encrypts the position under (seed, draw)', () => {
    expect(bits(0, 0, [1]).map(hex)).toEqual(['6b200159'])
    for (const [seed, draw] of [
      [42, 7],
      [-1, 2 ** 31 - 1],
      [123456789, -5],
    ] as const) {
      const expected = Array.from({ length: 15 }, (_, i) => threefry(seed, draw, i))
      expect(bits(seed, draw, [3, 5])).toEqual(expected)
    }
  })

  it('gives an element the same bits in every shape', () => {
    const all = bits(3, 4, [24])
    expect(bits(3, 4, [2, 3, 4])).toEqual(all)
    expect(bits(3, 4, [])).toEqual(all.slice(0, 1))
    expect(bits(3, 4, [7])).toEqual(all.slice(0, 7))
    expect(bits(3, 4, [0, 2])).toEqual([])
  })

  it('gives other bits for another seed or draw, half of them ones', () => {
    const a = bits(1, 1, [1000])
    expect(bits(1, 2, [1000])).not.toEqual(a)
    expect(bits(2, 1, [1000])).not.toEqual(a)
    const ones = a.reduce((sum, x) => sum + countOnes(x), 0)
    // 32,000 fair coins: a standard deviation is 89.
    expect(Math.abs(ones - 16_000)).toBeLessThan(5 * 89)
  })

  it('takes a shape that is open', () => {
    const batch = SymDim.symbol('batch')
    expect(randomBits(scalar(1), scalar(2), [batch, 3]).shape).toEqual([batch, 3])
  })

  it('refuses keys that are not int32 scalars', () => {
    expect(() => randomBits(constant(1, 'float32'), scalar(1), [2])).toThrow(
      'randomBits: Expected int32 keys. Received float32.',
    )
  })
})

function countOnes(x: number): number {
  let n = 0
  for (let rest = x >>> 0; rest > 0; rest = Math.floor(rest / 2)) n += rest % 2
  return n
}

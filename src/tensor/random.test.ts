import { beforeEach, describe, expect, test } from 'vitest'
import { DTypeError, ValueError } from '../base/errors.js'
import { manualSeed, randomState, setRandomState } from '../runtime/random.js'
import {
  bernoulli,
  categorical,
  full,
  normal,
  rand,
  randint,
  randLike,
  randn,
  randnLike,
  randperm,
  type Tensor,
  tensor,
  uniform,
} from './index.js'

beforeEach(() => manualSeed(1))

const numbers = (x: Tensor): number[] => Array.from(x.dataSync(), Number)
const mean = (xs: readonly number[]): number => xs.reduce((s, x) => s + x, 0) / xs.length

test('the seed decides everything, draws differ', () => {
  const first = [numbers(rand([4])), numbers(rand([4]))]
  expect(first[0]).not.toEqual(first[1])
  manualSeed(1)
  expect([numbers(rand([4])), numbers(rand([4]))]).toEqual(first)
  manualSeed(2)
  expect(numbers(rand([4]))).not.toEqual(first[0])
})

test('drawing goes on from a state that was kept, whatever was drawn since', () => {
  rand([3])
  const kept = JSON.stringify(randomState())
  const next = [numbers(rand([4])), numbers(randperm(5))]
  manualSeed(9)
  rand([2])
  setRandomState(JSON.parse(kept))
  expect([numbers(rand([4])), numbers(randperm(5))]).toEqual(next)
})

test.each([
  ['{ seed: 1.5, draws: 0 }', { seed: 1.5, draws: 0 }],
  ['{ seed: 1, draws: -1 }', { seed: 1, draws: -1 }],
  ['{ seed: 1, draws: NaN }', { seed: 1, draws: Number.NaN }],
  ['{ seed: 1, draws: undefined }', { seed: 1 }],
  ['{ seed: bigint, draws: string }', { seed: 1n, draws: '0' }],
  ['{ seed: object, draws: null }', { seed: Object.create(null), draws: null }],
  ['null', null],
  ['undefined', undefined],
  ['string', '{"seed":1,"draws":0}'],
  ['7', 7],
])('%s is no random state', (received, state) => {
  const before = randomState()
  const expected = 'a state as randomState gives it, { seed, draws }'
  expect(() => setRandomState(state as never)).toThrow(
    new ValueError('setRandomState', expected, received),
  )
  expect(randomState()).toEqual(before)
})

test.each([
  ['NaN', Number.NaN],
  ['1.5', 1.5],
  ['undefined', undefined],
  ['bigint', 1n],
  ['string', '1'],
])('%s is no seed', (received, seed) => {
  const before = randomState()
  expect(() => manualSeed(seed as never)).toThrow(
    new ValueError('manualSeed', 'an integer', received),
  )
  expect(randomState()).toEqual(before)
})

test('a draw is one value, however often and in whatever order it is read', () => {
  const x = rand([3])
  const y = rand([3])
  const [late, early] = [numbers(y), numbers(x)]
  expect([numbers(x), numbers(y)]).toEqual([early, late])
  manualSeed(1)
  expect(numbers(rand([3]))).toEqual(early)
})

describe('uniform', () => {
  test('rand lies in [0, 1) and fills it', () => {
    const xs = numbers(rand([4000]))
    expect(Math.min(...xs)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...xs)).toBeLessThan(1)
    expect(mean(xs)).toBeCloseTo(0.5, 1)
    for (let bin = 0; bin < 10; bin++) {
      const share = xs.filter((x) => Math.floor(x * 10) === bin).length
      expect(share).toBeGreaterThan(300)
    }
  })

  test('float64 has more bits', () => {
    const xs = numbers(rand([50], { dtype: 'float64' }))
    expect(xs.some((x) => Math.fround(x) !== x)).toBe(true)
    expect(xs.every((x) => x >= 0 && x < 1)).toBe(true)
  })

  test('bounds', () => {
    const xs = numbers(uniform([500], { low: -3, high: -1 }))
    expect(Math.min(...xs)).toBeGreaterThanOrEqual(-3)
    expect(Math.max(...xs)).toBeLessThanOrEqual(-1)
    expect(() => uniform([1], { low: 2, high: 1 })).toThrow(
      'uniform: Expected low <= high. Received 2 and 1.',
    )
    expect(() => rand([1], { dtype: 'int32' })).toThrow(DTypeError)
  })

  test('shapes, empty ones too, and likeness', () => {
    expect(rand([]).shape).toEqual([])
    expect(rand([0, 3]).array()).toEqual([])
    expect(rand(5).shape).toEqual([5])
    expect(randLike(tensor([[1, 2]])).dtype).toBe('float32')
    expect(randnLike(tensor([0.5], { dtype: 'float64' })).dtype).toBe('float64')
  })
})

describe('normal', () => {
  test('mean, deviation and tails', () => {
    const xs = numbers(randn([4000]))
    const m = mean(xs)
    expect(Math.abs(m)).toBeLessThan(0.06)
    expect(mean(xs.map((x) => (x - m) ** 2))).toBeCloseTo(1, 0.9)
    const beyondTwo = xs.filter((x) => Math.abs(x) > 2).length / xs.length
    expect(beyondTwo).toBeGreaterThan(0.03)
    expect(beyondTwo).toBeLessThan(0.06)
    expect(xs.every(Number.isFinite)).toBe(true)
  })

  test('shifted and scaled', () => {
    const xs = numbers(normal([2000], { mean: 10, std: 0.1 }))
    expect(mean(xs)).toBeCloseTo(10, 1)
    expect(numbers(normal([3], { mean: 5, std: 0 }))).toEqual([5, 5, 5])
    expect(() => normal([1], { std: -1 })).toThrow(ValueError)
  })
})

describe('integers', () => {
  test('randint covers its range evenly', () => {
    const xs = numbers(randint(2, 7, [5000]))
    for (let v = 2; v < 7; v++) {
      expect(Math.abs(xs.filter((x) => x === v).length - 1000)).toBeLessThan(150)
    }
    expect(xs.every((x) => x >= 2 && x < 7)).toBe(true)
    expect(randint(3, [2]).dtype).toBe('int32')
    expect(randint(3, [2, 2], { dtype: 'int64' }).dtype).toBe('int64')
    expect(numbers(randint(1, [3]))).toEqual([0, 0, 0])
    expect(numbers(randint(-5, -4, 2))).toEqual([-5, -5])
  })

  test('randint over wide ranges is the product of the bits and the range', () => {
    const wide = numbers(randint(-(2 ** 31), 2 ** 31, [200]))
    expect(Math.min(...wide)).toBeLessThan(-(2 ** 30))
    expect(Math.max(...wide)).toBeGreaterThan(2 ** 30)
    manualSeed(1)
    const bits = wide.map((x) => x + 2 ** 31)
    for (const count of [3, 1000, 65536, 65537, 1e6 + 3, 2 ** 31 - 1]) {
      manualSeed(1)
      const got = numbers(randint(count, [200]))
      expect(got).toEqual(bits.map((u) => Number((BigInt(u) * BigInt(count)) >> 32n)))
    }
  })

  test('randint refuses bounds without a number between them', () => {
    expect(() => randint(3, 3, [1])).toThrow(
      'randint: Expected whole bounds low < high within int32. Received 3 and 3.',
    )
    expect(() => randint(0.5, [1])).toThrow(ValueError)
    expect(() => randint(2 ** 40, [1])).toThrow(ValueError)
    expect(() => randint(2, [1], { dtype: 'bool' })).toThrow(DTypeError)
  })

  test('randperm has each number once', () => {
    const xs = numbers(randperm(50))
    expect(xs).not.toEqual([...xs].sort((a, b) => a - b))
    expect([...xs].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect(randperm(0).shape).toEqual([0])
    expect(randperm(3, { dtype: 'int64' }).dtype).toBe('int64')
    expect(() => randperm(-1)).toThrow('randperm: Expected')
  })
})

describe('chance', () => {
  test('bernoulli', () => {
    const xs = numbers(bernoulli(0.25, { shape: [4000] }))
    expect(new Set(xs)).toEqual(new Set([0, 1]))
    expect(mean(xs)).toBeCloseTo(0.25, 1)
    expect(numbers(bernoulli(tensor([0, 1, 0.0])))).toEqual([0, 1, 0])
    expect(bernoulli(0.5, { shape: [2], dtype: 'bool' }).dtype).toBe('bool')
    expect(() => bernoulli(1.5)).toThrow(ValueError)
  })

  test('categorical follows the logits', () => {
    const p = [0.1, 0.6, 0.3]
    const logits = tensor(p).log().broadcastTo([3000, 3])
    const xs = numbers(categorical(logits))
    for (const [i, share] of p.entries()) {
      expect(xs.filter((x) => x === i).length / xs.length).toBeCloseTo(share, 1)
    }
    const sure = full([4, 2], 0).add(tensor([0, -Infinity]))
    expect(numbers(categorical(sure))).toEqual([0, 0, 0, 0])
    expect(categorical(sure, 0).shape).toEqual([2])
  })
})

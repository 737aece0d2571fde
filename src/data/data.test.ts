import { describe, expect, test } from 'vitest'
import { IndexError, ShapeError, ValueError } from '../base/errors.js'
import { manualSeed } from '../runtime/random.js'
import { arange, ones, tensor } from '../tensor/create.js'
import { rand } from '../tensor/random.js'
import type { Tensor } from '../tensor/tensor.js'
import {
  DataLoader,
  type Dataset,
  defaultCollate,
  MappedDataset,
  randomSplit,
  Subset,
  TensorDataset,
} from './index.js'

/** Ten examples [row of two, number]. */
const numbers = (n = 10) =>
  new TensorDataset(
    arange(2 * n)
      .cast('float32')
      .reshape([n, 2]),
    arange(n),
  )

const labels = (batches: Iterable<[Tensor, Tensor]>): number[][] =>
  [...batches].map(([, y]) => y.array() as number[])

describe('TensorDataset', () => {
  test('gives examples by number', () => {
    const data = numbers()
    expect(data.length).toBe(10)
    expect(data.get(3).map((t) => t.array())).toEqual([[6, 7], 3])
    expect(data.get(-1)[1].item()).toBe(9)
    expect(data.get(0)[1].shape).toEqual([])
    expect(data.shapes).toEqual([[2], []])
  })

  test('gives batches in any order, also with examples twice', () => {
    const [x, y] = numbers().batch([9, 0, 0])
    expect(x.array()).toEqual([
      [18, 19],
      [0, 1],
      [0, 1],
    ])
    expect(y.array()).toEqual([9, 0, 0])
    expect([x.dtype, y.dtype]).toEqual(['float32', 'int32'])
  })

  test('keeps dtypes, int64 and bool included', () => {
    const data = new TensorDataset(tensor([1n, 2n]), tensor([true, false]), ones([2, 0, 3]))
    const [long, flag, none] = data.batch([1, 0])
    expect([long.array(), flag.array(), none.shape]).toEqual([
      [2n, 1n],
      [false, true],
      [2, 0, 3],
    ])
  })

  test('checks what it is given', () => {
    expect(() => new TensorDataset(ones([3]), ones([4, 3]))).toThrow(
      'TensorDataset: Expected tensors with as many examples each, on their first axes. Received [3], [4, 3].',
    )
    expect(() => new TensorDataset()).toThrow(ShapeError)
    expect(() => new TensorDataset(ones([]))).toThrow(ShapeError)
    expect(() => numbers().get(10)).toThrow(
      'TensorDataset.get: Expected an index in [-10, 9]. Received 10.',
    )
    expect(() => numbers().batch([0, 0.5])).toThrow(IndexError)
    const pairs = new TensorDataset(
      tensor([
        [1, 2],
        [3, 4],
      ]),
    )
    expect(pairs.batch([-1, 0])[0]!.array()).toEqual([
      [3, 4],
      [1, 2],
    ])
  })
})

describe('DataLoader', () => {
  test('goes through in order, with the rest last', () => {
    const loader = new DataLoader(numbers(), { batchSize: 4 })
    expect(loader.length).toBe(3)
    expect(labels(loader)).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ])
    const dropping = new DataLoader(numbers(), { batchSize: 4, dropLast: true })
    expect([dropping.length, labels(dropping).length]).toEqual([2, 2])
    expect(labels(new DataLoader(numbers(2)))).toEqual([[0], [1]])
    expect(labels(new DataLoader(numbers(0), { batchSize: 4 }))).toEqual([])
  })

  test('shuffles differently each time, and the same for the same seed', () => {
    const orders = (): number[][] => {
      manualSeed(7)
      const loader = new DataLoader(numbers(100), { batchSize: 100, shuffle: true })
      return [labels(loader)[0]!, labels(loader)[0]!]
    }
    const [first, second] = orders() as [number[], number[]]
    expect(first).not.toEqual(second)
    expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(orders()).toEqual([first, second])
  })

  test('has orders of its own with a seed, which no other draw disturbs', () => {
    const loader = () => new DataLoader(numbers(50), { batchSize: 50, shuffle: true, seed: 3 })
    manualSeed(1)
    const before = rand([4]).array()
    manualSeed(1)
    const a = loader()
    const first = labels(a)
    expect(rand([4]).array()).toEqual(before)
    const b = loader()
    expect(labels(b)).toEqual(first)
    expect(labels(a)).toEqual(labels(b))
    expect(labels(a)).not.toEqual(first)
    expect(
      labels(new DataLoader(numbers(50), { batchSize: 50, shuffle: true, seed: 4 })),
    ).not.toEqual(first)
  })

  test('is read with for await as well', async () => {
    const seen: number[] = []
    for await (const [x, y] of new DataLoader(numbers(), { batchSize: 3 })) {
      expect(x.shape).toEqual([y.shape[0], 2])
      seen.push(...(y.array() as number[]))
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('gives timers a turn while it is read', async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const end = performance.now() + 200
    for await (const _ of new DataLoader(numbers(1000))) {
      // A step that takes a while.
      const until = performance.now() + 5
      while (performance.now() < until);
      if (performance.now() > end) break
    }
    clearInterval(timer)
    expect(turns).toBeGreaterThan(0)
  })

  test('takes a sampler, and a function that makes batches', () => {
    const loader = new DataLoader(numbers(), {
      batchSize: 2,
      sampler: [5, 1, 9],
      collate: (examples) => examples.map(([, y]) => y.item()),
    })
    expect([...loader]).toEqual([[5, 1], [9]])
    expect(loader.length).toBe(2)
  })

  test('checks its settings', () => {
    expect(() => new DataLoader(numbers(), { batchSize: 0 })).toThrow(
      'DataLoader: Expected a batchSize of at least 1. Received 0.',
    )
    expect(() => new DataLoader(numbers(), { shuffle: true, sampler: [1] })).toThrow(ValueError)
  })
})

describe('data sets of one’s own', () => {
  const words: Dataset<{ text: string; length: number; vector: Tensor }> = {
    length: 3,
    get: (i) => ({ text: 'abc'.slice(0, i), length: i, vector: ones([2]).mul(i) }),
  }

  test('are collated entry by entry', () => {
    const [batch] = [...new DataLoader(words, { batchSize: 3 })]
    expect(batch!.text).toEqual(['', 'a', 'ab'])
    expect(batch!.length.array()).toEqual([0, 1, 2])
    expect(batch!.vector.array()).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ])
  })

  test('may give promises, to for await', async () => {
    const slow: Dataset<number> = { length: 5, get: async (i) => i * i }
    const seen: unknown[] = []
    for await (const batch of new DataLoader(slow, { batchSize: 3 })) seen.push(batch.array())
    expect(seen).toEqual([
      [0, 1, 4],
      [9, 16],
    ])
    expect(() => [...new DataLoader(slow)]).toThrow(
      'DataLoader: Expected for await, as examples are promises. Received a plain for.',
    )
  })

  test('are mapped and cut', async () => {
    const mapped = new MappedDataset(numbers(), ([x, y], i) => [x.mul(10), y.add(i)] as const)
    const part = new Subset(mapped, [4, 2])
    const [batch] = [...new DataLoader(part, { batchSize: 2 })]
    expect(batch!.map((t) => t.array())).toEqual([
      [
        [80, 90],
        [40, 50],
      ],
      [8, 4],
    ])
    const later = new MappedDataset(
      { length: 1, get: async () => 20 } as Dataset<number>,
      (v) => v + 1,
    )
    expect(await later.get(0)).toBe(21)
  })

  test('have to agree on what examples look like', () => {
    expect(() => defaultCollate([ones([2]), ones([3])])).toThrow(
      'collate: Expected examples of one shape and dtype (the first is float32 [2]). Received float32 [3].',
    )
    expect(() => defaultCollate<object>([{ a: 1 }, { b: 1 }])).toThrow(
      'collate: Expected examples with the entries a, as the first has. Received one with b.',
    )
    expect(() => defaultCollate([[1, 2], [1]])).toThrow(ValueError)
  })
})

describe('parts', () => {
  test('of a data set are gathered fast where the whole is', () => {
    const part = new Subset(numbers(), [8, 3, 1])
    expect(labels(new DataLoader(part, { batchSize: 2 }))).toEqual([[8, 3], [1]])
    expect(part.batch).toBeTypeOf('function')
    expect(() => new Subset(numbers(), [10])).toThrow(IndexError)
    expect(() => part.get(3)).toThrow(IndexError)
  })

  test('split at random do not overlap', () => {
    const parts = randomSplit(numbers(), [7, 3], { seed: 2 })
    const all = parts.flatMap((p) => labels(new DataLoader(p, { batchSize: 10 }))[0]!)
    expect(parts.map((p) => p.length)).toEqual([7, 3])
    expect([...all].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    const again = randomSplit(numbers(), [7, 3], { seed: 2 })
    expect([...(again[0]!.indices as Int32Array)]).toEqual([...(parts[0]!.indices as Int32Array)])
    expect(randomSplit(numbers(), [0.5, 0.25, 0.25]).map((p) => p.length)).toEqual([6, 2, 2])
    expect(randomSplit(numbers(7), [0.3, 0.7]).map((p) => p.length)).toEqual([3, 4])
  })

  test('have to add up', () => {
    expect(() => randomSplit(numbers(), [7, 4])).toThrow(
      'randomSplit: Expected numbers that add up to 10, or fractions that add up to 1. Received [7, 4].',
    )
    expect(() => randomSplit(numbers(), [-1, 11])).toThrow(ValueError)
    expect(() => randomSplit(numbers(), [])).toThrow(ValueError)
  })
})

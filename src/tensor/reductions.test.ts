import { describe, expect, test } from 'vitest'
import { DTypeError, IndexError, ShapeError } from '../base/errors.js'
import { type Tensor, tensor, zeros } from './index.js'

const x = (): Tensor =>
  tensor([
    [1, 2, 3],
    [4, 5, 6],
  ])
const float = (data: number[] | number[][]): Tensor => tensor(data, { dtype: 'float32' })

/** The gradient of the sum of f's results at `data`. */
function gradient(data: number[] | number[][], f: (x: Tensor) => Tensor): unknown {
  const leaf = tensor(data, { dtype: 'float32', requiresGrad: true })
  f(leaf).sum().backward()
  return leaf.grad?.array()
}

describe('how axes are given', () => {
  test('none, bare, several, negative, in options, kept', () => {
    expect(x().sum().array()).toBe(21)
    expect(x().sum(0).array()).toEqual([5, 7, 9])
    expect(x().sum(-1).array()).toEqual([6, 15])
    expect(x().sum([0, 1]).array()).toBe(21)
    expect(x().sum({ axis: 1 }).array()).toEqual([6, 15])
    expect(x().sum({ axis: 0, keepDims: true }).array()).toEqual([[5, 7, 9]])
    expect(x().sum({ keepDims: true }).array()).toEqual([[21]])
    expect(x().sum([]).array()).toEqual(x().array())
    expect(x().sum(null).array()).toBe(21)
  })

  test('refusals', () => {
    expect(() => x().sum(2)).toThrow('sum: Expected an axis in [-2, 1]. Received 2.')
    expect(() => x().mean([0, -2])).toThrow(IndexError)
    expect(() => tensor(1).max(0)).toThrow('no axis (the tensor is a scalar)')
  })
})

describe('sum and prod', () => {
  test('dtypes', () => {
    expect(x().sum().dtype).toBe('int32')
    expect(tensor([true, true]).sum().array()).toBe(2)
    expect(tensor([true, true]).sum().dtype).toBe('int32')
    expect(tensor(Uint8Array.of(200, 200)).sum().array()).toBe(400)
    expect(tensor(Uint8Array.of(20, 20)).prod().array()).toBe(400)
    expect(
      tensor([2 ** 30, 2 ** 30])
        .sum()
        .item(),
    ).toBe(-(2 ** 31))
    expect(
      tensor([2 ** 30, 2 ** 30])
        .sum({ dtype: 'int64' })
        .array(),
    ).toBe(2147483648n)
    expect(tensor([1n, 2n]).sum().dtype).toBe('int64')
    expect(float([1]).sum().dtype).toBe('float32')
    expect(() => x().sum({ dtype: 'int8' as never })).toThrow(DTypeError)
  })

  test('nothing', () => {
    expect(zeros([0]).sum().array()).toBe(0)
    expect(zeros([0]).prod().array()).toBe(1)
    expect(zeros([2, 0]).sum(1).array()).toEqual([0, 0])
    expect(tensor(5).sum().array()).toBe(5)
  })

  test('gradients', () => {
    expect(gradient([1, 2, 3], (t) => t.sum())).toEqual([1, 1, 1])
    expect(gradient([2, 3, 4], (t) => t.prod())).toEqual([12, 8, 6])
    expect(gradient([0, 3, 4], (t) => t.prod())).toEqual([12, 0, 0])
  })
})

describe('mean, var, std', () => {
  test('mean', () => {
    expect(x().mean().array()).toBe(3.5)
    expect(x().mean().dtype).toBe('float32')
    expect(x().mean({ axis: 0, keepDims: true }).array()).toEqual([[2.5, 3.5, 4.5]])
    expect(zeros([0]).mean().item()).toBeNaN()
    expect(gradient([1, 2, 3, 4], (t) => t.mean())).toEqual([0.25, 0.25, 0.25, 0.25])
  })

  test('var and std have a correction', () => {
    expect(x().var().item()).toBeCloseTo(3.5)
    expect(x().var({ correction: 0 }).item()).toBeCloseTo(35 / 12)
    expect(x().var({ axis: 1, keepDims: true }).array()).toEqual([[1], [1]])
    expect(x().std(0).sum().item()).toBeCloseTo(3 * Math.sqrt(4.5))
    expect(float([5]).var().item()).toBeNaN()
    expect(float([5]).var({ correction: 0 }).item()).toBe(0)
  })

  test('std of equal values has no gradient', () => {
    expect(gradient([2, 2, 2], (t) => t.std())).toEqual([0, 0, 0])
  })
})

describe('max and min', () => {
  test('values', () => {
    expect(x().max().array()).toBe(6)
    expect(x().min(1).array()).toEqual([1, 4])
    expect(x().max({ axis: 0, keepDims: true }).array()).toEqual([[4, 5, 6]])
    expect(tensor([true, false]).max().array()).toBe(true)
    expect(float([1, Number.NaN, 3]).max().item()).toBeNaN()
    expect(float([1, Number.NaN, 3]).min().item()).toBeNaN()
    expect(float([-Infinity]).max().item()).toBe(-Infinity)
  })

  test('of nothing', () => {
    expect(() => zeros([2, 0]).max()).toThrow(
      'max: Expected at least one value to choose from. Received [2, 0].',
    )
    expect(() => zeros([2, 0]).min(1)).toThrow(ShapeError)
    expect(zeros([2, 0]).max(0).shape).toEqual([0])
  })

  test('ties share the gradient', () => {
    expect(gradient([3, 1, 3], (t) => t.max())).toEqual([0.5, 0, 0.5])
  })

  test('with indices, the gradient goes to the one found', () => {
    const { values, indices } = x().maxWithIndices(1)
    expect([values.array(), indices.array()]).toEqual([
      [3, 6],
      [2, 2],
    ])
    const low = x().minWithIndices({ axis: 0, keepDims: true })
    expect([low.values.array(), low.indices.array()]).toEqual([[[1, 2, 3]], [[0, 0, 0]]])
    expect(gradient([3, 1, 3], (t) => t.maxWithIndices(0).values)).toEqual([1, 0, 0])
    expect(() => zeros([0, 2]).maxWithIndices(0)).toThrow(ShapeError)
  })

  test('argmax and argmin', () => {
    expect(x().argmax().array()).toBe(5)
    expect(x().argmax(1).array()).toEqual([2, 2])
    expect(x().argmin({ axis: -1, keepDims: true }).array()).toEqual([[0], [0]])
    expect(x().argmax({ keepDims: true }).shape).toEqual([1, 1])
    expect(x().argmax().dtype).toBe('int32')
    expect(float([1, 7, 7]).argmax().item()).toBe(1)
    expect(float([1, Number.NaN, 7]).argmax().item()).toBe(1)
    expect(float([1, Number.NaN, 7]).argmin().item()).toBe(1)
    expect(tensor(4).argmax().array()).toBe(0)
    expect(() => zeros([0]).argmax()).toThrow(ShapeError)
    expect(() => x().argmax(2)).toThrow(IndexError)
  })
})

describe('all and any', () => {
  test('truth', () => {
    const m = tensor([
      [true, false],
      [true, true],
    ])
    expect(m.all().array()).toBe(false)
    expect(m.any().array()).toBe(true)
    expect(m.all(1).array()).toEqual([false, true])
    expect(m.any({ axis: 0, keepDims: true }).array()).toEqual([[true, true]])
    expect(float([0, Number.NaN]).any().array()).toBe(true)
    expect(zeros([0]).all().array()).toBe(true)
    expect(zeros([0]).any().array()).toBe(false)
  })
})

describe('norm', () => {
  const v = (): Tensor => float([3, -4])
  test.each([
    [undefined, 5],
    [1, 7],
    [0, 2],
    [Infinity, 4],
    [-Infinity, 3],
    [3, Math.cbrt(91)],
  ])('p = %s', (p, expected) => {
    expect(v().norm({ p }).item()).toBeCloseTo(expected, 5)
  })

  test('axes, and the gradient at zero', () => {
    expect(
      float([
        [3, 4],
        [0, 0],
      ])
        .norm({ axis: 1, keepDims: true })
        .array(),
    ).toEqual([[5], [0]])
    expect(gradient([0, 0], (t) => t.norm())).toEqual([0, 0])
    expect(gradient([3, 4], (t) => t.norm())).toEqual([Math.fround(0.6), Math.fround(0.8)])
  })
})

test('logSumExp does not overflow', () => {
  expect(float([1000, 1000]).logSumExp().item()).toBeCloseTo(1000 + Math.LN2, 3)
  expect(
    float([
      [0, 0],
      [1, 1],
    ]).logSumExp(1).shape,
  ).toEqual([2])
  expect(float([[0, 0]]).logSumExp({ axis: 1, keepDims: true }).shape).toEqual([1, 1])
  expect(float([-Infinity, -Infinity]).logSumExp().item()).toBe(-Infinity)
  expect(tensor([0, 0]).logSumExp().item()).toBeCloseTo(Math.LN2)
})

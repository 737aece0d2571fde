import { describe, expect, test } from 'vitest'
import { ShapeError } from '../base/errors.js'
import { arange, ones, type Tensor, tensor, zeros } from './index.js'

const counted = (...shape: number[]): Tensor =>
  arange(shape.reduce((n, d) => n * d, 1)).reshape(shape)

/** A product by its definition. */
function product(x: Tensor, y: Tensor): number[][] {
  const [p, q] = [x.array() as number[][], y.array() as number[][]]
  return p.map((row) => q[0]!.map((_, j) => row.reduce((sum, v, k) => sum + v * q[k]![j]!, 0)))
}

describe('matmul', () => {
  test('matrices', () => {
    const [x, y] = [counted(2, 3), counted(3, 4)]
    expect(x.matmul(y).array()).toEqual(product(x, y))
    expect(x.matmul(y).dtype).toBe('int32')
  })

  test('vectors', () => {
    const [v, m] = [
      tensor([1, 2]),
      tensor([
        [1, 2],
        [3, 4],
      ]),
    ]
    expect(v.matmul(v).array()).toBe(5)
    expect(m.matmul(v).array()).toEqual([5, 11])
    expect(v.matmul(m).array()).toEqual([7, 10])
  })

  test.each([
    [
      [5, 2, 3],
      [3, 4],
      [5, 2, 4],
    ],
    [
      [2, 3],
      [5, 3, 4],
      [5, 2, 4],
    ],
    [
      [5, 2, 3],
      [5, 3, 4],
      [5, 2, 4],
    ],
    [
      [6, 1, 2, 3],
      [5, 3, 4],
      [6, 5, 2, 4],
    ],
    [[3], [5, 3, 4], [5, 4]],
    [[5, 2, 3], [3], [5, 2]],
    [
      [0, 2, 3],
      [3, 4],
      [0, 2, 4],
    ],
    [
      [2, 0],
      [0, 4],
      [2, 4],
    ],
  ])('%j times %j is %j', (left, right, expected) => {
    expect(zeros(left).matmul(zeros(right)).shape).toEqual(expected)
  })

  test('stacks pair up as they broadcast', () => {
    const [x, y] = [counted(2, 1, 2, 3), counted(2, 3, 2)]
    const got = x.matmul(y)
    for (const i of [0, 1]) {
      for (const j of [0, 1]) {
        expect(got.at([i, j]).array()).toEqual(product(x.at([i, 0]), y.at(j)))
      }
    }
    const shared = counted(2, 3).matmul(y)
    expect(shared.at(1).array()).toEqual(product(counted(2, 3), y.at(1)))
  })

  test('dtypes meet', () => {
    expect(counted(2, 2).matmul(ones([2, 2])).dtype).toBe('float32')
    expect(
      tensor([true, true])
        .matmul(tensor([true, true]))
        .array(),
    ).toBe(2)
  })

  test('an empty sum is zero', () => {
    expect(
      zeros([1, 0])
        .matmul(zeros([0, 2]))
        .array(),
    ).toEqual([[0, 0]])
  })

  test('gradients', () => {
    const x = tensor([[1, 2]], { dtype: 'float32', requiresGrad: true })
    const w = tensor([[3], [4]], { dtype: 'float32', requiresGrad: true })
    x.matmul(w).sum().backward()
    expect([x.grad?.array(), w.grad?.array()]).toEqual([[[3, 4]], [[1], [2]]])
    const shared = ones([2, 2], { requiresGrad: true })
    ones([3, 1, 2]).matmul(shared).sum().backward()
    expect(shared.grad?.array()).toEqual([
      [3, 3],
      [3, 3],
    ])
  })

  test('refusals', () => {
    expect(() => zeros([2, 3]).matmul(zeros([4, 5]))).toThrow(
      'matmul: Expected operands with equal inner sizes. Received [2, 3] and [4, 5].',
    )
    expect(() => zeros([]).matmul(zeros([3]))).toThrow(
      'matmul: Expected operands with at least one axis. Received [] and [3].',
    )
    expect(() => zeros([2, 2, 3]).matmul(zeros([3, 3, 4]))).toThrow(
      'matmul: Expected stacks of matrices whose leading axes broadcast together. Received [2, 2, 3] and [3, 3, 4].',
    )
    expect(() => zeros([3]).matmul(zeros([2]))).toThrow(ShapeError)
  })
})

test('dot, mm, bmm, mv and outer insist on their ranks', () => {
  const [v, m, s] = [counted(2), counted(2, 2), counted(2, 2, 2)]
  expect(v.dot(v).array()).toBe(1)
  expect(m.mm(m).array()).toEqual(product(m, m))
  expect(s.bmm(s).at(1).array()).toEqual(product(s.at(1), s.at(1)))
  expect(m.mv(v).array()).toEqual([1, 3])
  expect(v.outer(tensor([5, 6, 7])).array()).toEqual([
    [0, 0, 0],
    [5, 6, 7],
  ])
  expect(() => v.dot(m)).toThrow('dot: Expected two vectors. Received [2] and [2, 2].')
  expect(() => m.mm(v)).toThrow('mm: Expected two matrices. Received [2, 2] and [2].')
  expect(() => s.bmm(m)).toThrow(ShapeError)
  expect(() => m.mv(m)).toThrow(ShapeError)
  expect(() => m.outer(v)).toThrow(ShapeError)
})

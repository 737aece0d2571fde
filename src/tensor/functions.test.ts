import { describe, expect, test } from 'vitest'
import { DTypeError, ShapeError } from '../base/errors.js'
import * as t from './index.js'

const x = t.tensor([
  [1, 2],
  [3, 4],
])

describe('functions are the methods', () => {
  test.each<[string, t.Tensor, t.Tensor]>([
    ['add', t.add(x, x), x.add(x)],
    ['matmul', t.matmul(x, x), x.matmul(x)],
    ['exp', t.exp(x), x.exp()],
    ['relu', t.relu(x), x.relu()],
    ['sum', t.sum(x, { axis: 0 }), x.sum(0)],
    ['max', t.max(x, 1), x.max(1)],
    ['variance', t.variance(x), x.var()],
    ['reshape', t.reshape(x, [4]), x.reshape([4])],
    ['gather', t.gather(x, 1, [[0], [1]]), t.tensor([[1], [4]])],
    ['clamp', t.clamp(x, { max: 2 }), x.clamp({ max: 2 })],
    [
      'where',
      t.where(x.gt(2), x, 0),
      t.tensor([
        [0, 0],
        [3, 4],
      ]),
    ],
  ])('%s', (_, got, expected) => {
    expect([got.dtype, got.array()]).toEqual([expected.dtype, expected.array()])
  })

  test('contents are taken where tensors are', () => {
    expect(t.add([1, 2], [3, 4]).array()).toEqual([4, 6])
    expect(t.mean([1, 2]).item()).toBe(1.5)
    expect(t.sqrt(4).item()).toBe(2)
  })

  test('a number on the left is as weak as one on the right', () => {
    expect(t.sub(1, x).array()).toEqual([
      [0, -1],
      [-2, -3],
    ])
    expect(t.mul(2, t.tensor([1, 2], { dtype: 'uint8' })).dtype).toBe('uint8')
    expect(t.mul(0.5, x).dtype).toBe('float32')
    expect(t.pow(2, t.tensor([3.5], { dtype: 'float64' })).dtype).toBe('float64')
    expect(t.add(1, 2).item()).toBe(3)
  })

  test('every method that computes has a function', () => {
    const names = new Set<string>()
    for (let p = t.Tensor.prototype; p !== Object.prototype; p = Object.getPrototypeOf(p)) {
      for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(p))) {
        if (typeof value === 'function') names.add(name)
      }
    }
    // Reading, state and what needs a tensor in front of it to be understood.
    const methodsOnly =
      'constructor toString data dataSync item array realize values backward detach at setAt addAt ' +
      'isNaN isFinite isInf var view expand repeat transpose unflatten select'
    for (const name of methodsOnly.split(' ')) names.delete(name)
    expect([...names].filter((name) => !(name in t))).toEqual([])
  })
})

describe('joining', () => {
  test('concat', () => {
    expect(t.concat([x, x]).shape).toEqual([4, 2])
    expect(t.concat([x, x], 1).array()).toEqual([
      [1, 2, 1, 2],
      [3, 4, 3, 4],
    ])
    expect(t.cat([x, x], { axis: -1 }).shape).toEqual([2, 4])
    expect(t.concat([[1], [2.5]]).array()).toEqual([1, 2.5])
    expect(t.concat([x]).array()).toEqual(x.array())
    expect(t.concat([t.zeros([0, 2]), x]).shape).toEqual([2, 2])
    expect(() => t.concat([])).toThrow('concat: Expected at least one tensor. Received none.')
    expect(() => t.concat([x, t.zeros([2, 3])])).toThrow(
      'concat: Expected tensors that differ from [2, 2] on axis 0 only. Received [2, 3].',
    )
  })

  test('stack', () => {
    expect(t.stack([x, x]).shape).toEqual([2, 2, 2])
    expect(
      t
        .stack(
          [
            [1, 2],
            [3, 4],
          ],
          -1,
        )
        .array(),
    ).toEqual([
      [1, 3],
      [2, 4],
    ])
    expect(t.stack([1, 2.5]).array()).toEqual([1, 2.5])
    expect(() => t.stack([x, t.zeros([2])])).toThrow(ShapeError)
  })

  test('cast refuses dtypes there are none of', () => {
    expect(() => t.ones([1]).cast('float8' as 'float32')).toThrow(DTypeError)
  })

  test('broadcastTensors and meshgrid', () => {
    const [a, b] = t.broadcastTensors([
      [1, 2],
      [[1], [2]],
    ])
    expect([a?.shape, b?.shape]).toEqual([
      [2, 2],
      [2, 2],
    ])
    const [rows, columns] = t.meshgrid([
      [1, 2],
      [3, 4, 5],
    ])
    expect(rows?.array()).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ])
    expect(columns?.at(0).array()).toEqual([3, 4, 5])
    expect(() => t.meshgrid([x])).toThrow(ShapeError)
  })

  test('gradients reach every part', () => {
    const a = t.ones([2], { requiresGrad: true })
    const b = t.ones([3], { requiresGrad: true })
    t.concat([a, b]).mul(5).sum().backward()
    expect([a.grad?.array(), b.grad?.array()]).toEqual([
      [5, 5],
      [5, 5, 5],
    ])
  })
})

test('mistakes have the same words as in methods', () => {
  expect(() => t.matmul([[1]], [[1], [2]])).toThrow(
    'matmul: Expected operands with equal inner sizes. Received [1, 1] and [2, 1].',
  )
  expect(() => t.relu('x' as never)).toThrow(DTypeError)
})

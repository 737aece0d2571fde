import { describe, expect, test } from 'vitest'
import { DTypeError, ShapeError, ValueError } from '../base/errors.js'
import {
  arange,
  asTensor,
  empty,
  eye,
  full,
  fullLike,
  linspace,
  ones,
  onesLike,
  scalar,
  type TensorLike,
  tensor,
  zeros,
  zerosLike,
} from './index.js'

describe('tensor: dtypes of literals', () => {
  test.each<[string, TensorLike, string]>([
    ['whole numbers', [1, 2], 'int32'],
    ['a fraction', [1, 2.5], 'float32'],
    ['booleans', [true, false], 'bool'],
    ['booleans among numbers', [true, 2], 'int32'],
    ['bigints', [1n, 2n], 'int64'],
    ['bigints among numbers', [1n, 2], 'int64'],
    ['whole numbers too large for int32', [3e9], 'int64'],
    ['numbers too large to be exact', [1e20], 'float32'],
    ['NaN', [1, Number.NaN], 'float32'],
    ['minus zero', [-0], 'float32'],
    ['nothing', [], 'float32'],
    ['a Float32Array', Float32Array.of(1), 'float32'],
    ['a Float64Array', Float64Array.of(1), 'float64'],
    ['an Int32Array', Int32Array.of(1), 'int32'],
    ['a BigInt64Array', BigInt64Array.of(1n), 'int64'],
    ['a Uint8Array', Uint8Array.of(1), 'uint8'],
    ['a Uint8ClampedArray', Uint8ClampedArray.of(1), 'uint8'],
    ['an Int16Array', Int16Array.of(1), 'int32'],
    ['a Uint32Array', Uint32Array.of(4e9), 'int64'],
    ['a number', 3, 'int32'],
    ['a boolean', true, 'bool'],
  ])('%s', (_, data, dtype) => {
    expect(tensor(data).dtype).toBe(dtype)
  })

  test('values are kept exactly', () => {
    expect(tensor([3e9]).array()).toEqual([3000000000n])
    expect(tensor([2n ** 62n]).array()).toEqual([2n ** 62n])
    expect(tensor([0.1]).item()).toBe(Math.fround(0.1))
    expect(tensor([0.1], { dtype: 'float64' }).item()).toBe(0.1)
    expect(Object.is(tensor([-0]).item(), -0)).toBe(true)
  })
})

describe('tensor: shapes', () => {
  test.each<[TensorLike, number[]]>([
    [5, []],
    [[], [0]],
    [
      [[], []],
      [2, 0],
    ],
    [[[1, 2, 3]], [1, 3]],
    [
      [Float32Array.of(1, 2), Float32Array.of(3, 4)],
      [2, 2],
    ],
  ])('%j has shape %j', (data, shape) => {
    expect(tensor(data).shape).toEqual(shape)
  })

  test('flat data takes a shape', () => {
    expect(tensor(Float32Array.of(1, 2, 3, 4), { shape: [2, -1] }).array()).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow(
      'tensor: Expected a shape with 3 elements, as there are values. Received [2, 2].',
    )
    expect(() => tensor([1, 2, 3], { shape: [2, -1] })).toThrow(ShapeError)
  })

  test('ragged arrays name the place', () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(
      'tensor: Expected an array of 2 at data[1], as at data[0]. Received an array of 1.',
    )
    expect(() => tensor([[1], 2] as never)).toThrow(
      'tensor: Expected an array of 1 at data[1], as at data[0]. Received a number.',
    )
    expect(() => tensor([1, [2]] as never)).toThrow(
      'tensor: Expected a value at data[1], as at data[0]. Received an array of 1.',
    )
    expect(() => tensor([[1, 2], [3]])).toThrow(ShapeError)
  })
})

describe('tensor: refusals and options', () => {
  test('what is no number', () => {
    expect(() => tensor(['a'] as never)).toThrow(
      'tensor: Expected numbers, booleans or bigints. Received a string at data[0].',
    )
    expect(() => tensor(null as never)).toThrow('Received null.')
    expect(() => tensor([tensor(1)] as never)).toThrow('Received a Tensor at data[0] (use stack).')
    expect(() => tensor([1], { dtype: 'float' as never })).toThrow(DTypeError)
  })

  test('a dtype that cannot hold a value', () => {
    expect(() => tensor([300], { dtype: 'uint8' })).toThrow(
      'tensor: Expected values that uint8 can hold. Received 300.',
    )
    expect(() => tensor([Number.NaN], { dtype: 'int32' })).toThrow(ValueError)
    expect(() => tensor([Infinity], { dtype: 'int64' })).toThrow(ValueError)
    expect(() => tensor([2n ** 63n])).toThrow(ValueError)
    expect(tensor([1.9, -1.9], { dtype: 'int32' }).array()).toEqual([1, -1])
    expect(tensor([2, 0, Number.NaN], { dtype: 'bool' }).array()).toEqual([true, false, false])
  })

  test('contents are copied', () => {
    const data = Float32Array.of(1, 2)
    const x = tensor(data)
    data[0] = 9
    expect(x.array()).toEqual([1, 2])
    const bytes = Buffer.from([1, 2])
    const y = tensor(bytes)
    bytes[0] = 9
    expect(y.array()).toEqual([1, 2])
    const read = x.dataSync()
    read[0] = 7
    expect(x.array()).toEqual([1, 2])
  })

  test('a tensor gives its value, without its gradient path', () => {
    const x = tensor([1.5], { requiresGrad: true })
    expect(tensor(x).requiresGrad).toBe(false)
    expect(tensor(x, { dtype: 'int32' }).array()).toEqual([1])
    const y = tensor(x.mul(2), { requiresGrad: true })
    expect([y.requiresGrad, y.isLeaf, y.item()]).toEqual([true, true, 3])
  })

  test('gradients need floats', () => {
    expect(() => tensor([1, 2], { requiresGrad: true })).toThrow(
      'tensor: Expected a float dtype for a tensor with gradients. Received int32.',
    )
    const x = tensor([1, 2], { dtype: 'float32', requiresGrad: true, name: 'x' })
    x.square().sum().backward()
    expect(x.grad?.array()).toEqual([2, 4])
    expect(x.name).toBe('x')
  })

  test('asTensor leaves tensors alone', () => {
    const x = tensor([1, 2])
    expect(asTensor(x)).toBe(x)
    expect(asTensor(x, 'float32').dtype).toBe('float32')
    expect(asTensor([1, 2], 'float64').dtype).toBe('float64')
  })
})

describe('filled tensors', () => {
  test('zeros, ones, empty and full', () => {
    expect(zeros([2, 2]).array()).toEqual([
      [0, 0],
      [0, 0],
    ])
    expect(zeros([2]).dtype).toBe('float32')
    expect(ones(3, { dtype: 'int64' }).array()).toEqual([1n, 1n, 1n])
    expect(empty([0, 2]).shape).toEqual([0, 2])
    expect(full([2], 7).array()).toEqual([7, 7])
    expect(full([], 2.5).item()).toBe(2.5)
    expect(full([1], true).dtype).toBe('bool')
    expect(full([2], 7, { dtype: 'int32' }).dtype).toBe('int32')
    expect(() => zeros([2, -1])).toThrow(
      'zeros: Expected a shape of whole sizes, none negative. Received [2, -1].',
    )
    expect(() => ones([1.5])).toThrow(ShapeError)
  })

  test('like another tensor', () => {
    const x = tensor([[1, 2]])
    expect([zerosLike(x).dtype, zerosLike(x).array()]).toEqual(['int32', [[0, 0]]])
    expect(onesLike(x, { dtype: 'bool' }).array()).toEqual([[true, true]])
    expect(fullLike(x, 5).array()).toEqual([[5, 5]])
  })

  test('leaves that collect gradients', () => {
    const w = ones([3], { requiresGrad: true })
    expect(w.isLeaf).toBe(true)
    w.mul(2).sum().backward()
    expect(w.grad?.array()).toEqual([2, 2, 2])
  })

  test('scalar', () => {
    expect(scalar(3).dtype).toBe('float32')
    expect(scalar(3, { dtype: 'int32' }).item()).toBe(3)
    expect(scalar(0.3).shape).toEqual([])
  })
})

describe('arange, linspace and eye', () => {
  test('arange', () => {
    expect(arange(4).array()).toEqual([0, 1, 2, 3])
    expect(arange(4).dtype).toBe('int32')
    expect(arange(2, 5).array()).toEqual([2, 3, 4])
    expect(arange(5, 0, -2).array()).toEqual([5, 3, 1])
    expect(arange(3, { dtype: 'float32' }).dtype).toBe('float32')
    expect(arange(1, 3, { dtype: 'int64' }).array()).toEqual([1n, 2n])
    expect(arange(0, 1, 0.25).array()).toEqual([0, 0.25, 0.5, 0.75])
    expect(arange(0).shape).toEqual([0])
    expect(arange(0, 1, 0.1, { dtype: 'float64' }).at(3).item()).toBe(3 * 0.1)
    expect(arange(3e9, 3e9 + 2, { dtype: 'int64' }).array()).toEqual([3000000000n, 3000000001n])
  })

  test('arange refuses steps that lead away', () => {
    expect(() => arange(0, 5, -1)).toThrow(
      'arange: Expected a step that leads from start to stop. Received 0, 5, -1.',
    )
    expect(() => arange(0, 5, 0)).toThrow(ValueError)
    expect(() => arange(Number.NaN)).toThrow(ValueError)
    expect(() => arange(0, 300, { dtype: 'uint8' })).toThrow(ValueError)
  })

  test('linspace meets both ends', () => {
    expect(linspace(0, 1, 5).array()).toEqual([0, 0.25, 0.5, 0.75, 1])
    expect(linspace(2, 3, 1).array()).toEqual([2])
    expect(linspace(2, 3, 0).shape).toEqual([0])
    const x = linspace(0.1, 0.7, 7, { dtype: 'float64' }).dataSync()
    expect([x[0], x[6]]).toEqual([0.1, 0.7])
    expect(() => linspace(0, 1, 1.5)).toThrow(ValueError)
  })

  test('eye', () => {
    expect(eye(2).array()).toEqual([
      [1, 0],
      [0, 1],
    ])
    expect(eye(2, 3, { dtype: 'int32' }).array()).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ])
    expect(eye(1, { dtype: 'bool' }).array()).toEqual([[true]])
    expect(eye(0).shape).toEqual([0, 0])
  })
})

import { describe, expect, test } from 'vitest'
import { DTypeError, IndexError, ShapeError, ValueError } from '../base/errors.js'
import { arange, type Index, ones, type Tensor, tensor, zeros } from './index.js'

const counted = (...shape: number[]): Tensor =>
  arange(shape.reduce((n, d) => n * d, 1)).reshape(shape)

/** The gradient of the sum of f's results at counted values. */
function gradient(shape: number[], f: (x: Tensor) => Tensor): unknown {
  const size = shape.reduce((n, d) => n * d, 1)
  const x = tensor(
    Float32Array.from({ length: size }, (_, i) => i),
    { shape, requiresGrad: true },
  )
  f(x).sum().backward()
  return x.grad?.array()
}

describe('at: positions and ranges', () => {
  const v = counted(6)
  test.each<[Index, unknown]>([
    ['2', 2],
    ['-1', 5],
    [3, 3],
    ['1:3', [1, 2]],
    [':2', [0, 1]],
    ['4:', [4, 5]],
    ['-2:', [4, 5]],
    [':-4', [0, 1]],
    [':', [0, 1, 2, 3, 4, 5]],
    ['::2', [0, 2, 4]],
    ['1::2', [1, 3, 5]],
    ['::-1', [5, 4, 3, 2, 1, 0]],
    ['::-2', [5, 3, 1]],
    ['4:1:-1', [4, 3, 2]],
    ['4:1:-2', [4, 2]],
    ['-2:-5:-1', [4, 3, 2]],
    ['2::-1', [2, 1, 0]],
    ['100:', []],
    [':100', [0, 1, 2, 3, 4, 5]],
    ['-100:2', [0, 1]],
    ['100::-3', [5, 2]],
    ['3:1', []],
    ['1:3:-1', []],
    [' 1 : 5 : 2 ', [1, 3]],
    ['+1', 1],
    [{ start: 1, stop: 4 }, [1, 2, 3]],
    [{ step: -3 }, [5, 2]],
    [[], [0, 1, 2, 3, 4, 5]],
    ['...', [0, 1, 2, 3, 4, 5]],
  ])('%j of a vector', (index, expected) => {
    expect(v.at(index).array()).toEqual(expected)
  })

  test.each<[Index, number[]]>([
    ['1', [3, 4]],
    ['1, ::-1', [3, 4]],
    ['..., 0', [2, 3]],
    ['0, ..., 0', [3]],
    ['0, 0, 0, ...', []],
    ['None', [1, 2, 3, 4]],
    ['..., None', [2, 3, 4, 1]],
    ['0, None, :, newaxis', [1, 3, 1, 4]],
    [
      [0, null, '...', -1],
      [1, 3],
    ],
    [
      ['...', { start: 1 }],
      [2, 3, 3],
    ],
    ['1, :2, -2:', [2, 2]],
    ['2:', [0, 3, 4]],
  ])('%j of [2, 3, 4]', (index, shape) => {
    expect(counted(2, 3, 4).at(index).shape).toEqual(shape)
  })

  test('values in several axes', () => {
    expect(counted(2, 3).at('1, ::-1').array()).toEqual([5, 4, 3])
    expect(counted(2, 3).at([0, 1]).array()).toBe(1)
    expect(counted(2, 3).at('::-1, 1').array()).toEqual([4, 1])
    expect(tensor(7).at('...').array()).toBe(7)
    expect(tensor(7).at([null]).array()).toEqual([7])
  })

  test.each<[Index, string]>([
    ['6', 'at: Expected an index in [-6, 6) on axis 0. Received 6.'],
    [-7, 'at: Expected an index in [-6, 6) on axis 0. Received -7.'],
    [1.5, 'at: Expected an index in [-6, 6) on axis 0. Received 1.5.'],
    ['0, 0', 'at: Expected at most 1 indices. Received 2 for shape [6].'],
    ['..., ...', `at: Expected '...' at most once. Received it 2 times.`],
    ['::0', 'at: Expected a step other than 0. Received 0.'],
    ['a', `at: Expected indices such as '1', '2:5', '::-1', '...' or 'None'. Received 'a'.`],
    ['', `Received ''.`],
    ['1,', `Received ''.`],
    [{ start: 0.5 }, 'at: Expected whole numbers in a range. Received 0.5.'],
    [[[0, 6]], 'at: Expected an index in [-6, 6) on axis 0. Received 6.'],
  ])('%j is refused', (index, message) => {
    expect(() => counted(6).at(index)).toThrow(message)
  })

  test('refusals are typed', () => {
    expect(() => counted(6).at(6)).toThrow(IndexError)
    expect(() => counted(6).at('x')).toThrow(ValueError)
    expect(() => zeros([0]).at(0)).toThrow('no index on axis 0, which is empty')
    expect(() => tensor(1).at(0)).toThrow(IndexError)
  })

  test('gradients', () => {
    expect(gradient([5], (x) => x.at('::-2'))).toEqual([1, 0, 1, 0, 1])
    expect(gradient([2, 2], (x) => x.at('1, 0'))).toEqual([
      [0, 0],
      [1, 0],
    ])
  })
})

describe('at: index tensors', () => {
  const m = counted(3, 4)
  test('one', () => {
    expect(m.at(tensor([2, 0])).shape).toEqual([2, 4])
    expect(m.at([':', tensor([1, -1])]).array()).toEqual([
      [1, 3],
      [5, 7],
      [9, 11],
    ])
    expect(m.at([[0, -1]]).array()).toEqual([
      [0, 1, 2, 3],
      [8, 9, 10, 11],
    ])
    expect(m.at(tensor(1)).array()).toEqual([4, 5, 6, 7])
    expect(m.at([tensor([[0, 1]]), 0]).array()).toEqual([[0, 4]])
    expect(m.at(tensor([], { dtype: 'int32' })).shape).toEqual([0, 4])
    expect(m.at(tensor([1n])).array()).toEqual([[4, 5, 6, 7]])
    expect(() => m.at(tensor([0.5]))).toThrow(
      'at: Expected indices of an integer dtype. Received float32.',
    )
  })

  test('of 64 bits are not taken for their low 32', () => {
    const far = tensor([2n ** 32n, 0n])
    expect(() => arange(6).take(far).array()).toThrow(IndexError)
    expect(() => arange(6).take(far.neg()).array()).toThrow(IndexError)
    expect(
      arange(6)
        .take(tensor([5n, 0n]))
        .array(),
    ).toEqual([5, 0])
  })

  test('several meet by broadcasting', () => {
    expect(m.at([tensor([0, 1, 2]), tensor([3, 2, 1])]).array()).toEqual([3, 6, 9])
    expect(m.at([tensor([[0], [2]]), tensor([0, -1])]).array()).toEqual([
      [0, 3],
      [8, 11],
    ])
    expect(() => m.at([tensor([0, 1]), tensor([0, 1, 2])])).toThrow(ShapeError)
  })

  test('their axes stand where the first was, or in front when apart', () => {
    const x = counted(2, 3, 4, 5)
    const [i, j] = [tensor([0, 1, 1]), tensor([2, 0, 1])]
    expect(x.at([':', i, j]).shape).toEqual([2, 3, 5])
    expect(x.at([i, ':', j]).shape).toEqual([3, 3, 5])
    expect(x.at([i, ':', j]).at('1').array()).toEqual(x.at('1, :, 0').array())
    expect(x.at([0, i, '...', [0, 1, 2]]).shape).toEqual([3, 4])
  })

  test('a position outside its axis is an error when it is computed, even one that another axis hides', () => {
    expect(() => m.at(tensor([3])).dataSync()).toThrow(IndexError)
    expect(() => m.at([tensor([0]), tensor([4])]).dataSync()).toThrow(IndexError)
    expect(() => m.at([tensor([1]), tensor([-5])]).dataSync()).toThrow(IndexError)
  })

  test('gradients add up', () => {
    expect(gradient([3], (x) => x.at([[0, 2, 0]]))).toEqual([2, 0, 1])
    expect(
      gradient([2, 2], (x) =>
        x.at([
          [1, 1],
          [0, 0],
        ]),
      ),
    ).toEqual([
      [0, 0],
      [2, 0],
    ])
  })
})

describe('at: masks', () => {
  test('of the whole tensor, of leading axes, beside other indices', () => {
    const m = counted(2, 3)
    expect(m.at(m.gt(2)).array()).toEqual([3, 4, 5])
    expect(m.at(tensor([false, true])).array()).toEqual([[3, 4, 5]])
    expect(m.at([':', tensor([true, false, true])]).array()).toEqual([
      [0, 2],
      [3, 5],
    ])
    expect(m.at([1, tensor([true, false, true])]).array()).toEqual([3, 5])
    expect(m.at(m.gt(9)).shape).toEqual([0])
    expect(() => m.at(tensor([true]))).toThrow('at: Expected a mask of shape [2]. Received [1].')
  })

  test('gradients', () => {
    expect(gradient([3], (x) => x.at(x.detach().gt(0)).mul(2))).toEqual([0, 2, 2])
  })
})

describe('setAt and addAt', () => {
  test('a copy changes where the index points', () => {
    const x = counted(2, 3)
    expect(x.setAt('0, 1:', 9).array()).toEqual([
      [0, 9, 9],
      [3, 4, 5],
    ])
    expect(x.setAt('1', tensor([7, 8, 9])).array()).toEqual([
      [0, 1, 2],
      [7, 8, 9],
    ])
    expect(x.setAt(x.gt(3), -1).array()).toEqual([
      [0, 1, 2],
      [3, -1, -1],
    ])
    expect(x.setAt(':, ::-2', tensor([20, 10])).array()).toEqual([
      [10, 1, 20],
      [10, 4, 20],
    ])
    expect(x.addAt([[0, 0]], 1).array()).toEqual([
      [2, 3, 4],
      [3, 4, 5],
    ])
    expect(x.array()).toEqual(counted(2, 3).array())
    expect(() => x.setAt('0', tensor([1, 2]))).toThrow(ShapeError)
    expect(() => x.setAt('0, 0', tensor([1, 2]))).toThrow(
      'setAt: Expected values that fit []. Received [2].',
    )
  })

  test('gradients', () => {
    expect(gradient([3], (x) => x.setAt('1', 0))).toEqual([1, 0, 1])
    expect(gradient([2], (x) => zeros([3]).setAt('1:', x.mul(3)))).toEqual([3, 3])
  })
})

describe('along an axis', () => {
  test('select', () => {
    expect(counted(2, 3).select(1, -1).array()).toEqual([2, 5])
    expect(() => counted(2, 3).select(1, 3)).toThrow(IndexError)
  })

  test('gather', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ])
    const index = tensor([
      [0, 0],
      [1, 0],
    ])
    expect(x.gather(1, index).array()).toEqual([
      [1, 1],
      [4, 3],
    ])
    expect(x.gather(0, tensor([[1, 0]])).array()).toEqual([[3, 2]])
    expect(x.takeAlongAxis(x.argmax({ axis: 1, keepDims: true }), 1).array()).toEqual([[2], [4]])
    expect(() => x.gather(0, tensor([1]))).toThrow(ShapeError)
    expect(() => x.gather(1, tensor([[0], [0], [0]]))).toThrow(
      'gather: Expected an index no larger than the tensor [2, 2] on every axis but 1. Received [3, 1].',
    )
    expect(() => x.gather(1, tensor([[2]])).dataSync()).toThrow(IndexError)
    expect(gradient([2, 2], (t) => t.gather(1, index))).toEqual([
      [2, 0],
      [1, 1],
    ])
  })

  test('take and indexSelect', () => {
    const x = counted(2, 3)
    expect(x.take([4, 0]).array()).toEqual([4, 0])
    expect(x.take(5).array()).toBe(5)
    expect(x.take(tensor([[0, 2]]), 1).shape).toEqual([2, 1, 2])
    expect(x.take([1], { axis: 0 }).array()).toEqual([[3, 4, 5]])
    expect(x.indexSelect(1, [2, 2]).array()).toEqual([
      [2, 2],
      [5, 5],
    ])
    expect(() => x.indexSelect(0, tensor([[0]]))).toThrow(ShapeError)
    expect(() => x.take([6]).dataSync()).toThrow(IndexError)
    expect(() => x.take(tensor([true]))).toThrow(DTypeError)
  })

  test('scatter and scatterAdd', () => {
    const index = tensor([[0, 1, 0]])
    const source = tensor([[1, 2, 3]])
    expect(zeros([2, 3], { dtype: 'int32' }).scatter(0, index, source).array()).toEqual([
      [1, 0, 3],
      [0, 2, 0],
    ])
    expect(zeros([2, 3]).scatter(1, index, 5).array()).toEqual([
      [5, 5, 0],
      [0, 0, 0],
    ])
    expect(ones([1, 2]).scatterAdd(1, index, source).array()).toEqual([[5, 3]])
    expect(gradient([1, 3], (x) => zeros([1, 2]).scatterAdd(1, index, x.square()))).toEqual([
      [0, 2, 4],
    ])
  })

  test('indexAdd and indexCopy', () => {
    const rows = tensor([
      [1, 1],
      [2, 2],
    ])
    expect(zeros([3, 2]).indexAdd(0, [2, 2], rows).array()).toEqual([
      [0, 0],
      [0, 0],
      [3, 3],
    ])
    expect(zeros([3, 2]).indexCopy(0, [2, 0], rows).array()).toEqual([
      [2, 2],
      [0, 0],
      [1, 1],
    ])
    expect(zeros([2, 2]).indexAdd(1, 0, 7).array()).toEqual([
      [7, 0],
      [7, 0],
    ])
  })
})

describe('masks and coordinates', () => {
  test('maskedSelect', () => {
    const x = counted(2, 2)
    expect(x.maskedSelect(x.ge(1)).array()).toEqual([1, 2, 3])
    expect(x.maskedSelect(tensor([true, false])).array()).toEqual([0, 2])
    expect(() => x.maskedSelect(x)).toThrow('maskedSelect: Expected a bool mask. Received int32.')
  })

  test('nonzero', () => {
    expect(
      tensor([
        [0, 1],
        [2, 0],
      ])
        .nonzero()
        .array(),
    ).toEqual([
      [0, 1],
      [1, 0],
    ])
    expect(zeros([3]).nonzero().shape).toEqual([0, 1])
    expect(tensor(5).nonzero().shape).toEqual([1, 0])
    expect(tensor([0n, 3n]).nonzero().array()).toEqual([[1]])
  })

  test('oneHot', () => {
    expect(tensor([1, 0, 3]).oneHot(3).array()).toEqual([
      [0, 1, 0],
      [1, 0, 0],
      [0, 0, 0],
    ])
    expect(
      tensor([[1]])
        .oneHot(2, { dtype: 'bool' })
        .array(),
    ).toEqual([[[false, true]]])
    expect(tensor(1n).oneHot(2).dtype).toBe('float32')
    expect(() => tensor([0.5]).oneHot(2)).toThrow(DTypeError)
    expect(() => tensor([1]).oneHot(1.5)).toThrow(ValueError)
  })

  test('triu, tril and diagonal', () => {
    const x = counted(2, 3)
    expect(x.triu().array()).toEqual([
      [0, 1, 2],
      [0, 4, 5],
    ])
    expect(x.tril().array()).toEqual([
      [0, 0, 0],
      [3, 4, 0],
    ])
    expect(x.triu(1).array()).toEqual([
      [0, 1, 2],
      [0, 0, 5],
    ])
    expect(x.tril(-1).array()).toEqual([
      [0, 0, 0],
      [3, 0, 0],
    ])
    expect(ones([2, 3, 3], { dtype: 'bool' }).tril().sum().item()).toBe(12)
    expect(x.diagonal().array()).toEqual([0, 4])
    expect(counted(2, 3, 2).diagonal().array()).toEqual([
      [0, 3],
      [6, 9],
    ])
    expect(zeros([0, 3]).diagonal().shape).toEqual([0])
    expect(() => counted(3).triu()).toThrow(ShapeError)
  })
})

import { describe, expect, test } from 'vitest'
import { IndexError, ShapeError, ValueError } from '../base/errors.js'
import { arange, type Tensor, tensor, zeros } from './index.js'

/** 0, 1, 2 … in a shape. */
const counted = (...shape: number[]): Tensor =>
  arange(shape.reduce((n, d) => n * d, 1)).reshape(shape)

describe('reshape', () => {
  test('shapes', () => {
    expect(counted(6).reshape([2, 3]).array()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ])
    expect(counted(2, 3).reshape([-1]).shape).toEqual([6])
    expect(counted(2, 3).view([3, -1]).shape).toEqual([3, 2])
    expect(tensor(5).reshape([1, 1]).array()).toEqual([[5]])
    expect(zeros([0, 3]).reshape([3, 0]).shape).toEqual([3, 0])
    expect(() => counted(2, 3).reshape([4, -1])).toThrow(
      'reshape: Expected a shape with 6 elements (input is [2, 3]). Received [4, -1].',
    )
    expect(() => counted(2, 3).reshape([5])).toThrow(ShapeError)
  })

  test('flatten and unflatten', () => {
    expect(counted(2, 3, 4).flatten().shape).toEqual([24])
    expect(counted(2, 3, 4).flatten(1).shape).toEqual([2, 12])
    expect(counted(2, 3, 4).flatten(0, -2).shape).toEqual([6, 4])
    expect(tensor(1).flatten().shape).toEqual([1])
    expect(() => counted(2, 3).flatten(1, 0)).toThrow(ValueError)
    expect(counted(2, 12).unflatten(1, [3, -1]).shape).toEqual([2, 3, 4])
    expect(() => counted(2, 12).unflatten(-1, [5])).toThrow(ShapeError)
  })
})

describe('order of axes', () => {
  test('permute and transpose', () => {
    const x = counted(2, 3, 4)
    expect(x.permute([2, 0, 1]).shape).toEqual([4, 2, 3])
    expect(x.permute([-1, 0, 1]).shape).toEqual([4, 2, 3])
    expect(x.permute().shape).toEqual([4, 3, 2])
    expect(x.transpose(0, 1).shape).toEqual([3, 2, 4])
    expect(x.transpose(-1, 0).shape).toEqual([4, 3, 2])
    expect(x.transpose([0, 2, 1]).shape).toEqual([2, 4, 3])
    expect(counted(2, 2).T.array()).toEqual([
      [0, 2],
      [1, 3],
    ])
    expect(x.mT.shape).toEqual([2, 4, 3])
    expect(x.swapAxes(0, 2).shape).toEqual([4, 3, 2])
    expect(() => x.permute([0, 1])).toThrow(
      'permute: Expected each of 3 axes once. Received [0, 1].',
    )
    expect(() => x.permute([0, 0, 1])).toThrow(ValueError)
    expect(() => counted(3).mT).toThrow(ShapeError)
    expect(() => x.transpose(0, 3)).toThrow(IndexError)
  })

  test('moveAxis', () => {
    const x = counted(2, 3, 4, 5)
    expect(x.moveAxis(0, -1).shape).toEqual([3, 4, 5, 2])
    expect(x.moveAxis(3, 0).shape).toEqual([5, 2, 3, 4])
    expect(x.moveAxis([0, 1], [-1, -2]).shape).toEqual([4, 5, 3, 2])
    expect(() => x.moveAxis([0, 1], 0)).toThrow(ValueError)
    expect(() => x.moveAxis([0, 0], [1, 2])).toThrow(ValueError)
  })
})

describe('axes of size 1', () => {
  test('squeeze', () => {
    const x = zeros([1, 3, 1])
    expect(x.squeeze().shape).toEqual([3])
    expect(x.squeeze(0).shape).toEqual([3, 1])
    expect(x.squeeze([0, -1]).shape).toEqual([3])
    expect(() => x.squeeze(1)).toThrow('squeeze: Expected axis 1 of size 1. Received [1, 3, 1].')
  })

  test('unsqueeze', () => {
    const x = zeros([2, 3])
    expect(x.unsqueeze(0).shape).toEqual([1, 2, 3])
    expect(x.unsqueeze(-1).shape).toEqual([2, 3, 1])
    expect(x.expandDims([0, 2]).shape).toEqual([1, 2, 1, 3])
    expect(() => x.unsqueeze(3)).toThrow(IndexError)
  })

  test('sizes, axes and counts come in one array', () => {
    const x = arange(6) as unknown as Record<string, (...sizes: number[]) => Tensor>
    expect(() => x.reshape?.(2, 3)).toThrow('reshape: Expected sizes in one array. Received 2.')
    expect(() => x.permute?.(0)).toThrow('permute: Expected axes in one array. Received 0.')
    expect(() => x.tile?.(2)).toThrow('tile: Expected counts in one array. Received 2.')
  })

  test('broadcastTo and expand', () => {
    expect(tensor([1, 2]).broadcastTo([2, 2]).array()).toEqual([
      [1, 2],
      [1, 2],
    ])
    expect(tensor(3).broadcastTo([2]).array()).toEqual([3, 3])
    expect(tensor([[1], [2]]).expand([2, 3]).shape).toEqual([2, 3])
    expect(tensor([[1], [2]]).expand([4, -1, 3]).shape).toEqual([4, 2, 3])
    expect(() => tensor([1, 2]).broadcastTo([3])).toThrow(ShapeError)
    expect(() => counted(2, 3).broadcastTo([3])).toThrow(
      'broadcastTo: Expected a shape that [2, 3] broadcasts to. Received [3].',
    )
    expect(() => tensor([1, 2]).broadcastTo([1])).toThrow(ShapeError)
  })
})

describe('repetition', () => {
  test('tile', () => {
    expect(tensor([1, 2]).tile([2]).array()).toEqual([1, 2, 1, 2])
    expect(tensor([1, 2]).tile([2, 2]).array()).toEqual([
      [1, 2, 1, 2],
      [1, 2, 1, 2],
    ])
    expect(
      tensor([[1], [2]])
        .repeat([2])
        .array(),
    ).toEqual([
      [1, 1],
      [2, 2],
    ])
    expect(tensor([1, 2]).tile([0]).shape).toEqual([0])
    expect(() => tensor([1]).tile([-1])).toThrow(ValueError)
  })

  test('repeatInterleave', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ])
    expect(x.repeatInterleave(2).array()).toEqual([1, 1, 2, 2, 3, 3, 4, 4])
    expect(x.repeatInterleave(2, 0).array()).toEqual([
      [1, 2],
      [1, 2],
      [3, 4],
      [3, 4],
    ])
    expect(x.repeatInterleave(2, { axis: -1 }).shape).toEqual([2, 4])
  })
})

describe('flip and roll', () => {
  test('flip', () => {
    expect(counted(2, 2).flip().array()).toEqual([
      [3, 2],
      [1, 0],
    ])
    expect(counted(2, 2).flip(1).array()).toEqual([
      [1, 0],
      [3, 2],
    ])
  })

  test('roll', () => {
    expect(counted(5).roll(2).array()).toEqual([3, 4, 0, 1, 2])
    expect(counted(5).roll(-1, 0).array()).toEqual([1, 2, 3, 4, 0])
    expect(counted(5).roll(12, 0).array()).toEqual([3, 4, 0, 1, 2])
    expect(counted(2, 2).roll(1).array()).toEqual([
      [3, 0],
      [1, 2],
    ])
    expect(counted(2, 2).roll([1, 1], [0, 1]).array()).toEqual([
      [3, 2],
      [1, 0],
    ])
    expect(zeros([0]).roll(3).shape).toEqual([0])
    expect(() => counted(2, 2).roll([1], [0, 1])).toThrow(ValueError)
  })
})

describe('pad', () => {
  test('with a constant', () => {
    expect(tensor([1, 2]).pad([1, 2]).array()).toEqual([0, 1, 2, 0, 0])
    expect(
      tensor([1, 2])
        .pad([[1, 0]], { value: 9 })
        .array(),
    ).toEqual([9, 1, 2])
    expect(counted(3).pad([-1, 1]).array()).toEqual([1, 2, 0])
    expect(
      tensor([[5]])
        .pad([
          [1, 0],
          [0, 1],
        ])
        .array(),
    ).toEqual([
      [0, 0],
      [5, 0],
    ])
    expect(tensor([true]).pad([1, 0]).array()).toEqual([false, true])
  })

  test('with the values themselves', () => {
    expect(counted(4).pad([2, 3], { mode: 'reflect' }).array()).toEqual([2, 1, 0, 1, 2, 3, 2, 1, 0])
    expect(counted(3).pad([2, 1], { mode: 'replicate' }).array()).toEqual([0, 0, 0, 1, 2, 2])
    expect(counted(3).pad([2, 1], { mode: 'circular' }).array()).toEqual([1, 2, 0, 1, 2, 0])
    expect(
      counted(2, 2)
        .pad(
          [
            [0, 0],
            [1, 0],
          ],
          { mode: 'reflect' },
        )
        .array(),
    ).toEqual([
      [1, 0, 1],
      [3, 2, 3],
    ])
  })

  test('refusals', () => {
    expect(() => counted(2, 2).pad([[1, 1]])).toThrow(
      'pad: Expected a pair of whole numbers, or one for each axis of [2, 2]. Received [[1,1]].',
    )
    expect(() => counted(2).pad([2, 0], { mode: 'reflect' })).toThrow(
      'pad: Expected padding of at most 1 on axis 0 in mode reflect (input is [2]). Received [2, 0].',
    )
    expect(() => counted(2).pad([-1, 0], { mode: 'circular' })).toThrow(ValueError)
    expect(() => counted(2).pad([1, 0], { mode: 'mirror' as never })).toThrow(ValueError)
    expect(() => counted(2).pad([-2, -1])).toThrow(ShapeError)
  })
})

describe('parts', () => {
  const arrays = (parts: readonly Tensor[]): unknown[] => parts.map((p) => p.array())

  test('narrow', () => {
    expect(counted(5).narrow(0, 1, 3).array()).toEqual([1, 2, 3])
    expect(counted(5).narrow(0, -2, 2).array()).toEqual([3, 4])
    expect(counted(5).narrow(0, 5, 0).shape).toEqual([0])
    expect(() => counted(5).narrow(0, 3, 3)).toThrow(
      'narrow: Expected 0 <= start and start + length <= 5 on axis 0. Received start 3, length 3.',
    )
    expect(() => counted(5).narrow(0, 3, -1)).toThrow(IndexError)
  })

  test('split', () => {
    expect(arrays(counted(5).split(2))).toEqual([[0, 1], [2, 3], [4]])
    expect(arrays(counted(5).split([1, 4]))).toEqual([[0], [1, 2, 3, 4]])
    expect(counted(2, 4).split(2, 1)).toHaveLength(2)
    expect(counted(2, 4).split(3, { axis: -1 })[1]?.shape).toEqual([2, 1])
    expect(arrays(zeros([0]).split(2))).toEqual([[]])
    expect(() => counted(5).split([1, 3])).toThrow(
      'split: Expected sizes that add up to 5 (axis 0). Received [1, 3].',
    )
    expect(() => counted(5).split(0)).toThrow(ValueError)
  })

  test('chunk and unbind', () => {
    expect(arrays(counted(5).chunk(3))).toEqual([[0, 1], [2, 3], [4]])
    expect(arrays(counted(2).chunk(5))).toEqual([[0], [1]])
    expect(() => counted(2).chunk(0)).toThrow(ValueError)
    expect(arrays(counted(2, 2).unbind())).toEqual([
      [0, 1],
      [2, 3],
    ])
    expect(arrays(counted(2, 2).unbind(1))).toEqual([
      [0, 2],
      [1, 3],
    ])
    expect(zeros([0, 2]).unbind()).toEqual([])
  })
})

test('gradients come back through movements', () => {
  const x = tensor([1, 2, 3], { dtype: 'float32', requiresGrad: true })
  const y = x.flip().pad([1, 1], { mode: 'replicate' }).tile([2]).reshape([2, 5]).T
  y.mul(tensor([1, 10]))
    .sum()
    .backward()
  expect(x.grad?.array()).toEqual([22, 11, 22])
})

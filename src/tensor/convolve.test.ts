import { describe, expect, test } from 'vitest'
import { ShapeError, ValueError } from '../base/errors.js'
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  arange,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  type ConvOptions,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  ones,
  type Tensor,
  tensor,
  zeros,
} from './index.js'

const counted = (...shape: number[]): Tensor =>
  arange(
    shape.reduce((n, d) => n * d, 1),
    { dtype: 'float32' },
  ).reshape(shape)

describe('convolution', () => {
  test('values', () => {
    const x = tensor([[[1, 2, 3, 4]]])
    const w = tensor([[[1, 10]]])
    expect(conv1d(x, w).array()).toEqual([[[21, 32, 43]]])
    expect(conv1d(x, w, { stride: 2 }).array()).toEqual([[[21, 43]]])
    expect(conv1d(x, w, { padding: 1 }).array()).toEqual([[[10, 21, 32, 43, 4]]])
    expect(conv1d(x, w, { dilation: 2 }).array()).toEqual([[[31, 42]]])
    expect(conv1d(x, w, { bias: tensor([0.5]) }).array()).toEqual([[[21.5, 32.5, 43.5]]])
    expect(conv1d(x, w, { padding: 'same' }).array()).toEqual([[[21, 32, 43, 4]]])
    expect(conv1d(x, w, { padding: [[1, 0]] }).array()).toEqual([[[10, 21, 32, 43]]])
    expect(conv2d(counted(1, 1, 2, 2), ones([1, 1, 2, 2])).array()).toEqual([[[[6]]]])
    expect(conv3d(ones([1, 2, 2, 2, 2]), ones([1, 2, 2, 2, 2])).item()).toBe(16)
  })

  test.each<[number[], number[], ConvOptions, number[]]>([
    [[2, 3, 8, 8], [4, 3, 3, 3], {}, [2, 4, 6, 6]],
    [[2, 3, 8, 8], [4, 3, 3, 3], { padding: 'same' }, [2, 4, 8, 8]],
    [[2, 3, 7, 8], [4, 3, 3, 3], { padding: 'same', stride: 2 }, [2, 4, 4, 4]],
    [[2, 3, 8, 8], [4, 3, 3, 3], { padding: 'same', dilation: 2 }, [2, 4, 8, 8]],
    [[2, 3, 8, 8], [4, 3, 3, 3], { padding: 'valid', stride: [2, 3] }, [2, 4, 3, 2]],
    [[2, 4, 5, 5], [6, 2, 3, 1], { groups: 2, padding: [1, 0] }, [2, 6, 5, 5]],
    [[3, 8, 8], [4, 3, 3, 3], {}, [4, 6, 6]],
    [[0, 3, 8, 8], [4, 3, 3, 3], {}, [0, 4, 6, 6]],
  ])('%j with %j and %j is %j', (x, w, options, expected) => {
    expect(conv2d(zeros(x), zeros(w), options).shape).toEqual(expected)
  })

  test('groups see their own channels', () => {
    const x = tensor([[[1], [2]]])
    const w = tensor([[[10]], [[100]]])
    expect(conv1d(x, w, { groups: 2 }).array()).toEqual([[[10], [200]]])
  })

  test.each<[string, () => Tensor]>([
    [
      'conv2d: Expected input with 3 channels (weight is [32, 3, 3, 3]). Received [8, 1, 28, 28].',
      () => conv2d(zeros([8, 1, 28, 28]), zeros([32, 3, 3, 3])),
    ],
    [
      'conv2d: Expected input with 4 channels in 2 groups (weight is [4, 2, 3, 3]). Received [1, 2, 5, 5].',
      () => conv2d(zeros([1, 2, 5, 5]), zeros([4, 2, 3, 3]), { groups: 2 }),
    ],
    [
      'conv2d: Expected weight [out, in / groups, height, width]. Received [3, 3].',
      () => conv2d(zeros([1, 3, 5, 5]), zeros([3, 3])),
    ],
    [
      'conv1d: Expected input [batch, channels, length]. Received [5].',
      () => conv1d(zeros([5]), zeros([1, 1, 3])),
    ],
    [
      'conv2d: Expected a bias of shape [4]. Received [3].',
      () => conv2d(zeros([1, 1, 5, 5]), zeros([4, 1, 3, 3]), { bias: zeros([3]) }),
    ],
    [
      'conv2d: Expected stride as a whole number or 2 of them. Received [1, 2, 3].',
      () => conv2d(zeros([1, 1, 5, 5]), zeros([4, 1, 3, 3]), { stride: [1, 2, 3] }),
    ],
    [
      `conv2d: Expected padding 'same', 'valid' or numbers. Received 'full'.`,
      () => conv2d(zeros([1, 1, 5, 5]), zeros([4, 1, 3, 3]), { padding: 'full' as never }),
    ],
    [
      'conv2d: Expected a whole number of groups, at least 1. Received 0.',
      () => conv2d(zeros([1, 1, 5, 5]), zeros([4, 1, 3, 3]), { groups: 0 }),
    ],
  ])('%s', (message, call) => {
    expect(call).toThrow(message)
  })

  test('a kernel larger than its input', () => {
    expect(() => conv2d(zeros([1, 1, 2, 2]), zeros([1, 1, 3, 3]))).toThrow(ShapeError)
    expect(() => conv2d(zeros([1, 1, 2, 2]), zeros([1, 1, 1, 1]), { stride: 0 })).toThrow(
      ValueError,
    )
  })
})

describe('transposed convolution', () => {
  test('values', () => {
    const x = tensor([[[1, 2]]])
    const w = tensor([[[1, 10, 100]]])
    expect(convTranspose1d(x, w).array()).toEqual([[[1, 12, 120, 200]]])
    expect(convTranspose1d(x, w, { stride: 2 }).array()).toEqual([[[1, 10, 102, 20, 200]]])
    expect(convTranspose1d(x, w, { padding: 1 }).array()).toEqual([[[12, 120]]])
    const grown = { stride: 2, padding: 1, outputPadding: 1, bias: tensor([1]) }
    expect(convTranspose1d(x, w, grown).array()).toEqual([[[11, 103, 21, 201]]])
  })

  test.each<ConvOptions & { groups?: number; padding?: number }>([
    {},
    { stride: 2 },
    { padding: 1, dilation: 2 },
    { stride: 2, padding: 1, groups: 2 },
  ])('is the gradient of the convolution with %j', (options) => {
    const x = counted(2, 4, 7, 7).mul(0.01).realize()
    const leaf = tensor(x, { requiresGrad: true })
    const w = counted(6, 4 / (options.groups ?? 1), 3, 3)
      .sub(20)
      .mul(0.1)
    const y = conv2d(leaf, w, options)
    const seed = counted(...(y.shape as number[])).sin()
    y.mul(seed).sum().backward()
    const back = convTranspose2d(seed, w, options as object)
    const gradient = leaf.grad as Tensor
    expect(back.shape).toEqual(gradient.shape)
    expect(back.sub(gradient).abs().max().item()).toBeLessThan(1e-4)
  })

  test('refusals', () => {
    expect(() => convTranspose2d(zeros([1, 3, 4, 4]), zeros([2, 3, 3, 3]))).toThrow(
      'convTranspose2d: Expected input with 2 channels (weight is [2, 3, 3, 3]). Received [1, 3, 4, 4].',
    )
  })
})

describe('pooling', () => {
  const x = counted(1, 1, 4, 4)
  test('values', () => {
    expect(maxPool2d(x, 2).array()).toEqual([
      [
        [
          [5, 7],
          [13, 15],
        ],
      ],
    ])
    expect(avgPool2d(x, 2).array()).toEqual([
      [
        [
          [2.5, 4.5],
          [10.5, 12.5],
        ],
      ],
    ])
    expect(maxPool1d(tensor([[[1, 3, 2]]]), 2, { stride: 1 }).array()).toEqual([[[3, 3]]])
    expect(avgPool1d(tensor([[[1, 3]]]), 2, { padding: 1 }).array()).toEqual([[[0.5, 1.5]]])
    const inside = { padding: 1, countIncludePad: false }
    expect(avgPool1d(tensor([[[1, 3]]]), 2, inside).array()).toEqual([[[1, 3]]])
    expect(maxPool1d(tensor([[[-1, -2]]]), 2, { padding: 1 }).array()).toEqual([[[-1, -2]]])
    expect(maxPool3d(ones([1, 1, 2, 2, 2]), 2).shape).toEqual([1, 1, 1, 1, 1])
    expect(avgPool3d(ones([1, 2, 2, 2]), 2).shape).toEqual([1, 1, 1, 1])
  })

  test('shapes', () => {
    const y = zeros([2, 3, 7, 8])
    expect(maxPool2d(y, 2).shape).toEqual([2, 3, 3, 4])
    expect(maxPool2d(y, [3, 2], { stride: 1 }).shape).toEqual([2, 3, 5, 7])
    expect(maxPool2d(y, 3, { stride: 2, padding: 'same' }).shape).toEqual([2, 3, 4, 4])
    expect(maxPool2d(zeros([3, 4, 4]), 2).shape).toEqual([3, 2, 2])
    expect(() => maxPool2d(zeros([4, 4]), 2)).toThrow(
      'maxPool2d: Expected input [batch, channels, height, width]. Received [4, 4].',
    )
    expect(() => maxPool2d(y, 9)).toThrow(ShapeError)
  })

  test('adaptive means', () => {
    expect(adaptiveAvgPool2d(x, 1).item()).toBe(7.5)
    expect(adaptiveAvgPool2d(x, 2).array()).toEqual(avgPool2d(x, 2).array())
    expect(adaptiveAvgPool1d(tensor([[[1, 2, 3, 4, 5]]]), 2).array()).toEqual([[[2, 4]]])
    expect(adaptiveAvgPool2d(x, [3, 1]).array()).toEqual([[[[3.5], [7.5], [11.5]]]])
    expect(() => adaptiveAvgPool2d(x, 0)).toThrow(ShapeError)
  })
})

import { describe, expect, test } from 'vitest'
import { DTypeError, IndexError, ShapeError, ValueError } from '../base/errors.js'
import { manualSeed } from '../runtime/random.js'
import { noGrad } from '../tensor/autograd.js'
import { compile } from '../tensor/compile.js'
import { arange, ones, tensor } from '../tensor/create.js'
import { randn } from '../tensor/random.js'
import type { Tensor } from '../tensor/tensor.js'
import * as F from './functional/index.js'
import * as nn from './index.js'

const values = (x: Tensor): number[] => Array.from(x.dataSync(), Number)
const f32 = (data: number[], shape: number[]): Tensor => tensor(data, { shape, dtype: 'float32' })

function expectClose(actual: Tensor, expected: readonly number[], tolerance = 1e-6): void {
  const found = values(actual)
  expect(found.length).toBe(expected.length)
  found.forEach((v, i) => {
    expect(Math.abs(v - (expected[i] as number)), `${i}: ${v}`).toBeLessThanOrEqual(tolerance)
  })
}

describe('Linear', () => {
  test('is an affine map of the last axis', () => {
    const layer = new nn.Linear(2, 3)
    layer.loadStateDict({ weight: f32([1, 2, 3, 4, 5, 6], [3, 2]), bias: f32([10, 20, 30], [3]) })
    expect(layer.call(f32([1, 1, 0, 2], [2, 1, 2])).array()).toEqual([
      [[13, 27, 41]],
      [[14, 28, 42]],
    ])
    expect(layer.call(f32([1, 1], [2])).array()).toEqual([13, 27, 41])
    expect(new nn.Linear(2, 1, { bias: false }).bias).toBe(null)
  })

  test('starts within ±1/√in, by the seed', () => {
    manualSeed(5)
    const layer = new nn.Linear(100, 50)
    const bound = 1 / Math.sqrt(100)
    const w = values(layer.weight)
    expect(Math.max(...w)).toBeLessThanOrEqual(bound)
    expect(Math.min(...w)).toBeGreaterThanOrEqual(-bound)
    expect(Math.max(...w)).toBeGreaterThan(0.9 * bound)
    expect(Math.abs(w.reduce((a, b) => a + b, 0) / w.length)).toBeLessThan(0.003)
    manualSeed(5)
    expect(values(new nn.Linear(100, 50).weight)).toEqual(w)
  })

  test('says what it expected', () => {
    expect(() => new nn.Linear(784, 128).call(ones([32, 100]))).toThrow(
      'Linear: Expected input with 784 features in the last axis (weight is [128, 784]). Received [32, 100].',
    )
    expect(() => new nn.Linear(3, 1).call(ones([]))).toThrow(ShapeError)
    expect(() => new nn.Linear(0, 1)).toThrow(
      'Linear: Expected inFeatures: a whole number of at least 1. Received 0.',
    )
    expect(() => new nn.Linear(1, 1).call(ones([1, 1], { dtype: 'float64' }))).toThrow(DTypeError)
  })
})

describe('Conv2d', () => {
  test('slides its kernel', () => {
    const conv = new nn.Conv2d(1, 1, 2)
    conv.loadStateDict({ weight: f32([1, 0, 0, 1], [1, 1, 2, 2]), bias: f32([0.5], [1]) })
    const x = arange(9).cast('float32').reshape([1, 1, 3, 3])
    expect(conv.call(x).array()).toEqual([
      [
        [
          [4.5, 6.5],
          [10.5, 12.5],
        ],
      ],
    ])
    expect(conv.call(x.reshape([1, 3, 3])).shape).toEqual([1, 2, 2])
  })

  test('takes stride, padding, dilation and groups', () => {
    const shapeOf = (conv: nn.Conv2d, x: Tensor) => conv.call(x).shape
    expect(shapeOf(new nn.Conv2d(4, 6, 3, { padding: 1 }), ones([2, 4, 7, 5]))).toEqual([
      2, 6, 7, 5,
    ])
    expect(shapeOf(new nn.Conv2d(4, 6, [3, 1], { stride: [2, 1] }), ones([2, 4, 7, 5]))).toEqual([
      2, 6, 3, 5,
    ])
    expect(shapeOf(new nn.Conv2d(4, 6, 3, { dilation: 2 }), ones([2, 4, 7, 5]))).toEqual([
      2, 6, 3, 1,
    ])
    const grouped = new nn.Conv2d(4, 6, 3, { groups: 2, padding: 'same', bias: false })
    expect(grouped.weight.shape).toEqual([6, 2, 3, 3])
    expect(shapeOf(grouped, ones([2, 4, 7, 5]))).toEqual([2, 6, 7, 5])
    expect(String(grouped)).toBe(
      "Conv2d(4, 6, kernelSize=[3, 3], stride=[1, 1], padding='same', groups=2, bias=false)",
    )
    expect(new nn.Conv1d(2, 3, 2).call(ones([1, 2, 5])).shape).toEqual([1, 3, 4])
    expect(new nn.Conv3d(2, 3, 2).call(ones([1, 2, 3, 3, 3])).shape).toEqual([1, 3, 2, 2, 2])
  })

  test('says what it expected', () => {
    expect(() => new nn.Conv2d(3, 32, 3).call(ones([8, 1, 28, 28]))).toThrow(
      'conv2d: Expected input with 3 channels (weight is [32, 3, 3, 3]). Received [8, 1, 28, 28].',
    )
    expect(() => new nn.Conv2d(3, 4, 3, { groups: 2 })).toThrow(
      'Conv2d: Expected channels that divide into 2 groups. Received 3 in and 4 out.',
    )
    expect(() => new nn.Conv2d(1, 1, 0)).toThrow(ValueError)
    expect(() => new nn.Conv2d(1, 1, [3, 3, 3])).toThrow(ValueError)
  })
})

test('pools take the largest or the mean of windows', () => {
  const x = f32([1, 2, 5, 6, 3, 4, 7, 8], [1, 1, 2, 4])
  expect(values(new nn.MaxPool2d(2).call(x))).toEqual([4, 8])
  expect(values(new nn.AvgPool2d(2).call(x))).toEqual([2.5, 6.5])
  expect(values(new nn.MaxPool2d([1, 2], { stride: [1, 1] }).call(x))).toEqual([2, 5, 6, 4, 7, 8])
  expect(values(new nn.AdaptiveAvgPool2d(1).call(x))).toEqual([4.5])
  expect(values(new nn.MaxPool1d(2).call(x.reshape([1, 1, 8])))).toEqual([2, 6, 4, 8])
  expect(values(new nn.AvgPool1d(4).call(x.reshape([1, 1, 8])))).toEqual([3.5, 5.5])
  expect(String(new nn.MaxPool2d(2, { stride: 1 }))).toBe('MaxPool2d(kernelSize=2, stride=1)')
})

test('activations', () => {
  const x = f32([-1, 0, 2], [3])
  expectClose(new nn.ReLU().call(x), [0, 0, 2])
  expectClose(new nn.LeakyReLU(0.1).call(x), [-0.1, 0, 2])
  expectClose(new nn.ELU().call(x), [Math.expm1(-1), 0, 2])
  expectClose(new nn.GELU().call(x), [-0.15865525, 0, 1.9544997])
  expectClose(new nn.GELU({ approximate: 'tanh' }).call(x), [-0.158808, 0, 1.9545977])
  expectClose(new nn.SiLU().call(x), [-0.26894142, 0, 1.7615942])
  expectClose(new nn.Sigmoid().call(x), [0.26894142, 0.5, 0.8807971])
  expectClose(new nn.Tanh().call(x), [-0.7615942, 0, 0.9640276])
  expectClose(new nn.Softplus().call(x), [0.3132617, Math.LN2, 2.126928])
  expectClose(new nn.Softmax().call(x), [0.04201007, 0.1141952, 0.84379473])
  expectClose(new nn.LogSoftmax({ axis: 0 }).call(x), [-3.1698457, -2.1698457, -0.16984573])
  expect(new nn.Identity().call(x)).toBe(x)
})

describe('Dropout', () => {
  test('drops with the probability it has, and scales what is left', () => {
    manualSeed(3)
    const y = values(new nn.Dropout(0.25).call(ones([10000])))
    const kept = y.filter((v) => v !== 0)
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.75)]))
    expect(Math.abs(kept.length / 10000 - 0.75)).toBeLessThan(0.02)
  })

  test('read twice is the same; called twice is not', () => {
    const layer = new nn.Dropout()
    const y = layer.call(ones([64]))
    expect(values(y)).toEqual(values(y))
    expect(values(layer.call(ones([64])))).not.toEqual(values(y))
  })

  test('does nothing in evaluation', () => {
    const x = ones([8])
    expect(new nn.Dropout().eval().call(x)).toBe(x)
    expect(F.dropout(x, { p: 0.9, training: false })).toBe(x)
    expect(() => new nn.Dropout(1.5)).toThrow('Dropout: Expected p in [0, 1]. Received 1.5.')
  })
})

describe('BatchNorm', () => {
  test('normalizes by the batch in training, and keeps averages for evaluation', () => {
    const layer = new nn.BatchNorm1d(1, { momentum: 0.5 })
    const x = f32([1, 3, 5, 7], [4, 1])
    const s = 1 / Math.sqrt(5 + 1e-5)
    expectClose(layer.call(x), [-3 * s, -s, s, 3 * s])
    const state = layer.stateDict()
    expectClose(state.running_mean!, [2])
    expectClose(state.running_var!, [0.5 + (0.5 * 20) / 3])
    expect(state.num_batches_tracked!.item()).toBe(1)
    layer.eval()
    const scale = 1 / Math.sqrt(0.5 + 10 / 3 + 1e-5)
    expectClose(layer.call(x), [-scale, scale, 3 * scale, 5 * scale])
    expect(layer.stateDict().num_batches_tracked!.item()).toBe(1)
  })

  test('averages over all batches without a momentum', () => {
    const layer = new nn.BatchNorm1d(1, { momentum: null })
    for (const shift of [0, 3, 6]) layer.call(f32([shift, shift + 2], [2, 1])).realize()
    expectClose(layer.stateDict().running_mean!, [4])
  })

  test('moves its averages in compiled functions as well', () => {
    const [a, b] = [new nn.BatchNorm2d(3), new nn.BatchNorm2d(3)]
    const run = compile((x: Tensor) => b.call(x))
    for (let i = 0; i < 3; i++) {
      const x = randn([2, 3, 4, 4])
      expect(values(run(x))).toEqual(values(a.call(x)))
    }
    expect(values(b.stateDict().running_var!)).toEqual(values(a.stateDict().running_var!))
    expect(b.stateDict().num_batches_tracked!.item()).toBe(3)
  })

  test('trains weight and bias, and not its averages', () => {
    const layer = new nn.BatchNorm2d(2)
    layer
      .call(randn([3, 2, 4, 4]))
      .square()
      .sum()
      .backward()
    expect(layer.parameters().map((p) => p.grad?.shape)).toEqual([[2], [2]])
    expect(layer.buffers().every((b) => b.grad === null)).toBe(true)
  })

  test('says what it expected', () => {
    expect(() => new nn.BatchNorm2d(3).call(ones([2, 3]))).toThrow(
      'BatchNorm2d: Expected input [batch, channels, height, width]. Received [2, 3].',
    )
    expect(() => new nn.BatchNorm1d(3).call(ones([2, 4]))).toThrow(
      'batchNorm: Expected input [batch, 3, ...]. Received [2, 4].',
    )
    expect(() => new nn.BatchNorm1d(3).call(ones([1, 3]))).toThrow(
      'more than one value per channel',
    )
    const bare = new nn.BatchNorm1d(2, { trackRunningStats: false, affine: false }).eval()
    expectClose(bare.call(f32([0, 0, 2, 4], [2, 2])), [-1, -1, 1, 1], 1e-5)
    expect(bare.parameters().length + bare.buffers().length).toBe(0)
  })
})

test('LayerNorm normalizes the last axes', () => {
  const layer = new nn.LayerNorm(2)
  expectClose(layer.call(f32([1, 3, 0, 8], [2, 2])), [-1, 1, -1, 1], 1e-5)
  const both = new nn.LayerNorm([2, 2], { affine: false })
  expectClose(both.call(f32([1, 1, 3, 3], [1, 2, 2])), [-1, -1, 1, 1], 1e-5)
  expect(() => layer.call(ones([2, 3]))).toThrow(
    'layerNorm: Expected input whose last sizes are [2]. Received [2, 3].',
  )
  expect(new nn.LayerNorm(3, { bias: false }).namedParameters().length).toBe(1)
})

describe('Embedding', () => {
  test('looks vectors up', () => {
    const layer = new nn.Embedding(4, 2, { paddingIdx: -1 })
    expect(values(layer.weight).slice(6)).toEqual([0, 0])
    layer.weight.assign(f32([0, 1, 2, 3, 4, 5, 6, 7], [4, 2]))
    const y = layer.call(tensor([[3, 0]], { dtype: 'int64' }))
    expect(y.array()).toEqual([
      [
        [6, 7],
        [0, 1],
      ],
    ])
    y.sum().backward()
    expect(layer.weight.grad?.array()).toEqual([
      [1, 1],
      [0, 0],
      [0, 0],
      [0, 0],
    ])
    expect(() => new nn.Embedding(4, 2, { paddingIdx: 4 })).toThrow(IndexError)
    expect(() => layer.call(tensor([0.5]))).toThrow(
      'embedding: Expected indices of an integer dtype. Received float32.',
    )
  })

  test('an index out of range is an error', () => {
    const layer = new nn.Embedding(4, 2)
    expect(() => layer.call(tensor([4])).dataSync()).toThrow(IndexError)
  })
})

describe('losses', () => {
  const logits = f32([1, 2, 3, 1, 1, 1], [2, 3])
  const ce = [0.40760597, Math.log(3)]

  test('of classes', () => {
    const target = tensor([2, 0])
    expectClose(new nn.CrossEntropyLoss().call(logits, target), [(ce[0]! + ce[1]!) / 2])
    expectClose(new nn.CrossEntropyLoss({ reduction: 'none' }).call(logits, target), ce)
    expectClose(new nn.NLLLoss().call(F.logSoftmax(logits, 1), target), [(ce[0]! + ce[1]!) / 2])
    const bytes = tensor([2, 0], { dtype: 'uint8' })
    expectClose(F.crossEntropy(logits, bytes, { reduction: 'sum' }), [ce[0]! + ce[1]!])
    expectClose(F.crossEntropy(logits, tensor([2, -100])), [ce[0]!])
    const weight = f32([1, 1, 3], [3])
    expectClose(F.crossEntropy(logits, target, { weight }), [(3 * ce[0]! + ce[1]!) / 4])
  })

  test('of distributions over classes', () => {
    const target = f32([0, 0, 1, 0.5, 0.5, 0], [2, 3])
    expectClose(F.crossEntropy(logits, target), [(ce[0]! + ce[1]!) / 2])
    const hard = F.crossEntropy(logits, tensor([2, 0]), { labelSmoothing: 0.3 })
    const soft = F.crossEntropy(logits, f32([0, 0, 1, 1, 0, 0], [2, 3]), { labelSmoothing: 0.3 })
    expectClose(soft, values(hard))
  })

  test('of numbers', () => {
    const [p, t] = [f32([1, 2, 5], [3]), f32([1, 4, 2], [3])]
    expectClose(new nn.MSELoss().call(p, t), [13 / 3])
    expectClose(new nn.L1Loss({ reduction: 'sum' }).call(p, t), [5])
    expectClose(new nn.SmoothL1Loss({ reduction: 'none' }).call(p, t), [0, 1.5, 2.5])
    expectClose(new nn.HuberLoss({ reduction: 'none', delta: 2 }).call(p, t), [0, 2, 4])
    const [q, b] = [f32([0.5, 0.9], [2]), f32([1, 0], [2])]
    expectClose(new nn.BCELoss({ reduction: 'none' }).call(q, b), [Math.LN2, -Math.log(0.1)])
    expectClose(new nn.BCEWithLogitsLoss({ reduction: 'none' }).call(f32([0, 2], [2]), b), [
      Math.LN2,
      2.126928,
    ])
    expectClose(
      F.binaryCrossEntropyWithLogits(f32([0], [1]), f32([1], [1]), { posWeight: f32([3], [1]) }),
      [3 * Math.LN2],
    )
  })

  test('compare equal shapes only', () => {
    expect(() => F.mseLoss(ones([4, 1]), ones([4]))).toThrow(
      'mseLoss: Expected a target of shape [4, 1], as the prediction is. Received [4].',
    )
    expect(() => F.crossEntropy(logits, ones([2]))).toThrow(DTypeError)
    expect(() => F.crossEntropy(logits, tensor([3, 0])).item()).toThrow(IndexError)
    expect(() => F.mseLoss(ones([1]), ones([1]), { reduction: 'avg' as 'mean' })).toThrow(
      ValueError,
    )
  })

  test('have gradients', () => {
    const w = new nn.Parameter(f32([0, 0], [2]))
    F.mseLoss(w, f32([1, -2], [2])).backward()
    expectClose(w.grad as Tensor, [-1, 2])
    expect(noGrad(() => F.mseLoss(w, w)).requiresGrad).toBe(false)
  })
})

describe('init', () => {
  const spread = (x: Tensor): number => x.square().mean().sqrt().item()

  test('draws with the spread it should have', () => {
    manualSeed(11)
    const w = new nn.Parameter(ones([200, 100]))
    expect(spread(nn.init.normal_(w, 0, 0.5))).toBeCloseTo(0.5, 2)
    expect(spread(nn.init.uniform_(w, -3, 3))).toBeCloseTo(Math.sqrt(3), 1)
    expect(spread(nn.init.kaimingNormal_(w, { nonlinearity: 'relu' }))).toBeCloseTo(
      Math.sqrt(0.02),
      2,
    )
    expect(spread(nn.init.kaimingUniform_(w, { mode: 'fanOut' }))).toBeCloseTo(Math.sqrt(0.01), 2)
    expect(spread(nn.init.xavierNormal_(w))).toBeCloseTo(Math.sqrt(2 / 300), 2)
    expect(spread(nn.init.xavierUniform_(w, 2))).toBeCloseTo(2 * Math.sqrt(2 / 300), 2)
    expect(new Set(values(nn.init.zeros_(w)))).toEqual(new Set([0]))
    expect(new Set(values(nn.init.ones_(w)))).toEqual(new Set([1]))
    expect(w.requiresGrad).toBe(true)
  })

  test('needs two axes to count inputs and outputs', () => {
    const bias = new nn.Parameter(ones([3]))
    expect(() => nn.init.xavierUniform_(bias)).toThrow(
      'xavierUniform_: Expected a weight of two axes or more. Received [3].',
    )
    expect(() => nn.init.calculateGain('swish' as 'relu')).toThrow(ValueError)
  })
})

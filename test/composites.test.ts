// What composites promise beyond their formulas: faults, exactness, randomness, open sizes, refusals.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import { SymDim } from '../src/base/dim.js'
import type { DType } from '../src/base/dtype.js'
import { DTypeError, IndexError, ShapeError, ValueError } from '../src/base/errors.js'
import * as b from '../src/ir/build.js'
import * as c from '../src/ir/composites/index.js'
import type { Node } from '../src/ir/node.js'
import '../src/ir/primitives/index.js'
import { parameter } from '../src/ir/primitives/source.js'
import { gradients } from '../src/transforms/grad.js'

const floats = (...values: number[]): Node =>
  b.concat(
    values.map((v) => b.reshape(b.constant(v, 'float32'), [1])),
    0,
  )
const ints = (dtype: DType, ...values: number[]): Node =>
  b.concat(
    values.map((v) => b.reshape(b.constant(v, dtype), [1])),
    0,
  )
const values = (node: Node): number[] => Array.from(evaluateGraph([node])[0]!.data, Number)

describe('crossEntropy', () => {
  const logits = b.reshape(floats(1, 2, 3, 4, 5, 6), [2, 3])

  it.each([
    ['int32', 3],
    ['int32', -1],
    ['int64', 3],
    ['int64', 2 ** 32],
    ['int64', -(2 ** 32)],
  ] as const)('refuses the %s target %d of three classes', (dtype, target) => {
    const loss = c.crossEntropy(logits, ints(dtype, 0, target))
    expect(() => values(loss)).toThrow(IndexError)
    expect(() => values(gradients([loss], [logits])[0]!)).toThrow(IndexError)
  })

  it('does not mind an ignored target that is no class', () => {
    const loss = c.crossEntropy(logits, ints('int64', 7, 2), { ignoreIndex: 7 })
    expect(values(loss)[0]).toBeCloseTo(Math.log(1 + Math.exp(-1) + Math.exp(-2)), 6)
  })

  it('keeps small losses of large logits', () => {
    const far = b.reshape(floats(1e4, 1e4 - 8), [1, 2])
    const loss = c.crossEntropy(far, ints('int32', 0))
    expect(values(loss)[0]).toBeCloseTo(Math.log1p(Math.exp(-8)), 6)
  })
})

describe('dropout', () => {
  const [seed, draw] = [b.constant(7, 'int32'), b.constant(3, 'int32')]
  const ones = b.full(1, [4096], 'float32')

  it('keeps what its random bits say, scaled', () => {
    const bits = evaluateGraph([b.randomBits(seed, draw, [4096])])[0]!.data as Int32Array
    const kept = Array.from(bits, (x) => (x >>> 8) * 2 ** -24 >= 0.3)
    expect(values(c.dropout(ones, seed, draw, 0.3))).toEqual(
      kept.map((k) => (k ? Math.fround(1 / 0.7) : 0)),
    )
    const share = kept.filter(Boolean).length / kept.length
    expect(Math.abs(share - 0.7)).toBeLessThan(0.03)
  })

  it('masks the gradient as it masks the value', () => {
    const y = c.dropout(ones, seed, draw, 0.5)
    expect(values(gradients([b.reduceSum(y, [0])], [ones])[0]!)).toEqual(values(y))
  })
})

describe('optimizer updates', () => {
  it('corrects the bias of float32 moments to the last digits', () => {
    const scalar = (v: number): Node => b.constant(v, 'float32')
    for (const t of [1, 2, 10, 1000]) {
      const [g, lr] = [0.3, 0.01]
      const { param, m, v } = c.adamUpdate({
        param: scalar(0),
        grad: scalar(g),
        m: scalar(0),
        v: scalar(0),
        step: scalar(t),
        lr: scalar(lr),
      })
      const first = (1 - 0.9) * g
      const second = (1 - 0.999) * g * g
      const denominator = Math.sqrt(second / (1 - 0.999 ** t)) + 1e-8
      const expected = -((lr / (1 - 0.9 ** t)) * first) / denominator
      expect(Math.abs(values(param)[0]! / expected - 1)).toBeLessThan(5e-7)
      expect([m.dtype, v.dtype, param.dtype]).toEqual(['float32', 'float32', 'float32'])
    }
  })

  it('keeps the dtype of the parameter, whatever that of the learning rate', () => {
    const x = b.full(1, [2], 'float64')
    const lr = b.constant(0.5, 'float32')
    expect(c.sgdUpdate({ param: x, grad: x, lr }).param.dtype).toBe('float64')
    expect(values(c.sgdUpdate({ param: x, grad: x, lr }).param)).toEqual([0.5, 0.5])
  })
})

describe('activations', () => {
  it('keep their tails', () => {
    expect(values(c.softplus(floats(-80, 200)))[0]! / Math.exp(-80)).toBeCloseTo(1, 6)
    expect(values(c.softplus(floats(-80, 200)))[1]).toBe(200)
    expect(values(c.sigmoid(floats(-80, 80)))[0]! / Math.exp(-80)).toBeCloseTo(1, 6)
  })

  it('have the gradients of PyTorch at their kinks', () => {
    const at = (f: (x: Node) => Node, x: Node): number[] =>
      values(gradients([b.reduceSum(f(x), [0])], [x])[0]!)
    const zeros = floats(0, -0)
    expect(at(c.relu, zeros)).toEqual([0, 0])
    expect(at(b.abs, zeros)).toEqual([0, 0])
    expect(at((x) => c.leakyRelu(x, 0.1), zeros)).toEqual([0.1, 0.1].map(Math.fround))
    expect(at((x) => c.elu(x, 2), zeros)).toEqual([2, 2])
    expect(at(c.softplus, zeros)).toEqual([0.5, 0.5])
  })
})

describe('open sizes', () => {
  const N = SymDim.symbol('N')
  const x = parameter([N, 5], 'float32')
  const y = parameter([N], 'int32')
  it.each([
    ['linear', c.linear(x, parameter([3, 5], 'float32')), [N, 3]],
    ['softmax', c.softmax(x, [1]), [N, 5]],
    ['logSumExp', c.logSumExp(x, [1]), [N]],
    ['crossEntropy', c.crossEntropy(x, y), []],
    ['crossEntropy, each', c.crossEntropy(x, y, { reduction: 'none' }), [N]],
    ['mseLoss', c.mseLoss(x, x), []],
    ['gelu', c.gelu(x), [N, 5]],
  ] as const)('%s', (_, node, shape) => {
    expect(node.shape).toEqual(shape)
  })

  it('stay open in bodies and gradients that need no number', () => {
    const h = c.softmax(c.linear(x, parameter([5, 5], 'float32')), [1])
    const loss = b.reduceSum(c.crossEntropy(c.silu(h), y, { reduction: 'none' }), [0])
    expect(gradients([loss], [x])[0]!.shape).toEqual([N, 5])
  })
})

describe('refusals', () => {
  const x = parameter([4, 5], 'float32')
  const n = (shape: number[], dtype: DType = 'int32'): Node => parameter(shape, dtype)
  const cases: readonly (readonly [() => Node, new (...a: never[]) => Error, string])[] = [
    [() => c.relu(n([2])), DTypeError, 'relu: Expected a float dtype. Received int32.'],
    [
      () => c.softmax(x, [2]),
      IndexError,
      'softmax: Expected an axis of [4, 5], counted from 0. Received 2.',
    ],
    [
      () => c.linear(x, n([3, 6], 'float32')),
      ShapeError,
      'linear: Expected input with 6 features on the last axis (weight is [3, 6]). Received [4, 5].',
    ],
    [
      () => c.linear(x, n([5], 'float32')),
      ShapeError,
      'linear: Expected a weight of shape [out, in]. Received [5].',
    ],
    [
      () => c.crossEntropy(x, n([5])),
      ShapeError,
      'crossEntropy: Expected targets (scores are [4, 5]) of shape [4]. Received [5].',
    ],
    [
      () => c.crossEntropy(x, n([4], 'float32')),
      DTypeError,
      'crossEntropy: Expected targets of dtype int32 or int64. Received float32.',
    ],
    [
      () => c.crossEntropy(x, n([4]), { labelSmoothing: 2 }),
      ValueError,
      'crossEntropy: Expected labelSmoothing in [0, 1]. Received 2.',
    ],
    [
      () => c.mseLoss(x, x, 'average' as 'mean'),
      ValueError,
      "mseLoss: Expected a reduction among mean, sum, none. Received 'average'.",
    ],
    [
      () => c.huberLoss(x, x, 'mean', 0),
      ValueError,
      'huberLoss: Expected a threshold above zero. Received 0.',
    ],
    [
      () => c.dropout(x, n([]), n([]), 1.5),
      ValueError,
      'dropout: Expected p in [0, 1]. Received 1.5.',
    ],
    [
      () => c.sgdUpdate({ param: x, grad: x, lr: x }).param,
      ShapeError,
      'sgdUpdate: Expected a scalar. Received [4, 5].',
    ],
    [
      () => c.sgdUpdate({ param: x, grad: x, lr: n([], 'float32') }, { momentum: 0.9 }).param,
      ValueError,
      'sgdUpdate: Expected a momentum buffer exactly when there is momentum. Received momentum 0.9.',
    ],
    [
      () =>
        c.sgdUpdate(
          { param: x, grad: x, lr: n([], 'float32'), momentumBuffer: x },
          { momentum: 0.9, dampening: 0.1, nesterov: true },
        ).param,
      ValueError,
      'sgdUpdate: Expected momentum and no dampening with nesterov. Received momentum 0.9 and dampening 0.1.',
    ],
  ]
  it.each(cases)('%#', (call, type, message) => {
    expect(call).toThrow(type)
    expect(call).toThrow(message)
  })
})

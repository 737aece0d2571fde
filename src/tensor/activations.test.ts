import { describe, expect, test } from 'vitest'
import { IndexError } from '../base/errors.js'
import { type Tensor, tensor } from './index.js'

const points = [-2, -0.5, 0, 1.5]
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

describe('elementwise', () => {
  test.each<[string, (x: Tensor) => Tensor, (x: number) => number]>([
    ['relu', (x) => x.relu(), (x) => Math.max(x, 0)],
    ['sigmoid', (x) => x.sigmoid(), sigmoid],
    ['silu', (x) => x.silu(), (x) => x * sigmoid(x)],
    ['softplus', (x) => x.softplus(), (x) => Math.log1p(Math.exp(x))],
    ['leakyRelu', (x) => x.leakyRelu(0.2), (x) => (x > 0 ? x : 0.2 * x)],
    ['elu', (x) => x.elu(), (x) => (x > 0 ? x : Math.expm1(x))],
  ])('%s', (_, f, expected) => {
    const got = f(tensor(points)).dataSync()
    for (const [i, x] of points.entries()) expect(got[i]).toBeCloseTo(expected(x), 5)
  })

  test('gelu, exact and approximate', () => {
    const exact = tensor([1.5]).gelu().item()
    const tanh = tensor([1.5]).gelu({ approximate: 'tanh' }).item()
    expect(exact).toBeCloseTo(1.399789, 5)
    expect(tanh).toBeCloseTo(1.3995715, 5)
  })

  test('integers become floats', () => {
    expect(tensor([1, -1]).relu().dtype).toBe('float32')
    expect(tensor([1, -1]).sigmoid().dtype).toBe('float32')
  })
})

describe('softmax', () => {
  test('rows add up to one', () => {
    const y = tensor([
      [1, 2, 3],
      [1e4, 1e4, -1e4],
    ]).softmax()
    const sums = y.sum(1).dataSync()
    expect(sums[0]).toBeCloseTo(1)
    expect(y.at('1').array()).toEqual([0.5, 0.5, 0])
  })

  test('the axis: last by default, bare, in options', () => {
    const x = tensor([[0, 0]])
    expect(x.softmax().array()).toEqual([[0.5, 0.5]])
    expect(x.softmax(0).array()).toEqual([[1, 1]])
    expect(x.logSoftmax({ axis: 0 }).array()).toEqual([[0, 0]])
    expect(() => x.softmax(2)).toThrow('softmax: Expected an axis in [-2, 1]. Received 2.')
    expect(() => tensor(1).softmax()).toThrow(IndexError)
  })

  test('logSoftmax does not underflow', () => {
    expect(tensor([0, -200]).logSoftmax().array()).toEqual([0, -200])
  })
})

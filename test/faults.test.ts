// What is wrong with data shows when it is computed: the error names the user's call, what it expects and what
// it got, in the same words on every device, eagerly, compiled, in gradients and in loops.

import { afterAll, describe, expect, test } from 'vitest'
import {
  ArithmeticError,
  compile,
  currentDeviceName,
  deviceInfo,
  F,
  IndexError,
  nn,
  ones,
  scan,
  setDevice,
  type Tensor,
  tensor,
  zeros,
} from '../src/index.js'

const before = currentDeviceName()
afterAll(() => setDevice(before))

const long = (values: readonly number[]): Tensor => tensor([...values], { dtype: 'int64' })
const table = (): Tensor => ones([5, 2])

type Case = readonly [name: string, call: (index: Tensor) => Tensor, index: Tensor, message: string]
const between = (size: number, received: number, axis = 0): string =>
  `Expected an index in [0, ${size}) on axis ${axis}. Received ${received}.`

/** Calls that are given an index outside, with what they say. */
const CASES: readonly Case[] = [
  ['crossEntropy', (t) => F.crossEntropy(zeros([3, 4]), t), tensor([3, 4, 0]), between(4, 4, 1)],
  ['crossEntropy', (t) => F.crossEntropy(zeros([4]), t), tensor(5), between(4, 5)],
  ['crossEntropy', (t) => F.crossEntropy(zeros([2, 4]), t), long([1, -7]), between(4, -7, 1)],
  ['nllLoss', (t) => F.nllLoss(ones([2, 3]), t), tensor([9, 8]), between(3, 9, 1)],
  [
    'embedding',
    (i) => F.embedding(i, table()),
    tensor([
      [0, 4],
      [17, 5],
    ]),
    between(5, 17),
  ],
  ['embedding', (i) => F.embedding(i, table()), long([12345]), between(5, 12345)],
  ['embedding', (i) => F.embedding(i, table(), { paddingIdx: 1 }), tensor([1, -2]), between(5, -2)],
  // The table and the indices are computed by the same program.
  ['embedding', (i) => F.embedding(i.add(1), table().mul(2)), tensor([0, 4]), between(5, 5)],
  ['take', (i) => zeros([2, 3]).take(i, 1), tensor([1, 3]), between(3, 3, 1)],
  ['indexSelect', (i) => table().indexSelect(0, i), tensor([-1]), between(5, -1)],
  ['at', (i) => table().at(i), tensor([0, 6]), between(5, 6)],
  ['at', (i) => table().at(i), tensor([-6]), between(5, -6)],
  ['at', (i) => zeros([4, 3]).at([i, i]), tensor([0, 3]), between(3, 3, 1)],
  ['at', (i) => zeros([2, 4, 3]).at([':', [1, 1], i]), tensor([0, -4]), between(3, -4, 2)],
  ['gather', (i) => zeros([2, 3]).gather(1, i), tensor([[0], [3]]), between(3, 3, 1)],
  ['gather', (i) => zeros([2, 3]).gather(0, i), tensor([[1, 0, 7]]), between(2, 7)],
  [
    'takeAlongAxis',
    (i) => zeros([2, 3]).takeAlongAxis(i, 1),
    tensor([[1], [-3]]),
    between(3, -3, 1),
  ],
  ['scatter', (i) => zeros([2, 3]).scatter(0, i, 1), tensor([[2]]), between(2, 2)],
  ['scatterAdd', (i) => zeros([2, 3]).scatterAdd(1, i, 1), tensor([[-1]]), between(3, -1, 1)],
  ['addAt', (i) => zeros([4, 3]).addAt([i, i], 1), tensor([2, 9]), between(4, 9)],
  ['setAt', (i) => table().setAt(i, 0), tensor([8]), between(5, 8)],
  ['indexAdd', (i) => table().indexAdd(0, i, ones([1, 2])), tensor([7]), between(5, 7)],
  ['indexCopy', (i) => table().indexCopy(0, i, ones([1, 2])), tensor([-3]), between(5, -3)],
  // In the third step, of an index that the loop computes.
  [
    'embedding',
    (start) => {
      const step = (at: Tensor) => [at.add(2), F.embedding(at, table())] as const
      return scan((at: Tensor, _: Tensor) => step(at), start, zeros([4]))[1]
    },
    tensor(1),
    between(5, 5),
  ],
]

const DEVICES = deviceInfo().filter((d) => d.available)

describe.each(DEVICES.map((d) => d.name))('on %s', (name) => {
  /** What a computation fails with. */
  function failure(compute: () => Tensor): Error {
    setDevice(name)
    try {
      compute().dataSync()
    } catch (error) {
      return error as Error
    }
    throw new Error('nothing failed')
  }

  test.each(CASES)('%s, %#', (call, compute, index, message) => {
    for (const run of [compute, compile(compute)]) {
      const error = failure(() => run(index))
      expect(error).toBeInstanceOf(IndexError)
      expect(error.message).toContain(`${call}: ${message}\n  at `)
      expect(error.message).toContain('faults.test.ts')
    }
  })

  test('a training step of a module names the call in it', () => {
    setDevice(name)
    const layer = new nn.Embedding(4, 3)
    const step = (index: Tensor): Tensor => {
      layer.call(index).square().sum().backward()
      return layer.weight.grad as Tensor
    }
    expect(failure(() => step(tensor([2, 4]))).message).toContain(`embedding: ${between(4, 4)}`)
  })

  test('one call after the other says what it got itself', () => {
    const rows = compile((i: Tensor) => F.embedding(i, table()))
    for (const received of [5, -1, 99]) {
      expect(failure(() => rows(tensor([0, received]))).message).toContain(between(5, received))
    }
    expect(rows(tensor([0, 4])).array()).toEqual([
      [1, 1],
      [1, 1],
    ])
  })

  test('division of integers by zero', () => {
    const error = failure(() => tensor([1, 2]).floorDivide(tensor([1, 0])))
    expect(error).toBeInstanceOf(ArithmeticError)
    expect(error.message).toMatch(/Expected a divisor other than zero\. Received 0\./)
  })
})

// What operations mean in their corners, worked out by hand: crops, ties, duplicates, wrapping, clamping.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../../src/backends/reference/evaluate.js'
import { allocate, type DType } from '../../src/base/dtype.js'
import * as b from '../../src/ir/build.js'
import { maxPool } from '../../src/ir/composites/pool.js'
import type { Node } from '../../src/ir/node.js'
import type { NDArray } from '../../src/ir/op.js'
import { gradients } from '../../src/transforms/grad.js'
import '../../src/ir/primitives/index.js'
import { parameter } from '../../src/ir/primitives/source.js'

const bindings = new Map<Node, NDArray>()

function tensor(
  shape: readonly number[],
  values: readonly number[],
  dtype: DType = 'float32',
): Node {
  const node = parameter(shape, dtype)
  const data = allocate(dtype, values.length)
  for (const [i, v] of values.entries()) {
    if (data instanceof BigInt64Array) data[i] = BigInt(v)
    else data[i] = v
  }
  bindings.set(node, { shape, dtype, data })
  return node
}
const vector = (values: readonly number[], dtype?: DType): Node =>
  tensor([values.length], values, dtype)
const ints = (...values: number[]): Node => vector(values, 'int32')
const at = (value: number): Node => tensor([], [value], 'int32')
const read = (node: Node): number[] => Array.from(evaluateGraph([node], bindings)[0]!.data, Number)

describe('slice and pad', () => {
  it('takes every step-th element below the stop', () => {
    expect(read(b.slice(vector([0, 1, 2, 3, 4, 5, 6]), [1], [6], [2]))).toEqual([1, 3, 5])
    expect(read(b.slice(vector([0, 1, 2, 3, 4, 5, 6]), [1], [7], [3]))).toEqual([1, 4])
  })

  it('fills between neighbours first, then around, and crops what is negative', () => {
    const x = vector([1, 2, 3])
    const fill = b.constant(9, 'float32')
    expect(read(b.pad(x, fill, [1], [2], [1]))).toEqual([9, 1, 9, 2, 9, 3, 9, 9])
    expect(read(b.pad(x, fill, [-1], [1], [1]))).toEqual([9, 2, 9, 3, 9])
    expect(read(b.pad(x, fill, [-2], [-1], [0]))).toEqual([])
    expect(read(b.pad(x, fill, [-5], [4], [0]))).toEqual([9, 9])
  })
})

describe('dot', () => {
  const product = (dtype: DType, left: number[], right: number[]): number[] => {
    const axes = { leftBatch: [], rightBatch: [], leftContract: [0], rightContract: [0] }
    return read(b.dot([vector(left, dtype), vector(right, dtype)], axes))
  }

  it('wraps integers', () => {
    expect(product('int32', [2 ** 31 - 1, 3], [2 ** 31 - 1, 5])).toEqual([16])
    expect(product('uint8', [255, 16], [255, 16])).toEqual([1])
    // 2⁶² · 4 + 7 = 2⁶⁴ + 7
    expect(product('int64', [2 ** 62, 7], [4, 1])).toEqual([7])
  })

  it('adds floats up in double precision', () => {
    expect(product('float32', [2 ** 24, 1, 1, -(2 ** 24)], [1, 1, 1, 1])).toEqual([2])
  })

  it('of no terms is 0', () => {
    expect(product('float32', [], [])).toEqual([0])
  })

  it('has gradients without a transpose where one order of the factors needs none', () => {
    const x = tensor([2, 3], [1, 2, 3, 4, 5, 6])
    for (const [shape, contract] of [
      [[3, 4], 0],
      [[4, 3], 1],
    ] as const) {
      const w = tensor(shape, new Array(12).fill(1))
      const axes = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [contract] }
      const y = b.dot([x, w], axes)
      const found = gradients([y], [x, w], [b.fullLike(y, 1)])
      expect(found.map((g) => g!.op.name)).toEqual(['dot', 'dot'])
    }
  })
})

describe('argMax and argMin', () => {
  it('take the first of equals, and the first NaN before everything', () => {
    const x = tensor([3, 4], [1, 3, 3, 0, 0, Number.NaN, 9, Number.NaN, -2, -2, -2, -2])
    expect(read(b.argMax(x, 1))).toEqual([1, 1, 0])
    expect(read(b.argMin(x, 1))).toEqual([3, 1, 0])
  })

  it('compare int64 exactly', () => {
    expect(read(b.argMax(vector([2 ** 53, 2 ** 53 + 2, 2 ** 53], 'int64'), 0))).toEqual([1])
  })
})

describe('scatter', () => {
  it('adds duplicates up, and sets to the last one', () => {
    const base = vector([10, 20, 30])
    const updates = vector([1, 2, 3])
    expect(read(b.scatterAdd(base, ints(1, 0, 1), updates, 0))).toEqual([12, 24, 30])
    expect(read(b.scatterSet(base, ints(1, 0, 1), updates, 0))).toEqual([2, 3, 30])
  })

  it('adds in index order: 2²⁴ + 1 + 1 stays 2²⁴ in float32', () => {
    const base = vector([2 ** 24])
    expect(read(b.scatterAdd(base, ints(0, 0), vector([1, 1]), 0))).toEqual([2 ** 24])
  })

  it('gives no gradient to an update that a later one replaced', () => {
    const base = vector([10, 20, 30])
    const updates = vector([1, 2, 3])
    const y = b.scatterSet(base, ints(1, 0, 1), updates, 0)
    const seed = vector([5, 7, 11])
    const [ofBase, ofUpdates] = gradients([y], [base, updates], [seed])
    expect(read(ofBase!)).toEqual([0, 0, 11])
    expect(read(ofUpdates!)).toEqual([0, 5, 7])
  })
})

describe('dynamicSlice and dynamicUpdate', () => {
  it('clamp starts so that the block fits', () => {
    const x = vector([0, 1, 2, 3, 4])
    expect([-7, 0, 2, 3, 99].map((s) => read(b.dynamicSlice(x, [at(s)], [2])))).toEqual([
      [0, 1],
      [0, 1],
      [2, 3],
      [3, 4],
      [3, 4],
    ])
    expect(read(b.dynamicUpdate(x, vector([8, 9]), [at(4)]))).toEqual([0, 1, 2, 8, 9])
  })
})

describe('maxPool', () => {
  const image = [1, 1, 2, 0, 1, 1, 0, 2, 5, 5, 7, 7, 5, 5, 7, 7]

  it('sends the gradient to the first maximum of each window', () => {
    const x = tensor([1, 1, 4, 4], image)
    const y = maxPool(x, [2, 2])
    expect(read(y)).toEqual([1, 2, 5, 7])
    const [g] = gradients([y], [x], [tensor([1, 1, 2, 2], [1, 2, 3, 4])])
    expect(read(g!)).toEqual([1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0])
  })

  it('adds up gradients where windows overlap', () => {
    const x = tensor([1, 1, 4], [0, 3, 3, 1])
    const y = maxPool(x, [2], { strides: [1] })
    expect(read(y)).toEqual([3, 3, 3])
    const [g] = gradients([y], [x], [tensor([1, 1, 3], [1, 2, 4])])
    expect(read(g!)).toEqual([0, 3, 4, 0])
  })

  it('takes integers, with the smallest one as padding', () => {
    const x = tensor([1, 1, 3], [-5, -7, -6], 'int32')
    expect(read(maxPool(x, [2], { padding: [1] }))).toEqual([-5, -6])
  })

  it('scatters nothing', () => {
    for (const strides of [
      [2, 2],
      [1, 1],
    ]) {
      const x = tensor([1, 1, 4, 4], image)
      const y = maxPool(x, [2, 2], { strides })
      const [g] = gradients([y], [x], [b.fullLike(y, 1)])
      const names = new Set<string>()
      const visit = (node: Node): void => {
        names.add(node.op.name)
        node.inputs.forEach(visit)
      }
      visit(g!)
      expect([...names]).not.toContain('scatterAdd')
    }
  })
})

// What becomes one kernel, and what does not.

import { describe, expect, it } from 'vitest'
import * as b from '../../ir/build.js'
import {
  batchNorm,
  crossEntropy,
  gelu,
  layerNorm,
  linear,
  relu,
  softmax,
} from '../../ir/composites/index.js'
import type { Node } from '../../ir/node.js'
import '../../ir/primitives/index.js'
import { parameter } from '../../ir/primitives/source.js'
import { expandComposites, gradients } from '../../transforms/grad.js'
import { TARGET } from '../fixtures.js'
import { simplify } from '../simplify/simplify.js'
import { fuse } from './fuse.js'

const float = (...shape: number[]): Node => parameter(shape, 'float32')
const groupsOf = (...roots: Node[]) => fuse(simplify(expandComposites(roots)), TARGET).groups
/** The kinds of groups, in order. */
const kinds = (...roots: Node[]): string[] => groupsOf(...roots).map((g) => g.kind)
const sum = (x: Node): Node =>
  b.reduceSum(
    x,
    x.shape.map((_, i) => i),
  )

describe('one kernel', () => {
  const x = float(64, 128)
  it('elementwise chains with several results', () => {
    const e = b.exp(x)
    expect(kinds(b.add(e, x), b.mul(e, e))).toEqual(['map'])
  })
  it('elementwise work over views of its operands', () => {
    expect(kinds(b.add(b.transpose(float(128, 64), [1, 0]), b.reverse(x, [1])))).toEqual(['map'])
  })
  it('softmax', () => expect(kinds(softmax(x, [1]))).toEqual(['reduce']))
  it('layer norm', () =>
    expect(kinds(layerNorm(x, float(128), float(128), { rank: 1 }))).toEqual(['reduce']))
  it('batch norm of moderate channels', () =>
    expect(kinds(batchNorm(float(8, 16, 10, 10), float(16), float(16))[0])).toEqual(['reduce']))
  it('the loss of each row', () =>
    expect(kinds(crossEntropy(x, parameter([64], 'int32'), { reduction: 'none' }))).toEqual([
      'reduce',
    ]))
  it('a product with bias, activation and residual', () =>
    expect(kinds(b.add(relu(linear(x, float(32, 128), float(32))), float(64, 32)))).toEqual([
      'contract',
    ]))
  it('the weights a gradient updates', () => {
    const w = float(32, 128)
    const loss = sum(linear(x, w))
    const [grad] = gradients([loss], [w])
    const next = b.sub(w, b.mul(b.fullLike(w, 0.1), grad as Node))
    expect(kinds(next)).toEqual(['contract'])
  })
  it('columns summed over the same rows', () => {
    const y = float(64, 128)
    expect(kinds(b.reduceSum(x, [0]), b.reduceSum(b.mul(x, y), [0]))).toEqual(['reduce'])
  })
})

describe('arithmetic on operands of a product', () => {
  const half = (x: Node): Node => b.mul(x, b.fullLike(x, 0.5))
  const matmul = (x: Node, y: Node): Node =>
    b.dot([x, y], { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] })

  it('is done where it is read', () => {
    expect(kinds(matmul(half(float(256, 128)), float(128, 16)))).toEqual(['contract'])
    expect(kinds(matmul(half(float(4096, 4096)), float(4096, 1)))).toEqual(['contract'])
  })
  it('becomes the last step of the kernel before, where there is one', () => {
    const x = softmax(float(64, 128), [1])
    expect(kinds(matmul(half(x), float(128, 32)))).toEqual(['reduce', 'contract'])
  })
  it('is done once where a product reads it many times', () => {
    expect(kinds(matmul(half(float(2048, 512)), float(512, 4096)))).toEqual(['map', 'contract'])
  })
  it('is done once for many products', () => {
    const x = half(float(64, 128))
    const ys = [16, 24, 32].map((n) => matmul(x, float(128, n)))
    expect(kinds(...ys)).toEqual(['map', 'contract', 'contract', 'contract'])
  })
  it('is done once if it is dear', () => {
    const x = b.pow(float(64, 128), float(64, 128))
    expect(kinds(matmul(x, float(128, 32)))).toEqual(['map', 'contract'])
  })
  it('reads what is left in memory', () => {
    const [x, y, w] = [float(64, 128), float(64, 128), float(128, 32)]
    const [group] = groupsOf(matmul(b.mul(x, y), w))
    expect(group?.reads).toEqual(new Set([x, y, w]))
  })
})

describe('several kernels', () => {
  it('a value that is transposed and summed over rows', () => {
    const e = b.exp(float(64, 128))
    expect(kinds(b.add(e, b.reverse(e, [0])))).toHaveLength(2)
  })
  it('reductions over different axes', () => {
    const x = float(64, 128)
    expect(kinds(b.reduceSum(x, [0]), b.reduceSum(x, [1]))).toHaveLength(2)
  })
  it('a dear vector that is spread over a matrix', () => {
    const v = b.exp(b.tanh(float(128)))
    const spread = b.broadcast(b.reshape(v, [1, 128]), [64, 128])
    expect(kinds(b.mul(float(64, 128), spread))).toEqual(['map', 'map'])
  })
})

it('a mean loss over rows and its gradient: what counts the rows comes first', () => {
  const logits = b.dot([float(64, 8), float(96, 8)], {
    leftBatch: [],
    rightBatch: [],
    leftContract: [1],
    rightContract: [1],
  })
  const loss = crossEntropy(logits, parameter([64], 'int32'))
  const [grad] = gradients([loss], [logits])
  const groups = groupsOf(loss, grad as Node)
  // The count, the product, its softmax and gradient in one pass over the rows, the loss.
  expect(groups.map((g) => g.kind)).toEqual(['reduce', 'contract', 'reduce', 'reduce'])
  const large = groups.flatMap((g) => [...g.stored]).filter((n) => n.shape.length === 2)
  expect(large).toHaveLength(2)
})

describe('storage', () => {
  it('keeps only what later groups read', () => {
    const x = float(64, 128)
    const [group] = groupsOf(softmax(x, [1]))
    expect([...(group?.stored ?? [])].map((n) => n.op.name)).toEqual(['mul'])
  })
  it('keeps of an activation what its gradient cannot cheaply make again', () => {
    const w = float(128, 32)
    const h = linear(float(64, 32), w, float(128))
    const y = linear(gelu(h, 'tanh'), float(32, 128))
    const [grad] = gradients([sum(b.mul(y, y))], [w])
    const [first] = groupsOf(grad as Node)
    // What the activation is of, its tanh, and its result, which a product reads.
    expect([...(first?.stored ?? [])].map((n) => n.op.name).sort()).toEqual(['add', 'mul', 'tanh'])
  })
  it('computes masks made of counters where they are used', () => {
    const [rows, columns] = [b.iota([64, 64], 0, 'int32'), b.iota([64, 64], 1, 'int32')]
    const mask = b.le(columns, rows)
    const apply = (x: Node): Node => b.select(mask, x, b.zerosLike(x))
    const first = softmax(apply(float(64, 64)), [1])
    const second = softmax(apply(b.transpose(first, [1, 0])), [1])
    const stored = groupsOf(second).flatMap((g) => [...g.stored].map((n) => n.op.name))
    expect(stored).not.toContain('le')
  })
})

it('executes groups after all they read', () => {
  const x = float(32, 64)
  const h = relu(linear(x, float(64, 64), float(64)))
  const y = softmax(b.add(h, linear(h, float(64, 64))), [1])
  const { groups, groupOf } = fuse(simplify(expandComposites([y, sum(h)])), TARGET)
  for (const g of groups) {
    for (const r of g.reads) {
      const home = groupOf.get(r)
      if (home !== undefined) expect(home.order).toBeLessThan(g.order)
    }
  }
})

describe('no kernel has more buffers than the target allows', () => {
  const buffers = (roots: Node[]): number[] => {
    const outputs = new Set(simplify(expandComposites(roots)))
    return fuse([...outputs], TARGET).groups.map(
      (g) => g.reads.size + [...g.members.keys()].filter((n) => outputs.has(n)).length,
    )
  }
  const running = (n: number): Node[] => {
    const sums: Node[] = []
    for (let i = 0; i < n; i++) sums.push(b.add(sums.at(-1) ?? float(), float()))
    return sums
  }
  it('when a long sum reads many values', () => {
    expect(Math.max(...buffers([running(300).at(-1) as Node]))).toBeLessThanOrEqual(64)
  })
  it('when every step of it is a result', () => {
    expect(Math.max(...buffers(running(300)))).toBeLessThanOrEqual(64)
  })
})

describe('values too large for offsets of 32 bits', () => {
  const rows = parameter([3], 'int32')
  const large = parameter([2 ** 16, 2 ** 16], 'uint8')

  it('are searched by the host where data say what is wanted', () => {
    expect(kinds(b.gather(float(2 ** 16, 64), rows, 0))).toEqual(['map'])
    expect(kinds(b.gather(large, rows, 0))).toEqual(['host'])
  })

  it('are read by kernels otherwise', () => {
    expect(kinds(b.neg(large))).toEqual(['map'])
  })
})

// What programs may ask of a plan's inputs and outputs, and what happens when data is wrong.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import * as b from '../src/ir/build.js'
import type { Node } from '../src/ir/node.js'
import type { NDArray } from '../src/ir/op.js'
import { parameter } from '../src/ir/primitives/source.js'
import { runCompiled } from './support/compiled.js'
import { sampleArray, uniform } from './support/samples.js'

const next = uniform(3)
const given = (shape: number[], values?: number[], dtype: 'float32' | 'int32' = 'float32') => {
  const node = parameter(shape, dtype)
  const array = sampleArray({ shape, dtype, ...(values && { values }) }, next)
  return [node, array] as const
}

function expectEqual(roots: readonly Node[], bindings: ReadonlyMap<Node, NDArray>) {
  const { outputs, status, plan } = runCompiled(roots, bindings)
  expect(status).toBe(0)
  evaluateGraph(roots, bindings).forEach((e, i) => {
    expect(Array.from(outputs[i]?.data as Float32Array)).toEqual(Array.from(e.data as Float32Array))
  })
  return plan
}

describe('outputs', () => {
  const [x, array] = given([2, 6])
  const bindings = new Map([[x, array]])
  const negated = b.neg(x)
  it('may be inputs', () => void expectEqual([x, negated], bindings))
  it('may be inputs in another shape', () => void expectEqual([b.reshape(x, [12])], bindings))
  it('may be views of inputs', () => void expectEqual([b.transpose(x, [1, 0])], bindings))
  it('may be constants', () => void expectEqual([b.full(3, [4], 'float32'), b.add(x, x)], bindings))
  it('may occur twice', () =>
    void expectEqual([negated, negated, b.reshape(negated, [3, 4])], bindings))
  it('may be read by other kernels', () => {
    const sums = b.reduceSum(negated, [1])
    expectEqual([negated, sums, b.neg(b.reverse(negated, [0]))], bindings)
  })
  it('may be empty', () => void expectEqual([b.slice(x, [0, 0], [0, 6]), negated], bindings))
})

describe('memory', () => {
  it('is shared by temporaries that are not alive together', () => {
    const [x, array] = given([64, 64])
    let y: Node = x
    // Every product needs the one before, and nothing else.
    const attrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
    for (let i = 0; i < 12; i++) y = b.tanh(b.dot([y, x], attrs))
    const { plan } = runCompiled([y], new Map([[x, array]]))
    expect(plan.arenaBytes).toBeLessThanOrEqual(4 * 64 * 64 * 4)
  })
})

describe('faults', () => {
  it('names the operation and the range of a bad index', () => {
    const [x, array] = given([5, 3])
    const [i, indices] = given([4], [0, 4, 5, 2], 'int32')
    const { status, plan } = runCompiled(
      [b.gather(x, i, 0)],
      new Map([
        [x, array],
        [i, indices],
      ]),
    )
    expect(plan.faults[status - 1]).toMatchObject({
      kind: 'index',
      op: 'gather',
      expected: 'an index in [0, 5) on axis 0',
    })
  })
  it('reports a bad index of a scatter', () => {
    const [x, array] = given([5, 3])
    const [u, updates] = given([1, 3])
    const [i, indices] = given([1], [-1], 'int32')
    const bindings = new Map([
      [x, array],
      [u, updates],
      [i, indices],
    ])
    const { status, plan } = runCompiled([b.scatterAdd(x, i, u, 0)], bindings)
    expect(plan.faults[status - 1]).toMatchObject({ kind: 'index', op: 'scatterAdd' })
  })
  it('reports a division of integers by zero', () => {
    const [x, array] = given([3], [1, 2, 3], 'int32')
    const [y, zeros] = given([3], [1, 0, 2], 'int32')
    const { status, plan } = runCompiled(
      [b.div(x, y)],
      new Map([
        [x, array],
        [y, zeros],
      ]),
    )
    expect(plan.faults[status - 1]).toMatchObject({ kind: 'divide', op: 'div' })
  })
})

// Scans that are views of one computation become one, and carry no more than somebody reads.

import { describe, expect, test } from 'vitest'
import { Body } from '../../ir/body.js'
import * as b from '../../ir/build.js'
import { type Node, topological } from '../../ir/node.js'
import '../../ir/primitives/index.js'
import { parameter } from '../../ir/primitives/source.js'
import { expandComposites, gradients } from '../../transforms/grad.js'
import { settle } from './settle.js'

const MATMUL: b.DotAttrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [1] }

const scansBelow = (roots: readonly Node[]): Node[] =>
  topological(roots).filter((n) => n.op.name === 'scan')
const attrsOf = (scan: Node): b.ScanAttrs => scan.attrs as b.ScanAttrs
const countIn = (body: Body, name: string): number =>
  topological(body.outputs).filter((n) => n.op.name === name).length

/** h ← tanh(h·Wᵀ + x), 7 times; the weights, and the last state. */
function recurrent(): { weight: Node; last: Node } {
  const [weight, h, x] = [
    [4, 4],
    [3, 4],
    [3, 4],
  ].map((s) => parameter(s, 'float32')) as [Node, Node, Node]
  const next = b.tanh(b.add(b.dot([h, weight], MATMUL), x))
  const given = [parameter([4, 4], 'float32'), parameter([3, 4], 'float32')]
  const inputs = [...given, parameter([7, 3, 4], 'float32')]
  const body = new Body([weight, h, x], [next, next])
  const loop = b.scan(inputs, { body, shared: 1, carries: 1, length: [7], reverse: false })
  return { weight: given[0] as Node, last: b.output(loop, 0) }
}

describe('settle', () => {
  test('runs the forward scan once for its result and for its gradient', () => {
    const { weight, last } = recurrent()
    const loss = b.reduceSum(last, [0, 1])
    const [grad] = gradients([loss], [weight])
    const roots = expandComposites([loss, grad as Node])
    expect(scansBelow(roots)).toHaveLength(3)
    const scans = scansBelow(settle(roots))
    expect(scans.map((s) => attrsOf(s).reverse)).toEqual([false, true])
  })

  test('sums products over time after the loop', () => {
    const { weight, last } = recurrent()
    const [grad] = gradients([b.reduceSum(last, [0, 1])], [weight])
    const settled = settle(expandComposites([grad as Node]))
    const [forward, backward] = scansBelow(settled) as [Node, Node]
    expect(countIn(attrsOf(forward).body, 'dot')).toBe(1)
    expect(countIn(attrsOf(backward).body, 'dot')).toBe(1)
    // The state's gradient, and nothing that adds up.
    expect(attrsOf(backward).carries).toBe(1)
    const outside = topological(settled).filter((n) => n.op.name === 'dot')
    expect(outside).toHaveLength(1)
    expect(outside[0]?.inputs.map((x) => x.shape)).toContainEqual([7, 3, 4])
  })

  test('drops results, states and inputs nobody reads', () => {
    const [unused, s, t, x] = [1, 2, 3, 4].map(() => parameter([], 'float32'))
    const body = new Body(
      [unused!, s!, t!, x!],
      [b.add(s!, x!), b.sin(t!), b.exp(t!), b.mul(s!, x!), b.mul(s!, x!)],
    )
    const inputs = [[], [], [], [5]].map((shape) => parameter(shape, 'float32'))
    const loop = b.scan(inputs, { body, shared: 1, carries: 2, length: [5], reverse: false })
    const [scan] = scansBelow(settle([b.output(loop, 3), b.output(loop, 4)]))
    const settled = attrsOf(scan!)
    expect([settled.shared, settled.carries]).toEqual([0, 1])
    expect(scan?.inputs).toEqual([inputs[1], inputs[3]])
    expect(settled.body.outputs).toHaveLength(2)
  })

  test('turns shared matrices once, ahead of the loop', () => {
    const { last } = recurrent()
    const settled = settle([last])
    const [scan] = scansBelow(settled)
    const product = topological(attrsOf(scan!).body.outputs).find((n) => n.op.name === 'dot')
    expect((product!.attrs as b.DotAttrs).rightContract).toEqual([0])
    expect(scan?.inputs[0]?.op.name).toBe('transpose')
  })
})

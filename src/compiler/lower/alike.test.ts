// Which groups take each other's kernels over, and with which buffers.

import { describe, expect, it } from 'vitest'
import { add, div, dot, exp, full, mul } from '../../ir/build.js'
import type { Node } from '../../ir/node.js'
import '../../ir/primitives/index.js'
import { parameter } from '../../ir/primitives/source.js'
import { TARGET } from '../fixtures.js'
import { fuse } from '../fuse/fuse.js'
import type { KernelCall } from '../kernel/assembly.js'
import type { Fault } from '../kernel/ir.js'
import { Buffers } from './buffers.js'
import { lowerGroups } from './lower.js'

const input = (...shape: number[]): Node => parameter(shape, 'float32')

/** The kernels that outputs are lowered to, and the buffers of nodes. */
function lowered(...outputs: Node[]): { calls: KernelCall[]; buffers: Buffers } {
  const buffers = new Buffers()
  const faults: Fault[] = []
  const steps = lowerGroups(fuse(outputs, TARGET), buffers, TARGET, faults)
  return { calls: steps.flatMap((s) => (s.op === 'kernel' ? [s.call] : [])), buffers }
}

const square = (x: Node, w: Node): Node =>
  dot([x, w], { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] })

describe('groups that are alike', () => {
  it('share kernels, each with its own buffers', () => {
    const [x, y, z] = [input(40, 3), input(40, 3), input(40, 3)]
    const [u, v] = [input(40, 3), input(40, 3)]
    const [a, b, c] = [exp(mul(x, y)), exp(mul(z, z)), exp(mul(u, v))]
    const { calls, buffers } = lowered(a, b, c)
    const [first, second, third] = calls
    expect(calls).toHaveLength(3)
    expect(third!.kernel).toBe(first!.kernel)
    expect(third!.args).toEqual([u, v, c].map((n) => buffers.of(n)))
    // One value read twice is not two.
    expect(second!.kernel).not.toBe(first!.kernel)
  })

  it('have temporary memory of their own', () => {
    const w = input(512, 512)
    const [x, y] = [input(512, 512), input(512, 512)]
    const { calls } = lowered(square(x, w), square(y, w))
    const half = calls.length / 2
    const args = (part: KernelCall[]) => new Set(part.flatMap((c) => c.args.map((a) => a.id)))
    const [first, second] = [calls.slice(0, half), calls.slice(half)]
    expect(second.map((c) => c.kernel)).toEqual(first.map((c) => c.kernel))
    const both = [...args(first)].filter((id) => args(second).has(id))
    expect(args(first).size).toBe(args(second).size)
    expect(both).toHaveLength(1)
  })

  it('do the same with the same numbers, on values of the same shapes', () => {
    const [x, y, z] = [input(40), input(40), input(41)]
    const plus = (n: Node, value: number): Node => add(n, full(value, n.shape, 'float32'))
    const { calls } = lowered(plus(x, 3), plus(y, 4), plus(z, 3))
    expect(new Set(calls.map((c) => c.kernel)).size).toBe(3)
  })

  it('are no others that fail: an error names its place in the program', () => {
    const quotient = (): Node => div(parameter([40], 'int32'), parameter([40], 'int32'))
    const { calls } = lowered(quotient(), quotient())
    expect(new Set(calls.map((call) => call.kernel)).size).toBe(2)
  })
})

// Which kernels follow one another piece by piece, and what becomes of the steps between them.

import { describe, expect, it } from 'vitest'
import { chain } from './chain.js'
import { TARGET } from './fixtures.js'
import { affine, ofVar, plus, times } from './kernel/affine.js'
import type { BufferRef } from './kernel/assembly.js'
import { KernelAssembly } from './kernel/assembly.js'
import type { Target } from './kernel/ir.js'
import type { Step } from './steps.js'

const LENGTH = 1024
const target: Target = { ...TARGET, cache: { l1: 32 << 10, l2: 16 << 10 }, processors: 2 }

let buffers = 0
const buffer = (): BufferRef => ({ id: buffers++, type: 'f32', length: LENGTH, name: 'b' })

interface Reading {
  readonly from: BufferRef
  /** Elements to the left of its own that a chunk begins to read, or all of them. */
  readonly reach?: number | 'all'
}

/** Writes every element of `to`, in `grid` chunks, each from its own part of what is read. */
function step(to: BufferRef, reads: readonly Reading[], grid = 8): Step {
  const k = new KernelAssembly(`make ${to.id}`, grid)
  const part = LENGTH / grid
  const first = times(ofVar(k.chunk), part)
  for (const { from, reach = 0 } of reads) {
    const decl = k.use(from, 'read')
    const at = reach === 'all' ? affine(0) : plus(first, -reach)
    k.vector('i', reach === 'all' ? LENGTH : part, 8, (i) => k.load(decl, plus(at, i)))
  }
  k.vector('i', part, 8, (i) => k.store(k.use(to, 'write'), plus(first, i), k.const('f32', 1)))
  return { op: 'kernel', call: k.call() }
}

/** The steps as lists of their places among those given. */
const joined = (steps: readonly Step[], on = target): number[][] =>
  chain(steps, on).map((link) => {
    const calls = link.op === 'chain' ? link.calls : link.op === 'kernel' ? [link.call] : []
    return calls.map((call) => steps.findIndex((s) => s.op === 'kernel' && s.call === call))
  })

describe('a chain', () => {
  const [x, a, b, c, d] = [buffer(), buffer(), buffer(), buffer(), buffer()]

  it('joins kernels that need what the same piece made', () => {
    const steps = [step(a, [{ from: x }]), step(b, [{ from: a }], 32), step(c, [{ from: b }], 16)]
    expect(joined(steps)).toEqual([[0, 1, 2]])
    expect(chain(steps, target)).toMatchObject([{ op: 'chain', pieces: 8 }])
  })

  it('ends where a piece needs a neighbour, or all', () => {
    for (const reach of [1, 'all'] as const) {
      expect(joined([step(a, [{ from: x }]), step(b, [{ from: a, reach }])])).toEqual([[0], [1]])
    }
    expect(joined([step(a, [{ from: x, reach: 1 }]), step(b, [{ from: a }])])).toEqual([[0, 1]])
  })

  it('ends where chunks cannot be put together to pieces', () => {
    expect(joined([step(a, [{ from: x }], 4), step(b, [{ from: a }])])).toEqual([[0], [1]])
  })

  it('lets pass what is not part of it', () => {
    const steps = [
      step(a, [{ from: x }]),
      step(c, [{ from: a, reach: 'all' }]),
      step(b, [{ from: x, reach: 'all' }], 1),
      step(d, [{ from: a }, { from: b, reach: 'all' }]),
    ]
    expect(joined(steps)).toEqual([[2], [0, 3], [1]])
  })

  it('keeps the order of a write after a read', () => {
    const steps = [step(a, [{ from: x }]), step(x, [], 1), step(b, [{ from: a }])]
    expect(joined(steps)).toEqual([[0, 2], [1]])
  })

  it('shares no more than the cache has room for', () => {
    const weights = [buffer(), buffer(), buffer()]
    const outs = [a, b, c]
    const steps = outs.map((to, i) =>
      step(to, [{ from: outs[i - 1] ?? x }, { from: weights[i]!, reach: 'all' }]),
    )
    expect(joined(steps)).toEqual([[0, 1], [2]])
  })

  it('is for targets whose processors are known', () => {
    const { processors: _, ...unknown } = target
    expect(joined([step(a, [{ from: x }]), step(b, [{ from: a }])], unknown)).toEqual([[0], [1]])
  })
})

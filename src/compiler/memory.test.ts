// Rounds and places: what must wait for what, and what may lie where.

import { describe, expect, it } from 'vitest'
import { ofVar } from './kernel/affine.js'
import type { BufferRef } from './kernel/assembly.js'
import { KernelAssembly } from './kernel/assembly.js'
import { planMemory } from './memory.js'
import { schedule } from './schedule.js'
import type { Step } from './steps.js'

const buffer = (id: number, length = 64): BufferRef => ({ id, type: 'f32', length, name: `b${id}` })

/** to[i] = Σ from[i], or of from[n - 1 - i] where `reversed`. */
function step(to: BufferRef, from: readonly BufferRef[], reversed = false): Step {
  const k = new KernelAssembly(`make ${to.name}`)
  k.vector('i', to.length, 8, (i, v) => {
    const at = reversed ? { constant: to.length - 1, terms: ofVar(v, -1).terms } : i
    const values = from.map((f) => k.load(k.use(f, 'read'), at))
    const sum = values.reduce((a, b) => k.set('add', a, b), k.const('f32', 0))
    k.store(k.use(to, 'write'), i, sum)
  })
  return { op: 'kernel', call: k.call() }
}

const rounds = (steps: readonly Step[]): number[] => {
  const order = schedule(steps)
  return steps.map((s) => order.find((o) => o.step === s)?.round as number)
}

describe('schedule', () => {
  const [x, a, b, c] = [buffer(0), buffer(1), buffer(2), buffer(3)]
  it('separates a write from its readers, and nothing else', () => {
    expect(rounds([step(a, [x]), step(b, [a]), step(c, [x])])).toEqual([0, 1, 0])
  })
  it('separates readers from the next write', () => {
    expect(rounds([step(a, [x]), step(b, [a]), step(a, [x])])).toEqual([0, 1, 2])
  })
})

describe('memory', () => {
  const place = (steps: readonly Step[], temporaries: readonly BufferRef[]) => {
    const plan = planMemory(schedule(steps), (ref) => temporaries.includes(ref))
    return { bytes: plan.bytes, at: temporaries.map((t) => plan.offsets.get(t.id)) }
  }
  const [x, a, b, c, y] = [buffer(0), buffer(1), buffer(2), buffer(3), buffer(4)]

  it('puts a result where its operand was, element for element', () => {
    const plan = place([step(a, [x]), step(b, [a]), step(y, [b])], [a, b])
    expect(plan).toEqual({ bytes: 256, at: [0, 0] })
  })
  it('keeps them apart where elements move', () => {
    const plan = place([step(a, [x]), step(b, [a], true), step(y, [b])], [a, b])
    expect(plan).toEqual({ bytes: 512, at: [0, 256] })
  })
  it('keeps an operand that is read later', () => {
    const plan = place([step(a, [x]), step(b, [a]), step(c, [b]), step(y, [a, c])], [a, b, c])
    expect(plan.bytes).toBe(512)
    expect(plan.at[1]).toBe(plan.at[2])
  })
  it('uses memory again, on whole cache lines', () => {
    const small = buffer(5, 3)
    const plan = place(
      [
        step(small, [x]),
        step(a, [x], true),
        step(y, [a, small]),
        step(b, [y], true),
        step(buffer(6), [b]),
      ],
      [small, a, b],
    )
    expect(plan.bytes).toBe(256 + 64)
    for (const at of plan.at) expect((at as number) % 64).toBe(0)
  })
})

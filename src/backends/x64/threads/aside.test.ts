// Plans that begin to run while their code is being made.

import { describe, expect, test } from 'vitest'
import { IndexError } from '../../../base/errors.js'
import type { Command, Kernel } from '../../../compiler/kernel/ir.js'
import type { Executable } from '../../device.js'
import { Storage } from '../../storage.js'
import { dword, eax, mem, r8, r9, r10, rdi, rdx } from '../assembler/index.js'
import { X64Device } from '../device.js'
import { canRun, emitByHand, faulty, handKernel } from '../harness.js'
import { zeroed } from '../native/arrays.js'

/** More than there are parts in which code is made. */
const STEPS = 20
const TYPE = { dtype: 'int32', length: 2 } as const

/** Each of two chunks adds 1 to a number and to a word, and is said to take so long that it is a segment. */
const step = (word: number): Kernel =>
  handKernel('step', 2, 1e7, (a) => {
    a.mov(r9, mem({ base: rdx }))
    a.mov(r10, mem({ base: rdx, disp: 8 }))
    a.mov(eax, mem({ base: r9, index: rdi, scale: 4 }))
    a.inc(eax)
    a.mov(dword({ base: r10, index: rdi, scale: 4 }), eax)
    a.movabs(r8, word)
    a.lock_inc(dword({ base: r8 }))
    a.ret()
  })

interface Wishes {
  readonly threads?: number
  /** Called before the code of the n-th kernel is made. */
  readonly emitting?: (n: number) => void
  /** Comes between a step and the next. */
  readonly between?: readonly Command[]
  readonly after?: number
}

/** A plan of steps, and the word that counts their chunks. */
function build({ threads = 2, emitting, between, after }: Wishes): {
  readonly plan: Executable
  readonly ran: Int32Array
} {
  const { array, address } = zeroed(4)
  let emitted = 0
  const device = new X64Device({
    threads,
    emit: (kernel, target) => {
      emitting?.(emitted++)
      return emitByHand(kernel, target)
    },
  })
  const commands = Array.from({ length: STEPS }, (_, i): Command[] => {
    const args = [i === 0 ? 0 : 1, i === STEPS - 1 ? 2 : 1]
    const others: readonly Command[] = i === after ? between! : [{ op: 'barrier' }]
    return [{ op: 'kernel', kernel: step(address), args }, ...others]
  })
  const plan = device.buildPlan(
    {
      buffers: [
        { kind: 'input', index: 0, bytes: 8 },
        { kind: 'arena', offset: 0, bytes: 8 },
        { kind: 'output', index: 0, bytes: 8 },
      ],
      commands: commands.flat(),
      arenaBytes: 8,
      scratchBytes: 0,
      faults: [{ kind: 'index', op: 'gather', expected: 'an index', received: '-1', site: null }],
    },
    { inputs: [TYPE], outputs: [TYPE] },
  )
  return { plan, ran: new Int32Array(array.buffer, array.byteOffset, 1) }
}

const run = (plan: Executable, x: number): number[] => [
  ...(plan.run([Storage.of('int32', Int32Array.of(x, 10 * x))], [null])[0]!.read() as Int32Array),
]

/** Waits for a word that another thread writes. */
function waitFor(word: Int32Array, value: number): void {
  const end = performance.now() + 5_000
  while (Atomics.load(word, 0) < value && performance.now() < end);
}

describe.skipIf(!canRun())('a plan without its code', () => {
  test('runs while it is made, each step once', () => {
    let early = 0
    const { plan, ran } = build({
      emitting: (n) => {
        if (n !== STEPS - 1) return
        waitFor(ran, 2)
        early = ran[0]!
      },
    })
    expect(ran[0]).toBe(0)
    expect(run(plan, 5)).toEqual([5 + STEPS, 50 + STEPS])
    expect(early).toBeGreaterThanOrEqual(2)
    expect(ran[0]).toBe(2 * STEPS)
    expect(run(plan, 7)).toEqual([7 + STEPS, 70 + STEPS])
    expect(ran[0]).toBe(4 * STEPS)
  })

  test('has it before where there are no others to run it, or somebody asks', () => {
    let emitted = 0
    const emitting = (): void => void emitted++
    build({ threads: 1, emitting })
    expect(emitted).toBe(STEPS)
    const { plan, ran } = build({ emitting })
    expect(emitted).toBe(STEPS)
    expect(plan.describe()).toContain(`${STEPS} functions`)
    expect(emitted).toBe(2 * STEPS)
    expect(ran[0]).toBe(0)
    expect(run(plan, 1)).toEqual([1 + STEPS, 10 + STEPS])
  })

  test('leaves what JavaScript does to the caller', () => {
    const seen: number[] = []
    const buffer = { buffer: 1, shape: [2], dtype: 'int32' }
    const negate: Command = {
      op: 'host',
      call: {
        name: 'negate',
        inputs: [buffer],
        outputs: [buffer],
        run: (_, [y]) => {
          const numbers = y as Int32Array
          seen.push(ran[0]!)
          for (let k = 0; k < 2; k++) numbers[k] = -numbers[k]!
        },
      },
    }
    const { plan, ran } = build({ between: [negate], after: 2 })
    expect(run(plan, 5)).toEqual([-8 + STEPS - 3, -53 + STEPS - 3])
    expect(seen).toEqual([6])
    expect(run(plan, 5)).toEqual([-8 + STEPS - 3, -53 + STEPS - 3])
  })

  test('finds faults', () => {
    const between: Command[] = [{ op: 'kernel', kernel: faulty(1), args: [1] }, { op: 'barrier' }]
    const { plan } = build({ between, after: 1 })
    expect(() => run(plan, -9)).toThrow(IndexError)
    expect(run(plan, 3)).toEqual([3 + STEPS, 30 + STEPS])
  })

  test('is made further by the next run after a failure', () => {
    const { plan, ran } = build({
      emitting: (n) => {
        if (n !== 3) return
        waitFor(ran, 2)
        throw new Error('on purpose')
      },
    })
    expect(() => run(plan, 3)).toThrow('on purpose')
    const before = ran[0]!
    expect(before).toBeGreaterThan(0)
    expect(run(plan, 3)).toEqual([3 + STEPS, 30 + STEPS])
    expect(ran[0]).toBe(before + 2 * STEPS)
  })
})

// Plans on the x64 device: bindings, results, faults, host calls, memory.

import { describe, expect, test, vi } from 'vitest'
import { ClosedError, DeviceError, IndexError } from '../../base/errors.js'
import { ofVar, plus, times } from '../../compiler/kernel/affine.js'
import { KernelBuilder } from '../../compiler/kernel/builder.js'
import type { Kernel, Plan } from '../../compiler/kernel/ir.js'
import type { Executable } from '../device.js'
import { Storage } from '../storage.js'
import { X64Device, type X64Options } from './device.js'
import {
  canRun,
  emitByHand,
  faulty,
  guarded,
  increment,
  ports,
  rounding,
  scratching,
  stackAlignment,
  summing,
  twice,
} from './harness.js'
import { addressOf } from './native/arrays.js'
import { codeBytes } from './native/code.js'

const device = (options: Omit<X64Options, 'emit'> = {}): X64Device =>
  new X64Device({ threads: 1, ...options, emit: emitByHand })

const ramp = (n: number): Storage =>
  Storage.of(
    'float32',
    Float32Array.from({ length: n }, (_, i) => i),
  )
const numbers = (s: Storage | undefined): number[] => Array.from(s!.read() as Float32Array)

/** A plan of one kernel from input 0 to output 0, of n elements of 32 bits. */
const single = (kernel: Kernel, n: number, args: number[], scratchBytes = 0): Plan => ({
  buffers: [
    { kind: 'input', index: 0, bytes: 4 * n },
    { kind: 'output', index: 0, bytes: 4 * n },
  ],
  commands: [{ op: 'kernel', kernel, args }],
  arenaBytes: 0,
  scratchBytes,
  faults: [{ kind: 'index', op: 'gather', expected: 'an index', received: '-1', site: null }],
})
const int32 = (n: number) => ({ dtype: 'int32' as const, length: n })

describe.skipIf(!canRun())('a plan of two kernels', () => {
  test.each([1, 7, 1000, 100_000])('computes %i elements', (n) => {
    const plan = device().buildPlan(twice(n), ports(n))
    for (let round = 0; round < 3; round++) {
      expect(numbers(plan.run([ramp(n)], [null])[0])).toEqual(
        Array.from({ length: n }, (_, i) => i + 2),
      )
    }
    plan.dispose()
  })

  test('takes a number for a scalar', () => {
    const plan = device().buildPlan(twice(1), ports(1))
    expect(numbers(plan.run([40], [null])[0])).toEqual([42])
    expect(numbers(plan.run([ramp(1)], [null])[0])).toEqual([2])
    expect(numbers(plan.run([-2], [null])[0])).toEqual([0])
  })

  test('writes targets in place', () => {
    const n = 100
    const plan = device().buildPlan(twice(n), ports(n))
    let front = ramp(n)
    let back = new Storage('float32', n, null)
    front.pinned = back.pinned = true
    for (let step = 0; step < 10; step++) {
      expect(plan.run([front], [back])[0]).toBe(back)
      ;[front, back] = [back, front]
    }
    expect(front.read()[3]).toBe(23)
    expect(back.read()[3]).toBe(21)
  })

  test('keeps results while others are computed', () => {
    for (const n of [3, 2000, 50_000]) {
      const plan = device().buildPlan(twice(n), ports(n))
      let value = ramp(n)
      const kept: Storage[] = []
      for (let i = 0; i < 30; i++) {
        value = plan.run([value], [null])[0]!
        kept.push(value)
      }
      for (const [i, s] of kept.entries()) expect(s.read()[2]).toBe(2 + 2 * (i + 1))
    }
  })

  test('notices another array in a storage', () => {
    const n = 1000
    const plan = device().buildPlan(twice(n), ports(n))
    const x = ramp(n)
    plan.run([x], [null])
    x.host = new Float32Array(n).fill(5)
    expect(plan.run([x], [null])[0]!.read()[9]).toBe(7)
  })

  test('refuses an array that was transferred', () => {
    const n = 1000
    const plan = device().buildPlan(twice(n), ports(n))
    const x = ramp(n)
    plan.run([x], [null])
    structuredClone(x.host, { transfer: [x.host!.buffer as ArrayBuffer] })
    expect(() => plan.run([x], [null])).toThrow(DeviceError)
  })

  test('works between guard pages', () => {
    const n = 777
    const plan = device().buildPlan(single(increment(n, 100), n, [0, 1]), ports(n))
    for (const first of [false, true]) {
      const [from, to] = [guarded(4 * n, first), guarded(4 * n, first)]
      const x = new Float32Array(from.buffer).fill(1)
      const y = Storage.of('float32', new Float32Array(to.buffer))
      // Bound directly, not copied to where it is safe.
      const input = Storage.of('float32', x)
      input.pinned = true
      plan.run([input], [y])
      expect(numbers(y).every((v) => v === 2)).toBe(true)
      from.free()
      to.free()
    }
  })
})

describe.skipIf(!canRun())('a kernel', () => {
  test('is called with an aligned stack and its own rounding', () => {
    const d = device()
    const out = { inputs: [], outputs: [int32(1)] }
    const only = (kernel: Kernel): number => {
      const plan: Plan = {
        ...single(kernel, 1, [0]),
        buffers: [{ kind: 'output', index: 0, bytes: 4 }],
      }
      return d.buildPlan(plan, out).run([], [null])[0]!.read()[0] as number
    }
    expect(only(stackAlignment())).toBe(8)
    const [tiny, third] = [Number('1e-310'), Number('3')]
    const before = [tiny * 3, 1 / third, 10 / third]
    expect(only(rounding())).toBe(0x1f80)
    expect([tiny * 3, 1 / third, 10 / third]).toEqual(before)
    expect(only(rounding())).toBe(0x1f80)
  })

  test.each([1, 2, 3, 64, 65, 301])('may have %i buffers', (count) => {
    const plan: Plan = {
      ...single(
        summing(count),
        1,
        Array.from({ length: count }, (_, i) => i),
      ),
      buffers: Array.from({ length: count }, (_, i) =>
        i === 0
          ? { kind: 'output', index: 0, bytes: 4 }
          : { kind: 'constant', data: new Uint8Array(Int32Array.of(i).buffer), bytes: 4 },
      ),
    }
    const built = device().buildPlan(plan, { inputs: [], outputs: [int32(1)] })
    expect(built.run([], [null])[0]!.read()[0]).toBe((count * (count - 1)) / 2)
  })

  test('has scratch memory of its own', () => {
    const [grid, words] = [64, 3000]
    for (const threads of [1, 2, 4]) {
      const d = device({ threads })
      const plan = d.buildPlan(single(scratching(grid, words), grid, [1], 8 * words), {
        inputs: [int32(grid)],
        outputs: [int32(grid)],
      })
      const x = Storage.of('int32', new Int32Array(grid))
      for (let i = 0; i < 200; i++) {
        const [y] = plan.run([x], [null])
        expect(Array.from(y!.read() as Int32Array)).toEqual(
          Array.from({ length: grid }, (_, c) => c),
        )
      }
      d.close()
    }
  })
})

describe.skipIf(!canRun())('a fault', () => {
  test('becomes a typed error, and the next run is fine', () => {
    const plan = device().buildPlan(single(faulty(1), 1, [0]), {
      inputs: [int32(1)],
      outputs: [int32(1)],
    })
    const x = (v: number): Storage => Storage.of('int32', Int32Array.of(v))
    expect(() => plan.run([x(-6)], [null])).toThrow(IndexError)
    expect(plan.run([x(1)], [null]).length).toBe(1)
  })
})

describe.skipIf(!canRun())('host calls', () => {
  const n = 5000
  const type = { shape: [n], dtype: 'float32' }
  /** Adds one, runs `between` on the arena, adds one. */
  const around = (d: X64Device, between: (x: Float32Array) => void): Executable => {
    const base = twice(n)
    const host: Plan['commands'][number] = {
      op: 'host',
      call: {
        name: 'between',
        inputs: [{ buffer: 1, ...type }],
        outputs: [{ buffer: 1, ...type }],
        run: (_, [y]) => between(y as Float32Array),
      },
    }
    const commands = [base.commands[0]!, host, base.commands[2]!]
    return d.buildPlan({ ...base, commands }, ports(n))
  }
  const negate = (x: Float32Array): void => {
    for (let i = 0; i < n; i++) x[i] = -x[i]!
  }

  test('see the plan’s memory, and may run plans', () => {
    const d = device()
    const inner = d.buildPlan(twice(n), ports(n))
    const plan = around(d, (x) => {
      inner.run([ramp(n)], [null])
      negate(x)
    })
    expect(plan.run([ramp(n)], [null])[0]!.read()[7]).toBe(-7)
  })

  test('may run their own plan, with more threads', () => {
    const d = device({ threads: 2 })
    let depth = 0
    const results: number[] = []
    const plan: Executable = around(d, (x) => {
      if (depth++ < 2) {
        if (depth === 2) d.threads = 4
        results.push(
          plan
            .run([Storage.of('float32', new Float32Array(n).fill(depth))], [null])[0]!
            .read()[3] as number,
        )
      }
      negate(x)
    })
    expect(plan.run([ramp(n)], [null])[0]!.read()[7]).toBe(-7)
    expect(results).toEqual([-2, -1])
    expect(d.threads).toBe(4)
    expect(plan.run([ramp(n)], [null])[0]!.read()[9]).toBe(-9)
  })

  test('may dispose of their plan', () => {
    const d = device()
    const before = codeBytes()
    const plan: Executable = around(d, () => plan.dispose())
    expect(plan.run([ramp(n)], [null])[0]!.read()[7]).toBe(9)
    expect(codeBytes()).toBe(before)
    expect(() => plan.run([ramp(n)], [null])).toThrow(ClosedError)
  })

  test('that throw leave the plan in order', () => {
    const d = device()
    let fails = true
    const plan = around(d, () => {
      if (fails) throw new Error('on purpose')
    })
    expect(() => plan.run([ramp(n)], [null])).toThrow('on purpose')
    fails = false
    expect(plan.run([ramp(n)], [null])[0]!.read()[7]).toBe(9)
  })
})

test.skipIf(!canRun())('constants and copies are where they should be', () => {
  const n = 70_001
  const data = Float32Array.from({ length: n }, (_, i) => i % 1000)
  for (const threads of [1, 3]) {
    const d = device({ threads })
    const plan = d.buildPlan(
      {
        buffers: [
          { kind: 'constant', data: new Uint8Array(data.buffer), bytes: 4 * n },
          { kind: 'output', index: 0, bytes: 4 * n },
          { kind: 'output', index: 1, bytes: 4 * n },
        ],
        commands: [
          { op: 'copy', from: 0, to: 1, bytes: 4 * n },
          { op: 'barrier' },
          { op: 'copy', from: 1, to: 2, bytes: 4 * n },
        ],
        arenaBytes: 0,
        scratchBytes: 0,
        faults: [],
      },
      { inputs: [], outputs: [ports(n).outputs[0]!, ports(n).outputs[0]!] },
    )
    for (let i = 0; i < 50; i++) {
      for (const s of plan.run([], [null, null])) {
        expect(
          Buffer.compare(
            Buffer.from((s.read() as Float32Array).slice().buffer),
            Buffer.from(data.buffer),
          ),
        ).toBe(0)
      }
    }
  }
})

/** y = x + 1, a new kernel each time. */
function compiled(n: number, name: string): Kernel {
  const k = new KernelBuilder(name, n)
  const [x, y] = [k.buffer('x', 'f32', 'read', n), k.buffer('y', 'f32', 'write', n)]
  k.store(y, ofVar(k.chunk), k.set('add', k.load(x, ofVar(k.chunk)), k.const('f32', 1)))
  return k.finish()
}

describe.skipIf(!canRun())('kernels that do the same', () => {
  const n = 5
  const result = [1, 2, 3, 4, 5]
  const run = (plan: Executable): number[] => numbers(plan.run([ramp(n)], [null])[0])

  test('share code, in a plan and between plans, until the last one is gone', () => {
    const d = new X64Device({ threads: 1 })
    const before = codeBytes()
    const make = (name: string): Executable => {
      const plan = twice(n)
      const commands = plan.commands.map((c, i) =>
        c.op === 'kernel' ? { ...c, kernel: compiled(n, `${name} ${i}`) } : c,
      )
      return d.buildPlan({ ...plan, commands }, ports(n))
    }
    const first = make('first')
    expect(first.describe()).toContain('2 kernels in 3 commands, 1 functions of')
    const one = codeBytes()
    expect(one).toBe(before + 4096)
    const second = make('second')
    expect(codeBytes()).toBe(one)
    first.dispose()
    expect(run(second)).toEqual(result.map((v) => v + 1))
    second.dispose()
    expect(codeBytes()).toBe(before)
    const third = make('third')
    expect(run(third)).toEqual(result.map((v) => v + 1))
    third.dispose()
    expect(codeBytes()).toBe(before)
  })

  test('share none with one that differs in a number', () => {
    const d = new X64Device({ threads: 1 })
    const other = (): Kernel => {
      const k = new KernelBuilder('add', n)
      const [x, y] = [k.buffer('x', 'f32', 'read', n), k.buffer('y', 'f32', 'write', n)]
      const at = plus(times(ofVar(k.chunk), 1), 0)
      k.store(y, at, k.set('add', k.load(x, at), k.const('f32', 2)))
      return k.finish()
    }
    const plans = [compiled(n, 'add'), other()].map((kernel) =>
      d.buildPlan(single(kernel, n, [0, 1]), ports(n)),
    )
    expect(plans.map(run)).toEqual([result, result.map((v) => v + 1)])
  })
})

describe.skipIf(!canRun())('memory stays where it is', () => {
  test('over a hundred thousand runs of a small plan', async () => {
    const n = 20
    const d = device()
    const plan = d.buildPlan(twice(n), ports(n))
    const x = ramp(n)
    const many = (runs: number): void => {
      for (let i = 0; i < runs; i++) plan.run([x], [null])
    }
    const used = (): NodeJS.MemoryUsage => {
      globalThis.gc?.()
      return process.memoryUsage()
    }
    many(1000)
    const [bytes, before] = [d.memory().bytes, used()]
    many(100_000)
    expect(d.memory().bytes).toBe(bytes)
    if (!globalThis.gc) return
    // Arrays that were collected are given back in the background, soon.
    await vi.waitFor(
      () => {
        const after = used()
        expect(after.heapUsed - before.heapUsed).toBeLessThan(2 << 20)
        expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 << 20)
      },
      { timeout: 10_000, interval: 100 },
    )
  })

  test('over a loop of large results that nobody keeps', () => {
    const n = 1 << 20
    const plan = device().buildPlan(twice(n), ports(n))
    const x = ramp(n)
    let most = 0
    for (let i = 0; i < 200; i++) {
      plan.run([x], [null])
      most = Math.max(most, process.memoryUsage().rss)
    }
    expect(most).toBeLessThan(1200 << 20)
  })

  test('when plans are made and disposed of', () => {
    const d = device()
    const once = (): void => {
      const plan = d.buildPlan(twice(100), ports(100))
      plan.run([ramp(100)], [null])
      plan.dispose()
      plan.dispose()
      expect(() => plan.run([ramp(100)], [null])).toThrow(/disposed/)
    }
    once()
    const { bytes } = d.memory()
    for (let i = 0; i < 50; i++) once()
    expect(d.memory().bytes).toBe(bytes)
    d.close()
    once()
  })

  test('where addresses are of arrays that are still there', () => {
    const d = device()
    const n = 3000
    const plan = d.buildPlan(twice(n), ports(n))
    for (let i = 0; i < 300; i++) {
      const [y] = plan.run([ramp(n)], [null])
      expect(addressOf(y!.host!)).toBe(y!.residence!.address)
      if (i % 50 === 0) globalThis.gc?.()
    }
  })
})

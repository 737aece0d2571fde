// Plans on the WebAssembly device: bindings, results, faults, host calls, memory.

import { describe, expect, test, vi } from 'vitest'
import { IndexError } from '../../base/errors.js'
import { affine, ofVar, plus, times } from '../../compiler/kernel/affine.js'
import { KernelBuilder } from '../../compiler/kernel/builder.js'
import type { Kernel, Plan } from '../../compiler/kernel/ir.js'
import { collectGarbage, kernelTwice, ports } from '../harness.js'
import { Storage } from '../storage.js'
import { WasmDevice } from './device.js'

/** y = x + 1 over n elements, in chunks of `per`. */
function increment(n: number, per = 4096): Kernel {
  const k = new KernelBuilder('increment', Math.max(1, Math.ceil(n / per)))
  const x = k.buffer('x', 'f32', 'read', n)
  const y = k.buffer('y', 'f32', 'write', n)
  const first = times(ofVar(k.chunk), per)
  k.vector('i', { min: [affine(per), plus(times(first, -1), n)] }, 8, (i) => {
    const at = plus(first, i)
    k.store(y, at, k.set('add', k.load(x, at), k.const('f32', 1)))
  })
  k.bytes = 8 * n
  return k.finish()
}

/** input 0 → arena → output 0, adding 1 twice. */
const twice = (n: number): Plan => kernelTwice(n, increment(n))

const ramp = (n: number): Storage =>
  Storage.of(
    'float32',
    Float32Array.from({ length: n }, (_, i) => i),
  )

describe('a plan of two kernels', () => {
  test.each([1, 7, 1000, 100_000])('computes %i elements', (n) => {
    const device = new WasmDevice()
    const plan = device.buildPlan(twice(n), ports(n))
    for (let round = 0; round < 3; round++) {
      const [y] = plan.run([ramp(n)], [null])
      expect(Array.from(y!.read() as Float32Array)).toEqual(
        Array.from({ length: n }, (_, i) => i + 2),
      )
    }
    plan.dispose()
  })

  test('takes a number for a scalar', () => {
    const device = new WasmDevice()
    const [y] = device.buildPlan(twice(1), ports(1)).run([40], [null])
    expect(y!.read()[0]).toBe(42)
  })

  test('writes targets in place', () => {
    const device = new WasmDevice()
    const n = 100
    const plan = device.buildPlan(twice(n), ports(n))
    let front = ramp(n)
    let back = new Storage('float32', n, null)
    front.pinned = back.pinned = true
    for (let step = 0; step < 10; step++) {
      plan.run([front], [back])
      ;[front, back] = [back, front]
    }
    expect(front.read()[3]).toBe(23)
    expect(back.read()[3]).toBe(21)
  })
})

test('a fault becomes a typed error', () => {
  const k = new KernelBuilder('check')
  const x = k.buffer('x', 'i32', 'read', 6)
  const y = k.buffer('y', 'i32', 'write', 6)
  k.vector('i', 6, 8, (i) => {
    const v = k.load(x, i)
    k.status(k.set('lt', v, k.const('i32', 0)), 1)
    k.store(y, i, v)
  })
  const device = new WasmDevice()
  const plan = device.buildPlan(
    {
      buffers: [
        { kind: 'input', index: 0, bytes: 24 },
        { kind: 'output', index: 0, bytes: 24 },
      ],
      commands: [{ op: 'kernel', kernel: k.finish(), args: [0, 1] }],
      arenaBytes: 0,
      scratchBytes: 0,
      faults: [{ kind: 'index', op: 'gather', expected: 'an index', received: '-1', site: null }],
    },
    { inputs: [{ dtype: 'int32', length: 6 }], outputs: [{ dtype: 'int32', length: 6 }] },
  )
  const good = Storage.of('int32', Int32Array.of(1, 2, 3, 4, 5, 6))
  const bad = Storage.of('int32', Int32Array.of(1, 2, 3, 4, 5, -6))
  expect(() => plan.run([bad], [null])).toThrow(IndexError)
  expect(Array.from(plan.run([good], [null])[0]!.read() as Int32Array)).toEqual([1, 2, 3, 4, 5, 6])
})

test('host calls see the plan’s memory, and may run plans', () => {
  const n = 5000
  const device = new WasmDevice()
  const inner = device.buildPlan(twice(n), ports(n))
  const base = twice(n)
  const type = { shape: [n], dtype: 'float32' }
  const plan = device.buildPlan(
    {
      ...base,
      commands: [
        base.commands[0]!,
        {
          op: 'host',
          call: {
            name: 'negate',
            inputs: [{ buffer: 1, ...type }],
            outputs: [{ buffer: 1, ...type }],
            run: ([x], [y]) => {
              inner.run([ramp(n)], [null])
              const [from, to] = [x as Float32Array, y as Float32Array]
              for (let i = 0; i < n; i++) to[i] = -from[i]!
            },
          },
        },
        base.commands[2]!,
      ],
    },
    ports(n),
  )
  const [y] = plan.run([ramp(n)], [null])
  expect(y!.read()[7]).toBe(-7)
})

describe('memory stays where it is', () => {
  test('over a hundred thousand runs of a small plan', () => {
    const n = 20
    const device = new WasmDevice({ threads: 1 })
    const plan = device.buildPlan(twice(n), ports(n))
    const x = ramp(n)
    const many = (runs: number): void => {
      for (let i = 0; i < runs; i++) plan.run([x], [null])
    }
    many(1000)
    globalThis.gc?.()
    const [bytes, heap] = [device.memory().bytes, process.memoryUsage().heapUsed]
    many(100_000)
    globalThis.gc?.()
    expect(device.memory().bytes).toBe(bytes)
    if (globalThis.gc) expect(process.memoryUsage().heapUsed - heap).toBeLessThan(2 << 20)
  })

  test('over a loop of large results that nobody keeps', () => {
    const n = 1 << 20
    const device = new WasmDevice({ threads: 1 })
    const plan = device.buildPlan(twice(n), ports(n))
    const x = ramp(n)
    let most = 0
    for (let i = 0; i < 200; i++) {
      plan.run([x], [null])
      most = Math.max(most, device.memory().bytes)
    }
    expect(most).toBeLessThan(400 << 20)
  })

  test('while large results that are kept keep their values', () => {
    const n = 1 << 18
    const device = new WasmDevice({ threads: 1, budget: 8 << 20 })
    const plan = device.buildPlan(twice(n), ports(n))
    let value = ramp(n)
    const kept: Storage[] = []
    for (let i = 0; i < 30; i++) {
      value = plan.run([value], [null])[0]!
      kept.push(value)
    }
    for (const [i, s] of kept.entries()) expect(s.read()[5]).toBe(5 + 2 * (i + 1))
  })

  test('when plans are made and disposed of', () => {
    const device = new WasmDevice({ threads: 1 })
    const once = (): void => {
      const plan = device.buildPlan(twice(100), ports(100))
      plan.run([ramp(100)], [null])
      plan.dispose()
      expect(() => plan.run([ramp(100)], [null])).toThrow(/disposed/)
    }
    once()
    const { bytes } = device.memory()
    for (let i = 0; i < 50; i++) once()
    expect(device.memory().bytes).toBe(bytes)
  })

  test('when plans are lost without being disposed of', async () => {
    const device = new WasmDevice({ threads: 1 })
    const once = (): void => {
      device.buildPlan(twice(100), ports(100)).run([ramp(100)], [null])
    }
    once()
    const { bytes } = device.memory()
    for (let i = 0; i < 50; i++) once()
    // Finalizers run between turns of the event loop.
    await vi.waitFor(() => {
      collectGarbage()
      expect(device.memory().bytes).toBeLessThanOrEqual(bytes)
    })
  })
})

// What the profiler sees of programs that run.

import {
  compile,
  currentDeviceName,
  getNumThreads,
  Profiler,
  profile,
  rand,
  setNumThreads,
} from 'tessera'
import { describe, expect, test } from 'vitest'
import { listener } from '../src/backends/profile.js'

describe('profile', () => {
  const x = rand([300, 200])
  const y = rand([200, 500])
  const step = compile((p: typeof x, q: typeof x) => p.matmul(q).relu().sum())

  test('sees kernels, on all threads, and gives the same results', () => {
    const expected = step(x, y).item()
    const results: number[] = []
    const report = profile(
      () => {
        for (let i = 0; i < 30; i++) results.push(step(x, y).item() as number)
      },
      { limits: false },
    )
    expect(results).toEqual(new Array(30).fill(expected))
    expect(listener()).toBeNull()
    const { wall, kernels, between, host } = report.times
    expect(between).toBeGreaterThanOrEqual(0)
    expect(kernels + between).toBeLessThan(wall)
    expect(host).toBeGreaterThan(0)
    // The reference has no plans to look into.
    if (currentDeviceName() === 'reference') return
    expect(kernels).toBeGreaterThan(0)
    expect(report.kernels.some((k) => k.name.includes('dot') && k.calls === 30)).toBe(true)
    const flops = report.kernels.reduce((all, k) => all + k.gigaflops * k.total * 1e6, 0)
    expect(flops).toBeGreaterThanOrEqual(30 * 2 * 300 * 200 * 500)
  })

  test('sees what is compiled meanwhile', () => {
    const n = 173
    const report = profile(() => rand([n]).mul(3).exp().sum().item(), { limits: false })
    expect(report.times.compiling).toBeGreaterThan(0)
    expect(report.table()).toMatch(/compiling [1-9]/)
  })

  test('waits for promises, and stops when something is thrown', async () => {
    const report = await profile(
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        step(x, y).item()
      },
      { limits: false },
    )
    expect(report.times.wall).toBeGreaterThan(4)
    const fail = (): never => {
      throw new Error('on purpose')
    }
    expect(() => profile(fail, { limits: false })).toThrow('on purpose')
    await expect(profile(async () => fail(), { limits: false })).rejects.toThrow('on purpose')
    expect(listener()).toBeNull()
  })

  test('may be nested: both are told', () => {
    let inner: Profiler | null = null
    const outer = profile(
      () => {
        step(x, y).item()
        inner = profile(() => step(x, y).item(), { limits: false })
      },
      { limits: false },
    )
    const calls = (p: Profiler): number => Math.max(...p.kernels.map((k) => k.calls))
    if (currentDeviceName() === 'reference') return
    expect([calls(outer), calls(inner!)]).toEqual([2, 1])
  })

  test.skipIf(currentDeviceName() !== 'x64')('knows what the machine does at best', () => {
    const threads = getNumThreads()
    setNumThreads(1)
    const { limits } = new Profiler().start().stop()
    setNumThreads(threads)
    // Any processor with AVX2 has 16 operations a cycle and more, none has a thousand.
    expect(limits!.gigaflops).toBeGreaterThan(10)
    expect(limits!.gigaflops).toBeLessThan(1000)
    expect(limits!.gigabytes).toBeGreaterThan(0.5)
  })
})

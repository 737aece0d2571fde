// What the profiler makes of runs.

import { describe, expect, test } from 'vitest'
import type { Stretch, Work } from '../backends/profile.js'
import { Profiler, timesOf } from './profile.js'

const work = (name: string, flops = 0): Work => ({ kind: 'kernel', name, flops, bytes: 0 })
const [a, b, c] = [work('a', 2e6), work('b'), work('c')]
const stretch = (w: Work, thread: number, phase: number, start: number, end: number): Stretch => ({
  work: w,
  thread,
  phase,
  start,
  end,
})

/** Two phases: a and b side by side, b mostly by another thread, which is late for c. */
const STRETCHES = [
  stretch(a, 0, 0, 10, 14),
  stretch(b, 0, 0, 14, 15),
  stretch(c, 0, 1, 20, 30),
  stretch(a, 1, 0, 11, 12),
  stretch(b, 1, 0, 12, 16),
  stretch(c, 1, 1, 25, 32),
]
const RUN = { device: 'a device', start: 8, end: 40, stretches: STRETCHES }

describe('a run', () => {
  test('divides the time of a phase among what runs in it', () => {
    const times = timesOf(STRETCHES)
    expect(times.map((t) => t.work)).toEqual([a, b, c])
    expect(times.map((t) => t.total)).toEqual([3, 3, 12])
    expect(times.map((t) => t.busy)).toEqual([5, 5, 17])
  })

  test('of nothing takes no time', () => {
    expect(timesOf([])).toEqual([])
    expect(timesOf([stretch(a, 0, 0, 1, 1)])).toEqual([{ work: a, total: 0, busy: 0 }])
  })

  test('adds up with others', () => {
    const profiler = new Profiler({ limits: false })
    profiler.ran(RUN)
    profiler.ran(RUN)
    expect(profiler.kernels.map((k) => [k.name, k.calls, k.total, k.fastest])).toEqual([
      ['c', 2, 24, 12],
      ['a', 2, 6, 3],
      ['b', 2, 6, 3],
    ])
    const [, first] = profiler.kernels
    // 2 million operations in 3 ms.
    expect(first!.gigaflops).toBeCloseTo(2 / 3, 10)
    expect(first!.share).toBeCloseTo(6 / 64, 10)
    expect(first!.ofLimit).toBe(0)
    expect(profiler.times).toMatchObject({ kernels: 36, between: 28 })
    expect(profiler.table()).toMatch(/^c +2 +24\.00 +12000\.0/m)
    expect(profiler.table(1)).toContain('and 2 more')
  })

  test('is a trace with a row for each thread', () => {
    const profiler = new Profiler({ limits: false, trace: true })
    profiler.ran(RUN)
    const events = profiler.trace().traceEvents as { ph: string; tid: number; ts: number }[]
    expect(events.filter((e) => e.ph === 'M').length).toBe(3)
    expect(events.filter((e) => e.ph === 'X').length).toBe(7)
    expect(events).toContainEqual({
      ph: 'X',
      name: 'c',
      cat: 'kernel',
      pid: 1,
      tid: 2,
      ts: 25_000,
      dur: 7000,
    })
  })
})

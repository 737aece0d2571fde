// Plans on several threads: the same bits, whoever runs what.

import { describe, expect, test } from 'vitest'
import { Storage } from '../../storage.js'
import { X64Device } from '../device.js'
import {
  canRun,
  counting,
  emitByHand,
  pieceByPiece,
  pingPong,
  pingPongOf,
  ports,
} from '../harness.js'
import { isMapped } from './page.js'
import { defaultThreads, groupLimit, quotaOf } from './processors.js'

const N = 60_000
const STEPS = 12
const input = Storage.of(
  'float32',
  Float32Array.from({ length: N }, (_, i) => Math.sin(i)),
)
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const withThreads = (threads: number): X64Device => new X64Device({ threads, emit: emitByHand })
const bits = (s: Storage): Buffer => Buffer.from((s.read() as Float32Array).slice().buffer)

/** Waits until all threads have come to work. */
async function warm(device: X64Device, run: () => void): Promise<void> {
  for (let i = 0; i < 500 && device.listening < device.threads - 1; i++) {
    run()
    await sleep(5)
  }
  expect(device.listening).toBeGreaterThanOrEqual(device.threads - 1)
}

describe.skipIf(!canRun())('several threads', () => {
  test('give the same bits as one', async () => {
    const expected = Buffer.from(pingPongOf(input.read() as Float32Array, STEPS).buffer)
    for (const threads of [1, 2, 4]) {
      const device = withThreads(threads)
      const plan = device.buildPlan(pingPong(N, STEPS), ports(N))
      await warm(device, () => plan.run([input], [null]))
      for (let i = 0; i < 50; i++) {
        const [y] = plan.run([input], [null])
        expect(Buffer.compare(bits(y!), expected)).toBe(0)
      }
      plan.dispose()
    }
  })

  test('meet at many barriers', () => {
    const steps = 301
    const n = 2000
    const x = Storage.of('float32', new Float32Array(n).fill(1))
    const expected = Buffer.from(pingPongOf(x.read() as Float32Array, steps).buffer)
    for (const threads of [2, 3, 8]) {
      const plan = withThreads(threads).buildPlan(pingPong(n, steps, 50), ports(n))
      for (let i = 0; i < 20; i++) {
        expect(Buffer.compare(bits(plan.run([x], [null])[0]!), expected)).toBe(0)
      }
    }
  })

  test.each([1, 2, 4])(
    'run every chunk once: 100,000 launches on %i',
    (threads) => {
      const [grid, launches] = [40, 100_000]
      const device = withThreads(threads)
      const bytes = 4 * grid
      const plan = device.buildPlan(
        {
          buffers: [{ kind: 'output', index: 0, bytes }],
          commands: [{ op: 'kernel', kernel: counting(grid), args: [0] }],
          arenaBytes: 0,
          scratchBytes: 0,
          faults: [],
        },
        { inputs: [], outputs: [{ dtype: 'int32', length: grid }] },
      )
      const counts = Storage.of('int32', new Int32Array(grid))
      const targets = [counts]
      for (let i = 0; i < launches; i++) plan.run([], targets)
      expect((counts.read() as Int32Array).every((c) => c === launches)).toBe(true)
    },
    60_000,
  )

  test.each([1, 2, 3, 4])('%i run kernels piece by piece', async (threads) => {
    const [n, steps] = [6 * 4096, 7]
    const device = withThreads(threads)
    const plan = device.buildPlan(pieceByPiece(n, steps, 8), ports(n))
    const x = Float32Array.from({ length: n }, (_, i) => i)
    const from = Storage.of('float32', x)
    const run = (): number[] => Array.from(plan.run([from], [null])[0]!.read() as Float32Array)
    await warm(device, run)
    const expected = Array.from(x, (value) => value + steps)
    for (let i = 0; i < 50; i++) expect(run()).toEqual(expected)
  })

  test('can be changed at any time', async () => {
    const device = withThreads(1)
    const plan = device.buildPlan(pingPong(N, 3), ports(N))
    const run = (): Buffer => bits(plan.run([input], [null])[0]!)
    const expected = run()
    for (const threads of [3, 2, 5, 1, 4]) {
      device.threads = threads
      await warm(device, run)
      for (let i = 0; i < 10; i++) expect(Buffer.compare(run(), expected)).toBe(0)
    }
  })

  test('are found asleep, and woken', async () => {
    const device = withThreads(2)
    const plan = device.buildPlan(pingPong(N, 3), ports(N))
    const expected = bits(plan.run([input], [null])[0]!)
    for (let i = 0; i < 20; i++) {
      await sleep(5)
      expect(Buffer.compare(bits(plan.run([input], [null])[0]!), expected)).toBe(0)
    }
  })
})

describe('the number of threads', () => {
  test('is what the control group allows', () => {
    expect(quotaOf('max 100000\n')).toBe(Number.POSITIVE_INFINITY)
    expect(quotaOf('150000 100000')).toBe(1.5)
    expect(quotaOf('-1 100000')).toBe(Number.POSITIVE_INFINITY)
    const files = (map: Record<string, string>) => (path: string) => map[path] ?? null
    expect(
      groupLimit(
        files({
          '/proc/self/cgroup': '0::/a/b\n',
          '/sys/fs/cgroup/a/b/cpu.max': 'max 100000',
          '/sys/fs/cgroup/a/cpu.max': '200000 100000',
        }),
      ),
    ).toBe(2)
    expect(
      groupLimit(
        files({
          '/proc/self/cgroup': '3:cpu,cpuacct:/\n2:memory:/\n',
          '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '50000\n',
          '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
        }),
      ),
    ).toBe(0.5)
    expect(groupLimit(() => null)).toBe(Number.POSITIVE_INFINITY)
    expect(defaultThreads()).toBeGreaterThanOrEqual(1)
  })

  test('page of the team is recognised', () => {
    const maps =
      '2e55e7a00000-2e55e7a01000 rw-s 00000000 00:01 1 /memfd:tessera-team-1 (deleted)\n' +
      '7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n'
    expect(isMapped(maps, 0x2e55_e7a0_0000, 'tessera-team-1')).toBe(true)
    expect(isMapped(maps, 0x7f00_0000_0000, 'tessera-team-1')).toBe(false)
    expect(isMapped(maps, 0x2e55_e7a0_0000, 'tessera-team-2')).toBe(false)
  })
})

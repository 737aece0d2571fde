// What it costs to run plans on the x64 device before any work is done: calls, barriers, waking threads,
// memory for results. `npm run example -- bench/x64/launch.ts [--busy]`; with `--busy` besides processes
// that keep every processor busy.

import { spawn } from 'node:child_process'
import os from 'node:os'
import { Storage } from '../../src/backends/storage.js'
import { X64Device, x64Available } from '../../src/backends/x64/device.js'
import {
  counting,
  emitByHand,
  handKernel,
  increment,
  pingPong,
  ports,
  twice,
} from '../../src/backends/x64/harness.js'
import { Arrays } from '../../src/backends/x64/native/arrays.js'
import { Code } from '../../src/backends/x64/native/code.js'
import type { Kernel, Plan } from '../../src/compiler/kernel/ir.js'

const { available, detail } = x64Available()
console.log(`x64: ${detail}; ${os.cpus()[0]?.model}, ${os.availableParallelism()} processors`)
if (!available) process.exit(0)

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.floor((sorted.length - 1) * q)]!

/** Median and 99th percentile of single runs, in microseconds. */
function report(what: string, runs: number, once: () => void, before?: () => void): number {
  for (let i = 0; i < Math.min(runs, 2000); i++) {
    before?.()
    once()
  }
  const times: number[] = []
  for (let i = 0; i < runs; i++) {
    before?.()
    const start = process.hrtime.bigint()
    once()
    times.push(Number(process.hrtime.bigint() - start) / 1e3)
  }
  times.sort((a, b) => a - b)
  const [median, late] = [quantile(times, 0.5), quantile(times, 0.99)]
  console.log(`${what.padEnd(58)} ${median.toFixed(2).padStart(9)} ${late.toFixed(2).padStart(9)}`)
  return median
}

/** Mean of a loop, in nanoseconds: without what reading the clock costs. */
function mean(what: string, runs: number, once: () => void): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < runs; i++) once()
    best = Math.min(best, Number(process.hrtime.bigint() - start) / runs)
  }
  console.log(`${what.padEnd(58)} ${(best / 1e3).toFixed(3).padStart(9)}`)
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))
const idle = (ms: number) => () => void Atomics.wait(sleeper, 0, 0, ms)
const filled = (n: number): Storage => Storage.of('float32', new Float32Array(n).fill(1))
const deviceOf = (threads: number): X64Device => new X64Device({ threads, emit: emitByHand })
const one = deviceOf(1)
const two = deviceOf(2)

function calls(): void {
  console.log(`\n${'alone, best mean'.padEnd(58)} ${'µs'.padStart(9)}`)
  const nothing = handKernel('nothing', 1, 1, (a) => a.ret())
  const empty: Plan = {
    buffers: [],
    commands: [{ op: 'kernel', kernel: nothing, args: [] }],
    arenaBytes: 0,
    scratchBytes: 0,
    faults: [],
  }
  const bare = one.buildPlan(empty, { inputs: [], outputs: [] })
  mean('a plan of nothing', 1e5, () => bare.run([], []))
  const chain = one.buildPlan(
    { ...empty, commands: new Array(100).fill(empty.commands[0]) },
    { inputs: [], outputs: [] },
  )
  mean('a plan of 100 kernels that do nothing', 1e4, () => chain.run([], []))
  const x = filled(8)
  const y = filled(8)
  const small = one.buildPlan(twice(8), ports(8))
  mean('8 numbers in, 8 out, a new result', 1e5, () => small.run([x], [null]))
  mean('8 numbers in, 8 out, into a target', 1e5, () => small.run([x], [y]))
  const scalar = one.buildPlan(twice(1), ports(1))
  mean('a number in, a scalar out', 1e5, () => scalar.run([1], [null]))
  const code = new Uint8Array(5000).fill(0xc3)
  mean('5,000 bytes of code made executable, and freed', 2000, () => Code.load(code).free())
}

function memory(): void {
  console.log(
    `\n${'memory for results'.padEnd(58)} ${'median µs'.padStart(9)} ${'p99'.padStart(9)}`,
  )
  const arrays = new Arrays()
  for (const n of [256, 16_384, 1 << 20]) {
    const kept = new Float32Array(n)
    const size = `${(4 * n) / 1024} KiB`
    report(`${size}: fill a kept array`, 300, () => kept.fill(1))
    report(`${size}: fill one of ours, thrown away`, 300, () =>
      arrays.make('float32', n).array.fill(1 as never),
    )
    report(`${size}: fill a new Float32Array, thrown away`, 300, () => new Float32Array(n).fill(1))
  }
}

const shared = (kernel: Kernel, times: number, n: number): Plan => {
  const commands: Plan['commands'][number][] = []
  for (let i = 0; i < times; i++) {
    commands.push({ op: 'kernel', kernel, args: [0] }, { op: 'barrier' })
  }
  return {
    buffers: [{ kind: 'output', index: 0, bytes: 4 * n }],
    commands,
    arenaBytes: 0,
    scratchBytes: 0,
    faults: [],
  }
}

async function threads(): Promise<void> {
  console.log(`\n${'two threads'.padEnd(58)} ${'median µs'.padStart(9)} ${'p99'.padStart(9)}`)
  const grid = 2
  const count = counting(grid)
  const kernel = { ...count, bytes: 1e9 }
  const emit = () => emitByHand(count, two.target)
  const device = new X64Device({ threads: 2, emit })
  const out = { inputs: [], outputs: [{ dtype: 'int32' as const, length: grid }] }
  const target = [Storage.of('int32', new Int32Array(grid))]
  const launch = device.buildPlan(shared(kernel, 1, grid), out)
  const barriers = device.buildPlan(shared(kernel, 101, grid), out)
  launch.run([], target)
  while (device.listening < 1) await new Promise((resolve) => setTimeout(resolve, 1))
  const first = report('a launch, hot', 20_000, () => launch.run([], target))
  const many = report('100 more phases, hot', 3000, () => barriers.run([], target))
  console.log(`${'  that is for each'.padEnd(58)} ${((many - first) / 100).toFixed(3).padStart(9)}`)
  report('a launch after 1 ms of idleness', 300, () => launch.run([], target), idle(1))
  report('a launch after 10 ms of idleness', 100, () => launch.run([], target), idle(10))
}

function work(): number[] {
  console.log(`\n${'work'.padEnd(58)} ${'median µs'.padStart(9)} ${'p99'.padStart(9)}`)
  const n = 20_000
  const x = filled(n)
  return [one, two].map((device) => {
    const plan = device.buildPlan(pingPong(n, 20, 1000), ports(n))
    return report(`20 dependent kernels of 20 chunks, ${device.threads} threads`, 800, () =>
      plan.run([x], [null]),
    )
  })
}

calls()
memory()
await threads()
const quiet = work()
const mapped = one.buildPlan(
  {
    ...twice(1 << 20),
    commands: [{ op: 'kernel', kernel: increment(1 << 20, 1 << 14), args: [0, 2] }],
  },
  ports(1 << 20),
)
const big = filled(1 << 20)
report('1 Mi numbers plus one (element by element), 1 thread', 200, () => mapped.run([big], [null]))

if (process.argv.includes('--busy')) {
  const others = Array.from({ length: os.availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  )
  await new Promise((resolve) => setTimeout(resolve, 500))
  console.log(`\nwith ${others.length} busy processes`)
  const busy = work()
  for (const p of others) p.kill()
  for (const [i, time] of busy.entries()) {
    console.log(`${i + 1} threads: ${(time / quiet[i]!).toFixed(2)} times the quiet median`)
  }
}
process.exit(0)

// What it costs to start a plan, to share a kernel, and to meet at a barrier:
// `node scripts/run.mjs bench/wasm/launch.ts [threads]`.

import { Storage } from '../../src/backends/storage.js'
import { WasmDevice } from '../../src/backends/wasm/device.js'
import { KernelBuilder } from '../../src/compiler/kernel/builder.js'
import type { Command, Plan } from '../../src/compiler/kernel/ir.js'

const threads = Number(process.argv[2] ?? 2)
const device = new WasmDevice({ threads })

/** `count` kernels of next to nothing, each after a barrier; `weight` bytes each says it moves. */
function plan(count: number, weight: number): Plan {
  const k = new KernelBuilder('small', 16)
  const x = k.buffer('x', 'f32', 'read', 8)
  const y = k.buffer('y', 'f32', 'write', 8)
  k.vector('i', 8, 8, (i) => k.store(y, i, k.load(x, i)))
  k.bytes = weight
  const kernel = k.finish()
  const commands: Command[] = []
  for (let i = 0; i < count; i++)
    commands.push({ op: 'barrier' }, { op: 'kernel', kernel, args: [0, 1] })
  return {
    buffers: [
      { kind: 'input', index: 0, bytes: 32 },
      { kind: 'output', index: 0, bytes: 32 },
    ],
    commands,
    arenaBytes: 0,
    scratchBytes: 0,
    faults: [],
  }
}

const port = { dtype: 'float32' as const, length: 8 }
const a = Storage.of('float32', new Float32Array(8))

/** Nanoseconds of a run: the median, and of the best tenth. */
function time(p: Plan, runs = 20_000): { median: number; best: number } {
  const e = device.buildPlan(p, { inputs: [port], outputs: [port] })
  for (let i = 0; i < 2000; i++) e.run([a], [null])
  const times: number[] = []
  for (let i = 0; i < runs; i++) {
    const t = process.hrtime.bigint()
    e.run([a], [null])
    times.push(Number(process.hrtime.bigint() - t))
  }
  times.sort((x, y) => x - y)
  return { median: times[runs >> 1]!, best: times[Math.floor(runs / 10)]! }
}

const heavy = plan(1, 1e7)
const start = performance.now()
const first = device.buildPlan(heavy, { inputs: [port], outputs: [port] })
while (device.listening < threads - 1) first.run([a], [null])
console.log(`${threads} threads listen after ${(performance.now() - start).toFixed(0)} ms`)
const show = (name: string, { median, best }: { median: number; best: number }): void =>
  console.log(`${name.padEnd(44)} median ${median.toFixed(0)} ns, best tenth ${best.toFixed(0)} ns`)
show('a plan of one small kernel, one thread', time(plan(1, 1)))
show('a plan of 101 small kernels, one thread', time(plan(101, 1)))
show('a plan of one kernel, shared', time(heavy))
const one = time(plan(1, 1e7))
const many = time(plan(101, 1e7))
show('a kernel and a barrier more, shared', {
  median: (many.median - one.median) / 100,
  best: (many.best - one.best) / 100,
})
const asleep: number[] = []
for (let i = 0; i < 50; i++) {
  await new Promise((resolve) => setTimeout(resolve, 20))
  const t = process.hrtime.bigint()
  first.run([a], [null])
  asleep.push(Number(process.hrtime.bigint() - t))
}
asleep.sort((x, y) => x - y)
show('a plan of one kernel, workers asleep', { median: asleep[25]!, best: asleep[5]! })

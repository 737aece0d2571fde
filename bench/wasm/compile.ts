// How long plans take to build, and how soon they run at full speed:
// `node scripts/run.mjs bench/wasm/compile.ts [flags of V8 …]`.

import v8 from 'node:v8'
import { Storage } from '../../src/backends/storage.js'
import { WasmDevice } from '../../src/backends/wasm/device.js'
import { detectEngine } from '../../src/backends/wasm/engine.js'
import { emitPlan } from '../../src/backends/wasm/plan-module.js'
import { wasmTarget } from '../../src/backends/wasm/target.js'
import { lowerDot } from '../../src/compiler/contract/dot.js'
import { values, Workspace } from '../../src/compiler/contract/fixtures.js'
import type { BufferRef, KernelCall } from '../../src/compiler/kernel/assembly.js'
import { build, planOf } from './plans.js'

const flags = process.argv.slice(2).filter((a) => a.startsWith('--'))
const engine = detectEngine()
for (const f of flags) v8.setFlagsFromString(f)

const w = new Workspace(wasmTarget(engine))
const calls: KernelCall[] = []
const inputs: BufferRef[] = []
const outputs: BufferRef[] = []
const attrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
for (let i = 0; i < 30; i++) {
  const [m, n, k] = [32 + (i % 5) * 7, 64 + i, 100 + 3 * i]
  const left = w.reader('a', 'float32', [m, k], values(m * k, 1))
  const right = w.reader('b', 'float32', [k, n], values(k * n, 2), i % 2 ? [0, 1] : [1, 0])
  const out = w.buffer('c', 'f32', m * n)
  inputs.push(left.direct!.buffer, right.direct!.buffer)
  outputs.push(out)
  calls.push(
    ...lowerDot(
      { attrs, left: [m, k], right: [k, n], dtype: 'float32' },
      left,
      right,
      w.writer(out, [m, n]),
      w,
    ),
  )
}
const t0 = performance.now()
const module = emitPlan(planOf(calls, inputs, outputs), { relaxed: engine.relaxed, shared: true })
const t1 = performance.now()
emitPlan(planOf(calls, inputs, outputs), { relaxed: engine.relaxed, shared: true })
const t2 = performance.now()
console.log(
  `${calls.length} kernels, ${module.bytes.length} bytes; emit ${(t1 - t0).toFixed(1)} ms, again ${(t2 - t1).toFixed(1)} ms`,
)
const device = new WasmDevice({ threads: 1 })
const t3 = performance.now()
const plan = build(device, calls, inputs, outputs)
const t4 = performance.now()
const bound = inputs.map((r) => Storage.of('float32', w.memory.get(r.id) as Float32Array))
for (const b of bound) b.pinned = true
const nulls = outputs.map(() => null)
const times: number[] = []
for (let i = 0; i < 200; i++) {
  const t = performance.now()
  plan.run(bound, nulls)
  times.push(performance.now() - t)
}
const best = Math.min(...times)
console.log(
  `build ${(t4 - t3).toFixed(1)} ms, first run ${times[0]!.toFixed(1)} ms, best ${best.toFixed(3)} ms, ` +
    `total of 200 ${times.reduce((a, b) => a + b).toFixed(0)}; within 15% of best after ${times.findIndex((t) => t < best * 1.15)} runs; ` +
    [1, 2, 5, 10, 20, 50, 100].map((i) => `${i}:${times[i]!.toFixed(2)}`).join(' '),
)

// Matrix products on the WebAssembly device against the multiply-add peak of the same engine:
// `node scripts/run.mjs bench/wasm/dot.ts [rows x lanes …] [sizes …]`, for example `4x8 6x8 512`.

import { Storage } from '../../src/backends/storage.js'
import { WasmDevice } from '../../src/backends/wasm/device.js'
import { FunctionBody } from '../../src/backends/wasm/encode/function.js'
import { ModuleBuilder } from '../../src/backends/wasm/encode/module.js'
import { detectEngine } from '../../src/backends/wasm/engine.js'
import { wasmTarget } from '../../src/backends/wasm/target.js'
import { lowerDot } from '../../src/compiler/contract/dot.js'
import { values, Workspace } from '../../src/compiler/contract/fixtures.js'
import { build, time } from './plans.js'

/** GF/s of independent multiply-adds on registers. */
function peak(): number {
  const f = new FunctionBody({ parameters: ['i32'], results: ['f32'] })
  const acc = Array.from({ length: 12 }, () => f.local('v128'))
  const x = f.local('v128')
  f.f32(1.0001)
  f.op('f32x4.splat')
  f.set(x)
  f.loop(() => {
    for (let u = 0; u < 4; u++) {
      for (const a of acc) {
        f.get(x)
        f.get(x)
        f.get(a)
        f.op('f32x4.relaxed_madd')
        f.set(a)
      }
    }
    f.get(0)
    f.i32(1)
    f.op('i32.sub')
    f.tee(0)
    f.branchIf(0)
  })
  f.get(acc[0]!)
  for (const a of acc.slice(1)) {
    f.get(a)
    f.op('f32x4.add')
  }
  f.lane('f32x4.extract_lane', 0)
  const module = new ModuleBuilder(false)
  module.export('f', module.add(f))
  const memory = new WebAssembly.Memory({ initial: 0, maximum: 65536 })
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), {
    env: { memory },
  })
  const run = exports.f as (n: number) => number
  const n = 100_000
  for (let i = 0; i < 3; i++) run(n)
  return (n * 48 * 8) / time(() => run(n), 0.5) / 1e9
}

const engine = detectEngine()
const sizes = process.argv
  .slice(2)
  .map(Number)
  .filter((n) => n > 0)
const tiles = process.argv
  .slice(2)
  .filter((a) => a.includes('x'))
  .map((a) => a.split('x').map(Number) as [number, number])
  .map(([rows, lanes]) => ({ rows, lanes }))
const ceiling = peak()
console.log(`${process.version} peak ${ceiling.toFixed(1)} GF/s`)
for (const tile of tiles.length > 0 ? tiles : [wasmTarget(engine).tile]) {
  for (const n of sizes.length > 0 ? sizes : [32, 64, 128, 256, 512, 1024]) {
    const target = { ...wasmTarget(engine), tile }
    const device = new WasmDevice()
    const w = new Workspace(target)
    const x = values(n * n, 1)
    const y = values(n * n, 2)
    const left = w.reader('a', 'float32', [n, n], x)
    const right = w.reader('b', 'float32', [n, n], y)
    const out = w.buffer('c', 'f32', n * n)
    const attrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
    const calls = lowerDot(
      { attrs, left: [n, n], right: [n, n], dtype: 'float32' },
      left,
      right,
      w.writer(out, [n, n]),
      w,
    )
    const t0 = performance.now()
    const plan = build(device, calls, [left.direct!.buffer, right.direct!.buffer], [out])
    const t1 = performance.now()
    const a = Storage.of('float32', x)
    const b = Storage.of('float32', y)
    const c = new Storage('float32', n * n, null)
    a.pinned = b.pinned = c.pinned = true
    plan.run([a, b], [c])
    const t2 = performance.now()
    for (let i = 0; i < 20; i++) plan.run([a, b], [c])
    const got = c.read() as Float32Array
    let error = 0
    for (let q = 0; q < 100; q++) {
      const [i, j] = [(q * 7919) % n, (q * 104729) % n]
      let sum = 0
      for (let k = 0; k < n; k++) sum += x[i * n + k]! * y[k * n + j]!
      error = Math.max(error, Math.abs(sum - got[i * n + j]!))
    }
    const rate = (2 * n ** 3) / time(() => plan.run([a, b], [c]), 0.7) / 1e9
    console.log(
      `${tile.rows}x${tile.lanes} ${n}: ${rate.toFixed(1)} GF/s, ${((100 * rate) / ceiling).toFixed(0)}% of peak, error ${error.toExponential(1)}, ` +
        `build ${(t1 - t0).toFixed(1)} ms, first run ${(t2 - t1).toFixed(1)} ms; ${plan.describe()}`,
    )
  }
}

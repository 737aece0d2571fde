// `node scripts/run.mjs --no-enable-source-maps bench/recording.ts [--json] [--seconds S]`: what an eager
// training step costs besides computing. The device is a stub that answers at once, so all that is left is
// recording the step, writing its key, finding its plan, and putting results where they belong.

import { parseArgs } from 'node:util'
import { F, manualSeed, nn, optim, planStatistics, rand, randint, setDevice } from 'tessera'
import type { Device, Executable } from '../src/backends/device.js'
import { Storage } from '../src/backends/storage.js'
import { allocate } from '../src/base/dtype.js'
import { type StaticShape, sizeOf } from '../src/base/shape.js'
import type { Program } from '../src/ir/program.js'
import { registerDevice } from '../src/runtime/devices.js'

/** Answers every run with the same storages. */
class Stub implements Device {
  readonly name = 'stub'
  threads = 1

  build({ outputs }: Program): Executable {
    const results = outputs.map(({ shape, dtype }) =>
      Storage.of(dtype, allocate(dtype, sizeOf(shape as StaticShape))),
    )
    return {
      run: (_, targets) => {
        const stored: Storage[] = new Array(results.length)
        for (let j = 0; j < results.length; j++) {
          const target = targets[j] ?? null
          if (target !== null) target.host ??= (results[j] as Storage).host
          stored[j] = target ?? (results[j] as Storage)
        }
        return stored
      },
      dispose: () => {},
      describe: () => 'stub',
    }
  }

  toHost(): void {}

  memory(): { bytes: number; detail: string } {
    return { bytes: 0, detail: 'none' }
  }
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '2' },
  },
})

const info = { name: 'stub', available: true, detail: 'computes nothing' }
registerDevice({ name: 'stub', probe: () => info, create: () => new Stub() })
setDevice('stub')
manualSeed(0)

// The workload mlp_b32, eagerly, the loss read back every step.
const model = new nn.Sequential(
  new nn.Linear(784, 128),
  new nn.ReLU(),
  new nn.Dropout(0.2),
  new nn.Linear(128, 10),
)
const adam = new optim.Adam(model.parameters())
const x = rand([32, 784]).realize()
const y = randint(0, 10, [32]).realize()

function step(): number {
  adam.zeroGrad()
  const loss = F.crossEntropy(model.call(x), y)
  loss.backward()
  adam.step()
  return loss.item()
}

const BATCH = 500
const times: number[] = []
for (let i = 0; i < 10 * BATCH; i++) step()
const { misses } = planStatistics()
const end = performance.now() + Number(values.seconds) * 1e3
while (performance.now() < end) {
  const start = performance.now()
  for (let i = 0; i < BATCH; i++) step()
  times.push(((performance.now() - start) / BATCH) * 1e3)
}
if (planStatistics().misses !== misses) throw new Error('the steps did not find their plan')
times.sort((a, b) => a - b)
const round = (us: number): number => Number(us.toFixed(2))
const median_us = round(times[times.length >> 1] as number)
const min_us = round(times[0] as number)
const result = { workload: 'recording_mlp_b32', median_us, min_us, runs: times.length * BATCH }
console.log(values.json ? JSON.stringify(result) : `${median_us} µs a step (min ${min_us})`)

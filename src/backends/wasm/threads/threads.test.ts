// Plans on several threads: the same bits, whoever runs what; and workers that let the process end.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { affine, ofVar, plus, times } from '../../../compiler/kernel/affine.js'
import { KernelBuilder } from '../../../compiler/kernel/builder.js'
import type { Kernel, Plan } from '../../../compiler/kernel/ir.js'
import { Storage } from '../../storage.js'
import { WasmDevice } from '../device.js'

const N = 300_000
const STEPS = 12

/** y[i] = x[i]·0.5 + x[n-1-i], which needs what other threads wrote before. */
function blend(): Kernel {
  const per = 2048
  const k = new KernelBuilder('blend', Math.ceil(N / per))
  const x = k.buffer('x', 'f32', 'read', N)
  const y = k.buffer('y', 'f32', 'write', N)
  const first = times(ofVar(k.chunk), per)
  k.vector('i', { min: [affine(per), plus(times(first, -1), N)] }, 8, (i) => {
    const at = plus(first, i)
    const half = k.set('mul', k.load(x, at), k.const('f32', 0.5))
    k.store(y, at, k.set('add', half, k.load(x, plus(times(at, -1), N - 1))))
  })
  k.bytes = 1e6
  return k.finish()
}

/** Many dependent kernels and copies, back and forth between two buffers. */
function pingPong(): Plan {
  const kernel = blend()
  const commands: Plan['commands'][number][] = [{ op: 'copy', from: 0, to: 1, bytes: 4 * N }]
  for (let i = 0; i < STEPS; i++) {
    const args = i % 2 === 0 ? [1, 2] : [2, 1]
    commands.push({ op: 'barrier' }, { op: 'kernel', kernel, args })
  }
  commands.push({ op: 'barrier' }, { op: 'copy', from: 1, to: 3, bytes: 4 * N })
  return {
    buffers: [
      { kind: 'input', index: 0, bytes: 4 * N },
      { kind: 'arena', offset: 0, bytes: 4 * N },
      { kind: 'arena', offset: 4 * N + 64, bytes: 4 * N },
      { kind: 'output', index: 0, bytes: 4 * N },
    ],
    commands,
    arenaBytes: 8 * N + 128,
    scratchBytes: 0,
    faults: [],
  }
}

const port = { dtype: 'float32' as const, length: N }
const input = Storage.of(
  'float32',
  Float32Array.from({ length: N }, (_, i) => Math.sin(i)),
)
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const devices: WasmDevice[] = []
afterAll(() => {
  for (const d of devices) d.close()
})

async function withThreads(threads: number): Promise<WasmDevice> {
  const device = new WasmDevice({ threads })
  devices.push(device)
  return device
}

/** Waits until all workers listen. */
async function warm(device: WasmDevice, run: () => void): Promise<void> {
  for (let i = 0; i < 500 && device.listening < device.threads - 1; i++) {
    run()
    await sleep(10)
  }
  expect(device.listening).toBe(device.threads - 1)
}

describe('several threads', () => {
  test('give the same bits as one', async () => {
    const results: Float32Array[] = []
    for (const threads of [1, 2, 4]) {
      const device = await withThreads(threads)
      const plan = device.buildPlan(pingPong(), { inputs: [port], outputs: [port] })
      await warm(device, () => plan.run([input], [null]))
      for (let i = 0; i < 20; i++) {
        const [y] = plan.run([input], [null])
        results.push((y!.read() as Float32Array).slice())
      }
      plan.dispose()
      device.close()
    }
    const [first, ...rest] = results
    for (const r of rest)
      expect(Buffer.compare(Buffer.from(r.buffer), Buffer.from(first!.buffer))).toBe(0)
  })

  test('can be changed, and stopped and started again', async () => {
    const device = await withThreads(1)
    const plan = device.buildPlan(pingPong(), { inputs: [port], outputs: [port] })
    const run = (): number => plan.run([input], [null])[0]!.read()[5] as number
    const expected = run()
    expect(device.listening).toBe(0)
    device.threads = 3
    await warm(device, run)
    expect(run()).toBe(expected)
    device.threads = 2
    expect(run()).toBe(expected)
    device.close()
    expect(run()).toBe(expected)
    await warm(device, run)
    expect(run()).toBe(expected)
    device.close()
  })

  test('are refused where memory cannot be shared', () => {
    const device = new WasmDevice({ shared: false })
    expect(device.threads).toBe(1)
    expect(() => {
      device.threads = 2
    }).toThrow(/one thread/)
    const plan = device.buildPlan(pingPong(), { inputs: [port], outputs: [port] })
    expect(plan.run([input], [null])[0]!.read().length).toBe(N)
  })

  test('fail rather than wait for a thread that failed', async () => {
    // A kernel that reads far outside memory traps in whichever thread gets there.
    const k = new KernelBuilder('trap', 64)
    const x = k.buffer('x', 'i32', 'read', N)
    const y = k.buffer('y', 'i32', 'write', N)
    k.vector('i', 4, 4, (i) => k.store(y, i, k.gather(x, i, k.const('i32', 1 << 29), 1)))
    k.bytes = 1e7
    const device = await withThreads(2)
    const good = device.buildPlan(pingPong(), { inputs: [port], outputs: [port] })
    await warm(device, () => good.run([input], [null]))
    const bad = device.buildPlan(
      {
        ...pingPong(),
        commands: [{ op: 'kernel', kernel: k.finish(), args: [1, 2] }],
      },
      { inputs: [port], outputs: [port] },
    )
    expect(() => bad.run([input], [null])).toThrow()
    expect(good.run([input], [null])[0]!.read().length).toBe(N)
    device.close()
  })
})

describe('a process with workers', () => {
  const root = path.resolve(import.meta.dirname, '../../../..')
  const dir = mkdtempSync(path.join(root, '.cache', 'exit-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  const script = (end: string): string => `
import { WasmDevice } from '${root}/src/backends/wasm/device.js'
import { KernelBuilder } from '${root}/src/compiler/kernel/builder.js'
import { Storage } from '${root}/src/backends/storage.js'
const k = new KernelBuilder('k', 1000)
const x = k.buffer('x', 'f32', 'read', 8)
const y = k.buffer('y', 'f32', 'write', 8)
k.vector('i', 8, 8, (i) => k.store(y, i, k.load(x, i)))
k.bytes = 1e7
const kernel = k.finish()
const device = new WasmDevice({ threads: 3 })
const plan = device.buildPlan({
  buffers: [{ kind: 'input', index: 0, bytes: 32 }, { kind: 'output', index: 0, bytes: 32 }],
  commands: [{ op: 'kernel', kernel, args: [0, 1] }], arenaBytes: 0, scratchBytes: 0, faults: [],
}, { inputs: [{ dtype: 'float32', length: 8 }], outputs: [{ dtype: 'float32', length: 8 }] })
const a = Storage.of('float32', new Float32Array(8).fill(3))
while (device.listening < 2) plan.run([a], [null])
for (let i = 0; i < 100; i++) plan.run([a], [null])
console.log('ran', plan.run([a], [null])[0].read()[7])
${end}
`
  test.each([
    ['that ends', '', 0],
    ['that exits', 'process.exit(7)', 7],
    ['that throws', "throw new Error('on purpose')", 1],
  ])('%s', (name, end, code) => {
    const file = path.join(dir, `${name.replaceAll(' ', '-')}.ts`)
    writeFileSync(file, script(end))
    const run = spawnSync(process.execPath, [path.join(root, 'scripts/run.mjs'), file], {
      encoding: 'utf8',
      timeout: 15_000,
    })
    expect(run.stdout).toBe('ran 3\n')
    expect(run.status).toBe(code)
  })
})

// Where machine code cannot be had, WebAssembly trains, and where that cannot either, the reference does;
// each says why. What fits in WebAssembly and machine code gives the same bits.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wasmAvailable } from '../src/backends/wasm/device.js'
import { x64Available } from '../src/backends/x64/device.js'
import { bundled, type Program } from './support/child.js'

interface Answer {
  readonly taken: boolean
  readonly used: string
  readonly devices: Readonly<Record<string, { available: boolean; detail: string }>>
  /** Of all weights after some steps, compiled and eager. */
  readonly digests: readonly string[]
  /** Before and after another training. */
  readonly losses: readonly [number, number]
}

let program: Program
beforeAll(async () => {
  program = await bundled('fallbacks.ts')
})
afterAll(() => program.remove())

async function without(what: string, env: Record<string, string> = {}, steps = 20) {
  const options = { args: [what, String(steps)], env: { TESSERA_DEVICE: '', ...env } }
  return JSON.parse(await program.run(options)) as Answer
}

const fused = wasmAvailable().detail.includes('fma')

describe.skipIf(!x64Available().available)('a process', { timeout: 60_000 }, () => {
  let expected: readonly string[]
  beforeAll(async () => {
    const { used, digests } = await without('nothing')
    expect(used).toBe('x64')
    expected = digests
  }, 60_000)

  test.each([
    ['koffi', {}, 'the package koffi is not installed (npm install koffi)'],
    ['architecture', {}, 'it needs Linux on x86-64, and this is linux on arm64'],
    ['mprotect', {}, 'it needs executable memory, and there was EACCES from mprotect'],
    ['nothing', { TESSERA_CPU: 'none' }, 'TESSERA_CPU=none forbids it'],
  ])('that misses %s, with %o, trains with WebAssembly', async (what, env, why) => {
    const { used, devices, digests, losses } = await without(what, env)
    expect(devices.x64).toMatchObject({ available: false, detail: why })
    expect(used).toBe('wasm')
    if (fused) expect(digests).toEqual(expected)
    expect(losses[1]).toBeLessThan(0.01 * losses[0])
  })

  test('without executable memory trains with the reference', async () => {
    const { taken, used, devices, digests, losses } = await without('executable memory', {}, 1)
    if (!taken) return
    expect(devices.x64!.detail).toBe(
      'it needs executable memory, and there was EACCES from mprotect',
    )
    expect(devices.wasm!.detail).toBe('the system forbids to make executable memory')
    expect(used).toBe('reference')
    expect(digests[0]).toBe(digests[1])
    expect(losses[1]).toBeLessThan(0.01 * losses[0])
  })

  test('without executable memory says so when asked for machine code', async () => {
    for (const device of ['x64', 'wasm']) {
      const asked = without('executable memory', { TESSERA_DEVICE: device })
      const error = await asked.then((a) => (a.taken ? 'trained' : 'DeviceError'), String)
      expect(error).toContain('DeviceError')
    }
  })
})

// Whole training steps of every kind of network give the same bits whatever computes them: AVX-512, AVX2 or
// WebAssembly with fma, on any number of threads.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wasmAvailable } from '../src/backends/wasm/device.js'
import { chooseLevel, detectCpu } from '../src/backends/x64/cpu.js'
import { x64Available } from '../src/backends/x64/device.js'
import { bundled, type Program } from './support/child.js'

type Losses = Readonly<Record<string, readonly number[]>>

let program: Program
let expected: Losses
beforeAll(async () => {
  program = await bundled('network-bits.ts')
  expected = await losses(1, { TESSERA_DEVICE: 'x64', TESSERA_CPU: 'avx2' })
}, 120_000)
afterAll(() => program.remove())

async function losses(threads: number, env: Record<string, string>): Promise<Losses> {
  const answer = JSON.parse(
    await program.run({ env: { TESSERA_CPU: '', TESSERA_THREADS: String(threads), ...env } }),
  )
  expect(answer).toMatchObject({ device: env.TESSERA_DEVICE, threads })
  return answer.losses
}

const available = x64Available().available
const wide = available && 'level' in chooseLevel(detectCpu(), 'avx512')
const fused = wasmAvailable().detail.includes('fma')

describe.skipIf(!available)('networks train to the same bits', { timeout: 120_000 }, () => {
  test.each([2, 4])('with AVX2 on %i threads', async (threads) => {
    const env = { TESSERA_DEVICE: 'x64', TESSERA_CPU: 'avx2' }
    expect(await losses(threads, env)).toEqual(expected)
  })

  test.skipIf(!wide).each([1, 2, 4])('with AVX-512 on %i threads', async (threads) => {
    const env = { TESSERA_DEVICE: 'x64', TESSERA_CPU: 'avx512' }
    expect(await losses(threads, env)).toEqual(expected)
  })

  test.skipIf(!fused)('with WebAssembly', async () => {
    expect(await losses(2, { TESSERA_DEVICE: 'wasm' })).toEqual(expected)
  })
})

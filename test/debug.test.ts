// TESSERA_DEBUG: each level tells more.

import { currentDeviceName } from 'tessera'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundled, type Program } from './support/child.js'

let program: Program
beforeAll(async () => {
  program = await bundled('debugged.ts')
})
afterAll(() => program.remove())

const told = (level: number, env: Record<string, string> = {}): Promise<string> =>
  program.run({ env: { TESSERA_DEBUG: String(level), ...env } })

describe.skipIf(currentDeviceName() === 'reference')('TESSERA_DEBUG', () => {
  test('0 tells nothing', async () => {
    expect(await told(0)).toBe('')
  })

  test('1 tells of devices, and of plans that are compiled again', async () => {
    const text = await told(1, { TESSERA_DEVICE: '', TESSERA_CPU: 'none' })
    expect(text).toMatch(/^tessera: device x64 is not used: .+/m)
    expect(text).toMatch(/^tessera: plan 1 of \d+ nodes in [\d.]+ ms; wasm: 1 kernels/m)
    expect(text).toContain('the operations of plan 1 with float32 [2000] instead of float32 [1000]')
    expect(text).not.toContain('run 1')
  })

  test('2 tells the times of kernels', async () => {
    const text = await told(2)
    expect(text).toMatch(/^tessera: run 1 on \w+, [\d.]+ µs\n +[\d.]+ µs +[\d.]+ threads +\S/m)
    expect(text).not.toContain('kernel exp')
  })

  test('3 tells what kernels are', async () => {
    const text = await told(3)
    expect(text).toMatch(/^plan: \d+ bytes of arena/m)
    expect(text).toMatch(/^kernel .*add.* \[1000\], grid \d+\n {2}slot /m)
    expect(text).not.toContain('vmovups')
  })

  test.skipIf(currentDeviceName() !== 'x64')('4 tells the machine code', async () => {
    expect(await told(4)).toMatch(/^ {2}vmovups/m)
  })
})

// Threads of WebAssembly that wait for one another, in the code of each of V8's compilers: the baseline's
// runs until the optimizing compiler's is there.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { wasmAvailable } from '../src/backends/wasm/device.js'
import { bundled, type Program } from './support/child.js'

let program: Program
beforeAll(async () => {
  program = await bundled('phases.ts')
})
afterAll(() => program.remove())

describe.skipIf(!wasmAvailable().available)('a thread that waits for the end of a phase', () => {
  it.each(['--liftoff-only', '--no-liftoff'])('does so in code of %s', async (flag) => {
    expect(await program.run({ node: [flag] })).toBe('0\n')
  })
})

// Nobody frees tensors: loops written naively do not grow, whether or not they ever yield. Each runs in a
// process of its own, so that what is measured is the loop and nothing beside it.

import { currentDeviceName } from 'tessera'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundled, type Program } from './support/child.js'
import type { InUse } from './support/loops.js'

/** The reference computes a step in milliseconds: it is given a hundredth of the work. */
const scale = currentDeviceName() === 'reference' ? 0.01 : 1

let loops: Program
beforeAll(async () => {
  loops = await bundled('loops.ts')
})
afterAll(() => loops.remove())

/** The young generation at its full size from the start: V8 enlarges it by jumps, whenever it likes. */
const NODE = ['--expose-gc', '--min-semi-space-size=16', '--max-semi-space-size=16']

/**
 * By how much the end may exceed the most there was in the first three tenths of the steps. Objects are few, 10
 * to 35 MiB, and noticed where memory of the system is much: linear memory alone is 256 MiB.
 */
const MARGIN = { resident: 1.1, objects: 1.2 } as const

/** Fails if more is in use at the end than the margins allow. */
async function expectFlat(name: string, count: number, how?: 'yields'): Promise<void> {
  const steps = 10 * Math.ceil((count * scale) / 10)
  const args = [name, String(steps), ...(how === undefined ? [] : [how])]
  const samples = JSON.parse(await loops.run({ args, node: NODE })) as InUse[]
  for (const what of ['resident', 'objects'] as const) {
    const sizes = samples.map((sample) => sample[what])
    const warm = Math.max(...sizes.slice(0, 3))
    const end = sizes.at(-1) as number
    const megabytes = sizes.map((n) => (n / 2 ** 20).toFixed(1)).join(', ')
    expect(end, `${what} MiB over ${steps} steps: ${megabytes}`).toBeLessThan(MARGIN[what] * warm)
  }
}

describe('memory in use stays flat', { timeout: 240_000 }, () => {
  it('in 100,000 small steps that never yield', () => expectFlat('small steps', 100_000))
  it('in 20,000 small steps that yield', () => expectFlat('small steps', 20_000, 'yields'))
  it('in 1,000 convolutional steps that never yield', () => expectFlat('convolutional steps', 1000))
  it('in 1,000 convolutional steps that yield', () =>
    expectFlat('convolutional steps', 1000, 'yields'))
  // All of them on the reference, too: in a hundredth no chain gets so long that it is computed.
  it('in 100,000 sums of losses', () => expectFlat('sums of losses', 100_000 / scale))
  it('in sums of losses that were differentiated', () =>
    expectFlat('sums of losses that were differentiated', 20_000))
  it('in steps with a tape', () => expectFlat('steps with a tape', 20_000))
  it('in steps of differentiated functions', () => expectFlat('steps of functions', 40_000))
  it('in 100,000 compiled steps', () => expectFlat('compiled steps', 100_000))
  it('in steps that are printed and whose gradients are read', () =>
    expectFlat('steps that are looked into', 5000))
  // The pool of large blocks is at its full size when collections have met all of the loop's phases.
  it('when large results are dropped', () => expectFlat('large results', 60_000))
  it('when large results are dropped by a loop that yields', () =>
    expectFlat('large results', 60_000, 'yields'))
  it('over the batches of a loader', () => expectFlat('batches of a loader', 5000))
  it('in evaluation without noGrad', () => expectFlat('evaluation without noGrad', 20_000))
  it('when every batch has another length', () =>
    expectFlat('batches of ever different length', 800))
  it('when every batch has another length, compiled', () =>
    expectFlat('compiled batches of ever different length', 500))
})

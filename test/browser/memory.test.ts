// Nobody frees tensors: loops in a page do not grow, whether or not they ever yield.

import { describe, expect, inject, test } from 'vitest'
import type * as Loops from './pages/loops.js'
import { Browser, type Remote } from './support/chromium.js'
import { serve } from './support/server.js'
import { hasBrowser } from './support/suite.js'

const MIB = 2 ** 20

/** Resident sizes after each of a few rounds, and the largest ever, of a page in a browser of its own. */
async function sizes(
  rounds: number,
  round: (loops: Remote<typeof Loops>) => Promise<unknown>,
): Promise<{ after: number[]; most: number; text: string }> {
  const [browser, server] = await Promise.all([Browser.start(), serve([inject('pages')])])
  try {
    const page = await browser.open(`${server.url('isolated')}/`)
    const after: number[] = []
    for (let i = 0; i < rounds; i++) {
      await round(page.module<typeof Loops>('loops.js'))
      after.push((await browser.memory()).now)
    }
    expect(page.complaints).toEqual([])
    const { most } = await browser.memory()
    const inMib = [...after, most].map((n) => Math.round(n / MIB))
    return { after, most, text: `MiB after each round, and at most: ${inMib.join(', ')}` }
  } finally {
    await Promise.all([browser.close(), server.close()])
  }
}

const HOW = ['yields', 'never yields'] as const

describe.skipIf(!hasBrowser || process.platform !== 'linux')('the memory of a page', () => {
  test.each(HOW)('stays flat in steps of training, which %s', async (how) => {
    const { after, most, text } = await sizes(6, (loops) => loops.steps(300, how))
    const warm = Math.max(...after.slice(0, 3))
    expect(after.at(-1), text).toBeLessThan(1.15 * warm)
    expect(most, text).toBeLessThan(450 * MIB)
  })

  test.each(HOW)('is bounded where large results are dropped by a loop that %s', async (how) => {
    // 6 GiB each time.
    const { most, text } = await sizes(2, async (loops) => {
      expect(await loops.large(1500, how)).toEqual([1495, 1496, 1497, 1498, 1499])
    })
    expect(most, text).toBeLessThan(1200 * MIB)
  })
})

// Pages that may do less than others: each gets the best that is left, and the results are right.

import { expect, test } from 'vitest'
import type * as Host from './pages/host.js'
import type * as Programs from './pages/programs.js'
import type * as Threads from './pages/threads.js'
import type { Page } from './support/chromium.js'
import { describeBrowser, withBrowser } from './support/suite.js'

const FIRST = [
  [
    [8, 11],
    [16, 23],
  ],
  [4, 6],
  2.5,
  '[[1, 2],\n [3, 4]]  int32 [2, 2]',
]

/** The page computes; gives what with, and why not with WebAssembly. */
async function computing(page: Page): Promise<{ device: string; threads: number; why: string }> {
  const programs = page.module<typeof Programs>('programs.js')
  expect(await programs.first()).toEqual(FIRST)
  const { losses } = await programs.training(30)
  expect(losses.at(-1)).toBeLessThan(0.5)
  const { device, threads, info } = await programs.surroundings()
  return { device, threads, why: info.wasm?.available ? '' : (info.wasm?.detail ?? '') }
}

describeBrowser('a Content-Security-Policy', () => {
  const open = withBrowser()

  test('that allows WebAssembly, blobs as workers and no eval is enough for all threads', async () => {
    const page = await open('strict')
    expect(await page.module<typeof Host>('host.js').mayEvaluate()).toBe(false)
    page.complaints.length = 0
    const threads = await page.evaluate('navigator.hardwareConcurrency')
    expect(await computing(page)).toEqual({ device: 'wasm', threads, why: '' })
    expect(page.complaints).toEqual([])
  })

  test('that forbids such workers leaves one thread to do all the work', async () => {
    const page = await open('without-blobs')
    const { products } = page.module<typeof Threads>('threads.js')
    const { most, listening, first, digests } = await products(2)
    expect({ most, listening, digests }).toEqual({ most: 1, listening: 0, digests: [first] })
    expect((await computing(page)).device).toBe('wasm')
    expect(page.complaints.length).toBeGreaterThan(0)
    for (const complaint of page.complaints) expect(complaint).toContain('worker-src')
  })

  test('that forbids WebAssembly leaves the reference', async () => {
    const page = await open('without-wasm')
    const { device, why } = await computing(page)
    expect(device).toBe('reference')
    expect(why).toContain('Content Security')
    expect(page.complaints).toEqual([])
  })
})

const OLD = {
  // Without machine code of its own V8 has none for WebAssembly: so do browsers in their safest modes.
  WebAssembly: { flag: '--jitless', why: 'there is no WebAssembly here' },
  SIMD: { flag: '--no-enable-sse4-1', why: 'this engine has no WebAssembly SIMD' },
}

describeBrowser.each(Object.entries(OLD))('a browser without %s', (what, { flag, why }) => {
  const open = withBrowser({ flags: [`--js-flags=${flag}`] })

  // The latter is a flag of x86 processors.
  test.skipIf(what === 'SIMD' && process.arch !== 'x64')('computes by the reference', async () => {
    const page = await open('isolated')
    expect(await computing(page)).toEqual({ device: 'reference', threads: 1, why })
    const { mistakes } = page.module<typeof Programs>('programs.js')
    expect((await mistakes()).embedding).toMatch(
      /^IndexError: embedding: Expected an index in \[0, 1\) on axis 0\. Received 9\./,
    )
    expect(page.complaints).toEqual([])
  })
})

describeBrowser('a page whose WebAssembly somebody took away', () => {
  const open = withBrowser()

  test('computes by the reference', async () => {
    const page = await open('isolated')
    await page.evaluate('delete globalThis.WebAssembly')
    expect((await computing(page)).device).toBe('reference')
    expect(page.complaints).toEqual([])
  })
})

describeBrowser('a page that is not secure', () => {
  const open = withBrowser({ flags: ['--host-resolver-rules=MAP insecure.test 127.0.0.1'] })

  test('computes, and says why it does not fetch data sets', async () => {
    const page = await open('isolated', 'insecure.test')
    const programs = page.module<typeof Programs>('programs.js')
    expect(await programs.first()).toEqual(FIRST)
    const { device, threads, isolated } = await programs.surroundings()
    expect({ device, threads, isolated }).toEqual({ device: 'wasm', threads: 1, isolated: false })
    await expect(programs.digits('/isolated')).rejects.toThrow(
      /^FailedPreconditionError: .*https.*Received http:\/\/insecure/,
    )
  })
})

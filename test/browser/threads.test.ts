// Threads of a page: they share its memory, take part in its work, and change no bit of it.

import { expect, test } from 'vitest'
import type * as Host from './pages/host.js'
import type * as Threads from './pages/threads.js'
import { describeBrowser, withBrowser } from './support/suite.js'

type Products = Awaited<ReturnType<typeof Threads.products>>

describeBrowser('threads of an isolated page', () => {
  const open = withBrowser()

  const expectTeam = (found: Products, threads: number): void => {
    expect(found).toMatchObject({ threads, most: threads, listening: threads - 1 })
    expect(found.digests).toEqual([found.first])
  }

  test('take part when the page has let them start', async () => {
    const page = await open('isolated')
    const { products } = page.module<typeof Threads>('threads.js')
    expectTeam(await products(2), 2)
    expect(page.complaints).toEqual([])
  })

  test('take part where a policy forbids all but WebAssembly and blobs as workers', async () => {
    const page = await open('strict')
    expectTeam(await page.module<typeof Threads>('threads.js').products(2), 2)
    expect(page.complaints).toEqual([])
  })

  test('may be started by a worker', async () => {
    const page = await open('isolated')
    const { inWorker } = page.module<typeof Host>('host.js')
    expectTeam((await inWorker('./threads.js', 'products', [2])) as Products, 2)
    expect(page.complaints).toEqual([])
  })

  test('meet again and again, with a main thread that may not sleep', async () => {
    const page = await open('isolated')
    const { products, meetings } = page.module<typeof Threads>('threads.js')
    // More than there are processors: some have to wait for the system to run others.
    await products(4)
    const alone = await (await open('plain')).module<typeof Threads>('threads.js').meetings(2000)
    expect(await meetings(2000)).toBe(alone)
    expect(page.complaints).toEqual([])
  })
})

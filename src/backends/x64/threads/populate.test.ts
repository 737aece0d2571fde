// Memory that gets its pages on another thread: it does, and whatever happens to it meanwhile does no harm.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { canRun } from '../harness.js'
import { deny, ERRNO, libc, MADV } from '../native/libc.js'
import { PAGE, Pages, viewOf } from '../native/pages.js'
import { populate } from './populate.js'

const SIZE = 8 << 20
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Bytes of some memory that have pages. (The system's list of mappings may show it as one with a neighbour.) */
function resident({ address, bytes }: Pages): number {
  const [pages, entry] = [bytes / PAGE, 8]
  const entries = new BigUint64Array(pages)
  const file = openSync('/proc/self/pagemap', 'r')
  try {
    readSync(file, entries, 0, pages * entry, (address / PAGE) * entry)
  } finally {
    closeSync(file)
  }
  return PAGE * entries.filter((e) => e >> PRESENT === 1n).length
}
/** The bit of a page's entry that says whether it is there. */
const PRESENT = 63n

const threads = (): number =>
  Number(readFileSync('/proc/self/status', 'utf8').match(/^Threads:\s+(\d+)/m)![1])

/** Waits for something that happens on another thread. */
async function until(happened: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !happened(); i++) await sleep(10)
  expect(happened()).toBe(true)
}

const knows = canRun() && libc().madvise(0, 0, MADV.populateWrite) === 0

describe.skipIf(!knows)('memory that is populated', () => {
  afterEach(() => {
    deny('mmap', null)
    vi.restoreAllMocks()
  })

  test('has pages soon', async () => {
    const pages = Pages.map(SIZE, 'a test')
    expect(resident(pages)).toBe(0)
    populate([pages])
    await until(() => resident(pages) >= SIZE)
    expect(new Uint8Array(viewOf(pages.address, SIZE)).every((b) => b === 0)).toBe(true)
    pages.free()
  })

  test('is all of several stretches, wherever they begin and end', async () => {
    const pages = Pages.map(4 * SIZE, 'a test')
    // Not to be rounded up to huge pages.
    libc().madvise(pages.address, pages.bytes, MADV.noHugepage)
    const [first, second] = [pages.address + 100, pages.address + 2 * SIZE + 5000]
    populate([
      { address: first, bytes: SIZE },
      { address: second, bytes: 1 },
    ])
    // The first stretch has a page more than its size, as it begins within one.
    await until(() => resident(pages) >= SIZE + 2 * 4096)
    await sleep(20)
    expect(resident(pages)).toBe(SIZE + 2 * 4096)
    pages.free()
  })

  test('keeps what others write to it meanwhile', async () => {
    const pages = Pages.map(SIZE, 'a test')
    const words = new Int32Array(viewOf(pages.address, SIZE))
    populate([pages])
    for (let i = 0; i < words.length; i++) words[i] = i
    await until(() => resident(pages) >= SIZE)
    expect(words.every((word, i) => word === i)).toBe(true)
    pages.free()
  })

  test('may be unmapped meanwhile', async () => {
    const before = threads()
    for (let i = 0; i < 50; i++) {
      const pages = Pages.map(SIZE, 'a test')
      populate([pages])
      if (i % 2 === 0) await sleep(1)
      pages.free()
    }
    await until(() => threads() <= before)
  })

  test('leaves neither threads nor memory behind', async () => {
    const pages = Pages.map(SIZE, 'a test')
    const mmap = vi.spyOn(libc(), 'mmap')
    const isMapped = (address: number): boolean => libc().madvise(address, PAGE, MADV.normal) === 0
    const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('\n').length
    const once = async (): Promise<boolean> => {
      const before = threads()
      populate([pages])
      await until(() => threads() <= before)
      return isMapped(mmap.mock.results.at(-1)?.value as number)
    }
    await once()
    const [times, first] = [100, mappings()]
    let lists = 0
    for (let i = 0; i < times; i++) if (await once()) lists++
    expect(mmap).toHaveBeenCalledTimes(times + 1)
    // Others may map memory in the place of what was given back, and some dozens of pieces elsewhere.
    expect(lists).toBeLessThan(times / 2)
    expect(mappings()).toBeLessThan(first + times / 2)
    pages.free()
  })

  test('is left alone where it is small, or where there is no memory for a thread', async () => {
    const small = Pages.map(1 << 20, 'a test')
    populate([small])
    const large = Pages.map(SIZE, 'a test')
    deny('mmap', ERRNO.ENOMEM)
    populate([large])
    deny('mmap', null)
    await sleep(50)
    expect([resident(small), resident(large)]).toEqual([0, 0])
    small.free()
    large.free()
  })
})

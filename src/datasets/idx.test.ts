import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { FormatError } from '../base/errors.js'
import { gunzip, isGzip } from './gzip.js'
import { parseIdx } from './idx.js'

/** Bytes of an IDX file. */
function idx(code: number, shape: readonly number[], data: readonly number[]): Uint8Array {
  const out = new Uint8Array(4 + 4 * shape.length + data.length)
  const view = new DataView(out.buffer)
  out.set([0, 0, code, shape.length])
  shape.forEach((n, i) => {
    view.setUint32(4 + 4 * i, n)
  })
  out.set(data, 4 + 4 * shape.length)
  return out
}

describe('IDX', () => {
  test('holds bytes', () => {
    const { dtype, shape, values } = parseIdx('f', idx(8, [2, 3], [1, 2, 3, 4, 5, 255]))
    expect([dtype, shape, [...values]]).toEqual(['uint8', [2, 3], [1, 2, 3, 4, 5, 255]])
    expect(parseIdx('f', idx(8, [0, 28, 28], [])).values.length).toBe(0)
  })

  test('holds other numbers, the most significant byte first', () => {
    const read = (code: number, data: number[], count: number) => {
      const { dtype, values } = parseIdx('f', idx(code, [count], data))
      return [dtype, ...values]
    }
    expect(read(0x09, [0xff, 0x01], 2)).toEqual(['int32', -1, 1])
    expect(read(0x0b, [0xff, 0xfe, 0x01, 0x00], 2)).toEqual(['int32', -2, 256])
    expect(read(0x0c, [0, 1, 0, 0], 1)).toEqual(['int32', 65536])
    expect(read(0x0d, [0x3f, 0xc0, 0, 0], 1)).toEqual(['float32', 1.5])
    expect(read(0x0e, [0x40, 0x04, 0, 0, 0, 0, 0, 0], 1)).toEqual(['float64', 2.5])
  })

  test('may begin anywhere in a larger buffer', () => {
    const bytes = idx(0x0d, [1], [0x3f, 0xc0, 0, 0])
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    expect([...parseIdx('f', shifted.subarray(3)).values]).toEqual([1.5])
  })

  const hostile: readonly (readonly [string, Uint8Array, string])[] = [
    ['nothing', new Uint8Array(), 'f: Expected an IDX file of at least 4 bytes. Received 0 bytes.'],
    ['another magic number', Uint8Array.of(0x89, 0x50, 0x4e, 0x47), 'Received 89 50 4e 47.'],
    ['an unknown type', idx(7, [1], [0]), 'Received 00 00 07 01.'],
    ['no axes', idx(8, [], []), 'Received 00 00 08 00.'],
    ['too many axes', idx(8, new Array(9).fill(1), [0]), 'Received 00 00 08 09.'],
    [
      'half a header',
      idx(8, [1, 1, 1], []).slice(0, 10),
      'f: Expected a header of 16 bytes. Received 10 bytes.',
    ],
    [
      'too few values',
      idx(8, [2, 3], [1, 2]),
      'f: Expected 18 bytes, as sizes [2, 3] take. Received 14 bytes.',
    ],
    ['too many values', idx(8, [1], [1, 2]), 'Expected 9 bytes'],
    [
      'sizes whose product overflows',
      idx(8, [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], []),
      'Expected 79228162458924105385300197391 bytes',
    ],
    ['sizes whose product is 2^32', idx(8, [2 ** 16, 2 ** 16], []), 'Expected 4294967308 bytes'],
  ]
  test.each(hostile)('refuses %s', (_, bytes, message) => {
    expect(() => parseIdx('f', bytes)).toThrow(FormatError)
    expect(() => parseIdx('f', bytes)).toThrow(message)
  })
})

describe('gzip', () => {
  const text = new TextEncoder().encode('digits '.repeat(1000))
  const packed = new Uint8Array(gzipSync(text))

  test('is unpacked', async () => {
    expect(isGzip(packed)).toBe(true)
    expect(isGzip(text)).toBe(false)
    expect(await gunzip('f', packed, text.length)).toEqual(text)
  })

  test('stops at the limit', async () => {
    await expect(gunzip('f', packed, text.length - 1)).rejects.toThrow(
      'f: Expected at most 6999 bytes when unpacked. Received more.',
    )
    const bomb = new Uint8Array(gzipSync(new Uint8Array(2 ** 28)))
    expect(bomb.length).toBeLessThan(2 ** 19)
    const before = process.memoryUsage().rss
    await expect(gunzip('f', bomb, 2 ** 20)).rejects.toThrow(FormatError)
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 27)
  })

  test('has to be complete', async () => {
    await expect(gunzip('f', packed.slice(0, -10), 1e6)).rejects.toThrow(FormatError)
    const damaged = packed.slice()
    damaged[20] = (damaged[20] as number) ^ 0xff
    await expect(gunzip('f', damaged, 1e6)).rejects.toThrow('f: Expected complete gzip data.')
  })
})

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { Storage } from '../backends/storage.js'
import { DTYPE_NAMES, DTYPES, type DType } from '../base/dtype.js'
import { FailedPreconditionError, FormatError, ValueError } from '../base/errors.js'
import { storedNode } from '../runtime/value.js'
import { wrap } from '../tensor/core.js'
import { ones, tensor } from '../tensor/create.js'
import type { Tensor } from '../tensor/tensor.js'
import { variable } from '../tensor/variable.js'
import {
  decodeSafetensors,
  encodeSafetensors,
  inspectSafetensors,
  inspectSafetensorsFile,
  loadSafetensors,
  saveSafetensors,
} from './index.js'

const folder = mkdtempSync(path.join(tmpdir(), 'tessera-io-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A tensor of random bytes (0 and 1 for bool), so that NaN, infinities and -0 occur. */
const anyTensor: fc.Arbitrary<Tensor> = fc
  .tuple(
    fc.constantFrom(...DTYPE_NAMES),
    fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
  )
  .chain(([dtype, shape]) => {
    const length = shape.reduce((a, b) => a * b, 1) * DTYPES[dtype].bytes
    const max = dtype === 'bool' ? 1 : 255
    return fc
      .array(fc.integer({ min: 0, max }), { minLength: length, maxLength: length })
      .map((bytes) => fromBytes(dtype, shape, Uint8Array.from(bytes)))
  })

function fromBytes(dtype: DType, shape: number[], bytes: Uint8Array): Tensor {
  const values = new DTYPES[dtype].array(bytes.buffer as ArrayBuffer)
  return wrap(storedNode(Storage.of(dtype, values), shape))
}

const bits = (t: Tensor): number[] => {
  const { buffer, byteOffset, byteLength } = t.values()
  return [...new Uint8Array(buffer, byteOffset, byteLength)]
}

function expectSame(actual: Record<string, Tensor>, expected: Record<string, Tensor>): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort())
  for (const [name, t] of Object.entries(expected)) {
    const other = actual[name]!
    expect([other.dtype, other.shape, bits(other)]).toEqual([t.dtype, t.shape, bits(t)])
  }
}

/** Bytes of a file with a header as it is given. */
function file(header: unknown, data = new Uint8Array(), length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(
    typeof header === 'string' ? header : JSON.stringify(header),
  )
  const out = new Uint8Array(8 + text.length + data.length)
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(text.length), true)
  out.set(text, 8)
  out.set(data, 8 + text.length)
  return out
}

describe('what goes in comes out', () => {
  test('for any tensors under any names, to the bit', () => {
    const name = fc.string({ unit: 'binary' }).filter((s) => s !== '__metadata__')
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, anyTensor), { maxLength: 6 }),
        fc.dictionary(fc.string(), fc.string()),
        (entries, metadata) => {
          const tensors = Object.fromEntries(entries)
          const bytes = encodeSafetensors(tensors, metadata)
          expectSame(decodeSafetensors(bytes), tensors)
          expect({ ...inspectSafetensors(bytes).metadata }).toEqual(metadata)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('through a file', async () => {
    const tensors = { 'fc.weight': tensor([[1.5, -2]]), flag: tensor([true]), empty: ones([0, 3]) }
    const where = path.join(folder, 'new', 'model.safetensors')
    await saveSafetensors(where, tensors, { format: 'test' })
    expectSame(await loadSafetensors(where), tensors)
    expect(new Uint8Array(readFileSync(where))).toEqual(
      encodeSafetensors(tensors, { format: 'test' }),
    )
    expect(await inspectSafetensorsFile(where)).toEqual({
      metadata: { format: 'test' },
      tensors: [
        { name: 'empty', dtype: 'float32', shape: [0, 3] },
        { name: 'fc.weight', dtype: 'float32', shape: [1, 2] },
        { name: 'flag', dtype: 'bool', shape: [1] },
      ],
    })
    expect(readdirSync(path.dirname(where))).toEqual(['model.safetensors'])
  })

  test('whatever order it is in, with aligned data and names as they are', () => {
    const [a, b] = [ones([3]), tensor([1, 2, 3], { dtype: 'uint8' })]
    const bytes = encodeSafetensors({ b, a })
    expect(bytes).toEqual(encodeSafetensors({ a, b }))
    expect(new DataView(bytes.buffer).getUint8(0) % 8).toBe(0)
    const odd = decodeSafetensors(encodeSafetensors({ ['__proto__']: a, constructor: b }))
    expect(Object.keys(odd).sort()).toEqual(['__proto__', 'constructor'])
  })

  test('of tensors that were not computed, and of variables as they are now', async () => {
    const v = variable(tensor([1, 2], { dtype: 'float32' }))
    const where = path.join(folder, 'variable.safetensors')
    const saving = saveSafetensors(where, { v, twice: v.mul(2) })
    v.assign(v.add(5)).realize()
    v.assign(v.add(5)).realize()
    await saving
    const loaded = await loadSafetensors(where)
    expect([loaded.v!.array(), loaded.twice!.array()]).toEqual([
      [1, 2],
      [2, 4],
    ])
  })

  test('without sharing memory with the bytes it came from', () => {
    const bytes = encodeSafetensors({ a: ones([2]) })
    const { a } = decodeSafetensors(bytes)
    bytes.fill(0)
    expect(a!.array()).toEqual([1, 1])
  })
})

describe('what cannot be written', () => {
  test('is named', async () => {
    expect(() => encodeSafetensors({ __metadata__: ones([1]) })).toThrow(ValueError)
    expect(() => encodeSafetensors({ a: [1, 2] as unknown as Tensor })).toThrow(
      "encodeSafetensors: Expected tensors. Received object for 'a'.",
    )
    expect(() => encodeSafetensors({}, { n: 3 as unknown as string })).toThrow(
      "encodeSafetensors: Expected metadata that is text. Received number for 'n'.",
    )
  })

  test('leaves the old file and no other', async () => {
    const target = path.join(folder, 'taken')
    await saveSafetensors(path.join(target, 'inside'), {})
    // A folder cannot be replaced by a file.
    await expect(saveSafetensors(target, { a: ones([1]) })).rejects.toThrow()
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([])
    expect(readdirSync(target)).toEqual(['inside'])
  })
})

describe('folders on the way', () => {
  test('are made', async () => {
    const where = path.join(folder, 'some', 'where', 'x.safetensors')
    await saveSafetensors(where, { x: ones([2]) })
    expect(readdirSync(path.dirname(where))).toEqual(['x.safetensors'])
  })

  test('that are files end the attempt', async () => {
    writeFileSync(path.join(folder, 'file'), '')
    const where = path.join(folder, 'file', 'x.safetensors')
    await expect(saveSafetensors(where, { x: ones([2]) })).rejects.toThrow('ENOTDIR')
  })

  test.skipIf(!existsSync('/proc/self'))('that nobody can make end the attempt', async () => {
    const where = '/proc/nowhere/x.safetensors'
    await expect(saveSafetensors(where, { x: ones([2]) })).rejects.toThrow('ENOENT')
  })
})

test('a file that is not there is told with the name of the call', async () => {
  const where = path.join(folder, 'none.safetensors')
  const calls = { loadSafetensors, inspectSafetensorsFile }
  for (const [name, call] of Object.entries(calls)) {
    const error = await call(where).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(FailedPreconditionError)
    expect((error as Error).message).toBe(
      `${name}: Expected a file to read at ${where}. Received no such file.`,
    )
  }
  const below = path.join(folder, 'file', 'x')
  writeFileSync(path.join(folder, 'file'), '')
  await expect(loadSafetensors(below)).rejects.toThrow(
    `Expected a file to read at ${below}. Received ENOTDIR`,
  )
})

describe('hostile files', () => {
  const entry = (shape: number[], begin: number, end: number, dtype = 'U8') => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  })
  const four = new Uint8Array(4)

  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    [
      'nothing',
      new Uint8Array(),
      'Expected a safetensors file of at least 8 bytes. Received 0 bytes.',
    ],
    ['half a length', new Uint8Array(5), 'at least 8 bytes'],
    ['a header beyond the end', file({}, four, 100n), 'a header of 100 bytes'],
    ['an enormous header', file({}, four, 2n ** 63n), 'a header of 9223372036854775808 bytes'],
    ['no JSON', file('{"a": '), 'Expected a header in JSON.'],
    ['bytes that are no text', file('"\ud800"').fill(0xff, 8), 'Expected a header in JSON.'],
    [
      'another kind of JSON',
      file('[1]'),
      'Expected a JSON object for a header. Received an array.',
    ],
    ['null', file('null'), 'Received null.'],
    [
      'a name twice',
      file(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"\\u0061":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
        four,
      ),
      "'a' twice",
    ],
    [
      'a field twice',
      file('{"a":{"dtype":"U8","dtype":"F32","shape":[4],"data_offsets":[0,4]}}', four),
      "'dtype' twice",
    ],
    [
      'metadata that is no text',
      file({ __metadata__: { a: 1 } }),
      'metadata that is an object of strings',
    ],
    [
      'an entry that is none',
      file({ a: 3 }),
      "tensor 'a' with dtype, shape and data_offsets. Received a number.",
    ],
    [
      'an unknown dtype',
      file({ a: entry([1], 0, 4, 'F8_E4M3') }, four),
      "tensor 'a' with a dtype among F64, F32, I64, I32, U8, BOOL. Received F8_E4M3.",
    ],
    [
      'a dtype from Object',
      file({ a: entry([1], 0, 4, 'constructor') }, four),
      "tensor 'a' with a dtype",
    ],
    [
      'a negative size',
      file({ a: entry([-4], 0, 4) }, four),
      "tensor 'a' with a shape of whole sizes. Received [-4].",
    ],
    ['half a size', file({ a: entry([2.5], 0, 4) }, four), 'a shape of whole sizes'],
    [
      'no offsets',
      file({ a: { dtype: 'U8', shape: [4] } }, four),
      "tensor 'a' with two data_offsets. Received undefined.",
    ],
    ['offsets the wrong way round', file({ a: entry([4], 4, 0) }, four), 'offsets within 4 bytes'],
    [
      'offsets beyond the end',
      file({ a: entry([8], 0, 8) }, four),
      "tensor 'a' with offsets within 4 bytes of data. Received [0,8].",
    ],
    [
      'too few bytes for the shape',
      file({ a: entry([5], 0, 4) }, four),
      "tensor 'a' with 5 bytes, as U8 [5] takes. Received 4 bytes.",
    ],
    [
      'a shape whose product overflows',
      file({ a: entry([2 ** 32, 2 ** 32, 2 ** 32], 0, 4) }, four),
      '79228162514264337593543950336 bytes',
    ],
    [
      'overlapping tensors',
      file({ a: entry([3], 0, 3), b: entry([2], 2, 4) }, four),
      "the bytes of 'b' to begin at 3. Received offsets [2, 4], which overlap what comes before.",
    ],
    ['the same bytes twice', file({ a: entry([4], 0, 4), b: entry([4], 0, 4) }, four), 'overlap'],
    ['a gap', file({ a: entry([1], 0, 1), b: entry([2], 2, 4) }, four), 'leave a gap'],
    ['bytes before the first', file({ a: entry([3], 1, 4) }, four), 'leave a gap'],
    [
      'bytes after the last',
      file({ a: entry([3], 0, 3) }, four),
      'Expected 3 bytes of data, as the tensors take. Received 4 bytes.',
    ],
    ['data and no tensors', file({}, four), 'Expected 0 bytes of data'],
    [
      'a truth value of 2',
      file({ a: entry([1], 0, 1, 'BOOL') }, Uint8Array.of(2)),
      "bytes 0 and 1 for the bool tensor 'a'",
    ],
  ]

  test.each(cases)('%s', async (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(FormatError)
    expect(() => decodeSafetensors(bytes)).toThrow(message)
    const where = path.join(folder, 'hostile.safetensors')
    writeFileSync(where, bytes)
    await expect(loadSafetensors(where)).rejects.toThrow(message)
    await expect(loadSafetensors(where)).rejects.toThrow(`${where}: Expected`)
  })

  test('are told from good ones wherever a byte is changed or missing', () => {
    const good = encodeSafetensors({ a: ones([2, 2]), b: tensor([1, 2, 3], { dtype: 'uint8' }) })
    for (let length = 0; length < good.length; length++) {
      expect(() => decodeSafetensors(good.slice(0, length))).toThrow(FormatError)
    }
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const bytes = good.slice()
        bytes[at] = byte
        try {
          decodeSafetensors(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('that nest deeply do not end the program', () => {
    const deep = `{"a":${'['.repeat(1e6)}`
    expect(() => decodeSafetensors(file(deep))).toThrow(FormatError)
    const closed = `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`
    expect(() => decodeSafetensors(file(closed))).toThrow(FormatError)
  })
})

// The IDX format of MNIST and its kin: a header of sizes, then values, most significant byte first.
// http://yann.lecun.com/exdb/mnist/

import type { DType, TypedArray } from '../base/dtype.js'
import { FormatError } from '../base/errors.js'

/** The contents of an IDX file. */
export interface IdxArray {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly values: TypedArray
}

interface ElementType {
  readonly bytes: number
  readonly dtype: DType
  /** Reads all values; absent for single bytes, which need no reading. */
  readonly read?: (view: DataView, count: number) => TypedArray
}

/** Element types by their code in the file. Narrow integers widen to int32. */
const TYPES: ReadonlyMap<number, ElementType> = new Map<number, ElementType>([
  [0x08, { bytes: 1, dtype: 'uint8' }],
  [
    0x09,
    {
      bytes: 1,
      dtype: 'int32',
      read: (v, n) => Int32Array.from({ length: n }, (_, i) => v.getInt8(i)),
    },
  ],
  [
    0x0b,
    {
      bytes: 2,
      dtype: 'int32',
      read: (v, n) => Int32Array.from({ length: n }, (_, i) => v.getInt16(2 * i)),
    },
  ],
  [
    0x0c,
    {
      bytes: 4,
      dtype: 'int32',
      read: (v, n) => Int32Array.from({ length: n }, (_, i) => v.getInt32(4 * i)),
    },
  ],
  [
    0x0d,
    {
      bytes: 4,
      dtype: 'float32',
      read: (v, n) => Float32Array.from({ length: n }, (_, i) => v.getFloat32(4 * i)),
    },
  ],
  [
    0x0e,
    {
      bytes: 8,
      dtype: 'float64',
      read: (v, n) => Float64Array.from({ length: n }, (_, i) => v.getFloat64(8 * i)),
    },
  ],
])

const MAX_RANK = 8

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')

/**
 * Reads an IDX file from its bytes. Sizes are checked against the number of bytes before anything is
 * allocated; byte values are not copied.
 *
 * @param where What errors call the file.
 * @throws FormatError for bytes that are not a complete IDX file.
 */
export function parseIdx(where: string, bytes: Uint8Array): IdxArray {
  if (bytes.length < 4) {
    throw new FormatError(where, 'an IDX file of at least 4 bytes', `${bytes.length} bytes`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const type = TYPES.get(view.getUint8(2))
  const rank = view.getUint8(3)
  if (view.getUint16(0) !== 0 || type === undefined || rank < 1 || rank > MAX_RANK) {
    const codes = [...TYPES.keys()].map((code) => hex(Uint8Array.of(code))).join(', ')
    const expected = `00 00, a type (${codes}) and a number of axes (1 to ${MAX_RANK}) for a magic number`
    throw new FormatError(where, expected, hex(bytes.subarray(0, 4)))
  }
  const begin = 4 + 4 * rank
  if (bytes.length < begin) {
    throw new FormatError(where, `a header of ${begin} bytes`, `${bytes.length} bytes`)
  }
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  // Exact: a product that overflows must not look like a small one.
  const count = shape.reduce((product, size) => product * BigInt(size), 1n)
  const needed = BigInt(begin) + count * BigInt(type.bytes)
  if (needed !== BigInt(bytes.length)) {
    const expected = `${needed} bytes, as sizes [${shape.join(', ')}] take`
    throw new FormatError(where, expected, `${bytes.length} bytes`, { shape })
  }
  const { dtype, read } = type
  if (read === undefined) {
    const values = new Uint8Array(bytes.buffer, bytes.byteOffset + begin, Number(count))
    return { dtype, shape, values }
  }
  const data = new DataView(bytes.buffer, bytes.byteOffset + begin)
  return { dtype, shape, values: read(data, Number(count)) }
}

// The safetensors format in memory: tensors to bytes and back.
// https://github.com/huggingface/safetensors

import { Storage } from '../backends/storage.js'
import { DTYPES, type DType, type TypedArray } from '../base/dtype.js'
import { FormatError, ValueError } from '../base/errors.js'
import { type StaticShape, sizeOf, staticShape } from '../base/shape.js'
import { realize } from '../runtime/flush.js'
import { storedNode } from '../runtime/value.js'
import { wrap } from '../tensor/core.js'
import { Tensor } from '../tensor/tensor.js'
import { Variable } from '../tensor/variable.js'
import {
  type Entry,
  FORMAT_DTYPES,
  type Header,
  headerLength,
  MAX_HEADER,
  PREFIX,
  parseHeader,
} from './header.js'

/** Tensors by name. */
export type TensorDict = Readonly<Record<string, Tensor>>
/** Text by name, to keep beside the tensors. */
export type Metadata = Readonly<Record<string, string>>

const FORMAT_NAMES = new Map(Object.entries(FORMAT_DTYPES).map(([name, dtype]) => [dtype, name]))

/** The bytes of a value (not a copy). */
export const bytesOf = (values: TypedArray): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** What a file consists of, in order: length and header, then the bytes of each tensor. */
export function fileParts(where: string, tensors: TensorDict, metadata: Metadata): Uint8Array[] {
  const entries = Object.entries(tensors)
  for (const [name, t] of entries) {
    if (!(t instanceof Tensor)) throw new ValueError(where, 'tensors', `${typeof t} for '${name}'`)
    if (name === '__metadata__') throw new ValueError(where, `another name than '${name}'`, name)
  }
  for (const [name, text] of Object.entries(metadata)) {
    if (typeof text !== 'string') {
      throw new ValueError(where, 'metadata that is text', `${typeof text} for '${name}'`)
    }
  }
  realize(entries.map(([, t]) => t.node))
  // Wide elements come first, so that each tensor is aligned; then by name, so that files are equal.
  const width = (t: Tensor): number => DTYPES[t.dtype].bytes
  entries.sort(([a, x], [b, y]) => width(y) - width(x) || (a < b ? -1 : a > b ? 1 : 0))
  const header = Object.create(null) as Record<string, unknown>
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata
  let end = 0
  for (const [name, t] of entries) {
    const shape = staticShape(where, t.shape)
    const start = end
    end += sizeOf(shape) * width(t)
    header[name] = { dtype: FORMAT_NAMES.get(t.dtype), shape, data_offsets: [start, end] }
  }
  // A variable's bytes change with its next update, which may come while a file is being written.
  const values = entries.map(([, t]) => (t instanceof Variable ? t.dataSync() : t.values()))
  return [encodeHeader(where, header), ...values.map(bytesOf)]
}

function encodeHeader(where: string, header: object): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header))
  const length = Math.ceil(text.length / 8) * 8
  if (length > MAX_HEADER) {
    throw new ValueError(where, `a header of at most ${MAX_HEADER} bytes`, `${length} bytes`)
  }
  const bytes = new Uint8Array(PREFIX + length).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.set(text, PREFIX)
  return bytes
}

/** A tensor from the bytes of an entry, which become its own. */
export function tensorOf(where: string, { name, dtype, shape }: Entry, bytes: Uint8Array): Tensor {
  if (dtype === 'bool' && bytes.some((byte) => byte > 1)) {
    throw new FormatError(where, `bytes 0 and 1 for the bool tensor '${name}'`, 'another byte')
  }
  const values = new DTYPES[dtype].array(bytes.buffer as ArrayBuffer, 0, sizeOf(shape))
  return wrap(storedNode(Storage.of(dtype, values), shape as StaticShape))
}

/** A dictionary without entries of its own accord, whatever names a file comes with. */
export const emptyDict = (): Record<string, Tensor> => Object.create(null)

/**
 * Tensors (and text) as the bytes of a safetensors file. Equal tensors give equal bytes, whatever order
 * they are in.
 */
export function encodeSafetensors(
  tensors: TensorDict,
  metadata: Metadata = {},
): Uint8Array<ArrayBuffer> {
  const parts = fileParts('encodeSafetensors', tensors, metadata)
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

const WHERE = 'decodeSafetensors'

function readHeader(bytes: Uint8Array): { header: Header; data: Uint8Array } {
  const begin = PREFIX + headerLength(WHERE, bytes, bytes.length)
  const data = bytes.subarray(begin)
  return { header: parseHeader(WHERE, bytes.subarray(PREFIX, begin), data.length), data }
}

/**
 * The tensors of a safetensors file, by name, from its bytes (which are copied).
 *
 * @throws FormatError, before anything is allocated, for bytes that are not a valid file: a header
 * beyond the end or over 100 MB, tensors that overlap, leave gaps or lie outside, shapes that do not
 * match their bytes, dtypes tessera does not have.
 */
export function decodeSafetensors(bytes: Uint8Array): Record<string, Tensor> {
  const { header, data } = readHeader(bytes)
  const tensors = emptyDict()
  for (const entry of header.entries) {
    tensors[entry.name] = tensorOf(WHERE, entry, data.slice(entry.start, entry.end))
  }
  return tensors
}

/** What is in a file, without its values. */
export interface Contents {
  readonly metadata: Metadata
  readonly tensors: readonly {
    readonly name: string
    readonly dtype: DType
    readonly shape: readonly number[]
  }[]
}

export const contentsOf = ({ entries, metadata }: Header): Contents => ({
  metadata,
  tensors: entries.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
})

/** Names, dtypes and shapes of the tensors of a file, and its metadata, from its bytes. */
export const inspectSafetensors = (bytes: Uint8Array): Contents =>
  contentsOf(readHeader(bytes).header)

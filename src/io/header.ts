// The header of a safetensors file: which tensors there are and where their bytes lie. Files may be
// truncated or hostile, so everything is checked here before anything is allocated for a tensor.

import { DTYPES, type DType } from '../base/dtype.js'
import { FormatError } from '../base/errors.js'
import { duplicateKey } from './json.js'

/** The dtypes of the format that tessera has, by their names there. */
export const FORMAT_DTYPES: Readonly<Record<string, DType>> = {
  F64: 'float64',
  F32: 'float32',
  I64: 'int64',
  I32: 'int32',
  U8: 'uint8',
  BOOL: 'bool',
}

/** Bytes before the header: its length. */
export const PREFIX = 8
/** Headers larger than this are refused, as the format's own library does. */
export const MAX_HEADER = 100_000_000

/** A tensor in a file. */
export interface Entry {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Where its bytes begin and end, counted from the end of the header. */
  readonly start: number
  readonly end: number
}

export interface Header {
  /** By where they lie. */
  readonly entries: readonly Entry[]
  readonly metadata: Readonly<Record<string, string>>
}

/** The length of the header, from the first bytes of a file of `fileSize` bytes. */
export function headerLength(where: string, prefix: Uint8Array, fileSize: number): number {
  if (fileSize < PREFIX) {
    throw new FormatError(
      where,
      `a safetensors file of at least ${PREFIX} bytes`,
      `${fileSize} bytes`,
    )
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX)
  const length = view.getBigUint64(0, true)
  const room = Math.min(fileSize - PREFIX, MAX_HEADER)
  if (length <= BigInt(room)) return Number(length)
  throw new FormatError(
    where,
    `a header of at most ${room} bytes (the file has ${fileSize})`,
    `a header of ${length} bytes`,
  )
}

/** The tensors that a header lists, checked against each other and the `dataSize` bytes there are. */
export function parseHeader(where: string, bytes: Uint8Array, dataSize: number): Header {
  const raw = parseObject(where, bytes)
  const entries: Entry[] = []
  let metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(raw)) {
    if (name === '__metadata__') metadata = checkMetadata(where, value)
    else entries.push(parseEntry(where, name, value, dataSize))
  }
  entries.sort((a, b) => a.start - b.start || a.end - b.end)
  let covered = 0
  for (const { name, start, end } of entries) {
    if (start !== covered) {
      const problem = start < covered ? 'overlap what comes before' : 'leave a gap'
      const expected = `the bytes of '${name}' to begin at ${covered}`
      throw new FormatError(where, expected, `offsets [${start}, ${end}], which ${problem}`)
    }
    covered = end
  }
  if (covered !== dataSize) {
    const expected = `${covered} bytes of data, as the tensors take`
    throw new FormatError(where, expected, `${dataSize} bytes`)
  }
  return { entries, metadata }
}

function parseObject(where: string, bytes: Uint8Array): Record<string, unknown> {
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (error) {
    throw new FormatError(where, 'a header in JSON', (error as Error).message)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError(where, 'a JSON object for a header', kindOf(value))
  }
  const twice = duplicateKey(text)
  if (twice !== null)
    throw new FormatError(where, 'each name once in the header', `'${twice}' twice`)
  return value as Record<string, unknown>
}

function checkMetadata(where: string, value: unknown): Record<string, string> {
  const entries = isObject(value) ? Object.entries(value) : null
  if (entries?.every(([, v]) => typeof v === 'string')) return value as Record<string, string>
  throw new FormatError(where, 'metadata that is an object of strings', kindOf(value))
}

function parseEntry(where: string, name: string, value: unknown, dataSize: number): Entry {
  const fail = (expected: string, received: unknown): never => {
    throw new FormatError(where, `tensor '${name}' with ${expected}`, show(received), { name })
  }
  if (!isObject(value)) return fail('dtype, shape and data_offsets', kindOf(value))
  const { dtype: format, shape, data_offsets: offsets } = value
  const dtype = typeof format === 'string' ? lookup(format) : undefined
  if (dtype === undefined) {
    return fail(`a dtype among ${Object.keys(FORMAT_DTYPES).join(', ')}`, format)
  }
  if (!isSizes(shape)) return fail('a shape of whole sizes', shape)
  if (!isSizes(offsets) || offsets.length !== 2) return fail('two data_offsets', offsets)
  const [start, end] = offsets as [number, number]
  if (start > end || end > dataSize)
    return fail(`offsets within ${dataSize} bytes of data`, offsets)
  // Sizes are multiplied exactly: a product that overflows must not look like a small one.
  const elements = shape.reduce((product, d) => product * BigInt(d), 1n)
  const needed = elements * BigInt(DTYPES[dtype].bytes)
  if (needed !== BigInt(end - start)) {
    return fail(`${needed} bytes, as ${format} [${shape.join(', ')}] takes`, `${end - start} bytes`)
  }
  return { name, dtype, shape, start, end }
}

const lookup = (format: string): DType | undefined =>
  Object.hasOwn(FORMAT_DTYPES, format) ? FORMAT_DTYPES[format] : undefined

const isObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x)

const MAX_RANK = 64

const isSizes = (x: unknown): x is number[] =>
  Array.isArray(x) && x.length <= MAX_RANK && x.every((n) => Number.isSafeInteger(n) && n >= 0)

const kindOf = (x: unknown): string =>
  x === null ? 'null' : Array.isArray(x) ? 'an array' : `a ${typeof x}`

/** A value of the file as an error message may show it. */
function show(x: unknown): string {
  const text = typeof x === 'string' ? x : (JSON.stringify(x) ?? String(x))
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

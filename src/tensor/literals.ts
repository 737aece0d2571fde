// JavaScript values as tensors' contents: nested arrays, typed arrays, numbers.

import { Storage } from '../backends/storage.js'
import { allocate, DTYPES, type DType, isFloat, type TypedArray } from '../base/dtype.js'
import { DTypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import type { Node } from '../ir/node.js'
import { storedNode } from '../runtime/value.js'

/** A value a tensor can hold, as it is written in a program. */
export type Literal = number | boolean | bigint

/** Any of JavaScript's typed arrays. */
export type NumericArray =
  | TypedArray
  | Uint8ClampedArray
  | Int8Array
  | Int16Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array

/** Arrays in arrays, down to values; the innermost may be typed arrays. */
export type NestedNumbers = readonly Literal[] | readonly NumericArray[] | readonly NestedNumbers[]

/** What can be read as a tensor's contents. */
export type Contents = Literal | NumericArray | NestedNumbers

/** Contents that have been read: never shares memory with what it was read from. */
export interface Read {
  readonly values: TypedArray
  readonly shape: readonly number[]
  readonly dtype: DType
}

/** The dtype that holds each kind of typed array's values; those without an own one get a wider. */
const ARRAY_DTYPES: Readonly<Record<string, DType>> = {
  Float32Array: 'float32',
  Float64Array: 'float64',
  Int32Array: 'int32',
  BigInt64Array: 'int64',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8',
  Int8Array: 'int32',
  Int16Array: 'int32',
  Uint16Array: 'int32',
  Uint32Array: 'int64',
  BigUint64Array: 'int64',
}

const isTyped = (x: unknown): x is NumericArray => ArrayBuffer.isView(x) && !(x instanceof DataView)
const isList = (x: unknown): x is ArrayLike<unknown> => Array.isArray(x) || isTyped(x)

function typedDType(where: string, data: NumericArray): DType {
  // The tag, not the constructor: Node's Buffer is a Uint8Array too.
  const tag = data[Symbol.toStringTag]
  const dtype = ARRAY_DTYPES[tag]
  if (dtype === undefined) throw new DTypeError(where, 'a typed array with a dtype', tag)
  return dtype
}

const pathOf = (path: readonly number[]): string => `data${path.map((i) => `[${i}]`).join('')}`

function describe(x: unknown): string {
  if (isList(x)) return `an array of ${x.length}`
  if (x === null || x === undefined) return String(x)
  return typeof x === 'object' ? `a ${x.constructor?.name ?? 'object'}` : `a ${typeof x}`
}

/** Sizes by descending into first elements; every other array has to agree with them. */
function shapeOf(data: unknown): number[] {
  const shape: number[] = []
  for (let at = data; isList(at); at = at[0]) {
    shape.push(at.length)
    if (at.length === 0) break
  }
  return shape
}

function ragged(
  where: string,
  path: readonly number[],
  size: number | null,
  found: unknown,
): never {
  const first = pathOf(path.map(() => 0))
  const expected =
    size === null ? `a value at ${pathOf(path)}` : `an array of ${size} at ${pathOf(path)}`
  throw new ShapeError(where, `${expected}, as at ${first}`, describe(found), { path: [...path] })
}

/** The values in row-major order. */
function flatten(where: string, data: unknown, shape: readonly number[]): Literal[] {
  const out: Literal[] = []
  const path: number[] = []
  const visit = (x: unknown): void => {
    const depth = path.length
    if (depth < shape.length) {
      const size = shape[depth]!
      if (!isList(x) || x.length !== size) ragged(where, path, size, x)
      for (let i = 0; i < size; i++) {
        path.push(i)
        visit(x[i])
        path.pop()
      }
    } else if (typeof x === 'number' || typeof x === 'boolean' || typeof x === 'bigint') {
      out.push(x)
    } else if (isList(x)) {
      ragged(where, path, null, x)
    } else {
      const stack = typeof x === 'object' && x !== null && 'dtype' in x ? ' (use stack)' : ''
      const place = depth === 0 ? '' : ` at ${pathOf(path)}`
      throw new DTypeError(
        where,
        'numbers, booleans or bigints',
        `${describe(x)}${place}${stack}`,
        { path: [...path] },
      )
    }
  }
  visit(data)
  return out
}

/**
 * The dtype literals have: bool for booleans, int64 for bigints and for whole numbers that int32 cannot
 * hold, int32 for whole numbers, float32 as soon as one is fractional, and where there are none.
 */
function inferDType(values: readonly Literal[]): DType {
  let bools = 0
  let long = false
  for (const v of values) {
    if (typeof v === 'boolean') bools++
    else if (typeof v === 'bigint') long = true
    else if (!Number.isSafeInteger(v) || Object.is(v, -0)) return 'float32'
    else if (v < DTYPES.int32.min || v > DTYPES.int32.max) long = true
  }
  if (values.length === 0) return 'float32'
  if (bools === values.length) return 'bool'
  return long ? 'int64' : 'int32'
}

const INT64_MAX = 2n ** 63n - 1n

/** A value as an array of the dtype holds it. Fractions are dropped; what cannot be held is an error. */
function convert(where: string, value: Literal, dtype: DType): number | bigint {
  if (dtype === 'bool') return value ? 1 : 0
  if (isFloat(dtype)) return Number(value)
  const { min, max } = DTYPES[dtype]
  const misfit = (): never => {
    throw new ValueError(where, `values that ${dtype} can hold`, String(value), { value, dtype })
  }
  if (dtype === 'int64') {
    if (typeof value === 'number' && !Number.isFinite(value)) return misfit()
    const long = typeof value === 'bigint' ? value : BigInt(Math.trunc(Number(value)))
    return long < -INT64_MAX - 1n || long > INT64_MAX ? misfit() : long
  }
  const whole = Math.trunc(Number(value))
  return whole >= min && whole <= max ? whole : misfit()
}

function fill(where: string, values: ArrayLike<Literal>, dtype: DType): TypedArray {
  const out = allocate(dtype, values.length)
  const store = out as { [i: number]: number | bigint }
  for (let i = 0; i < values.length; i++) store[i] = convert(where, values[i]!, dtype)
  return out
}

function readTyped(where: string, data: NumericArray, asked: DType | undefined): Read {
  const own = typedDType(where, data)
  const dtype = asked ?? own
  const shape = [data.length]
  if (dtype !== own || DTYPES[own].array.name !== data[Symbol.toStringTag]) {
    return { values: fill(where, data, dtype), shape, dtype }
  }
  const values = allocate(dtype, data.length)
  values.set(data as never)
  return { values, shape, dtype }
}

/**
 * Reads contents into a new typed array. Throws `ShapeError` for ragged arrays (naming the place),
 * `DTypeError` for what is no number, `ValueError` for a value that the asked dtype cannot hold.
 */
export function readContents(where: string, data: Contents, asked?: DType): Read {
  if (isTyped(data)) return readTyped(where, data, asked)
  const shape = shapeOf(data)
  const flat = flatten(where, data, shape)
  const dtype = asked ?? inferDType(flat)
  return { values: fill(where, flat, dtype), shape, dtype }
}

/** The same contents seen in another shape; one size may be -1. */
export function reshapeRead(where: string, read: Read, shape: readonly number[]): Read {
  const open = shape.indexOf(-1)
  const known = shape.reduce((product, d, i) => (i === open ? product : product * d), 1)
  const filled = shape.map((d, i) => (i === open ? read.values.length / known : d))
  const fits =
    filled.every((d) => Number.isInteger(d) && d >= 0) &&
    filled.reduce((product, d) => product * d, 1) === read.values.length
  if (fits) return { ...read, shape: filled }
  throw new ShapeError(
    where,
    `a shape with ${read.values.length} elements, as there are values`,
    formatShape(shape),
    { shape },
  )
}

/** A leaf that holds contents. */
export const storedOf = ({ values, shape, dtype }: Read): Node =>
  storedNode(Storage.of(dtype, values), shape)

// What each lanewise function, conversion and bit cast of the kernel IR computes, one lane at a time.

import type { Fn, RegType } from './ir.js'

/** The value of one lane: a number for f32, f64 and i32, a bigint for i64, a boolean for bool. */
export type Lane = number | bigint | boolean

const scratch = new DataView(new ArrayBuffer(8))

/** a·b + c with one rounding to float32: in double the product is exact, and the sum rounds to odd. */
export function fma32(a: number, b: number, c: number): number {
  const p = a * b
  const s = p + c
  if (!Number.isFinite(s)) return Math.fround(s)
  // Two-sum: `error` is what the double addition lost.
  const bb = s - p
  const error = p - (s - bb) + (c - bb)
  if (error === 0) return Math.fround(s)
  scratch.setFloat64(0, s)
  const bits = scratch.getBigInt64(0)
  if ((bits & 1n) === 0n) {
    // Round to odd: move to the neighbour in the direction of the error, so that the second rounding
    // (to float32) sees on which side of a tie the exact value lies.
    scratch.setBigInt64(0, bits + (error > 0 === s > 0 ? 1n : -1n))
    return Math.fround(scratch.getFloat64(0))
  }
  return Math.fround(s)
}

/** Splits a double in two halves of 26 bits (Veltkamp). */
function split(a: number): [number, number] {
  const c = 134217729 * a
  const high = c - (c - a)
  return [high, a - high]
}

/** a·b + c with (all but always) one rounding to double, by error-free transformations. */
function fma64(a: number, b: number, c: number): number {
  const p = a * b
  if (!Number.isFinite(p + c) || Math.abs(a) > 1e150 || Math.abs(b) > 1e150) return p + c
  const [ah, al] = split(a)
  const [bh, bl] = split(b)
  const low = al * bl - (p - ah * bh - al * bh - ah * bl)
  const s = p + c
  const bb = s - p
  const error = p - (s - bb) + (c - bb) + low
  // Not added if it is zero, as -0 + 0 is 0.
  return error === 0 ? s : s + error
}

/** Minimum and maximum in which NaN wins and -0 lies below +0: exactly JavaScript's. */
const minimum = Math.min
const maximum = Math.max

/** To the nearest integer, halves to even. */
function roundEven(x: number): number {
  if (!Number.isFinite(x) || Math.abs(x) >= 2 ** 52) return x
  const r = Math.round(x)
  const even = Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r
  return even === 0 && (x < 0 || Object.is(x, -0)) ? -0 : even
}

type Table<V> = { readonly [F in Fn]?: (...args: V[]) => V | boolean }

const count = (n: number, bits: number): number => {
  if (n < 0 || n >= bits) throw new Error(`shift by ${n}: counts must lie in [0, ${bits})`)
  return n
}
const divisor = <T extends number | bigint>(n: T): T => {
  if (Number(n) === 0) throw new Error('integer division by zero reached a kernel')
  return n
}

const FLOAT: Table<number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  rem: (a, b) => a % b,
  min: minimum,
  max: maximum,
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  round: roundEven,
  // In two steps, because 2ⁿ itself may be no number.
  scale: (a, n) => a * 2 ** Math.trunc(n / 2) * 2 ** (n - Math.trunc(n / 2)),
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
}

const INT32: Table<number> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  div: (a, b) => Math.trunc(a / divisor(b)) | 0,
  rem: (a, b) => (a % divisor(b)) | 0,
  min: minimum,
  max: maximum,
  neg: (a) => -a | 0,
  abs: (a) => Math.abs(a) | 0,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  not: (a) => ~a,
  shl: (a, b) => a << count(b, 32),
  shr: (a, b) => a >> count(b, 32),
  ushr: (a, b) => (a >>> count(b, 32)) | 0,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
}

const wrap = (x: bigint): bigint => BigInt.asIntN(64, x)
const INT64: Table<bigint> = {
  add: (a, b) => wrap(a + b),
  sub: (a, b) => wrap(a - b),
  mul: (a, b) => wrap(a * b),
  div: (a, b) => wrap(a / divisor(b)),
  rem: (a, b) => wrap(a % divisor(b)),
  min: (a, b) => (a < b ? a : b),
  max: (a, b) => (a > b ? a : b),
  neg: (a) => wrap(-a),
  abs: (a) => wrap(a < 0n ? -a : a),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  not: (a) => ~a,
  shl: (a, b) => wrap(a << BigInt(count(Number(b), 64))),
  shr: (a, b) => a >> BigInt(count(Number(b), 64)),
  ushr: (a, b) => wrap(BigInt.asUintN(64, a) >> BigInt(count(Number(b), 64))),
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
}

const BOOL: Table<boolean> = {
  and: (a, b) => a && b,
  or: (a, b) => a || b,
  xor: (a, b) => a !== b,
  not: (a) => !a,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
}

type AnyTable = { readonly [F in Fn]?: (...args: never[]) => Lane }
const TABLES: { readonly [T in RegType]: AnyTable } = {
  f32: FLOAT,
  f64: FLOAT,
  i32: INT32,
  i64: INT64,
  bool: BOOL,
}

/** Whether a function exists for arguments of a type. */
export const isDefined = (fn: Fn, type: RegType): boolean =>
  fn === 'select' ||
  (fn === 'fma' ? type === 'f32' || type === 'f64' : TABLES[type][fn] !== undefined)

/**
 * The meaning of `fn` for arguments of `type`: a function of lanes. Results of float32 are rounded.
 * @param fused whether `fma` rounds once
 */
export function lanewise(fn: Fn, type: RegType, fused: boolean): (...args: Lane[]) => Lane {
  if (fn === 'select') return (c, a, b) => (c ? (a as Lane) : (b as Lane))
  if (fn === 'fma') {
    const f =
      type === 'f32'
        ? fused
          ? fma32
          : (a: number, b: number, c: number) => Math.fround(Math.fround(a * b) + c)
        : fused
          ? fma64
          : (a: number, b: number, c: number) => a * b + c
    return f as (...args: Lane[]) => Lane
  }
  const f = TABLES[type][fn] as unknown as ((...args: Lane[]) => Lane) | undefined
  if (f === undefined) throw new Error(`${fn} is not defined for ${type}`)
  if (type !== 'f32') return f
  return (a, b) => {
    const v = f(a as Lane, b as Lane)
    return typeof v === 'number' ? Math.fround(v) : v
  }
}

const toInt32 = (x: number): number =>
  Number.isNaN(x) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(x)))
const I64_MAX = 2n ** 63n - 1n
const toInt64 = (x: number): bigint => {
  if (Number.isNaN(x)) return 0n
  if (x >= 2 ** 63) return I64_MAX
  if (x <= -(2 ** 63)) return -I64_MAX - 1n
  return BigInt(Math.trunc(x))
}

/** `convert`: saturating from float to integer, wrapping from i64 to i32, bool as 0 and 1. */
export function convertLane(to: RegType, from: RegType, x: Lane): Lane {
  const isFloat = from === 'f32' || from === 'f64'
  switch (to) {
    case 'f32':
      return Math.fround(Number(x))
    case 'f64':
      return Number(x)
    case 'i32':
      if (isFloat) return toInt32(x as number)
      return typeof x === 'bigint' ? Number(BigInt.asIntN(32, x)) : Number(x)
    case 'i64':
      return isFloat ? toInt64(x as number) : BigInt(x)
    case 'bool':
      return typeof x === 'bigint' ? x !== 0n : Number(x) !== 0
  }
}

/** `bitcast`: the same bits as another type of the same width. */
export function bitcastLane(to: RegType, from: RegType, x: Lane): Lane {
  if (from === 'f32' && to === 'i32') {
    scratch.setFloat32(0, x as number)
    return scratch.getInt32(0)
  }
  if (from === 'i32' && to === 'f32') {
    scratch.setInt32(0, x as number)
    return scratch.getFloat32(0)
  }
  if (from === 'f64' && to === 'i64') {
    scratch.setFloat64(0, x as number)
    return scratch.getBigInt64(0)
  }
  if (from === 'i64' && to === 'f64') {
    scratch.setBigInt64(0, x as bigint)
    return scratch.getFloat64(0)
  }
  throw new Error(`no bit cast from ${from} to ${to}`)
}

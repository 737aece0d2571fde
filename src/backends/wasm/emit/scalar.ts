// Functions and conversions of single values, outside vector loops.

import type { Fn, Reg, RegType } from '../../../compiler/kernel/ir.js'
import type { OpName } from '../encode/opcodes.js'
import * as names from './names.js'
import type { State } from './state.js'

type Numeric = Exclude<RegType, 'bool'>
const isFloat = (t: RegType): t is 'f32' | 'f64' => t === 'f32' || t === 'f64'

/** What follows `i32.` or `i64.`. */
const INTEGER: typeof names.INTEGER = {
  ...names.INTEGER,
  and: 'and',
  or: 'or',
  xor: 'xor',
  shl: 'shl',
  shr: 'shr_s',
  ushr: 'shr_u',
}

const BOOL: Partial<Record<Fn, OpName>> = {
  and: 'i32.and',
  or: 'i32.or',
  xor: 'i32.xor',
  not: 'i32.eqz',
  eq: 'i32.eq',
  ne: 'i32.ne',
  lt: 'i32.lt_s',
  le: 'i32.le_s',
}

/** What is not one instruction on its arguments. */
const SPECIAL: Partial<
  Record<Fn, (e: State, type: RegType, push: readonly (() => void)[]) => boolean>
> = {
  select: (e, _type, [c, a, b]) => {
    a!()
    b!()
    c!()
    e.f.op('select')
    return true
  },
  fma: (e, type, [a, b, c]) => {
    if (!isFloat(type)) return false
    const shape = type === 'f32' ? 'f32x4' : 'f64x2'
    if (!e.features.relaxed) {
      a!()
      b!()
      e.f.op(`${type}.mul`)
      c!()
      e.f.op(`${type}.add`)
      return true
    }
    // A lane of the vector instruction, because it must round like one.
    for (const push of [a!, b!, c!]) {
      push()
      e.f.op(`${shape}.splat`)
    }
    e.f.op(`${shape}.relaxed_madd`)
    e.f.lane(`${shape}.extract_lane`, 0)
    return true
  },
  div: (e, type, [a, b]) => {
    if (type !== 'i32' && type !== 'i64') return false
    a!()
    b!()
    e.f.call(e.helpers.index(`div_${type}`))
    return true
  },
  rem: (e, type, [a, b]) => {
    if (type === 'bool') return false
    for (const push of [a!, b!]) {
      push()
      if (type === 'f32') e.f.op('f64.promote_f32')
    }
    e.f.call(e.helpers.index(isFloat(type) ? 'rem_float' : `rem_${type}`))
    if (type === 'f32') e.f.op('f32.demote_f64')
    return true
  },
  min: (e, type, args) => pickInteger(e, type, args, 'lt_s'),
  max: (e, type, args) => pickInteger(e, type, args, 'gt_s'),
  neg: (e, type, [a]) => {
    if (type !== 'i32' && type !== 'i64') return false
    pushZero(e, type)
    a!()
    e.f.op(`${type}.sub`)
    return true
  },
  abs: (e, type, [a]) => {
    if (type !== 'i32' && type !== 'i64') return false
    a!()
    pushZero(e, type)
    a!()
    e.f.op(`${type}.sub`)
    a!()
    pushZero(e, type)
    e.f.op(`${type}.ge_s`)
    e.f.op('select')
    return true
  },
  not: (e, type, [a]) => {
    if (type !== 'i32' && type !== 'i64') return false
    a!()
    if (type === 'i32') e.f.i32(-1)
    else e.f.i64(-1n)
    e.f.op(`${type}.xor`)
    return true
  },
}

const pushZero = (e: State, type: 'i32' | 'i64'): void =>
  type === 'i32' ? e.f.i32(0) : e.f.i64(0n)

function pickInteger(
  e: State,
  type: RegType,
  [a, b]: readonly (() => void)[],
  better: 'lt_s' | 'gt_s',
): boolean {
  if (type !== 'i32' && type !== 'i64') return false
  a!()
  b!()
  a!()
  b!()
  e.f.op(`${type}.${better}`)
  e.f.op('select')
  return true
}

export function setScalar(e: State, dst: Reg, fn: Fn, args: readonly Reg[]): void {
  pushScalarFn(
    e,
    fn,
    (args.at(-1) as Reg).type,
    args.map((r) => () => e.registers.pushScalar(r)),
  )
  e.registers.setScalar(dst)
}

/** Pushes fn of what the callbacks push, which may be called several times. */
export function pushScalarFn(e: State, fn: Fn, type: RegType, push: readonly (() => void)[]): void {
  if (SPECIAL[fn]?.(e, type, push)) return
  for (const p of push) p()
  const name =
    type === 'bool'
      ? BOOL[fn]
      : (isFloat(type) ? names.FLOAT : INTEGER)[fn] && instruction(type, fn)
  if (name === undefined) throw new Error(`${fn} is not defined for ${type}`)
  e.f.op(name as OpName)
}

const instruction = (type: Numeric, fn: Fn): string =>
  `${type}.${(isFloat(type) ? names.FLOAT : INTEGER)[fn]}`

/** Instructions that convert, by `from>to`. */
const CONVERT: Record<string, readonly OpName[]> = {
  'f32>f64': ['f64.promote_f32'],
  'f32>i32': ['i32.trunc_sat_f32_s'],
  'f32>i64': ['i64.trunc_sat_f32_s'],
  'f64>f32': ['f32.demote_f64'],
  'f64>i32': ['i32.trunc_sat_f64_s'],
  'f64>i64': ['i64.trunc_sat_f64_s'],
  'i32>f32': ['f32.convert_i32_s'],
  'i32>f64': ['f64.convert_i32_s'],
  'i32>i64': ['i64.extend_i32_s'],
  'i64>f32': ['f32.convert_i64_s'],
  'i64>f64': ['f64.convert_i64_s'],
  'i64>i32': ['i32.wrap_i64'],
  'bool>f32': ['f32.convert_i32_s'],
  'bool>f64': ['f64.convert_i32_s'],
  'bool>i32': [],
  'bool>i64': ['i64.extend_i32_u'],
  'i32=f32': ['f32.reinterpret_i32'],
  'f32=i32': ['i32.reinterpret_f32'],
  'i64=f64': ['f64.reinterpret_i64'],
  'f64=i64': ['i64.reinterpret_f64'],
}

/** Converts the value on the stack; `=` keeps the bits. */
export function pushConverted(e: State, from: RegType, to: RegType, how: '>' | '='): void {
  const { f } = e
  if (from === to) return
  if (to === 'bool') {
    if (from === 'i32') f.i32(0)
    else if (from === 'i64') f.i64(0n)
    else if (from === 'f32') f.f32(0)
    else f.f64(0)
    f.op(`${from as Numeric}.ne`)
    return
  }
  const ops = CONVERT[`${from}${how}${to}`]
  if (!ops) throw new Error(`no conversion ${from}${how}${to}`)
  for (const op of ops) f.op(op)
}

export function convertScalar(e: State, dst: Reg, from: Reg, how: '>' | '='): void {
  e.registers.pushScalar(from)
  pushConverted(e, from.type, dst.type, how)
  e.registers.setScalar(dst)
}

export function constantScalar(e: State, dst: Reg, value: number | bigint): void {
  const { f } = e
  if (dst.type === 'i64') f.i64(BigInt(value))
  else if (dst.type === 'f32') f.f32(Number(value))
  else if (dst.type === 'f64') f.f64(Number(value))
  else f.i32(Number(value))
  e.registers.setScalar(dst)
}

// Elementwise primitives as statements of the kernel IR: one table, an entry an operation.

import { DTYPES, type DType, isFloat } from '../../base/dtype.js'
import type { Elementwise } from '../costs.js'
import { REGISTER_TYPE } from '../kernel/assembly.js'
import type { KernelBuilder } from '../kernel/builder.js'
import type { Fn, Reg } from '../kernel/ir.js'
import * as math from '../math/index.js'
import { threefry } from '../math/random.js'

/** What an entry of the table is given. */
export interface Element {
  readonly k: KernelBuilder
  /** Dtypes of the result and of the first operand. */
  readonly dtype: DType
  readonly from: DType
  readonly args: readonly Reg[]
  /** The value of an operand that is the same literal everywhere, else null. */
  literal(i: number): number | null
  /** Reports a fault of this operation where `cond` holds. */
  fault(cond: Reg): void
}

type Emit = (e: Element) => Reg

export const zero = (k: KernelBuilder, dtype: DType): Reg => constantOf(k, dtype, 0)

/** A literal of a dtype, in the register type it is computed in. */
export function constantOf(k: KernelBuilder, dtype: DType, value: number): Reg {
  const type = REGISTER_TYPE[dtype]
  if (type === 'bool') {
    const one = k.const('i32', 1)
    return k.set('eq', k.const('i32', value === 0 ? 0 : 1), one)
  }
  if (type === 'i64') return k.const(type, BigInt(Math.trunc(value)))
  if (type === 'f32' || type === 'f64') return k.const(type, value)
  return k.const(type, dtype === 'uint8' ? value & 255 : value | 0)
}

/** `bool` as the 0 or 1 of a number type. */
export function boolTo(k: KernelBuilder, dtype: DType, cond: Reg): Reg {
  return k.set('select', cond, constantOf(k, dtype, 1), constantOf(k, dtype, 0))
}

/** uint8 is computed in 32 bits; what leaves 0 … 255 is cut. */
const cut = (e: { k: KernelBuilder; dtype: DType }, r: Reg): Reg =>
  e.dtype === 'uint8' ? e.k.set('and', r, e.k.const('i32', 255)) : r

const plain =
  (fn: Fn): Emit =>
  (e) =>
    e.k.set(fn, ...e.args)
const wrapping =
  (fn: Fn): Emit =>
  (e) =>
    cut(e, e.k.set(fn, ...e.args))
/** `fn` for numbers, `onBool` for truth values. */
const logical =
  (fn: Fn, onBool: Fn): Emit =>
  (e) =>
    e.k.set(e.dtype === 'bool' ? onBool : fn, ...e.args)
const comparison =
  (fn: Fn): Emit =>
  (e) => {
    if (e.from !== 'bool') return e.k.set(fn, ...e.args)
    return e.k.set(fn, ...e.args.map((a) => boolTo(e.k, 'int32', a)))
  }
const float =
  (f: (k: KernelBuilder, x: Reg) => Reg): Emit =>
  ({ k, args }) =>
    f(k, args[0] as Reg)

/** Integer quotient or remainder: by zero is a fault, and nothing a machine would trap on is executed. */
const integerDivision =
  (fn: 'div' | 'rem'): Emit =>
  (e) => {
    const { k, dtype } = e
    const [a, b] = e.args as [Reg, Reg]
    const one = constantOf(k, dtype, 1)
    const known = e.literal(1)
    if (known !== null && known !== 0 && known !== -1) return k.set(fn, a, b)
    const isZero = k.set('eq', b, zero(k, dtype))
    e.fault(isZero)
    if (dtype === 'uint8') return k.set(fn, a, k.set('select', isZero, one, b))
    // The lowest integer divided by -1 overflows; it wraps like its negation does.
    const isMinus = k.set('eq', b, constantOf(k, dtype, -1))
    const result = k.set(fn, a, k.set('select', k.set('or', isZero, isMinus), one, b))
    return k.set('select', isMinus, fn === 'div' ? k.set('neg', a) : zero(k, dtype), result)
  }

/** Shifts by counts outside [0, bits) move every bit out. */
const shift =
  (fn: 'shl' | 'shr'): Emit =>
  (e) => {
    const { k, dtype } = e
    const [x, count] = e.args as [Reg, Reg]
    const bits = DTYPES[dtype].bytes * 8
    const known = e.literal(1)
    if (known !== null && known >= 0 && known < bits) return cut(e, k.set(fn, x, count))
    const inside = k.set(
      'and',
      k.set('le', zero(k, dtype), count),
      k.set('lt', count, constantOf(k, dtype, bits)),
    )
    const highest = constantOf(k, dtype, dtype === 'int64' ? 63 : 31)
    const safe = k.set('select', inside, count, highest)
    const moved = k.set(fn, x, safe)
    return fn === 'shr' ? moved : cut(e, k.set('select', inside, moved, zero(k, dtype)))
  }

/** Casts: towards zero and saturating from floats, wrapping between integers, `x ≠ 0` to bool. */
const cast: Emit = (e) => {
  const { k, dtype, from } = e
  const [x] = e.args as [Reg]
  if (from === 'bool') return boolTo(k, dtype, x)
  if (dtype === 'bool') return k.set('ne', x, zero(k, from))
  if (dtype === 'uint8') {
    const whole = k.convert('i32', x)
    if (!isFloat(from)) return cut(e, whole)
    return k.set('min', k.set('max', whole, k.const('i32', 0)), k.const('i32', 255))
  }
  return k.convert(REGISTER_TYPE[dtype], x)
}

const division = integerDivision('div')
const remainder = integerDivision('rem')

/** Every elementwise primitive. */
export const ELEMENTWISE: Readonly<Record<Elementwise, Emit>> = {
  neg: wrapping('neg'),
  abs: (e) => (e.dtype === 'uint8' ? (e.args[0] as Reg) : e.k.set('abs', ...e.args)),
  sqrt: plain('sqrt'),
  floor: plain('floor'),
  round: plain('round'),
  exp: float(math.exp),
  expm1: float(math.expm1),
  log: float(math.log),
  log1p: float(math.log1p),
  sin: float(math.sin),
  cos: float(math.cos),
  tanh: float(math.tanh),
  erf: float(math.erf),
  cast,
  bitcast: (e) => e.k.bitcast(REGISTER_TYPE[e.dtype], e.args[0] as Reg),
  add: wrapping('add'),
  sub: wrapping('sub'),
  mul: wrapping('mul'),
  div: (e) => (isFloat(e.dtype) ? e.k.set('div', ...e.args) : division(e)),
  rem: (e) => (isFloat(e.dtype) ? e.k.set('rem', ...e.args) : remainder(e)),
  pow: ({ k, args }) => math.pow(k, args[0] as Reg, args[1] as Reg),
  max: logical('max', 'or'),
  min: logical('min', 'and'),
  and: plain('and'),
  or: plain('or'),
  xor: plain('xor'),
  shl: shift('shl'),
  shr: shift('shr'),
  eq: comparison('eq'),
  lt: comparison('lt'),
  le: comparison('le'),
  select: plain('select'),
  threefry: ({ k, args }) => threefry(k, args as [Reg, Reg, Reg]),
}

// Shorthand for formulas: every function takes the builder first and returns the register of its result.
//
// Formulas are written with `fma` and are accurate with and without fusing; where targets fuse, and all but
// old WebAssembly engines do, their bits are equal.

import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg, RegType } from '../kernel/ir.js'

export const literal = (k: KernelBuilder, x: Reg, value: number): Reg => k.const(x.type, value)

type Term = Reg | number
const asReg = (k: KernelBuilder, type: RegType, t: Term): Reg =>
  typeof t === 'number' ? k.const(type, type === 'i64' ? BigInt(t) : t) : t

const typeOf = (a: Term, b: Term): RegType => {
  if (typeof a !== 'number') return a.type
  if (typeof b !== 'number') return b.type
  throw new Error('a formula of two literals')
}

const binary =
  (fn: 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'and' | 'or' | 'xor' | 'shl' | 'shr') =>
  (k: KernelBuilder, a: Term, b: Term): Reg => {
    const type = typeOf(a, b)
    return k.set(fn, asReg(k, type, a), asReg(k, type, b))
  }
const compare =
  (fn: 'eq' | 'lt' | 'le') =>
  (k: KernelBuilder, a: Term, b: Term): Reg => {
    const type = typeOf(a, b)
    return k.set(fn, asReg(k, type, a), asReg(k, type, b))
  }

export const add = binary('add')
export const sub = binary('sub')
export const mul = binary('mul')
export const div = binary('div')
export const min = binary('min')
export const max = binary('max')
export const bitAnd = binary('and')
export const shl = binary('shl')
export const shr = binary('shr')
export const eq = compare('eq')
export const lt = compare('lt')
export const le = compare('le')

/** a·b + c. */
export function fma(k: KernelBuilder, a: Reg, b: Term, c: Term): Reg {
  return k.set('fma', a, asReg(k, a.type, b), asReg(k, a.type, c))
}

export function select(k: KernelBuilder, cond: Reg, a: Term, b: Term): Reg {
  const type = typeOf(a, b)
  return k.set('select', cond, asReg(k, type, a), asReg(k, type, b))
}

/** c[0]·xⁿ + … + c[n] by Horner's rule: highest coefficient first. */
export function polynomial(k: KernelBuilder, x: Reg, coefficients: readonly number[]): Reg {
  let sum = literal(k, x, coefficients[0] as number)
  for (let i = 1; i < coefficients.length; i++) {
    sum = fma(k, sum, x, coefficients[i] as number)
  }
  return sum
}

/** A magnitude with the sign of `b`. */
export function withSign(k: KernelBuilder, magnitude: Reg, b: Reg): Reg {
  const bits = b.type === 'f32' ? 'i32' : 'i64'
  const lowest = b.type === 'f32' ? k.const('i32', -(2 ** 31)) : k.const('i64', -(2n ** 63n))
  const sign = k.set('and', k.bitcast(bits, b), lowest)
  return k.bitcast(b.type, k.set('or', k.bitcast(bits, magnitude), sign))
}

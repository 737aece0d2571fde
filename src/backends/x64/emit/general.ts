// Arithmetic of 64-bit general registers with constants: what indices and addresses are made of.

import { type Mem, mem, r64, type VReg } from './machine/code.js'
import type { State } from './state.js'

/** Whether an instruction can hold a number: 32 bits, with a sign. */
export const fits = (n: number): boolean => (n | 0) === n

/** Whether an address can have an index times a number. */
export const isScale = (n: number): n is Mem['scale'] => n === 1 || n === 2 || n === 4 || n === 8

/** dst += constant. */
export function addConstant(e: State, dst: VReg, constant: number): void {
  if (constant === 0) return
  if (fits(constant)) {
    e.code.g('add', dst, constant)
    return
  }
  const t = e.code.gp()
  e.code.g('mov', t, constant)
  e.code.g('add', dst, t)
}

/** dst = base + times · value, or the product alone. `base` may be `dst` only if `times` is a scale. */
export function setSum(e: State, dst: VReg, base: VReg | null, value: VReg, times: number): void {
  const { code } = e
  if (base !== null && isScale(times)) {
    code.emit('lea', [r64(dst), mem(base, 0, { index: value, scale: times })])
    return
  }
  multiply(e, dst, value, times)
  if (base !== null) code.g('add', dst, base)
}

/** dst += times · value. */
export function addMultiple(e: State, dst: VReg, value: VReg, times: number): void {
  const { code } = e
  if (times === 1) code.g('add', dst, value)
  else if (isScale(times)) setSum(e, dst, dst, value, times)
  else {
    const product = code.gp()
    multiply(e, product, value, times)
    code.g('add', dst, product)
  }
}

/** dst = times · value. */
export function multiply(e: State, dst: VReg, value: VReg, times: number): void {
  const { code } = e
  const shift = Math.log2(times)
  if (Number.isInteger(shift)) {
    code.g('mov', dst, value)
    if (shift > 0) code.g('shl', dst, shift)
  } else if (fits(times)) {
    code.g('imul', dst, value, times)
  } else {
    code.g('mov', dst, times)
    code.g('imul2', dst, value)
  }
}

// Quotients and remainders of indices: multiplications by reciprocals.

import { ShapeError } from '../../../base/errors.js'
import type { Affine } from '../../../compiler/kernel/ir.js'
import { knownQuotient } from '../../../compiler/kernel/known.js'
import { multiply } from './general.js'
import { affineValue, differsByLane, laneValues, scaled } from './indices.js'
import { imm, r64, type VReg } from './machine/code.js'
import type { Of, State } from './state.js'

export function emitDivide(e: State, s: Of<'divide' | 'modulo'>, part: number): void {
  if (e.tables.values.has(s.variable.id)) return
  if (differsByLane(e, s.value)) divideLanes(e, s, part)
  else divideGeneral(e, s)
}

/** s and m with floor(v / by) = (v · m) >> (31 + s) for 0 ≤ v < 2^31 (Granlund and Montgomery, 1994). */
function reciprocal(by: number): { multiplier: bigint; shift: number } {
  const s = Math.ceil(Math.log2(by))
  return { multiplier: (1n << BigInt(31 + s)) / BigInt(by) + 1n, shift: 31 + s }
}

/** Quotients are right for values below 2^31, and values of lanes have 32 bits. */
function checkReach(e: State, a: Affine): void {
  const { high } = e.ranges.affine(a)
  if (high >= 2 ** 31) throw new ShapeError('x64', 'indices below 2^31', `up to ${high}`)
}

/** floor(value / by) of a general register that is not negative and below 2^31. */
export function quotient(e: State, value: VReg, by: number): VReg {
  const { code } = e
  const dst = code.gp()
  const shift = Math.log2(by)
  if (Number.isInteger(shift)) {
    code.g('mov', dst, value)
    if (shift > 0) code.g('shr', dst, shift)
    return dst
  }
  const { multiplier, shift: places } = reciprocal(by)
  code.emit('mov', [r64(dst), imm(multiplier)])
  code.g('imul2', dst, value)
  code.g('shr', dst, places)
  return dst
}

/** Outside vector loops, or of a value that is the same for all lanes. */
function divideGeneral(e: State, s: Of<'divide' | 'modulo'>): void {
  const { code } = e
  const known = knownQuotient(e.variables, s)
  if (known !== null) {
    e.variables.set(s.variable.id, { kind: 'constant', value: known })
    return
  }
  checkReach(e, s.value)
  const value = affineValue(e, s.value)
  let result: VReg
  if (s.op === 'modulo' && Number.isInteger(Math.log2(s.by))) {
    code.g('and', value, s.by - 1)
    result = value
  } else {
    result = quotient(e, value, s.by)
    if (s.op === 'modulo') {
      const product = code.gp()
      multiply(e, product, result, s.by)
      code.g('sub', value, product)
      result = value
    }
  }
  e.variables.set(s.variable.id, { kind: 'general', reg: result })
}

/** Lane by lane. */
function divideLanes(e: State, s: Of<'divide' | 'modulo'>, part: number): void {
  const { code, isa } = e
  const bits = isa.width('i32', e.lanes.size)
  let home = e.variables.get(s.variable.id)
  if (home?.kind !== 'lanes') {
    home = { kind: 'lanes', regs: [] }
    e.variables.set(s.variable.id, home)
  }
  checkReach(e, s.value)
  const value = laneValues(e, s.value, part)
  const out = code.vector()
  home.regs[part] = out
  const shift = Math.log2(s.by)
  if (Number.isInteger(shift)) {
    if (s.op === 'divide') code.v('vpsrld', bits, out, value, shift)
    else code.v(isa.bitwise.and, bits, out, value, isa.constant('i32', s.by - 1, bits))
    return
  }
  // Even lanes as they stand, odd ones moved down and up again.
  const { multiplier, shift: places } = reciprocal(s.by)
  const m = code.vector()
  isa.loadConstant(m, 'i32', Number(BigInt.asIntN(32, multiplier)), bits)
  const [odd, e1, o1, e2, o2, o3, q] = Array.from({ length: 7 }, () => code.vector()) as VReg[]
  code.v('vpsrlq', bits, odd!, value, 32)
  code.v('vpmuludq', bits, e1!, value, m)
  code.v('vpmuludq', bits, o1!, odd!, m)
  code.v('vpsrlq', bits, e2!, e1!, places)
  code.v('vpsrlq', bits, o2!, o1!, places)
  code.v('vpsllq', bits, o3!, o2!, 32)
  const result = s.op === 'divide' ? out : q!
  code.v(isa.bitwise.or, bits, result, e2!, o3!)
  if (s.op === 'modulo') code.v('vpsubd', bits, out, value, scaled(e, result, s.by))
}

// Index arithmetic: affine values, loop bounds, quotients and remainders, in general registers and in lanes.

import { ShapeError } from '../../../base/errors.js'
import type { Pointer, Term } from '../../../compiler/kernel/addresses.js'
import { coefficientOf } from '../../../compiler/kernel/affine.js'
import type { Affine, Bound, RegType } from '../../../compiler/kernel/ir.js'
import { knownValue } from '../../../compiler/kernel/known.js'
import { affinesOf } from '../../../compiler/kernel/walk.js'
import { imm, mem, r64, type VReg, view } from './machine/code.js'
import type { Of, State } from './state.js'
import { summedTable, tableLanes } from './tables.js'

const fits = (n: number): boolean => (n | 0) === n

/** dst += constant. */
function addConstant(e: State, dst: VReg, constant: number): void {
  if (constant === 0) return
  if (fits(constant)) {
    e.code.g('add', dst, constant)
    return
  }
  const t = e.code.gp()
  e.code.g('mov', t, constant)
  e.code.g('add', dst, t)
}

/** dst += times · value. */
function addMultiple(e: State, dst: VReg, value: VReg, times: number): void {
  const { code } = e
  if (times === 1) {
    code.g('add', dst, value)
    return
  }
  if (times === 2 || times === 4 || times === 8) {
    code.emit('lea', [r64(dst), mem(dst, 0, { index: value, scale: times })])
    return
  }
  const t = code.gp()
  multiply(e, t, value, times)
  code.g('add', dst, t)
}

function multiply(e: State, dst: VReg, value: VReg, times: number): void {
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

/** An affine value in a register of its own. Inside a vector loop: that of the first lane of part 0. */
export function affineValue(e: State, a: Affine, plus = 0): VReg {
  const dst = e.code.gp()
  affineInto(e, dst, a, plus)
  return dst
}

export function affineInto(e: State, dst: VReg, a: Affine, plus = 0): void {
  const { code } = e
  let constant = a.constant + plus
  let started = false
  for (const { variable, coefficient } of a.terms) {
    if (e.tables.values.has(variable.id)) continue
    const home = e.variables.get(variable.id)
    if (!home) throw new Error(`index ${variable.name} is used before it is set`)
    if (home.kind === 'constant') constant += coefficient * home.value
    else if (home.kind === 'general') {
      if (started) addMultiple(e, dst, home.reg, coefficient)
      else multiply(e, dst, home.reg, coefficient)
      started = true
    }
  }
  if (started) addConstant(e, dst, constant)
  else code.g('mov', dst, constant)
}

export function boundValue(e: State, b: Bound): VReg {
  if (!('min' in b)) return affineValue(e, b)
  const x = affineValue(e, b.min[0])
  const y = affineValue(e, b.min[1])
  e.code.g('cmp', x, y)
  e.code.g('cmovg', x, y)
  return x
}

/** Whether an affine value differs from lane to lane. */
export const differsByLane = (e: State, a: Affine): boolean =>
  e.lanes.size > 1 &&
  a.terms.some((t) => t.variable.id === e.lanes.variable || e.varying.variables.has(t.variable.id))

// ---- In lanes ----

/** A table of 32-bit integers: start + step · lane. */
export function steps(e: State, start: number, step: number): VReg {
  const dst = e.code.vector()
  const bits = e.isa.width('i32', e.lanes.size)
  const values = Array.from({ length: e.lanes.size }, (_, l) => (start + step * l) | 0)
  if (step === 0) e.isa.loadConstant(dst, 'i32', start | 0, bits)
  else e.isa.loadTable(dst, values, bits)
  return dst
}

/** An affine value of each lane of a part, as 32-bit integers. */
export function laneValues(e: State, a: Affine, part: number): VReg {
  const { code, isa, lanes } = e
  const bits = isa.width('i32', lanes.size)
  const coefficient = lanes.size > 1 ? coefficientOf(a, { id: lanes.variable, name: '' }) : 0
  const base = affineValue(e, a, coefficient * lanes.size * part)
  let sum = code.vector()
  isa.splatGeneral(sum, base, 'i32', bits)
  const add = (x: VReg): void => {
    const next = code.vector()
    code.v('vpaddd', bits, next, sum, x)
    sum = next
  }
  if (coefficient !== 0) add(steps(e, 0, coefficient))
  for (const t of a.terms) {
    const home = e.variables.get(t.variable.id)
    const table = e.tables.values.get(t.variable.id)
    if (table) add(scaled(e, tableLanes(e, table, part), t.coefficient))
    else if (home?.kind === 'lanes') add(scaled(e, home.regs[part]!, t.coefficient))
  }
  return sum
}

/** 32-bit lanes times a constant. */
export function scaled(e: State, value: VReg, by: number): VReg {
  if (by === 1) return value
  const { code, isa } = e
  const bits = isa.width('i32', e.lanes.size)
  const dst = code.vector()
  const shift = Math.log2(by)
  if (Number.isInteger(shift)) code.v('vpslld', bits, dst, value, shift)
  else code.v('vpmulld', bits, dst, value, isa.constant('i32', by, bits))
  return dst
}

/**
 * For each lane of a part, its distance in `unit`s of bytes from where the pointer's lane 0 is; or null if
 * all are 0.
 */
export function laneDistances(
  e: State,
  laneBytes: number,
  varying: readonly Term[],
  part: number,
  unit: number,
): VReg | null {
  if (laneBytes === 0 && varying.length === 0) return null
  const { code, isa, lanes } = e
  const step = laneBytes / unit
  const terms = varying.map((t) => ({ variable: t.variable, coefficient: t.bytes / unit }))
  const { low, high } = e.ranges.affine({ constant: 0, terms })
  const farthest = Math.abs(step) * lanes.size * (part + 1) + Math.max(-low, high)
  if (farthest >= 2 ** 31) {
    throw new ShapeError('x64', 'lanes less than 2^31 elements apart', `${farthest}`)
  }
  const bits = isa.width('i32', lanes.size)
  let sum = steps(e, step * lanes.size * part, step)
  const add = (x: VReg): void => {
    const next = code.vector()
    code.v('vpaddd', bits, next, sum, x)
    sum = next
  }
  const known = summedTable(e, varying, unit)
  if (known) {
    add(tableLanes(e, known, part))
    return sum
  }
  for (const t of varying) {
    const home = e.variables.get(t.variable.id)
    const table = e.tables.values.get(t.variable.id)
    const value = table ? tableLanes(e, table, part) : home?.kind === 'lanes' && home.regs[part]
    if (value) add(scaled(e, value, t.bytes / unit))
  }
  return sum
}

// ---- Quotients and remainders ----

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

/** `divide` and `modulo` outside vector loops, or of a value that is the same for all lanes. */
export function divideGeneral(e: State, s: Of<'divide' | 'modulo'>): void {
  const { code } = e
  const known = knownValue(e.variables, s.value)
  if (known !== null && known >= 0) {
    const value = s.op === 'divide' ? Math.floor(known / s.by) : known % s.by
    e.variables.set(s.variable.id, { kind: 'constant', value })
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

/** `divide` and `modulo` lane by lane. */
export function divideLanes(e: State, s: Of<'divide' | 'modulo'>, part: number): void {
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

// ---- Indices as values ----

/** An index (plus the lane) as a value of (half of) a part. */
export function emitIndex(e: State, s: Of<'index'>, part: number): void {
  const { code, isa, lanes, registers } = e
  const { type } = s.dst
  const bits = isa.width(type, lanes.size)
  for (let half = 0; half < registers.halves(s.dst, lanes); half++) {
    registers.assign(s.dst, part, half, lanes, (dst) => {
      if (differsByLane(e, s.value)) {
        const value = laneValues(e, s.value, part)
        FROM_LANES[type](e, dst, isa.half(value, half, isa.width('i32', lanes.size)), bits)
        return
      }
      const value = affineValue(e, s.value)
      if (type === 'i32' || type === 'i64') isa.splatGeneral(dst, value, type, bits)
      else {
        const zero = code.vector()
        const one = code.vector()
        code.v('vzero', 128, zero)
        code.emit(type === 'f32' ? 'vcvtsi2ss' : 'vcvtsi2sd', [
          view(one, 128),
          view(zero, 128),
          r64(value),
        ])
        isa.splat(dst, one, type as 'f32' | 'f64', bits)
      }
    })
  }
}

const narrower = (bits: 128 | 256 | 512): 128 | 256 => (bits === 512 ? 256 : 128)
const FROM_LANES: Record<
  RegType,
  (e: State, dst: VReg, value: VReg, bits: 128 | 256 | 512) => void
> = {
  i32: (e, dst, value, bits) => e.isa.copy(dst, value, bits),
  f32: (e, dst, value, bits) => e.code.v('vcvtdq2ps', bits, dst, value),
  i64: (e, dst, value, bits) =>
    e.code.emit('vpmovsxdq', [view(dst, bits), view(value, narrower(bits))]),
  f64: (e, dst, value, bits) =>
    e.code.emit('vcvtdq2pd', [view(dst, bits), view(value, narrower(bits))]),
  bool: () => {
    throw new Error('an index is no condition')
  },
}

// ---- Pointers ----

/** Computes a pointer from what it is defined by. `own`: it will be advanced. */
export function setPointer(e: State, p: Pointer, own: boolean): void {
  const { code } = e
  const base = p.from ? e.pointers.get(p.from.id) : e.bases.get(p.buffer)
  if (!base) throw new Error(`no base for a pointer into ${p.buffer.name}`)
  let constant = p.bytes
  const terms: { reg: VReg; bytes: number }[] = []
  for (const { variable, bytes } of p.terms) {
    const home = e.variables.get(variable.id)
    if (home?.kind === 'constant') constant += bytes * home.value
    else if (home?.kind === 'general') terms.push({ reg: home.reg, bytes })
    else throw new Error(`index ${variable.name} is used before it is set`)
  }
  if (!own && terms.length === 0 && constant === 0) {
    e.pointers.set(p.id, base)
    return
  }
  const dst = code.gp()
  e.pointers.set(p.id, dst)
  if (terms.length === 0 && fits(constant)) {
    if (constant === 0) code.g('mov', dst, base)
    else code.emit('lea', [r64(dst), mem(base, constant)])
    return
  }
  code.g('mov', dst, base)
  for (const t of terms) addMultiple(e, dst, t.reg, t.bytes)
  addConstant(e, dst, constant)
}

/** Moves a loop's pointers on by `steps` of its variable. */
export function advancePointers(e: State, pointers: readonly Pointer[], steps: number): void {
  for (const p of pointers) addConstant(e, e.pointers.get(p.id)!, p.step * steps)
}

/** Sets the pointers that wait for a quotient or remainder. */
export function setPointersAfter(e: State, s: Of<'divide' | 'modulo'>): void {
  if (affinesOf(s).some((a) => differsByLane(e, a))) return
  for (const p of e.addresses.after.get(s) ?? []) setPointer(e, p, false)
}

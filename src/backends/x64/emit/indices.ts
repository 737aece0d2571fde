// Index arithmetic: affine values and loop bounds, in general registers and in lanes.

import { ShapeError } from '../../../base/errors.js'
import type { Term } from '../../../compiler/kernel/addresses.js'
import { coefficientOf } from '../../../compiler/kernel/affine.js'
import type { Affine, Bound, RegType } from '../../../compiler/kernel/ir.js'
import { addConstant, addMultiple, multiply } from './general.js'
import { r64, type VReg, view } from './machine/code.js'
import type { Of, State } from './state.js'
import { summedTable, tableLanes } from './tables.js'

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

// Index arithmetic: affine values, loop bounds, quotients and remainders, as scalars and as lanes.

import type { Term } from '../../../compiler/kernel/addresses.js'
import { coefficientOf } from '../../../compiler/kernel/affine.js'
import type { Affine, Bound, RegType } from '../../../compiler/kernel/ir.js'
import { knownQuotient } from '../../../compiler/kernel/known.js'
import { affinesOf } from '../../../compiler/kernel/walk.js'
import { type Of, PART, type Pointer, type State, type VariableHome } from './state.js'

/** Pushes an affine value as an i32. Inside a vector loop: that of the first lane of part 0. */
export function pushAffine(e: State, a: Affine, plus = 0): void {
  const { f } = e
  let constant = a.constant + plus
  let pushed = false
  for (const { variable, coefficient } of a.terms) {
    const home = e.variables.get(variable.id)
    if (!home) throw new Error(`index ${variable.name} is used before it is set`)
    if (home.kind === 'constant') {
      constant += coefficient * home.value
      continue
    }
    if (home.kind === 'lanes') continue
    f.get(home.local)
    if (coefficient !== 1) {
      f.i32(coefficient)
      f.op('i32.mul')
    }
    if (pushed) f.op('i32.add')
    pushed = true
  }
  if (!pushed) f.i32(constant)
  else f.addConstant(constant)
}

export function pushBound(e: State, b: Bound): void {
  if (!('min' in b)) {
    pushAffine(e, b)
    return
  }
  const { f } = e
  const [x, y] = [f.local('i32'), f.local('i32')]
  pushAffine(e, b.min[0])
  f.tee(x)
  pushAffine(e, b.min[1])
  f.tee(y)
  f.get(x)
  f.get(y)
  f.op('i32.lt_s')
  f.op('select')
  f.release('i32', x)
  f.release('i32', y)
}

/** Whether an affine value differs from lane to lane. */
export function differsByLane(e: State, a: Affine): boolean {
  const { lanes } = e
  if (!lanes) return false
  return a.terms.some(
    (t) => t.variable.id === lanes.variable || e.varying.variables.has(t.variable.id),
  )
}

/** Pushes an affine value of each lane of a part as i32x4. */
export function pushLaneValues(e: State, a: Affine, part: number): void {
  const { f, lanes } = e
  const coefficient = lanes ? coefficientOf(a, { id: lanes.variable, name: '' }) : 0
  pushAffine(e, a, coefficient * PART * part)
  f.op('i32x4.splat')
  if (coefficient !== 0) {
    f.i32x4([0, coefficient, 2 * coefficient, 3 * coefficient])
    f.op('i32x4.add')
  }
  for (const t of a.terms) addVaryingTerm(e, e.variables.get(t.variable.id), t.coefficient, part)
}

function addVaryingTerm(e: State, home: VariableHome | undefined, times: number, part: number) {
  if (home?.kind !== 'lanes') return
  e.f.get(home.locals[part]!)
  scaleLanes(e, times)
  e.f.op('i32x4.add')
}

/** Multiplies the i32x4 on the stack by a constant. */
export function scaleLanes(e: State, by: number): void {
  const { f } = e
  if (by === 1) return
  const shift = Math.log2(by)
  if (Number.isInteger(shift)) {
    f.i32(shift)
    f.op('i32x4.shl')
  } else {
    f.i32x4([by, by, by, by])
    f.op('i32x4.mul')
  }
}

/**
 * Pushes, for each lane of a part, its distance in bytes from where the pointer's lane 0 is.
 * @returns false, pushing nothing, if all distances are 0
 */
export function pushLaneDistances(
  e: State,
  laneBytes: number,
  varying: readonly Term[],
  part: number,
): boolean {
  const { f } = e
  if (laneBytes === 0 && varying.length === 0) return false
  const first = laneBytes * PART * part
  f.i32x4([first, first + laneBytes, first + 2 * laneBytes, first + 3 * laneBytes])
  for (const t of varying) addVaryingTerm(e, e.variables.get(t.variable.id), t.bytes, part)
  return true
}

// ---- Quotients and remainders ----

/** `divide` and `modulo` outside vector loops, or of a value that is the same for all lanes. */
export function divideScalar(e: State, s: Of<'divide' | 'modulo'>): void {
  const { f } = e
  const known = knownQuotient(e.variables, s)
  if (known !== null) {
    e.variables.set(s.variable.id, { kind: 'constant', value: known })
    return
  }
  pushAffine(e, s.value)
  f.i32(s.by)
  f.op(s.op === 'divide' ? 'i32.div_u' : 'i32.rem_u')
  f.set(localOf(e, s.variable.id))
}

function localOf(e: State, variable: number): number {
  const known = e.variables.get(variable)
  if (known?.kind === 'local') return known.local
  const local = e.f.local('i32')
  e.variables.set(variable, { kind: 'local', local })
  return local
}

/** `divide` and `modulo` lane by lane. */
export function divideLanes(e: State, s: Of<'divide' | 'modulo'>, part: number): void {
  const { f } = e
  let home = e.variables.get(s.variable.id)
  if (home?.kind !== 'lanes') {
    home = { kind: 'lanes', locals: [] }
    e.variables.set(s.variable.id, home)
  }
  const out = home.locals[part] ?? f.local('v128')
  home.locals[part] = out
  const shift = Math.log2(s.by)
  if (Number.isInteger(shift)) {
    pushLaneValues(e, s.value, part)
    if (s.op === 'divide') {
      f.i32(shift)
      f.op('i32x4.shr_u')
    } else {
      f.i32x4([s.by - 1, s.by - 1, s.by - 1, s.by - 1])
      f.op('v128.and')
    }
    f.set(out)
    return
  }
  const value = f.local('v128')
  pushLaneValues(e, s.value, part)
  f.set(value)
  pushQuotient(e, value, s.by)
  if (s.op === 'modulo') {
    scaleLanes(e, s.by)
    const product = f.local('v128')
    f.set(product)
    f.get(value)
    f.get(product)
    f.op('i32x4.sub')
    f.release('v128', product)
  }
  f.set(out)
  f.release('v128', value)
}

/**
 * floor(value / by) for 0 ≤ value < 2^31, by a multiplication: with s = ⌈log2 by⌉ and
 * m = ⌊2^(31+s) / by⌋ + 1, it is (value · m) >> (31 + s) (Granlund and Montgomery, 1994).
 */
function pushQuotient(e: State, value: number, by: number): void {
  const { f } = e
  const s = Math.ceil(Math.log2(by))
  const m = Number((1n << BigInt(31 + s)) / BigInt(by) + 1n) | 0
  for (const half of ['low', 'high'] as const) {
    f.get(value)
    f.i32x4([m, m, m, m])
    f.op(`i64x2.extmul_${half}_i32x4_u`)
    f.i32(31 + s)
    f.op('i64x2.shr_u')
  }
  f.shuffle32([0, 2, 4, 6])
}

/** An index as a value. */
const FROM_I32: Record<RegType, (e: State) => void> = {
  i32: () => {},
  i64: (e) => e.f.op('i64.extend_i32_s'),
  f32: (e) => e.f.op('f32.convert_i32_s'),
  f64: (e) => e.f.op('f64.convert_i32_s'),
  bool: () => {},
}

export function indexScalar(e: State, s: Of<'index'>): void {
  pushAffine(e, s.value)
  FROM_I32[s.dst.type](e)
  e.registers.setScalar(s.dst)
}

// ---- Pointers ----

/** Computes a pointer from what it is defined by. */
export function setPointer(e: State, p: Pointer): void {
  const { f } = e
  let local = e.pointers.get(p.id)
  if (local === undefined) {
    local = f.local('i32')
    e.pointers.set(p.id, local)
  }
  const base = p.from ? e.pointers.get(p.from.id) : e.bases.get(p.buffer)
  if (base === undefined) throw new Error(`no base for a pointer into ${p.buffer.name}`)
  f.get(base)
  let constant = p.bytes
  for (const { variable, bytes } of p.terms) {
    const home = e.variables.get(variable.id)
    if (home?.kind === 'constant') {
      constant += bytes * home.value
      continue
    }
    if (home?.kind !== 'local') throw new Error(`index ${variable.name} is used before it is set`)
    f.get(home.local)
    f.i32(bytes)
    f.op('i32.mul')
    f.op('i32.add')
  }
  f.addConstant(constant)
  f.set(local)
}

/** Moves a loop's pointers on by `steps` of its variable. */
export function advancePointers(e: State, pointers: readonly Pointer[], steps: number): void {
  const { f } = e
  for (const p of pointers) {
    const local = e.pointers.get(p.id)!
    f.get(local)
    f.i32(p.step * steps)
    f.op('i32.add')
    f.set(local)
  }
}

/** Sets the pointers that wait for a quotient or remainder. */
export function setPointersAfter(e: State, s: Of<'divide' | 'modulo'>): void {
  if (affinesOf(s).some((a) => differsByLane(e, a))) return
  for (const p of e.addresses.after.get(s) ?? []) setPointer(e, p)
}

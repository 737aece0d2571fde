// Functions and conversions of lanes: the instructions for each function and type, part by part.

import type { Fn, Reg, RegType } from '../../../compiler/kernel/ir.js'
import type { LaneOp, OpName } from '../encode/opcodes.js'
import * as names from './names.js'
import { pushConverted, pushScalarFn } from './scalar.js'
import { halvesOf, PART, type State } from './state.js'

type Numeric = Exclude<RegType, 'bool'>

const SHAPE = { f32: 'f32x4', f64: 'f64x2', i32: 'i32x4', i64: 'i64x2' } as const
const EXTRACT: Record<Numeric, LaneOp> = {
  f32: 'f32x4.extract_lane',
  f64: 'f64x2.extract_lane',
  i32: 'i32x4.extract_lane',
  i64: 'i64x2.extract_lane',
}
const REPLACE: Record<Numeric, LaneOp> = {
  f32: 'f32x4.replace_lane',
  f64: 'f64x2.replace_lane',
  i32: 'i32x4.replace_lane',
  i64: 'i64x2.replace_lane',
}

/** Functions that are one instruction: what follows the shape's name. */
const INTEGER: typeof names.INTEGER = { ...names.INTEGER, neg: 'neg', abs: 'abs' }
const WHOLE: Partial<Record<Fn, OpName>> = {
  and: 'v128.and',
  or: 'v128.or',
  xor: 'v128.xor',
  not: 'v128.not',
}
const SHIFTS: Partial<Record<Fn, 'shl' | 'shr_s' | 'shr_u'>> = {
  shl: 'shl',
  shr: 'shr_s',
  ushr: 'shr_u',
}
const COMPARISONS: ReadonlySet<Fn> = new Set(['eq', 'ne', 'lt', 'le'])

function instruction(fn: Fn, type: RegType): OpName | null {
  const whole = WHOLE[fn]
  if (whole && type !== 'f32' && type !== 'f64') return whole
  if (type === 'bool') return fn === 'eq' ? 'i32x4.eq' : fn === 'ne' ? 'v128.xor' : null
  if (type === 'i32' && (fn === 'min' || fn === 'max')) return `i32x4.${fn}_s`
  const suffix = (type === 'f32' || type === 'f64' ? names.FLOAT : INTEGER)[fn]
  return suffix === undefined ? null : (`${SHAPE[type]}.${suffix}` as OpName)
}

/** Assigns fn(args) to a part of a register. */
export function setLanes(e: State, dst: Reg, fn: Fn, args: readonly Reg[], part: number): void {
  const type = (args.at(-1) as Reg).type
  const { registers } = e
  if (COMPARISONS.has(fn) && halvesOf(type) === 2) {
    registers.assign(dst, part, 0, e.lanes, () => {
      for (const half of [0, 1]) pushLanesFn(e, fn, type, args, part, half)
      e.f.shuffle32([0, 2, 4, 6])
    })
    return
  }
  const halves = registers.isUniform(dst) ? 1 : halvesOf(dst.type)
  for (let half = 0; half < halves; half++) {
    registers.assign(dst, part, half, e.lanes, () => pushLanesFn(e, fn, type, args, part, half))
  }
}

function pushLanesFn(
  e: State,
  fn: Fn,
  type: RegType,
  args: readonly Reg[],
  part: number,
  half: number,
): void {
  const { f, registers } = e
  const push = args.map((r) => () => registers.push(r, part, half))
  if (fn === 'select') {
    const [mask, a, b] = push
    a!()
    b!()
    registers.push(args[0]!, part)
    if (halvesOf(type) === 2) registers.widenMask(half)
    void mask
    registers.selectLanes()
    return
  }
  if (fn === 'fma' && (type === 'f32' || type === 'f64')) {
    const [a, b, c] = push
    a!()
    b!()
    if (!e.features.relaxed) f.op(`${SHAPE[type]}.mul`)
    c!()
    f.op(e.features.relaxed ? `${SHAPE[type]}.relaxed_madd` : `${SHAPE[type]}.add`)
    return
  }
  if (pushWithConstant(e, fn, type, args, part, half)) return
  if ((fn === 'min' || fn === 'max') && type === 'i64') {
    for (const p of [...push, ...push]) p()
    f.op(fn === 'min' ? 'i64x2.lt_s' : 'i64x2.gt_s')
    registers.selectLanes()
    return
  }
  const name = instruction(fn, type)
  if (name !== null) {
    for (const p of push) p()
    f.op(name)
    return
  }
  pushLaneByLane(e, fn, type, push)
}

/** Cheaper forms for an argument that is a known constant. */
function pushWithConstant(
  e: State,
  fn: Fn,
  type: RegType,
  args: readonly Reg[],
  part: number,
  half: number,
): boolean {
  const { f, registers } = e
  const [a, b] = args
  if (!a || !b) return false
  const constant = e.constants.get(b.id)
  const shift = SHIFTS[fn]
  if (shift && constant !== undefined && (type === 'i32' || type === 'i64')) {
    registers.push(a, part, half)
    f.i32(Number(constant))
    f.op(`${SHAPE[type]}.${shift}`)
    return true
  }
  if ((fn === 'min' || fn === 'max') && (type === 'f32' || type === 'f64')) {
    const first = e.constants.get(a.id)
    const [x, value] = constant === undefined ? [b, first] : [a, constant]
    const c = Number(value)
    // -0 as a bound of `min` would need the sign of zeros compared.
    if (value === undefined || Number.isNaN(c) || (fn === 'min' && Object.is(c, -0))) return false
    if (fn === 'max' && Object.is(c, -0)) return false
    // pmax(x, c) = x < c ? c : x keeps a NaN in x, and is right but for max(-0, +0).
    registers.push(x, part, half)
    registers.push(x === a ? b : a, part, half)
    f.op(fn === 'max' ? `${SHAPE[type]}.pmax` : `${SHAPE[type]}.pmin`)
    if (fn === 'max' && c === 0) {
      // -0 + 0 = +0, and adding zero changes nothing else.
      registers.pushConstant(type, 0)
      f.op(`${SHAPE[type]}.add`)
    }
    return true
  }
  return false
}

/** Takes lanes out, computes each alone, and puts them together again. */
function pushLaneByLane(e: State, fn: Fn, type: RegType, push: readonly (() => void)[]): void {
  if (type === 'bool') throw new Error(`${fn} is not defined for bool`)
  const { f } = e
  for (let l = 0; l < PART / halvesOf(type); l++) {
    pushScalarFn(
      e,
      fn,
      type,
      push.map((p) => () => {
        p()
        f.lane(EXTRACT[type], l)
      }),
    )
    if (l === 0) f.op(`${SHAPE[type]}.splat`)
    else f.lane(REPLACE[type], l)
  }
}

// ---- Conversions ----

type PartPush = (half: number) => void

/** Conversions of a part in a few instructions: what pushes half `h` of the result. */
const CONVERT: Record<string, (e: State, push: PartPush, half: number) => void> = {
  'f32>f64': (e, push, half) => {
    push(0)
    if (half === 1) {
      push(0)
      e.f.shuffle32([2, 3, 2, 3])
    }
    e.f.op('f64x2.promote_low_f32x4')
  },
  'f32>i32': (e, push) => {
    push(0)
    e.f.op('i32x4.trunc_sat_f32x4_s')
  },
  'f64>f32': (e, push) => {
    for (const h of [0, 1]) {
      push(h)
      e.f.op('f32x4.demote_f64x2_zero')
    }
    e.f.shuffle32([0, 1, 4, 5])
  },
  'f64>i32': (e, push) => {
    for (const h of [0, 1]) {
      push(h)
      e.f.op('i32x4.trunc_sat_f64x2_s_zero')
    }
    e.f.shuffle32([0, 1, 4, 5])
  },
  'i32>f32': (e, push) => {
    push(0)
    e.f.op('f32x4.convert_i32x4_s')
  },
  'i32>f64': (e, push, half) => {
    push(0)
    if (half === 1) {
      push(0)
      e.f.shuffle32([2, 3, 2, 3])
    }
    e.f.op('f64x2.convert_low_i32x4_s')
  },
  'i32>i64': (e, push, half) => {
    push(0)
    e.f.op(half === 0 ? 'i64x2.extend_low_i32x4_s' : 'i64x2.extend_high_i32x4_s')
  },
  'i64>i32': (e, push) => {
    push(0)
    push(1)
    e.f.shuffle32([0, 2, 4, 6])
  },
  'bool>i32': (e, push) => {
    push(0)
    e.f.op('i32x4.neg')
  },
  'bool>f32': (e, push) => {
    push(0)
    e.registers.pushConstant('f32', 1)
    e.f.op('v128.and')
  },
  'bool>i64': (e, push, half) => {
    push(0)
    e.registers.widenMask(half)
    e.f.op('i64x2.neg')
  },
  'bool>f64': (e, push, half) => {
    push(0)
    e.registers.widenMask(half)
    e.registers.pushConstant('f64', 1)
    e.f.op('v128.and')
  },
}

export function convertLanes(e: State, dst: Reg, from: Reg, how: '>' | '=', part: number): void {
  const { f, registers } = e
  const push: PartPush = (half) => registers.push(from, part, half)
  const assign = (value: (half: number) => void): void => {
    const halves = registers.isUniform(dst) ? 1 : halvesOf(dst.type)
    for (let half = 0; half < halves; half++) {
      registers.assign(dst, part, half, e.lanes, () => value(half))
    }
  }
  // The bits of a v128 have no type.
  if (how === '=' || from.type === dst.type) {
    assign(push)
    return
  }
  if (dst.type === 'bool') {
    const type = from.type as Numeric
    registers.assign(dst, part, 0, e.lanes, () => {
      for (let half = 0; half < halvesOf(type); half++) {
        push(half)
        registers.pushConstant(type, 0)
        f.op(`${SHAPE[type]}.ne`)
      }
      if (halvesOf(type) === 2) f.shuffle32([0, 2, 4, 6])
    })
    return
  }
  const known = CONVERT[`${from.type}>${dst.type}`]
  if (known) {
    assign((half) => known(e, push, half))
    return
  }
  const [source, target] = [from.type as Numeric, dst.type as Numeric]
  assign((half) => {
    const width = PART / halvesOf(target)
    for (let i = 0; i < width; i++) {
      const lane = half * width + i
      const perSource = PART / halvesOf(source)
      push(Math.floor(lane / perSource))
      f.lane(EXTRACT[source], lane % perSource)
      pushConverted(e, source, target, '>')
      if (i === 0) f.op(`${SHAPE[target]}.splat`)
      else f.lane(REPLACE[target], i)
    }
  })
}

// ---- Putting lanes together ----

/** Combines the lanes of an accumulator, l with l + lanes/2 and so on, into a scalar. */
export function combineLanes(e: State, dst: Reg, from: Reg, fn: Fn): void {
  const { f, registers } = e
  const type = from.type as Numeric
  const perVector = PART / halvesOf(type)
  // Vectors in lane order.
  let vectors: number[] = []
  for (let i = 0; i < from.lanes / perVector; i++) {
    const local = f.local('v128')
    registers.push(from, Math.floor((i * perVector) / PART), i % halvesOf(type))
    f.set(local)
    vectors.push(local)
  }
  const apply = (a: () => void, b: () => void): void => pushPair(e, fn, type, a, b)
  while (vectors.length > 1) {
    const half = vectors.length / 2
    for (let i = 0; i < half; i++) {
      const [a, b] = [vectors[i]!, vectors[i + half]!]
      apply(
        () => f.get(a),
        () => f.get(b),
      )
      f.set(a)
      f.release('v128', b)
    }
    vectors = vectors.slice(0, half)
  }
  const last = vectors[0]!
  for (let width = perVector / 2; width >= 1; width /= 2) {
    const moved = f.local('v128')
    f.get(last)
    f.get(last)
    // 64-bit lanes move as pairs of 32-bit ones.
    f.shuffle32(perVector === 2 || width === 2 ? [2, 3, 2, 3] : [1, 1, 1, 1])
    f.set(moved)
    apply(
      () => f.get(last),
      () => f.get(moved),
    )
    f.set(last)
    f.release('v128', moved)
  }
  f.get(last)
  f.lane(EXTRACT[type], 0)
  f.release('v128', last)
  registers.setScalar(dst)
}

function pushPair(e: State, fn: Fn, type: Numeric, a: () => void, b: () => void): void {
  const { f } = e
  a()
  b()
  const name = instruction(fn, type)
  if (name !== null) {
    f.op(name)
    return
  }
  if (type !== 'i64' || (fn !== 'min' && fn !== 'max')) throw new Error(`cannot combine by ${fn}`)
  a()
  b()
  f.op(fn === 'min' ? 'i64x2.lt_s' : 'i64x2.gt_s')
  e.registers.selectLanes()
}

// Functions of lanes: the instructions for each function and type, on (half of) a part.

import type { Fn, Reg } from '../../../compiler/kernel/ir.js'
import { setComparison, setCondition } from './conditions.js'
import { divide32, divideOneByOne, remainderOneByOne } from './division.js'
import { type Comparison, isFloat, isWide, type Numeric, SUFFIX } from './isa/isa.js'
import type { VectorBits, VReg } from './machine/code.js'
import type { State } from './state.js'

/** Functions that are one instruction: what stands before the type's suffix. */
const FLOAT: Partial<Record<Fn, string>> = {
  add: 'vadd',
  sub: 'vsub',
  mul: 'vmul',
  div: 'vdiv',
  sqrt: 'vsqrt',
  // AVX-512's; for AVX2 it is expanded before.
  scale: 'vscalef',
}
const INTEGER: Partial<Record<Fn, string>> = { add: 'vpadd', sub: 'vpsub' }
/** Modes of rounding instructions; 8: without an inexact exception. */
const ROUNDING: Partial<Record<Fn, number>> = { round: 8, floor: 9, ceil: 10, trunc: 11 }
const SHIFTS: Partial<Record<Fn, string>> = { shl: 'vpsll', ushr: 'vpsrl', shr: 'vpsra' }
const COMPARISONS: ReadonlySet<Fn> = new Set(['eq', 'ne', 'lt', 'le'])
const BITWISE: ReadonlySet<Fn> = new Set(['and', 'or', 'xor'])

/** One call of a function, on one register's worth of lanes. */
export interface Call {
  readonly e: State
  readonly type: Numeric
  readonly bits: VectorBits
  readonly dst: VReg
  readonly args: readonly VReg[]
  /** What the arguments are to the kernel. */
  readonly sources: readonly Reg[]
  /** Lanes in the register. */
  readonly lanes: number
}

/** The value of an argument, if it is a constant. */
const known = ({ e, sources }: Call, n: number): number | bigint | undefined =>
  e.constants.get(sources[n]!.id)

/** Assigns fn(args) to a part of a register. */
export function emitSet(e: State, dst: Reg, fn: Fn, args: readonly Reg[], part: number): void {
  const type = args.at(-1)!.type
  if (type === 'bool') setCondition(e, dst, fn, args, part)
  else if (COMPARISONS.has(fn)) setComparison(e, dst, fn as Comparison, args, part)
  else setNumber(e, dst, fn, args, part)
}

function setNumber(e: State, dst: Reg, fn: Fn, args: readonly Reg[], part: number): void {
  const { registers, isa, lanes, code } = e
  const type = args.at(-1)!.type as Numeric
  const bits = isa.width(type, lanes.size)
  const get = (r: Reg, half: number): VReg => registers.get(r, part, half, lanes)
  for (let half = 0; half < registers.halves(dst, lanes); half++) {
    registers.assign(dst, part, half, lanes, (out) => {
      if (fn === 'select') {
        const condition = isa.conditionFor(get(args[0]!, 0), type, lanes.size, half)
        isa.select(out, condition, get(args[1]!, half), get(args[2]!, half), type, bits)
        return
      }
      const call: Call = {
        e,
        type,
        bits,
        dst: out,
        args: args.map((r) => get(r, half)),
        sources: args,
        lanes: Math.min(lanes.size, bits / (isWide(type) ? 64 : 32)),
      }
      if (SPECIAL[fn]?.(call)) return
      const name = instruction(e, fn, type)
      if (name === null) throw new Error(`${fn} is not defined for ${type}`)
      code.v(name, bits, out, ...call.args)
    })
  }
}

function instruction(e: State, fn: Fn, type: Numeric): string | null {
  if (BITWISE.has(fn)) return isFloat(type) ? null : e.isa.bitwise[fn as 'and']
  const name = (isFloat(type) ? FLOAT : INTEGER)[fn]
  if (name !== undefined) return `${name}${SUFFIX[type]}`
  return type === 'i32' && fn === 'mul' ? 'vpmulld' : null
}

/** Functions that are not one instruction on their arguments; false where they are after all. */
const SPECIAL: Partial<Record<Fn, (call: Call) => boolean>> = {
  fma: (call) => {
    const { e, type, bits, dst, args } = call
    if (!isFloat(type)) return false
    const a = args[0]!
    const b = args[1]!
    const c = args[2]!
    if (dst === c) {
      e.code.v(`vfmadd231${SUFFIX[type]}`, bits, dst, a, b)
      return true
    }
    // dst = dst · b + c, with a factor that is not the destination already last.
    const [first, second] = dst === b ? [b, a] : [a, b]
    e.isa.copy(dst, first, bits)
    e.code.v(`vfmadd213${SUFFIX[type]}`, bits, dst, second, c)
    return true
  },

  mul: ({ e, type, bits, dst, args }) => {
    if (type !== 'i64') return false
    e.isa.multiplyLongs(dst, args[0]!, args[1]!, bits)
    return true
  },

  neg: ({ e, type, bits, dst, args }) => {
    const { code, isa } = e
    if (isFloat(type)) {
      code.v(`vxor${SUFFIX[type]}`, bits, dst, args[0]!, isa.constant(type, -0, bits))
      return true
    }
    const zero = code.vector()
    code.v('vzero', bits, zero)
    code.v(`vpsub${SUFFIX[type]}`, bits, dst, zero, args[0]!)
    return true
  },

  abs: ({ e, type, bits, dst, args }) => {
    const { code, isa } = e
    const [a] = args as [VReg]
    if (type === 'i32') code.v('vpabsd', bits, dst, a)
    else if (type === 'i64') isa.absoluteLongs(dst, a, bits)
    else {
      // All bits but the sign; given as an integer, since as a float it would be a NaN.
      const rest =
        type === 'f32'
          ? isa.constant('i32', 0x7fffffff, bits)
          : isa.constant('i64', 2n ** 63n - 1n, bits)
      code.v(`vand${SUFFIX[type]}`, bits, dst, a, rest)
    }
    return true
  },

  not: ({ e, type, bits, dst, args }) => {
    if (isFloat(type)) return false
    const { code, isa } = e
    code.v(isa.bitwise.xor, bits, dst, args[0]!, isa.constant('i32', -1, bits))
    return true
  },

  min: (call) => extremum(call, 'min'),
  max: (call) => extremum(call, 'max'),

  floor: (call) => roundTo(call, 'floor'),
  ceil: (call) => roundTo(call, 'ceil'),
  trunc: (call) => roundTo(call, 'trunc'),
  round: (call) => roundTo(call, 'round'),

  shl: (call) => shift(call, 'shl'),
  shr: (call) => shift(call, 'shr'),
  ushr: (call) => shift(call, 'ushr'),

  div: (call) => {
    if (isFloat(call.type)) return false
    if (call.type === 'i32') divide32(call, call.dst)
    else divideOneByOne(call, 'div')
    return true
  },

  rem: (call) => {
    const { e, type, bits, dst, args } = call
    const { code } = e
    if (isFloat(type)) {
      remainderOneByOne(call)
    } else if (type === 'i64') {
      divideOneByOne(call, 'rem')
    } else {
      const [q, product] = [code.vector(), code.vector()]
      divide32(call, q)
      code.v('vpmulld', bits, product, q, args[1]!)
      code.v('vpsubd', bits, dst, args[0]!, product)
    }
    return true
  },
}

function roundTo({ e, type, bits, dst, args }: Call, fn: Fn): boolean {
  if (!isFloat(type)) return false
  e.code.v(`${e.isa.round}${SUFFIX[type]}`, bits, dst, args[0]!, ROUNDING[fn]!)
  return true
}

function shift(call: Call, fn: 'shl' | 'shr' | 'ushr'): boolean {
  const { e, type, bits, dst, args } = call
  if (isFloat(type)) return false
  const [a, b] = args as [VReg, VReg]
  const count = known(call, 1)
  const places = count === undefined ? b : Number(count)
  if (fn === 'shr' && type === 'i64') {
    e.isa.shiftLongs(dst, a, places, bits)
    return true
  }
  const variable = typeof places === 'number' ? '' : 'v'
  e.code.v(`${SHIFTS[fn]}${variable}${SUFFIX[type]}`, bits, dst, a, places)
  return true
}

/**
 * vmaxps gives its second argument where one is NaN or both are zeros. With a constant as the first that
 * is right as it stands, but for max(-0, +0) and min(+0, -0).
 */
function extremum(call: Call, fn: 'min' | 'max'): boolean {
  const { e, type, bits, dst, args } = call
  const { code, isa } = e
  const [a, b] = args as [VReg, VReg]
  if (isFloat(type)) {
    const second = known(call, 1)
    const [x, bound, value] = second === undefined ? [b, a, known(call, 0)] : [a, b, second]
    const c = Number(value)
    const s = SUFFIX[type]
    if (value !== undefined && !Number.isNaN(c) && !(fn === 'min' && Object.is(c, -0))) {
      if (fn === 'max' && Object.is(c, 0)) {
        // -0 + 0 = +0, and adding zero changes nothing else.
        const t = code.vector()
        code.v(`vmax${s}`, bits, t, bound, x)
        code.v(`vadd${s}`, bits, dst, t, bound)
      } else {
        code.v(`v${fn}${s}`, bits, dst, bound, x)
      }
      return true
    }
  }
  isa.extremum(dst, fn, type, a, b, bits)
  return true
}

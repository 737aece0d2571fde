// Conversions of lanes.

import type { Reg, RegType } from '../../../compiler/kernel/ir.js'
import { isWide, type Numeric } from './isa/isa.js'
import { type VectorBits, type VReg, view } from './machine/code.js'
import type { State } from './state.js'

/** A conversion of one part: its source's registers, and what makes each half of the result. */
interface Conversion {
  readonly e: State
  readonly from: readonly VReg[]
  /** Lanes of the part, and the width of narrow (32-bit) and wide values. */
  readonly size: number
  readonly narrow: VectorBits
  readonly wide: VectorBits
}

/** Makes one half of a result. */
type Rule = (c: Conversion, dst: VReg, half: number) => void

const half = (bits: VectorBits): VectorBits => (bits === 512 ? 256 : 128)

/** From 32-bit lanes to 64-bit ones, by an instruction that takes half as wide a register. */
const widen =
  (op: string) =>
  ({ e, from, narrow, wide }: Conversion, dst: VReg, at: number): void => {
    const source = e.isa.half(from[0]!, at, narrow)
    e.code.emit(op, [view(dst, wide), view(source, half(wide))])
  }

/** From 64-bit lanes to 32-bit ones, which `one` makes in half as wide a register. */
const narrow =
  (one: (c: Conversion, out: VReg, value: VReg) => void): Rule =>
  (c, dst) => {
    const { e, from } = c
    const parts = from.map((reg) => {
      const out = from.length === 1 ? dst : e.code.vector()
      one(c, out, reg)
      return out
    })
    if (parts.length === 2) e.isa.join(dst, parts[0]!, parts[1]!, c.narrow)
  }

/** By an instruction that gives half as wide a register. */
const shorten =
  (op: string) =>
  ({ e, wide }: Conversion, out: VReg, value: VReg): void =>
    e.code.emit(op, [view(out, half(wide)), view(value, wide)])

/** Numbers in the range of 32-bit integers, NaN as 0. */
function clamp32({ e, wide }: Conversion, value: VReg): VReg {
  const { code, isa } = e
  const [number, zeroed, low, high] = [
    isa.fresh('bool'),
    code.vector(),
    code.vector(),
    code.vector(),
  ]
  isa.compare(number, 'f64', 'ordered', value, value, wide)
  const zero = code.vector()
  code.v('vzero', wide, zero)
  isa.select(zeroed, number, value, zero, 'f64', wide)
  code.v('vmaxpd', wide, low, zeroed, isa.constant('f64', -(2 ** 31), wide))
  code.v('vminpd', wide, high, low, isa.constant('f64', 2 ** 31 - 1, wide))
  return high
}

/** How each pair of types converts. */
const CONVERT: Record<string, Rule> = {
  'f32>f64': widen('vcvtps2pd'),
  'i32>f64': widen('vcvtdq2pd'),
  'i32>i64': widen('vpmovsxdq'),
  'f64>f32': narrow(shorten('vcvtpd2ps')),
  'f64>i32': narrow((c, out, value) => shorten('vcvttpd2dq')(c, out, clamp32(c, value))),
  'i32>f32': ({ e, from, narrow: bits }, dst) => e.code.v('vcvtdq2ps', bits, dst, from[0]!),
  'f32>i32': ({ e, from, narrow: bits }, dst) => e.isa.truncate32(dst, from[0]!, bits),
  'i64>i32': ({ e, from, wide, size }, dst) => e.isa.narrowLongs(dst, from, wide, size),
  'f32>i64': (c, dst, at) => {
    const double = c.e.code.vector()
    widen('vcvtps2pd')(c, double, at)
    truncate(c, dst, double)
  },
  'f64>i64': (c, dst, at) => truncate(c, dst, c.from[at]!),
  'i64>f64': (c, dst, at) => c.e.isa.floatLongs(dst, c.from[at]!, 'f64', longsOf(c), c.wide),
  'i64>f32': narrow((c, out, value) => c.e.isa.floatLongs(out, value, 'f32', longsOf(c), c.wide)),
  'bool>f32': ({ e, from, narrow: bits }, dst) => e.isa.ones(dst, from[0]!, 'f32', bits),
  'bool>i32': ({ e, from, narrow: bits }, dst) => e.isa.ones(dst, from[0]!, 'i32', bits),
  'bool>f64': (c, dst, at) => wideOnes(c, dst, at, 'f64'),
  'bool>i64': (c, dst, at) => wideOnes(c, dst, at, 'i64'),
}

function wideOnes({ e, from, wide, size }: Conversion, dst: VReg, at: number, type: Numeric): void {
  e.isa.ones(dst, e.isa.conditionFor(from[0]!, type, size, at), type, wide)
}

/** How many 64-bit lanes a register of the part holds. */
const longsOf = ({ size, wide }: Conversion): number => Math.min(size, wide / 64)

const truncate = (c: Conversion, dst: VReg, from: VReg): void =>
  c.e.isa.truncate64(dst, from, longsOf(c), c.wide)

/** Converts a part; `bits` keeps the bits. */
export function emitConvert(e: State, dst: Reg, from: Reg, bits: boolean, part: number): void {
  const { isa, registers, lanes } = e
  const { size } = lanes
  const shared = registers.isUniform(from)
  const sources = (type: RegType): VReg[] =>
    Array.from({ length: shared ? 1 : isa.halves(type, size) }, (_, h) =>
      registers.get(from, part, h, lanes),
    )
  const regs = sources(from.type)
  if (bits || from.type === dst.type) {
    for (let h = 0; h < registers.halves(dst, lanes); h++) {
      registers.assign(dst, part, h, lanes, (out) =>
        isa.copy(out, regs[shared ? 0 : h]!, isa.width(dst.type, size)),
      )
    }
    return
  }
  // Where all lanes are alike, one half is as good as the other.
  const halves = isa.halves(from.type, size)
  const all = Array.from({ length: halves }, (_, h) => regs[shared ? 0 : h]!)
  const conversion: Conversion = {
    e,
    from: all,
    size,
    narrow: isa.width('i32', size),
    wide: isa.width('i64', size),
  }
  if (dst.type === 'bool') {
    registers.assign(dst, part, 0, lanes, (out) => notZero(conversion, out, from.type as Numeric))
    return
  }
  const rule = CONVERT[`${from.type}>${dst.type}`]
  if (!rule) throw new Error(`no conversion from ${from.type} to ${dst.type}`)
  for (let h = 0; h < registers.halves(dst, lanes); h++) {
    registers.assign(dst, part, h, lanes, (out) => rule(conversion, out, h))
  }
}

function notZero(c: Conversion, dst: VReg, type: Numeric): void {
  const { e, from, size } = c
  const { isa, code } = e
  const bits = isWide(type) ? c.wide : c.narrow
  const conditions = from.map((reg) => {
    const [zero, out] = [code.vector(), isa.fresh('bool')]
    code.v('vzero', bits, zero)
    isa.compare(out, type, 'ne', reg, zero, bits)
    return out
  })
  isa.conditionOf(dst, conditions, type, size)
}

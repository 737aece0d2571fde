// Conversions of lanes, and putting the lanes of an accumulator together.

import type { Fn, Reg, RegType } from '../../../compiler/kernel/ir.js'
import { combineVectors } from './combine.js'
import { Avx512 } from './isa/avx512.js'
import { isWide, type Numeric } from './isa/isa.js'
import { laneLoop } from './lane-loop.js'
import { type VectorBits, type VReg, view } from './machine/code.js'
import { partSize, type State } from './state.js'

/** A conversion of one part: its source's registers, and what makes each half of the result. */
interface Conversion {
  readonly e: State
  readonly from: readonly VReg[]
  /** Lanes of the part, and the width of narrow (32-bit) and wide values. */
  readonly size: number
  readonly narrow: VectorBits
  readonly wide: VectorBits
}

const half = (bits: VectorBits): VectorBits => (bits === 512 ? 256 : 128)

/** From 32-bit lanes to 64-bit ones, by an instruction that takes half as wide a register. */
const widen =
  (op: string) =>
  ({ e, from, narrow, wide }: Conversion, dst: VReg, at: number): void => {
    const source = e.isa.half(from[0]!, at, narrow)
    e.code.emit(op, [view(dst, wide), view(source, half(wide))])
  }

/** From 64-bit lanes to 32-bit ones. */
const narrow =
  (op: string, prepare: (c: Conversion, value: VReg) => VReg = (_, v) => v) =>
  (c: Conversion, dst: VReg): void => {
    const { e, from, wide } = c
    const parts = from.map((reg) => {
      const out = from.length === 1 ? dst : e.code.vector()
      e.code.emit(op, [view(out, half(wide)), view(prepare(c, reg), wide)])
      return out
    })
    if (parts.length === 2) e.isa.join(dst, parts[0]!, parts[1]!, c.narrow)
  }

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

type Rule = (c: Conversion, dst: VReg, half: number) => void

/** How each pair of types converts. */
const CONVERT: Record<string, Rule> = {
  'f32>f64': widen('vcvtps2pd'),
  'i32>f64': widen('vcvtdq2pd'),
  'i32>i64': widen('vpmovsxdq'),
  'f64>f32': narrow('vcvtpd2ps'),
  'f64>i32': narrow('vcvttpd2dq', clamp32),
  'i32>f32': ({ e, from, narrow: bits }, dst) => e.code.v('vcvtdq2ps', bits, dst, from[0]!),
  'f32>i32': ({ e, from, narrow: bits }, dst) => e.isa.truncate32(dst, from[0]!, bits),
  'i64>i32': ({ e, from, wide, size }, dst) => e.isa.narrowLongs(dst, from, wide, size),
  'f32>i64': (c, dst, at) => {
    const double = c.e.code.vector()
    widen('vcvtps2pd')(c, double, at)
    longOf(c, dst, double)
  },
  'f64>i64': (c, dst, at) => longOf(c, dst, c.from[at]!),
  'i64>f64': ({ e, from, wide, size }, dst, at) => {
    if (e.isa instanceof Avx512) e.code.v('vcvtqq2pd', wide, dst, from[at]!)
    else fromLongs(e, dst, from[at]!, wide, size, 8)
  },
  'i64>f32': (c, dst) => {
    const { e, from, wide, size } = c
    if (e.isa instanceof Avx512) {
      narrow('vcvtqq2ps')(c, dst)
      return
    }
    const parts = from.map((reg) => {
      const out = from.length === 1 ? dst : e.code.vector()
      fromLongs(e, out, reg, wide, size, 4)
      return out
    })
    if (parts.length === 2) e.isa.join(dst, parts[0]!, parts[1]!, c.narrow)
  },
  'bool>f32': ({ e, from, narrow: bits }, dst) => e.isa.ones(dst, from[0]!, 'f32', bits),
  'bool>i32': ({ e, from, narrow: bits }, dst) => e.isa.ones(dst, from[0]!, 'i32', bits),
  'bool>f64': (c, dst, at) => wideOnes(c, dst, at, 'f64'),
  'bool>i64': (c, dst, at) => wideOnes(c, dst, at, 'i64'),
}

function wideOnes({ e, from, wide, size }: Conversion, dst: VReg, at: number, type: Numeric): void {
  e.isa.ones(dst, e.isa.conditionFor(from[0]!, type, size, at), type, wide)
}

const lanesOf = (bits: VectorBits, size: number): number => Math.min(size, bits / 64)

/** float64 to i64, saturating, NaN to 0. */
function longOf({ e, wide, size }: Conversion, dst: VReg, from: VReg): void {
  const { code, isa } = e
  if (isa instanceof Avx512) {
    isa.truncate64(dst, from, wide)
    return
  }
  const [raw, large, number, fixed] = [0, 0, 0, 0].map(() => code.vector()) as [
    VReg,
    VReg,
    VReg,
    VReg,
  ]
  const operand = { reg: from, bits: wide, size: 8 } as const
  const result = { reg: raw, bits: wide, size: 8 } as const
  laneLoop(e, lanesOf(wide, size), [operand], result, null, ([at], to) => {
    const t = code.gp()
    code.emit('vcvttsd2si', [view(t, 64), at!])
    code.emit('mov', [to, view(t, 64)])
  })
  // Whatever is out of range became the smallest integer, the complement of the largest.
  isa.compare(large, 'f64', 'ge', from, isa.constant('f64', 2 ** 63, wide), wide)
  code.v('vpxor', wide, fixed, raw, large)
  isa.compare(number, 'f64', 'ordered', from, from, wide)
  code.v('vpand', wide, dst, fixed, number)
}

/** i64 to floats of `bytes` bytes, which AVX2 does one by one. */
function fromLongs(
  e: State,
  dst: VReg,
  from: VReg,
  wide: VectorBits,
  size: number,
  bytes: 4 | 8,
): void {
  const { code } = e
  const operand = { reg: from, bits: wide, size: 8 } as const
  const result = { reg: dst, bits: bytes === 8 ? wide : half(wide), size: bytes } as const
  laneLoop(e, lanesOf(wide, size), [operand], result, null, ([at], to) => {
    const [zero, t, long] = [code.vector(), code.vector(), code.gp()]
    code.g('mov', long, at!)
    code.v('vzero', 128, zero)
    code.emit(bytes === 8 ? 'vcvtsi2sd' : 'vcvtsi2ss', [
      view(t, 128),
      view(zero, 128),
      view(long, 64),
    ])
    code.emit(bytes === 8 ? 'vmovsd' : 'vmovss', [to, view(t, 128)])
  })
}

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

/** Combines the lanes of an accumulator, l with l + lanes/2 and so on, into a scalar. */
export function emitCombine(e: State, dst: Reg, from: Reg, fn: Fn): void {
  const { isa, registers } = e
  const type = from.type as Numeric
  const size = partSize(from.lanes, isa.lanes)
  const halves = isa.halves(type, size)
  const outer = { ...e.lanes, size }
  // Registers in lane order.
  const vectors = Array.from({ length: (from.lanes / size) * halves }, (_, i) =>
    registers.get(from, Math.floor(i / halves), i % halves, outer),
  )
  registers.assign(dst, 0, 0, e.lanes, (out) =>
    combineVectors(e, out, fn, type, vectors, isa.width(type, size)),
  )
}

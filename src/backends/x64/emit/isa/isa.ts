// What the two instruction sets have in common: vectors of up to `bits` bits, lane by lane operations on
// them, constants behind the code. What differs — masks above all — is in avx512.ts and avx2.ts.
//
// A part of a vector loop is a group of virtual lanes that fills one register with 32-bit elements. With
// 64-bit elements it fills one register of twice the width or, where there is none, two: its halves.
// A condition has one register a part: a mask register on AVX-512, 32-bit lanes of ones or zeros on AVX2.

import type { MemoryType, RegType } from '../../../../compiler/kernel/ir.js'
import { FLOAT_PREDICATES } from '../../assembler/index.js'
import { type Code, imm, type Mem, mem, type VectorBits, type VReg, view } from '../machine/code.js'

export type CpuLevel = 'avx2' | 'avx512'
export type Numeric = Exclude<RegType, 'bool'>
export type Comparison = 'eq' | 'ne' | 'lt' | 'le'

export const isFloat = (t: RegType): t is 'f32' | 'f64' => t === 'f32' || t === 'f64'
export const isWide = (t: RegType | MemoryType): boolean => t === 'f64' || t === 'i64'
/** The end of mnemonics for a type, and for one of floats of its size. */
export const SUFFIX = { f32: 'ps', f64: 'pd', i32: 'd', i64: 'q' } as const
export const FLOAT_SUFFIX = { f32: 'ps', f64: 'pd', i32: 'ps', i64: 'pd' } as const

/** Predicates of vcmpps and of vpcmpd; quiet ones, as no comparison is to raise an exception. */
export const FLOAT_PREDICATE = {
  eq: FLOAT_PREDICATES.eq,
  ne: FLOAT_PREDICATES.neq,
  lt: FLOAT_PREDICATES.lt_oq,
  le: FLOAT_PREDICATES.le_oq,
  ge: FLOAT_PREDICATES.ge_oq,
  ordered: FLOAT_PREDICATES.ord,
  unordered: FLOAT_PREDICATES.unord,
} as const

/** Constants in memory order, `bytes` of them. */
export function repeated(type: Numeric, value: number | bigint, bytes: number): Uint8Array {
  const n = bytes / (isWide(type) ? 8 : 4)
  switch (type) {
    case 'f32':
      return new Uint8Array(new Float32Array(n).fill(Number(value)).buffer)
    case 'f64':
      return new Uint8Array(new Float64Array(n).fill(Number(value)).buffer)
    case 'i32':
      return new Uint8Array(new Int32Array(n).fill(Number(value)).buffer)
    case 'i64':
      return new Uint8Array(new BigInt64Array(n).fill(BigInt(value)).buffer)
  }
}

export abstract class Isa {
  abstract readonly level: CpuLevel
  /** The widest vector, and how many 32-bit lanes it has. */
  abstract readonly bits: 256 | 512
  abstract readonly lanes: 8 | 16
  /** Whether instructions can spread one element from memory over all lanes. */
  abstract readonly spreads: boolean
  /** Which registers hold conditions. */
  abstract readonly condition: 'mask' | 'vector'
  /** Bitwise operations on integers. */
  abstract readonly bitwise: { readonly [F in 'and' | 'or' | 'xor' | 'andn']: string }
  abstract readonly round: 'vround' | 'vrndscale'
  /** Taking 128 bits out of a register, and putting them into one. */
  abstract readonly extract: 'vextractf128' | 'vextractf32x4'
  abstract readonly insert: 'vinsertf128' | 'vinsertf32x4'
  /** Whether there is an instruction that multiplies by powers of two. */
  abstract readonly scales: boolean
  /** Whether loads and stores of neighbouring bytes can leave lanes out. */
  abstract readonly masksBytes: boolean

  constructor(readonly c: Code) {}

  // ---- Shapes ----

  /** Registers that hold a part of `part` lanes, and how wide they are. */
  halves(type: RegType, part: number): number {
    return (type === 'f64' || type === 'i64') && part * 64 > this.bits ? 2 : 1
  }

  width(type: RegType, part: number): VectorBits {
    const bits = Math.min(this.bits, part * (isWide(type) ? 64 : 32))
    return bits <= 128 ? 128 : bits <= 256 ? 256 : 512
  }

  /** A new register for (half of) a value of this type. */
  fresh(type: RegType): VReg {
    return type === 'bool' ? this.c.reg(this.condition) : this.c.vector()
  }

  // ---- Constants ----

  /** A constant in all lanes, as a memory operand. */
  constant(type: Numeric, value: number | bigint, bits: VectorBits): Mem {
    const element = isWide(type) ? 8 : 4
    if (this.spreads && bits > 128) {
      return mem(this.c.constant(repeated(type, value, element)), 0, { spread: element })
    }
    return mem(this.c.constant(repeated(type, value, bits / 8)))
  }

  /** Loads a constant into all lanes. */
  loadConstant(dst: VReg, type: Numeric, value: number | bigint, bits: VectorBits): void {
    if (Number(value) === 0 && !Object.is(value, -0)) {
      this.c.v('vzero', bits, dst)
      return
    }
    const from = this.constant(type, value, bits)
    const op = from.spread === 0 ? 'vmovups' : from.spread === 4 ? 'vbroadcastss' : 'vbroadcastsd'
    this.c.v(op, bits, dst, { ...from, spread: 0 })
  }

  /** Loads a table: one value a lane. */
  loadTable(dst: VReg, values: readonly number[], bits: VectorBits): void {
    const lanes = bits / 32
    const table = Int32Array.from({ length: lanes }, (_, i) => values[i] ?? 0)
    this.c.v('vmovups', bits, dst, mem(this.c.constant(new Uint8Array(table.buffer))))
  }

  // ---- Moving ----

  copy(dst: VReg, from: VReg, bits: VectorBits): void {
    if (dst === from) return
    if (dst.cls === 'mask') this.c.emit('kmovw', [view(dst, 64), view(from, 64)])
    else this.c.v('vmovaps', bits, dst, from)
  }

  /** Spreads lane 0 of a register. */
  splat(dst: VReg, from: VReg, type: Numeric, bits: VectorBits): void {
    const to = view(dst, bits)
    if (isWide(type)) {
      this.c.emit(bits === 128 ? 'vmovddup' : 'vbroadcastsd', [to, view(from, 128)])
    } else {
      this.c.emit('vbroadcastss', [to, view(from, 128)])
    }
  }

  /** Spreads a general register. */
  splatGeneral(dst: VReg, from: VReg, type: 'i32' | 'i64', bits: VectorBits): void {
    const t = this.c.vector()
    if (type === 'i32') this.c.emit('vmovd', [view(t, 128), view(from, 32)])
    else this.c.emit('vmovq', [view(t, 128), view(from, 64)])
    this.c.emit(type === 'i32' ? 'vpbroadcastd' : 'vpbroadcastq', [view(dst, bits), view(t, 128)])
  }

  /** Spreads an element from memory over all lanes. */
  loadSplat(dst: VReg, from: Mem, type: Numeric, bits: VectorBits): void {
    if (isWide(type)) this.c.v(bits === 128 ? 'vmovddup' : 'vbroadcastsd', bits, dst, from)
    else this.c.v('vbroadcastss', bits, dst, from)
  }

  /** The lower or upper half of a register, in the lower half of the result. */
  half(from: VReg, half: number, bits: VectorBits): VReg {
    if (half === 0) return from
    const out = this.c.vector()
    if (bits === 512) {
      this.c.emit('vextractf64x4', [view(out, 256), view(from, 512), imm(1)])
    } else if (bits === 256) {
      this.c.emit(this.extract, [view(out, 128), view(from, 256), imm(1)])
    } else {
      this.c.v('vpshufd', 128, out, from, 0xee)
    }
    return out
  }

  /** Puts the lower halves of two registers together. */
  join(dst: VReg, low: VReg, high: VReg, bits: VectorBits): void {
    if (bits === 128) {
      this.c.v('vunpcklpd', 128, dst, low, high)
      return
    }
    const [op, half] =
      bits === 512 ? (['vinsertf64x4', 256] as const) : ([this.insert, 128] as const)
    this.c.emit(op, [view(dst, bits), view(low, bits), view(high, half), imm(1)])
  }

  // ---- What differs ----

  /** dst = the condition `a cmp b`, in the lanes of `type` (64-bit lanes on AVX2 for 64-bit types). */
  abstract compare(
    dst: VReg,
    type: Numeric,
    cmp: Comparison | 'unordered' | 'ordered' | 'ge',
    a: VReg,
    b: VReg | Mem,
    bits: VectorBits,
  ): void
  /** The condition of a part from those of its halves (one or two). */
  abstract conditionOf(dst: VReg, halves: readonly VReg[], type: Numeric, part: number): void
  /** A part's condition in the lanes of (half of) a value of `type`. */
  abstract conditionFor(condition: VReg, type: Numeric, part: number, half: number): VReg
  abstract select(
    dst: VReg,
    condition: VReg,
    a: VReg,
    b: VReg,
    type: RegType,
    bits: VectorBits,
  ): void
  /** Overwrites the lanes of `dst` where the condition holds. */
  merge(dst: VReg, condition: VReg, value: VReg, type: RegType, bits: VectorBits): void {
    this.select(dst, condition, value, dst, type, bits)
  }
  /** Conditions among themselves. */
  abstract logic(dst: VReg, fn: 'and' | 'or' | 'xor' | 'andn', a: VReg, b: VReg, part: number): void
  abstract not(dst: VReg, a: VReg, part: number): void
  /** A condition that holds in the first lanes, `first` of them: none, some or all. */
  abstract conditionConstant(dst: VReg, first: number, part: number): void
  /** A condition that holds in the first `count` lanes, 0 ≤ count. */
  abstract firstLanes(dst: VReg, count: VReg, part: number): void
  /** Spreads the condition of lane 0. */
  abstract splatCondition(dst: VReg, from: VReg, part: number): void
  /** One bit a lane in a general register; lanes beyond the part give anything. */
  abstract bitsOf(dst: VReg, condition: VReg, part: number): void
  /** 1 or 0 of a type where the condition holds or not. */
  abstract ones(dst: VReg, condition: VReg, type: Numeric, bits: VectorBits): void
  /** The minimum or maximum of which NaN is one if there is one, and -0 < +0. */
  abstract extremum(
    dst: VReg,
    fn: 'min' | 'max',
    type: Numeric,
    a: VReg,
    b: VReg,
    bits: VectorBits,
  ): void
  abstract multiplyLongs(dst: VReg, a: VReg, b: VReg, bits: VectorBits): void
  abstract absoluteLongs(dst: VReg, a: VReg, bits: VectorBits): void
  /** Arithmetic shift of 64-bit lanes, by a constant or lane by lane. */
  abstract shiftLongs(dst: VReg, a: VReg, by: VReg | number, bits: VectorBits): void
  /** float32 to 32-bit integers, NaN to 0 and the rest saturated. */
  abstract truncate32(dst: VReg, a: VReg, bits: VectorBits): void
  /** float64 to 64-bit integers in the same way, so many of them. */
  abstract truncate64(dst: VReg, a: VReg, lanes: number, bits: VectorBits): void
  /** 64-bit integers to floats, so many of them; float32 ones fill half as wide a register. */
  abstract floatLongs(
    dst: VReg,
    a: VReg,
    type: 'f32' | 'f64',
    lanes: number,
    bits: VectorBits,
  ): void
  /** The lower 32 bits of 64-bit lanes: those of `halves`, one after the other. */
  abstract narrowLongs(dst: VReg, halves: readonly VReg[], bits: VectorBits, part: number): void
  /**
   * Every other 32-bit lane of two registers, one after the other: from lane 0 of `low`, and from lane
   * `from` of `high`.
   */
  abstract everyOther(dst: VReg, low: VReg, high: VReg, from: 0 | 1, bits: VectorBits): void

  // ---- Memory ----

  /** Loads neighbours where the condition holds. The others become 0, and are not touched. */
  abstract loadMasked(dst: VReg, from: Mem, condition: VReg, type: Numeric, bits: VectorBits): void
  abstract storeMasked(to: Mem, from: VReg, condition: VReg, type: Numeric, bits: VectorBits): void
  /**
   * Stores the lowest bytes of 32-bit lanes, `lanes` of them, as neighbours.
   * @param condition which of them; null: all, as it has to be where `masksBytes` is false
   */
  abstract storeBytes(
    to: Mem,
    from: VReg,
    condition: VReg | null,
    lanes: number,
    bits: VectorBits,
  ): void
  /** dst[l] = the element of lane l, where the condition holds (null: everywhere). */
  abstract gather(
    dst: VReg,
    at: Elements,
    condition: VReg | null,
    type: Numeric,
    bits: VectorBits,
  ): void
  /** The element of lane l = from[l], in the order of lanes; null where no instruction does that. */
  abstract readonly scatter:
    | ((at: Elements, from: VReg, condition: VReg | null, type: Numeric, bits: VectorBits) => void)
    | null
}

/** Where elements of lanes are: that of lane l at base + disp + index[l] · its size; indices have 32 bits. */
export interface Elements {
  readonly base: VReg
  readonly disp: number
  readonly index: VReg
}

/** Elements of as many lanes as fill `bits`, as an operand. */
export function operandOf({ base, disp, index }: Elements, type: Numeric, bits: VectorBits): Mem {
  const indexBits = isWide(type) ? (bits === 512 ? 256 : 128) : bits
  return mem(base, disp, { index, indexBits, scale: isWide(type) ? 8 : 4 })
}

// AVX-512 (F, BW, DQ and VL): conditions are mask registers, and almost every instruction takes one.

import type { RegType } from '../../../../compiler/kernel/ir.js'
import { INTEGER_PREDICATES } from '../../assembler/index.js'
import { imm, type Mem, mem, r32, type VectorBits, type VReg, view } from '../machine/code.js'
import {
  type Comparison,
  type Elements,
  FLOAT_PREDICATE,
  FLOAT_SUFFIX,
  Isa,
  isFloat,
  isWide,
  type Numeric,
  operandOf,
  SUFFIX,
} from './isa.js'

export class Avx512 extends Isa {
  readonly level = 'avx512'
  readonly bits = 512
  readonly lanes = 16
  readonly spreads = true
  readonly condition = 'mask'
  readonly bitwise = { and: 'vpandd', or: 'vpord', xor: 'vpxord', andn: 'vpandnd' }
  readonly round = 'vrndscale'
  readonly extract = 'vextractf32x4'
  readonly insert = 'vinsertf32x4'
  readonly scales = true
  readonly masksBytes = true

  compare(
    dst: VReg,
    type: Numeric,
    cmp: Comparison | 'unordered' | 'ordered' | 'ge',
    a: VReg,
    b: VReg | Mem,
    bits: VectorBits,
  ): void {
    if (isFloat(type)) this.c.v(`vcmp${SUFFIX[type]}`, bits, dst, a, b, FLOAT_PREDICATE[cmp])
    else this.c.v(`vpcmp${SUFFIX[type]}`, bits, dst, a, b, INTEGER_PREDICATES[cmp as Comparison])
  }

  conditionOf(dst: VReg, halves: readonly VReg[]): void {
    const [low, high] = halves
    if (!high) this.copy(dst, low!, 128)
    else this.c.v('kunpckbw', 128, dst, high, low!)
  }

  conditionFor(condition: VReg, type: Numeric, part: number, half: number): VReg {
    if (half === 0 || this.halves(type, part) === 1) return condition
    const upper = this.c.mask()
    this.c.v('kshiftrw', 128, upper, condition, 8)
    return upper
  }

  select(dst: VReg, condition: VReg, a: VReg, b: VReg, type: RegType, bits: VectorBits): void {
    const { c } = this
    if (type === 'bool') {
      const [t, f] = [c.mask(), c.mask()]
      c.v('kandw', 128, t, condition, a)
      c.v('kandnw', 128, f, condition, b)
      c.v('korw', 128, dst, t, f)
      return
    }
    c.vMasked(isWide(type) ? 'vblendmpd' : 'vblendmps', bits, condition, dst, b, a)
  }

  override merge(dst: VReg, m: VReg, value: VReg, type: RegType, bits: VectorBits): void {
    if (type === 'bool') this.select(dst, m, value, dst, type, bits)
    else this.c.vMasked(isWide(type) ? 'vmovapd' : 'vmovaps', bits, m, dst, value)
  }

  logic(dst: VReg, fn: 'and' | 'or' | 'xor' | 'andn', a: VReg, b: VReg): void {
    this.c.v(`k${fn}w`, 128, dst, a, b)
  }

  not(dst: VReg, a: VReg, part: number): void {
    if (part === 16) {
      this.c.v('knotw', 128, dst, a)
      return
    }
    const all = this.c.mask()
    this.conditionConstant(all, part, part)
    this.c.v('kxorw', 128, dst, a, all)
  }

  conditionConstant(dst: VReg, first: number, _part: number): void {
    const bits = (1 << first) - 1
    const place = this.c.constant(Uint8Array.of(bits & 255, bits >> 8))
    this.c.emit('kmovw', [view(dst, 64), mem(place)])
  }

  firstLanes(dst: VReg, count: VReg, part: number): void {
    const { c } = this
    const t = c.gp()
    c.emit('mov', [r32(t), imm(2 ** part - 1)])
    // Bits from the count on become 0; a count of 32 and more leaves them all.
    c.emit('bzhi', [r32(t), r32(t), r32(count)])
    c.emit('kmovw', [view(dst, 64), r32(t)])
  }

  splatCondition(dst: VReg, from: VReg, part: number): void {
    const { c } = this
    const t = c.gp()
    c.emit('kmovw', [r32(t), view(from, 64)])
    c.emit('and', [r32(t), imm(1)])
    c.emit('neg', [r32(t)])
    if (part < 16) c.emit('and', [r32(t), imm(2 ** part - 1)])
    c.emit('kmovw', [view(dst, 64), r32(t)])
  }

  bitsOf(dst: VReg, condition: VReg, _part: number): void {
    this.c.emit('kmovw', [r32(dst), view(condition, 64)])
  }

  ones(dst: VReg, condition: VReg, type: Numeric, bits: VectorBits): void {
    const { c } = this
    const from = this.constant(type, 1, bits)
    const op = from.spread === 0 ? 'vmovups' : from.spread === 4 ? 'vbroadcastss' : 'vbroadcastsd'
    const whole = op === 'vmovups' && isWide(type) ? 'vmovupd' : op
    c.emit(whole, [view(dst, bits), { ...from, spread: 0 }], { mask: condition, zero: true })
  }

  extremum(dst: VReg, fn: 'min' | 'max', type: Numeric, a: VReg, b: VReg, bits: VectorBits): void {
    const { c } = this
    if (!isFloat(type)) {
      c.v(`vp${fn}s${SUFFIX[type]}`, bits, dst, a, b)
      return
    }
    // vrange tells zeros apart, but takes the number where the other argument is NaN: there the sum is meant.
    const s = SUFFIX[type]
    const [out, nan] = [c.vector(), c.mask()]
    this.compare(nan, type, 'unordered', a, b, bits)
    c.v(`vrange${s}`, bits, out, a, b, fn === 'max' ? 5 : 4)
    c.vMasked(`vadd${s}`, bits, nan, out, a, b)
    this.copy(dst, out, bits)
  }

  multiplyLongs(dst: VReg, a: VReg, b: VReg, bits: VectorBits): void {
    this.c.v('vpmullq', bits, dst, a, b)
  }

  absoluteLongs(dst: VReg, a: VReg, bits: VectorBits): void {
    this.c.v('vpabsq', bits, dst, a)
  }

  shiftLongs(dst: VReg, a: VReg, by: VReg | number, bits: VectorBits): void {
    this.c.v(typeof by === 'number' ? 'vpsraq' : 'vpsravq', bits, dst, a, by)
  }

  truncate32(dst: VReg, a: VReg, bits: VectorBits): void {
    const { c } = this
    const [out, large, number] = [c.vector(), c.mask(), c.mask()]
    c.v('vcvttps2dq', bits, out, a)
    this.compare(large, 'f32', 'ge', a, this.constant('f32', 2 ** 31, bits), bits)
    const most = c.vector()
    this.loadConstant(most, 'i32', 2 ** 31 - 1, bits)
    c.vMasked('vmovaps', bits, large, out, most)
    this.compare(number, 'f32', 'ordered', a, a, bits)
    c.emit('vmovaps', [view(dst, bits), view(out, bits)], { mask: number, zero: true })
  }

  truncate64(dst: VReg, a: VReg, _lanes: number, bits: VectorBits): void {
    const { c } = this
    const [out, large, number] = [c.vector(), c.mask(), c.mask()]
    c.v('vcvttpd2qq', bits, out, a)
    this.compare(large, 'f64', 'ge', a, this.constant('f64', 2 ** 63, bits), bits)
    const most = c.vector()
    this.loadConstant(most, 'i64', 2n ** 63n - 1n, bits)
    c.vMasked('vmovapd', bits, large, out, most)
    this.compare(number, 'f64', 'ordered', a, a, bits)
    c.emit('vmovapd', [view(dst, bits), view(out, bits)], { mask: number, zero: true })
  }

  floatLongs(dst: VReg, a: VReg, type: 'f32' | 'f64', _lanes: number, bits: VectorBits): void {
    const to = type === 'f64' ? bits : bits === 512 ? 256 : 128
    this.c.emit(`vcvtqq2${SUFFIX[type]}`, [view(dst, to), view(a, bits)])
  }

  narrowLongs(dst: VReg, halves: readonly VReg[], bits: VectorBits, _part: number): void {
    const { c } = this
    const [low, high] = halves
    const narrow = (to: VReg, from: VReg): void => {
      const half = bits === 512 ? 256 : 128
      c.emit('vpmovqd', [view(to, half), view(from, bits)])
    }
    if (!high) {
      narrow(dst, low!)
      return
    }
    const [a, b] = [c.vector(), c.vector()]
    narrow(a, low!)
    narrow(b, high)
    this.join(dst, a, b, 512)
  }

  everyOther(dst: VReg, low: VReg, high: VReg, from: 0 | 1, bits: VectorBits): void {
    const order = this.c.vector()
    const lanes = bits / 32
    const table = Array.from({ length: lanes }, (_, l) => 2 * l + (l < lanes / 2 ? 0 : from))
    this.loadTable(order, table, bits)
    this.c.v('vpermt2ps', bits, low, order, high)
    this.copy(dst, low, bits)
  }

  loadMasked(dst: VReg, from: Mem, m: VReg, type: Numeric, bits: VectorBits): void {
    this.c.emit(`vmovu${FLOAT_SUFFIX[type]}`, [view(dst, bits), from], { mask: m, zero: true })
  }

  storeMasked(to: Mem, from: VReg, m: VReg, type: Numeric, bits: VectorBits): void {
    this.c.emit(`vmovu${FLOAT_SUFFIX[type]}`, [to, view(from, bits)], { mask: m })
  }

  storeBytes(to: Mem, from: VReg, condition: VReg | null, _lanes: number, bits: VectorBits): void {
    this.c.emit('vpmovdb', [to, view(from, bits)], condition ? { mask: condition } : {})
  }

  gather(dst: VReg, at: Elements, condition: VReg | null, type: Numeric, bits: VectorBits): void {
    const { c } = this
    const [left, out] = [this.ownMask(condition, type, bits), c.vector()]
    c.v('vzero', bits, out)
    const from = operandOf(at, type, bits)
    c.emit(`vgatherd${FLOAT_SUFFIX[type]}`, [view(out, bits), from], { mask: left })
    this.copy(dst, out, bits)
  }

  readonly scatter = (
    at: Elements,
    from: VReg,
    condition: VReg | null,
    type: Numeric,
    bits: VectorBits,
  ): void => {
    const left = this.ownMask(condition, type, bits)
    const to = operandOf(at, type, bits)
    this.c.emit(`vscatterd${FLOAT_SUFFIX[type]}`, [to, view(from, bits)], { mask: left })
  }

  /** A mask for an instruction that clears it as it goes. */
  private ownMask(condition: VReg | null, type: Numeric, bits: VectorBits): VReg {
    const left = this.c.mask()
    if (condition) this.copy(left, condition, 128)
    else this.conditionConstant(left, bits / (isWide(type) ? 64 : 32), 0)
    return left
  }
}

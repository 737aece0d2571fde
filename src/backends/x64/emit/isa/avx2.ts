// AVX2 with FMA and BMI2: conditions are vectors of ones and zeros, and masks exist for few instructions.

import type { RegType } from '../../../../compiler/kernel/ir.js'
import { laneLoop } from '../lane-loop.js'
import { type Mem, r32, type VectorBits, type VReg, view } from '../machine/code.js'
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

export class Avx2 extends Isa {
  readonly level = 'avx2'
  readonly bits = 256
  readonly lanes = 8
  readonly spreads = false
  readonly condition = 'vector'
  readonly bitwise = { and: 'vpand', or: 'vpor', xor: 'vpxor', andn: 'vpandn' }
  readonly round = 'vround'
  readonly extract = 'vextractf128'
  readonly insert = 'vinsertf128'
  readonly scales = false
  readonly masksBytes = false
  readonly scatter = null

  compare(
    dst: VReg,
    type: Numeric,
    cmp: Comparison | 'unordered' | 'ordered' | 'ge',
    a: VReg,
    b: VReg | Mem,
    bits: VectorBits,
  ): void {
    const { c } = this
    if (isFloat(type)) {
      c.v(`vcmp${SUFFIX[type]}`, bits, dst, a, b, FLOAT_PREDICATE[cmp])
      return
    }
    const equal = cmp === 'eq' || cmp === 'ne'
    const [x, y] = cmp === 'lt' ? [this.inRegister(b, bits), a] : [a, b]
    const op = `vpcmp${equal ? 'eq' : 'gt'}${SUFFIX[type]}`
    if (cmp === 'eq' || cmp === 'lt') {
      c.v(op, bits, dst, x, y)
      return
    }
    const opposite = c.vector()
    c.v(op, bits, opposite, x, y)
    c.v('vpxor', bits, dst, opposite, this.constant('i32', -1, bits))
  }

  private inRegister(b: VReg | Mem, bits: VectorBits): VReg {
    if (b.kind === 'register') return b
    const r = this.c.vector()
    this.c.v('vmovups', bits, r, b)
    return r
  }

  conditionOf(dst: VReg, halves: readonly VReg[], type: Numeric, part: number): void {
    if (!isWide(type)) {
      this.copy(dst, halves[0]!, this.width('i32', part))
      return
    }
    this.narrowLongs(dst, halves, this.width(type, part), part)
  }

  conditionFor(condition: VReg, type: Numeric, part: number, half: number): VReg {
    if (!isWide(type)) return condition
    const wide = this.c.vector()
    const from = this.half(condition, half, this.width('i32', part))
    const bits = this.width(type, part)
    this.c.emit('vpmovsxdq', [view(wide, bits), view(from, 128)])
    return wide
  }

  select(dst: VReg, condition: VReg, a: VReg, b: VReg, _type: RegType, bits: VectorBits): void {
    this.c.v('vblendvps', bits, dst, b, a, condition)
  }

  logic(dst: VReg, fn: 'and' | 'or' | 'xor' | 'andn', a: VReg, b: VReg, part: number): void {
    this.c.v(this.bitwise[fn], this.width('bool', part), dst, a, b)
  }

  not(dst: VReg, a: VReg, part: number): void {
    const bits = this.width('bool', part)
    this.c.v('vpxor', bits, dst, a, this.constant('i32', -1, bits))
  }

  conditionConstant(dst: VReg, first: number, part: number): void {
    if (first === 0) this.loadConstant(dst, 'i32', 0, this.width('bool', part))
    else this.loadTable(dst, new Array<number>(first).fill(-1), this.width('bool', part))
  }

  firstLanes(dst: VReg, count: VReg, part: number): void {
    const { c } = this
    const bits = this.width('bool', part)
    // lane < count
    const [counts, iota] = [c.vector(), c.vector()]
    this.splatGeneral(counts, count, 'i32', bits)
    this.loadTable(iota, [0, 1, 2, 3, 4, 5, 6, 7], bits)
    c.v('vpcmpgtd', bits, dst, counts, iota)
  }

  splatCondition(dst: VReg, from: VReg, part: number): void {
    this.splat(dst, from, 'i32', this.width('bool', part))
  }

  bitsOf(dst: VReg, condition: VReg, part: number): void {
    this.c.emit('vmovmskps', [r32(dst), view(condition, this.width('bool', part))])
  }

  ones(dst: VReg, condition: VReg, type: Numeric, bits: VectorBits): void {
    this.c.v('vpand', bits, dst, condition, this.constant(type, 1, bits))
  }

  extremum(dst: VReg, fn: 'min' | 'max', type: Numeric, a: VReg, b: VReg, bits: VectorBits): void {
    const { c } = this
    if (type === 'i32') {
      c.v(`vp${fn}sd`, bits, dst, a, b)
      return
    }
    const t = c.vector()
    if (type === 'i64') {
      c.v('vpcmpgtq', bits, t, a, b)
      if (fn === 'max') this.select(dst, t, a, b, type, bits)
      else this.select(dst, t, b, a, type, bits)
      return
    }
    // Both orders agree, unless an argument is NaN or both are zeros: then the second one is given back.
    const s = SUFFIX[type]
    const [first, second, sum, nan] = [c.vector(), c.vector(), c.vector(), c.vector()]
    c.v(`v${fn}${s}`, bits, first, a, b)
    c.v(`v${fn}${s}`, bits, second, b, a)
    c.v(fn === 'max' ? `vand${s}` : `vor${s}`, bits, t, first, second)
    this.compare(nan, type, 'unordered', a, b, bits)
    c.v(`vadd${s}`, bits, sum, a, b)
    this.select(dst, nan, sum, t, type, bits)
  }

  /** By 32-bit halves: low·low + ((low·high + high·low) << 32). */
  multiplyLongs(dst: VReg, a: VReg, b: VReg, bits: VectorBits): void {
    const { c } = this
    const [turned, cross, sum, high, low] = Array.from({ length: 5 }, () => c.vector()) as [
      VReg,
      VReg,
      VReg,
      VReg,
      VReg,
    ]
    c.v('vpshufd', bits, turned, b, 0xb1)
    c.v('vpmulld', bits, cross, a, turned)
    c.v('vpshufd', bits, sum, cross, 0xb1)
    c.v('vpaddd', bits, high, cross, sum)
    c.v('vpsllq', bits, sum, high, 32)
    c.v('vpmuludq', bits, low, a, b)
    c.v('vpaddq', bits, dst, low, sum)
  }

  absoluteLongs(dst: VReg, a: VReg, bits: VectorBits): void {
    const { c } = this
    const [zero, sign, t] = [c.vector(), c.vector(), c.vector()]
    c.v('vzero', bits, zero)
    c.v('vpcmpgtq', bits, sign, zero, a)
    c.v('vpxor', bits, t, a, sign)
    c.v('vpsubq', bits, dst, t, sign)
  }

  /** Negative numbers are shifted as their complements. */
  shiftLongs(dst: VReg, a: VReg, by: VReg | number, bits: VectorBits): void {
    const { c } = this
    const [zero, sign, t, u] = [c.vector(), c.vector(), c.vector(), c.vector()]
    c.v('vzero', bits, zero)
    c.v('vpcmpgtq', bits, sign, zero, a)
    c.v('vpxor', bits, t, a, sign)
    c.v(typeof by === 'number' ? 'vpsrlq' : 'vpsrlvq', bits, u, t, by)
    c.v('vpxor', bits, dst, u, sign)
  }

  truncate32(dst: VReg, a: VReg, bits: VectorBits): void {
    const { c } = this
    const [t, large, number, u] = [c.vector(), c.vector(), c.vector(), c.vector()]
    c.v('vcvttps2dq', bits, t, a)
    this.compare(large, 'f32', 'ge', a, this.constant('f32', 2 ** 31, bits), bits)
    // Whatever is out of range became 0x80000000, the complement of the largest.
    c.v('vpxor', bits, u, t, large)
    this.compare(number, 'f32', 'ordered', a, a, bits)
    c.v('vpand', bits, dst, u, number)
  }

  truncate64(dst: VReg, a: VReg, lanes: number, bits: VectorBits): void {
    const { c } = this
    const [raw, large, number, fixed] = [c.vector(), c.vector(), c.vector(), c.vector()]
    const operands = [{ reg: a, bits, size: 8 }] as const
    const result = { reg: raw, bits, size: 8 } as const
    laneLoop(c, { lanes, operands, result }, ([at], to) => {
      const t = c.gp()
      c.emit('vcvttsd2si', [view(t, 64), at!])
      c.emit('mov', [to, view(t, 64)])
    })
    // Whatever is out of range became the smallest integer, the complement of the largest.
    this.compare(large, 'f64', 'ge', a, this.constant('f64', 2 ** 63, bits), bits)
    c.v('vpxor', bits, fixed, raw, large)
    this.compare(number, 'f64', 'ordered', a, a, bits)
    c.v('vpand', bits, dst, fixed, number)
  }

  floatLongs(dst: VReg, a: VReg, type: 'f32' | 'f64', lanes: number, bits: VectorBits): void {
    const { c } = this
    const operands = [{ reg: a, bits, size: 8 }] as const
    const [size, to] = type === 'f64' ? ([8, bits] as const) : ([4, 128] as const)
    const scalar = type === 'f64' ? 'sd' : 'ss'
    laneLoop(c, { lanes, operands, result: { reg: dst, bits: to, size } }, ([at], place) => {
      const [zero, t, long] = [c.vector(), c.vector(), c.gp()]
      c.g('mov', long, at!)
      c.v('vzero', 128, zero)
      c.emit(`vcvtsi2${scalar}`, [view(t, 128), view(zero, 128), view(long, 64)])
      c.emit(`vmov${scalar}`, [place, view(t, 128)])
    })
  }

  narrowLongs(dst: VReg, halves: readonly VReg[], bits: VectorBits, part: number): void {
    const { c } = this
    const [low, high] = halves
    if (part === 1) {
      this.copy(dst, low!, 128)
    } else if (high) {
      const t = c.vector()
      c.v('vshufps', 256, t, low!, high, 0x88)
      c.v('vpermq', 256, dst, t, 0xd8)
    } else if (bits === 256) {
      c.v('vshufps', 128, dst, low!, this.half(low!, 1, 256), 0x88)
    } else {
      c.v('vpshufd', 128, dst, low!, 0x88)
    }
  }

  everyOther(dst: VReg, low: VReg, high: VReg, from: 0 | 1): void {
    const t = this.c.vector()
    this.c.v('vshufps', 256, t, low, high, from === 1 ? 0xd8 : 0x88)
    this.c.v('vpermq', 256, dst, t, 0xd8)
  }

  loadMasked(dst: VReg, from: Mem, m: VReg, type: Numeric, bits: VectorBits): void {
    this.c.emit(`vmaskmov${FLOAT_SUFFIX[type]}`, [view(dst, bits), view(m, bits), from])
  }

  storeMasked(to: Mem, from: VReg, m: VReg, type: Numeric, bits: VectorBits): void {
    this.c.emit(`vmaskmov${FLOAT_SUFFIX[type]}`, [to, view(m, bits), view(from, bits)])
  }

  storeBytes(to: Mem, from: VReg, _: VReg | null, lanes: number, bits: VectorBits): void {
    const { c } = this
    const [packed, order] = [c.vector(), c.vector()]
    this.loadTable(order, [0x0c080400, -1, -1, -1, 0x0c080400, -1, -1, -1], bits)
    c.v('vpshufb', bits, packed, from, order)
    if (lanes === 4) {
      c.emit('vmovd', [to, view(packed, 128)])
      return
    }
    const both = c.vector()
    c.v('vunpcklps', 128, both, packed, this.half(packed, 1, 256))
    c.emit('vmovq', [to, view(both, 128)])
  }

  gather(dst: VReg, at: Elements, condition: VReg | null, type: Numeric, bits: VectorBits): void {
    const { c } = this
    const [left, out] = [c.vector(), c.vector()]
    if (condition) this.copy(left, condition, bits)
    else this.loadConstant(left, 'i32', -1, bits)
    c.v('vzero', bits, out)
    const from = operandOf(at, type, bits)
    c.emit(`vgatherd${FLOAT_SUFFIX[type]}`, [view(out, bits), from, view(left, bits)])
    this.copy(dst, out, bits)
  }
}

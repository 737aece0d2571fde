// exp, expm1 and tanh: x = n·ln 2 + r with |r| ≤ ln 2 / 2, a polynomial in r, and 2ⁿ put together from bits.
//
// float32: coefficients of Cephes' expf (S. Moshier). float64: the rational forms of FreeBSD's e_exp.c
// and s_expm1.c (Sun Microsystems 1993, freely granted).

import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'
import { add, copySign, div, literal, lt, max, min, mul, polynomial, select, sub } from './terms.js'

interface Format {
  /** 1.5·2^(mantissa bits): added to a small number, it leaves its rounded value in the low bits. */
  readonly magic: number
  readonly bias: number
  readonly mantissa: number
  readonly bits: 'i32' | 'i64'
  /** ln 2 in two parts, the first with so few bits that n times it is exact. */
  readonly high: number
  readonly low: number
  /** Half the reach of exponents: 2ⁿ is applied in two factors, so that denormals come out right. */
  readonly half: number
  /** Arguments beyond give 0, and infinity. */
  readonly lowest: number
  readonly highest: number
  /** exp m 1 is -1 to the last bit below this. */
  readonly minusOne: number
  /** Below this, exp(x) - 1 is x. */
  readonly tiny: number
}

const FORMATS: Readonly<Record<'f32' | 'f64', Format>> = {
  f32: {
    magic: 1.5 * 2 ** 23,
    bias: 127,
    mantissa: 23,
    bits: 'i32',
    high: 0.693359375,
    low: -2.1219444e-4,
    half: 64,
    lowest: -104,
    highest: 89,
    minusOne: -18,
    tiny: 2 ** -26,
  },
  f64: {
    magic: 1.5 * 2 ** 52,
    bias: 1023,
    mantissa: 52,
    bits: 'i64',
    high: 0.6931471803691238,
    low: 1.9082149292705877e-10,
    half: 512,
    lowest: -746,
    highest: 710,
    minusOne: -40,
    tiny: 2 ** -55,
  },
}

const formatOf = (x: Reg): Format => FORMATS[x.type as 'f32' | 'f64']
const LOG2_E = 1.4426950408889634

/** Integers of the format's width. */
const bits = (k: KernelBuilder, f: Format, value: number): Reg =>
  k.const(f.bits, f.bits === 'i64' ? BigInt(value) : value)

/** The nearest integer n to x / ln 2, as a float and, in the low bits of `raw`, as an integer. */
function exponent(k: KernelBuilder, f: Format, x: Reg): { n: Reg; raw: Reg } {
  // The bias is added along: shifted into place, the low bits are already 2ⁿ.
  const magic = f.magic + f.bias
  const t = add(k, mul(k, x, LOG2_E), magic)
  return { n: sub(k, t, magic), raw: k.bitcast(f.bits, t) }
}

/** 2^(n + shift), from what `exponent` left. */
function power(k: KernelBuilder, x: Reg, f: Format, raw: Reg, shift: Reg): Reg {
  const placed = k.set('shl', k.set('add', raw, shift), bits(k, f, f.mantissa))
  return k.bitcast(x.type, placed)
}

/** exp(r) - 1 - r for r = high - low, |r| ≤ ln 2 / 2. */
function tail(k: KernelBuilder, high: Reg, low: Reg, r: Reg): Reg {
  const square = mul(k, r, r)
  if (r.type === 'f32') {
    const p = polynomial(k, r, [
      1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
      5.0000001201e-1,
    ])
    return mul(k, p, square)
  }
  const p = polynomial(k, square, [
    4.13813679705723846039e-8, -1.6533902205465251539e-6, 6.61375632143793436117e-5,
    -2.77777777770155933842e-3, 1.66666666666666019037e-1,
  ])
  const c = sub(k, r, mul(k, square, p))
  // exp(r) = 1 + r + r·c / (2 - c), where r itself is not exact: the part that was lost is put back.
  const lost = sub(k, sub(k, high, r), low)
  return add(k, div(k, mul(k, r, c), sub(k, 2, c)), lost)
}

function reduce(k: KernelBuilder, x: Reg, n: Reg, f: Format): { high: Reg; low: Reg; r: Reg } {
  const high = sub(k, x, mul(k, n, f.high))
  const low = mul(k, n, f.low)
  return { high, low, r: sub(k, high, low) }
}

/** e to the power x. */
export function exp(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  const clamped = max(k, min(k, x, f.highest), f.lowest)
  const { n, raw } = exponent(k, f, clamped)
  const { high, low, r } = reduce(k, clamped, n, f)
  const y = add(k, add(k, tail(k, high, low, r), r), 1)
  const negative = lt(k, x, 0)
  const shift = k.set('select', negative, bits(k, f, f.half), bits(k, f, -f.half))
  const scale = select(k, negative, literal(k, x, 2 ** -f.half), 2 ** f.half)
  return mul(k, mul(k, y, power(k, x, f, raw, shift)), scale)
}

/** expm1 for arguments whose power of two neither overflows nor is lost. */
function expm1Within(k: KernelBuilder, x: Reg, f: Format): Reg {
  const { n, raw } = exponent(k, f, x)
  const { high, low, r } = reduce(k, x, n, f)
  const p = add(k, expm1Tail(k, high, low, r), r)
  // Half of 2ⁿ, because 2ⁿ itself may be too large.
  const half = power(k, x, f, raw, bits(k, f, -1))
  const sum = add(k, mul(k, half, p), sub(k, half, 0.5))
  return add(k, sum, sum)
}

/** exp(r) - 1 - r, accurate also where it is much smaller than 1. */
function expm1Tail(k: KernelBuilder, high: Reg, low: Reg, r: Reg): Reg {
  if (r.type === 'f32') return tail(k, high, low, r)
  const halfR = mul(k, r, 0.5)
  const square = mul(k, r, halfR)
  const q = polynomial(k, square, [
    -2.01099218183624371326e-7, 4.00821782732936239552e-6, -7.93650757867487942473e-5,
    1.58730158725481460165e-3, -3.33333333333331316428e-2, 1,
  ])
  const t = sub(k, 3, mul(k, q, halfR))
  const e = mul(k, square, div(k, sub(k, q, t), sub(k, 6, mul(k, r, t))))
  const lost = sub(k, sub(k, high, r), low)
  const inner = sub(k, mul(k, r, sub(k, e, lost)), lost)
  return sub(k, square, inner)
}

/** e to the power x, minus 1: accurate near 0. */
export function expm1(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  const clamped = max(k, min(k, x, f.highest), f.minusOne)
  const isTiny = lt(k, k.set('abs', x), f.tiny)
  return k.set('select', isTiny, x, expm1Within(k, clamped, f))
}

/** The hyperbolic tangent: with t = exp(-2|x|) - 1 it is -t / (t + 2), with the sign of x. */
export function tanh(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  const t = expm1Within(k, max(k, mul(k, k.set('abs', x), -2), f.minusOne), f)
  const ratio = div(k, t, add(k, t, 2))
  const isTiny = lt(k, k.set('abs', x), f.tiny)
  return k.set('select', isTiny, x, copySign(k, ratio, x))
}

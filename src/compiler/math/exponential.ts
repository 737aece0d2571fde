// exp, expm1 and tanh: x = n·ln 2 + r with |r| ≤ ln 2 / 2, a polynomial in r, and 2ⁿ put together from bits.
//
// float32: polynomials of our own, minimax in relative error. float64: the rational forms of FreeBSD's
// e_exp.c and s_expm1.c (Sun Microsystems 1993, freely granted).

import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'
import { add, div, fma, lt, max, min, mul, polynomial, sub, withSign } from './terms.js'

interface Format {
  /** 1.5·2^(mantissa bits): added to a small number, it leaves its rounded value in the low bits. */
  readonly magic: number
  readonly bias: number
  readonly mantissa: number
  readonly bits: 'i32' | 'i64'
  /** ln 2 in two parts, the first with so few bits that n times it is exact. */
  readonly high: number
  readonly low: number
  /** Arguments below give 0, those above ∞. */
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
    lowest: -746,
    highest: 710,
    minusOne: -40,
    tiny: 2 ** -55,
  },
}

const formatOf = (x: Reg): Format => FORMATS[x.type as 'f32' | 'f64']
const { LOG2E } = Math

/** exp(r) for |r| ≤ ln 2 / 2: within 3·10⁻⁹. */
const EXP = [
  1.38143208154e-3, 8.3688510753e-3, 4.16684010796e-2, 1.6666519524e-1, 4.99999933731e-1, 1, 1,
]
/** (exp(r) - 1 - r) / r² there, for results that may be small themselves. */
const EXPM1 = [1.3946670318e-3, 8.36671063547e-3, 4.16662790795e-2, 1.66665420485e-1, 0.5]
/** (tanh(x) - x) / x³ by x², for |x| ≤ 5/8. */
const TANH = [
  -5.71704528674e-3, 2.06505875756e-2, -5.37434982001e-2, 1.33314912891e-1, -3.33332839254e-1,
]

/** The nearest integer n to x / ln 2, as a float and, in the low bits of `raw`, as n + bias + shift. */
function exponent(k: KernelBuilder, f: Format, x: Reg, shift: number): { n: Reg; raw: Reg } {
  const magic = f.magic + f.bias + shift
  const t = fma(k, x, LOG2E, magic)
  return { n: sub(k, t, magic), raw: k.bitcast(f.bits, t) }
}

/** 2^(n + shift), from what `exponent` left: its low bits moved to where exponents are. */
function power(k: KernelBuilder, x: Reg, f: Format, raw: Reg): Reg {
  const places = k.const(f.bits, f.bits === 'i64' ? BigInt(f.mantissa) : f.mantissa)
  return k.bitcast(x.type, k.set('shl', raw, places))
}

/** exp(r) - 1 - r for r = high - low, |r| ≤ ln 2 / 2, in float64. */
function tail(k: KernelBuilder, high: Reg, low: Reg, r: Reg): Reg {
  const square = mul(k, r, r)
  const p = polynomial(
    k,
    square,
    [
      4.1381367970572385e-8, -1.6533902205465252e-6, 0.00006613756321437934, -0.0027777777777015593,
      0.16666666666666602,
    ],
  )
  const c = sub(k, r, mul(k, square, p))
  // exp(r) = 1 + r + r·c / (2 - c), where r itself is not exact: the part that was lost is put back.
  const lost = sub(k, sub(k, high, r), low)
  return add(k, div(k, mul(k, r, c), sub(k, 2, c)), lost)
}

function reduce(k: KernelBuilder, x: Reg, n: Reg, f: Format): { high: Reg; low: Reg; r: Reg } {
  const high = fma(k, n, -f.high, x)
  const low = mul(k, n, f.low)
  return { high, low, r: x.type === 'f32' ? fma(k, n, -f.low, high) : sub(k, high, low) }
}

/** e to the power x. */
export function exp(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  return expWithin(k, max(k, min(k, x, f.highest), f.lowest), f)
}

/** e to the power x where the result is a number, or just none any more. */
function expWithin(k: KernelBuilder, x: Reg, f: Format): Reg {
  const { n } = exponent(k, f, x, 0)
  const { high, low, r } = reduce(k, x, n, f)
  const y = x.type === 'f32' ? polynomial(k, r, EXP) : add(k, add(k, tail(k, high, low, r), r), 1)
  return k.set('scale', y, n)
}

/** expm1 for arguments whose power of two neither overflows nor is lost. */
function expm1Within(k: KernelBuilder, x: Reg, f: Format): Reg {
  const { n, raw } = exponent(k, f, x, -1)
  const { high, low, r } = reduce(k, x, n, f)
  const p =
    x.type === 'f32'
      ? fma(k, polynomial(k, r, EXPM1), mul(k, r, r), r)
      : add(k, expm1Tail(k, high, low, r), r)
  // Half of 2ⁿ, because 2ⁿ itself may be too large.
  const half = power(k, x, f, raw)
  const sum = fma(k, half, p, sub(k, half, 0.5))
  return add(k, sum, sum)
}

/** exp(r) - 1 - r in float64, accurate also where it is much smaller than 1. */
function expm1Tail(k: KernelBuilder, high: Reg, low: Reg, r: Reg): Reg {
  const halfR = mul(k, r, 0.5)
  const square = mul(k, r, halfR)
  const q = polynomial(
    k,
    square,
    [
      -2.0109921818362437e-7, 4.008217827329362e-6, -0.0000793650757867488, 0.0015873015872548146,
      -0.03333333333333313, 1,
    ],
  )
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

/** The hyperbolic tangent. */
export function tanh(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  return withSign(k, (x.type === 'f32' ? tanh32 : tanh64)(k, k.set('abs', x), f), x)
}

/** A polynomial near 0; further out 1 - 2 / (exp(2x) + 1), which is 1 from 9 on. */
function tanh32(k: KernelBuilder, x: Reg, f: Format): Reg {
  const bounded = min(k, x, 9.1)
  const e = expWithin(k, add(k, bounded, bounded), f)
  const far = sub(k, 1, div(k, 2, add(k, e, 1)))
  const square = mul(k, x, x)
  const near = fma(k, mul(k, polynomial(k, square, TANH), square), x, x)
  return k.set('select', lt(k, x, 0.625), near, far)
}

/** With t = exp(-2x) - 1 it is -t / (t + 2). */
function tanh64(k: KernelBuilder, x: Reg, f: Format): Reg {
  const t = expm1Within(k, max(k, mul(k, x, -2), f.minusOne), f)
  return k.set('select', lt(k, x, f.tiny), x, k.set('neg', div(k, t, add(k, t, 2))))
}

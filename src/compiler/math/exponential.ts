// exp, expm1 and tanh: x = n·ln 2 + r with |r| ≤ ln 2 / 2, a polynomial in r, and 2ⁿ put together from bits.
//
// float32: a polynomial of our own. float64: the rational forms of FreeBSD's e_exp.c
// and s_expm1.c (Sun Microsystems 1993, freely granted).

import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'
import { add, copySign, div, lt, max, min, mul, polynomial, select, sub } from './terms.js'

interface Format {
  /** 1.5·2^(mantissa bits): added to a small number, it leaves its rounded value in the low bits. */
  readonly magic: number
  readonly bias: number
  readonly mantissa: number
  readonly bits: 'i32' | 'i64'
  /** ln 2 in two parts, the first with so few bits that n times it is exact. */
  readonly high: number
  readonly low: number
  /** Arguments below give 0: the last results before denormals, which would cost a hundred times more. */
  readonly lowest: number
  /** An argument that overflows. */
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
    lowest: -125.5 * Math.LN2,
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
    lowest: -1021.5 * Math.LN2,
    highest: 710,
    minusOne: -40,
    tiny: 2 ** -55,
  },
}

const formatOf = (x: Reg): Format => FORMATS[x.type as 'f32' | 'f64']
const { LOG2E } = Math

/** Integers of the format's width. */
const bits = (k: KernelBuilder, f: Format, value: number): Reg =>
  k.const(f.bits, f.bits === 'i64' ? BigInt(value) : value)

/** The nearest integer n to x / ln 2, as a float and, in the low bits of `raw`, as n + bias + shift. */
function exponent(k: KernelBuilder, f: Format, x: Reg, shift: number): { n: Reg; raw: Reg } {
  const magic = f.magic + f.bias + shift
  const t = add(k, mul(k, x, LOG2E), magic)
  return { n: sub(k, t, magic), raw: k.bitcast(f.bits, t) }
}

/** 2^(n + shift), from what `exponent` left: its low bits moved to where exponents are. */
function power(k: KernelBuilder, x: Reg, f: Format, raw: Reg): Reg {
  return k.bitcast(x.type, k.set('shl', raw, bits(k, f, f.mantissa)))
}

/** exp(r) - 1 - r for r = high - low, |r| ≤ ln 2 / 2. */
function tail(k: KernelBuilder, high: Reg, low: Reg, r: Reg): Reg {
  const square = mul(k, r, r)
  if (r.type === 'f32') {
    // Interpolates (exp(r) - 1 - r) / r² at Chebyshev nodes; within 10⁻⁸ of it.
    const p = polynomial(
      k,
      r,
      [
        1.392637612298131e-3, 8.363333530724049e-3, 4.166655242443085e-2, 1.6666576266288757e-1,
        0.5,
      ],
    )
    return mul(k, p, square)
  }
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
  const high = sub(k, x, mul(k, n, f.high))
  const low = mul(k, n, f.low)
  return { high, low, r: sub(k, high, low) }
}

/** e to the power x. Results below 2^-125 (2^-1021) are 0. */
export function exp(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  const clamped = min(k, x, f.highest)
  const { n, raw } = exponent(k, f, clamped, -1)
  const { high, low, r } = reduce(k, clamped, n, f)
  const y = add(k, add(k, tail(k, high, low, r), r), 1)
  // Twice y times half of 2ⁿ, because 2ⁿ itself may be too large.
  const result = mul(k, add(k, y, y), power(k, x, f, raw))
  return select(k, lt(k, x, f.lowest), 0, result)
}

/** expm1 for arguments whose power of two neither overflows nor is lost. */
function expm1Within(k: KernelBuilder, x: Reg, f: Format): Reg {
  const { n, raw } = exponent(k, f, x, -1)
  const { high, low, r } = reduce(k, x, n, f)
  const p = add(k, expm1Tail(k, high, low, r), r)
  // Half of 2ⁿ, because 2ⁿ itself may be too large.
  const half = power(k, x, f, raw)
  const sum = add(k, mul(k, half, p), sub(k, half, 0.5))
  return add(k, sum, sum)
}

/** exp(r) - 1 - r, accurate also where it is much smaller than 1. */
function expm1Tail(k: KernelBuilder, high: Reg, low: Reg, r: Reg): Reg {
  if (r.type === 'f32') return tail(k, high, low, r)
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

/** The hyperbolic tangent: with t = exp(-2|x|) - 1 it is -t / (t + 2), with the sign of x. */
export function tanh(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  const t = expm1Within(k, max(k, mul(k, k.set('abs', x), -2), f.minusOne), f)
  const ratio = div(k, t, add(k, t, 2))
  const isTiny = lt(k, k.set('abs', x), f.tiny)
  return k.set('select', isTiny, x, copySign(k, ratio, x))
}

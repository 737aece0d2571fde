// a to the power b, as C's pow. Squares, reciprocals and square roots are those of the plain operations, bit
// for bit.
//
// float32 goes through doubles. float64 takes the logarithm to 80 bits: two numbers, the first with a lower
// half of zeros so that its products are exact, as in FreeBSD's e_pow.c (Sun Microsystems 1993, freely
// granted), whose coefficients these are. Nothing in it depends on how targets fuse.

import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'
import { logNormal } from './logarithm.js'
import {
  add,
  bitAnd,
  div,
  eq,
  fma,
  le,
  lt,
  max,
  min,
  mul,
  polynomial,
  select,
  sub,
} from './terms.js'

/** a to the power b: float32 within 1 ulp, float64 within 2. */
export function pow(k: KernelBuilder, a: Reg, b: Reg): Reg {
  const magnitude = (a.type === 'f32' ? magnitude32 : magnitude64)(k, k.set('abs', a), b)
  const negative = lt(k, k.bitcast(a.type === 'f32' ? 'i32' : 'i64', a), 0)
  const flips = k.set('and', negative, isOdd(k, b))
  const signed = k.set('select', flips, k.set('neg', magnitude), magnitude)
  const whole = eq(k, k.set('floor', b), b)
  const finite = k.set('and', lt(k, a, 0), lt(k, Number.NEGATIVE_INFINITY, a))
  const undefinedThere = k.set('and', finite, k.set('not', whole))
  const general = select(k, undefinedThere, Number.NaN, signed)
  // a is 1, or b is 0: 1, whatever the other is.
  const toOne = k.set('or', eq(k, a, 1), eq(k, b, 0))
  const nan = k.set('not', eq(k, b, b))
  const checked = select(k, nan, b, general)
  const root = select(
    k,
    eq(k, a, Number.NEGATIVE_INFINITY),
    Number.POSITIVE_INFINITY,
    add(k, k.set('sqrt', a), 0),
  )
  const special = select(
    k,
    eq(k, b, 2),
    mul(k, a, a),
    select(k, eq(k, b, -1), div(k, 1, a), select(k, eq(k, b, 0.5), root, checked)),
  )
  return select(k, toOne, 1, special)
}

/** Whether b is an odd integer. Far out every float is even. */
function isOdd(k: KernelBuilder, b: Reg): Reg {
  const half = mul(k, b, 0.5)
  const whole = eq(k, k.set('floor', b), b)
  return k.set('and', whole, k.set('not', eq(k, k.set('floor', half), half)))
}

// ---- float32 ------------------------------------------------------------------------------------

/** |a| to the power b. */
function magnitude32(k: KernelBuilder, a: Reg, b: Reg): Reg {
  const base = k.convert('f64', a)
  const product = mul(k, k.convert('f64', b), logNormal(k, base))
  // 1^b is 1 even where b is infinite.
  return k.convert('f32', expFor32(k, select(k, eq(k, base, 1), 0, product)))
}

/** ln 2 in two parts, the first with so few bits that whole numbers of it are exact. */
const LN2 = { high: 0.6931471803691238, low: 1.9082149292705877e-10 } as const

/** exp in double for results that are rounded to float32: half a dozen digits to spare. */
function expFor32(k: KernelBuilder, x: Reg): Reg {
  const magic = 1.5 * 2 ** 52 + 1023
  const clamped = max(k, min(k, x, 700), -700)
  const t = fma(k, clamped, Math.LOG2E, magic)
  const n = sub(k, t, magic)
  const r = fma(k, n, -LN2.low, fma(k, n, -LN2.high, clamped))
  const y = polynomial(k, r, [
    1 / 39916800,
    1 / 3628800,
    1 / 362880,
    1 / 40320,
    1 / 5040,
    1 / 720,
    1 / 120,
    1 / 24,
    1 / 6,
    0.5,
    1,
    1,
  ])
  const power = k.bitcast('f64', k.set('shl', k.bitcast('i64', t), k.const('i64', 52n)))
  return mul(k, y, power)
}

// ---- float64 ------------------------------------------------------------------------------------

/** log₂ 1.5 and 2 / (3 ln 2), each as a number, or as two of which the first has half the bits. */
const LOG2_OF_1_5 = { high: 0.5849624872207642, low: 1.350039202129749e-8 } as const
const CP = {
  whole: 0.9617966939259756,
  high: 0.9617967009544373,
  low: -7.028461650952758e-9,
} as const
const LG2 = {
  whole: Math.LN2,
  high: 0.6931471824645996,
  low: -1.904654299957768e-9,
} as const
/** Coefficients in s² of (3 / 2)·((log(1 + s) - log(1 - s)) / s - 2) / s² - 1, highest first. */
const LOG = [
  0.20697501780033842, 0.23066074577556175, 0.272728123808534, 0.33333332981837743,
  0.4285714285785502, 0.5999999999999946,
] as const
/** Those of z - (z·(exp(z) + 1) / (exp(z) - 1) - 2) / z·… in z², highest first. */
const EXP = [
  4.1381367970572385e-8, -1.6533902205465252e-6, 0.00006613756321437934, -0.0027777777777015593,
  0.16666666666666602,
] as const

const FRACTION = 2 ** 52 - 1
/** Where mantissas begin that are taken relative to 1.5, and those that are halved: √1.5 and √3. */
const FROM_1_5 = 0x3988f
const FROM_2 = 0xbb67a

/** A double whose lower 32 bits are zero. */
const upper = (k: KernelBuilder, x: Reg): Reg =>
  k.bitcast('f64', bitAnd(k, k.bitcast('i64', x), -(2 ** 32)))

/** log₂ a = high + low for a > 0; `high` is an upper half. */
function log2(k: KernelBuilder, a: Reg): { high: Reg; low: Reg } {
  const denormal = lt(k, a, 2 ** -1022)
  const bits = k.bitcast('i64', select(k, denormal, mul(k, a, 2 ** 54), a))
  const fraction = bitAnd(k, bits, FRACTION)
  const start = k.set('shr', fraction, k.const('i64', 32n))
  const isSmall = lt(k, start, FROM_1_5)
  const isLarge = le(k, FROM_2, start)
  const by = k.set('or', isSmall, isLarge)
  const exponent = k.convert('f64', k.convert('i32', k.set('shr', bits, k.const('i64', 52n))))
  const biased = select(k, denormal, sub(k, exponent, 54 + 1023), sub(k, exponent, 1023))
  const n = select(k, isLarge, add(k, biased, 1), biased)
  // In [√3/2, √3), as a multiple of 1 or 1.5.
  const one = select(k, isLarge, k.const('i64', 0x3fen << 52n), k.const('i64', 0x3ffn << 52n))
  const m = k.bitcast('f64', k.set('or', fraction, one))
  const center = select(k, by, k.const('f64', 1), 1.5)
  // s = (m - center) / (m + center), in two parts.
  const difference = sub(k, m, center)
  const sum = add(k, m, center)
  const v = div(k, 1, sum)
  const s = mul(k, difference, v)
  const sHigh = upper(k, s)
  const sumHigh = upper(k, sum)
  const sumLow = sub(k, m, sub(k, sumHigh, center))
  const sLow = mul(k, v, sub(k, sub(k, difference, mul(k, sHigh, sumHigh)), mul(k, sHigh, sumLow)))
  // log m = 2 (s + s³/3 + …) relative to the center: 2/3·s·(3 + s² + r).
  const square = mul(k, s, s)
  const r = add(
    k,
    mul(k, mul(k, square, square), horner(k, square, LOG)),
    mul(k, sLow, add(k, sHigh, s)),
  )
  const squareHigh = mul(k, sHigh, sHigh)
  const tHigh = upper(k, add(k, add(k, squareHigh, 3), r))
  const tLow = sub(k, r, sub(k, sub(k, tHigh, 3), squareHigh))
  const u = mul(k, sHigh, tHigh)
  const w = add(k, mul(k, sLow, tHigh), mul(k, tLow, s))
  const pHigh = upper(k, add(k, u, w))
  const pLow = sub(k, w, sub(k, pHigh, u))
  const zHigh = mul(k, pHigh, CP.high)
  const atCenter = select(k, by, k.const('f64', 0), LOG2_OF_1_5.low)
  const zLow = add(k, add(k, mul(k, pHigh, CP.low), mul(k, pLow, CP.whole)), atCenter)
  const centerHigh = select(k, by, k.const('f64', 0), LOG2_OF_1_5.high)
  const high = upper(k, add(k, add(k, add(k, zHigh, zLow), centerHigh), n))
  const low = sub(k, zLow, sub(k, sub(k, sub(k, high, n), centerHigh), zHigh))
  return { high, low }
}

/** Horner's rule in plain multiplications and additions, which no target fuses. */
function horner(k: KernelBuilder, x: Reg, [first, ...rest]: readonly number[]): Reg {
  return rest.reduce((sum, c) => add(k, mul(k, sum, x), c), k.const('f64', first!))
}

/** 2 to the power high + low. */
function exp2(k: KernelBuilder, high: Reg, low: Reg): Reg {
  const n = k.set('round', add(k, high, low))
  const h = sub(k, high, n)
  const t = upper(k, add(k, low, h))
  const u = mul(k, t, LG2.high)
  const v = add(k, mul(k, sub(k, low, sub(k, t, h)), LG2.whole), mul(k, t, LG2.low))
  const z = add(k, u, v)
  const lost = sub(k, v, sub(k, z, u))
  const square = mul(k, z, z)
  const c = sub(k, z, mul(k, square, horner(k, square, EXP)))
  const r = sub(k, div(k, mul(k, z, c), sub(k, c, 2)), add(k, lost, mul(k, z, lost)))
  return k.set('scale', sub(k, 1, sub(k, r, z)), n)
}

/** |a| to the power b. */
function magnitude64(k: KernelBuilder, a: Reg, b: Reg): Reg {
  const { high, low } = log2(k, a)
  const bHigh = upper(k, b)
  const pHigh = mul(k, bHigh, high)
  const pLow = add(k, mul(k, sub(k, b, bHigh), high), mul(k, b, low))
  // Beyond these there is nothing but infinity and 0; where they are reached, `low` is lost in them.
  const bounded = max(k, min(k, pHigh, 1100), -1100)
  const inside = eq(k, bounded, pHigh)
  const finite = exp2(k, bounded, select(k, inside, pLow, 0))
  // Infinite exponents, and the infinite logarithms of 0 and ∞, which the formulas do not give.
  const isEnd = k.set('or', eq(k, a, 0), eq(k, a, Number.POSITIVE_INFINITY))
  const atEnd = k.set('or', isEnd, eq(k, k.set('abs', b), Number.POSITIVE_INFINITY))
  const falls = k.set('xor', lt(k, 1, a), lt(k, 0, b))
  const end = select(k, falls, k.const('f64', 0), Number.POSITIVE_INFINITY)
  const y = k.set('select', atEnd, select(k, eq(k, a, 1), 1, end), finite)
  return k.set('select', eq(k, a, a), y, a)
}

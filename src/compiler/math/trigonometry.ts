// sin and cos: the quarter turn an angle lies in, and a polynomial on what is left of it.
//
// float32 is reduced by as many digits of 2/π as it takes, so results are right for every angle there is.
// float64 is right to the last bit that matters up to |x| = 10⁶; beyond, the error grows with x (about
// 10⁻¹⁶·|x|), and results stay within [-1, 1].
// Coefficients: Cephes' sinf.c (S. Moshier) and FreeBSD's k_sin.c and k_cos.c (Sun Microsystems 1993).

import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'
import { add, eq, fma, lt, max, min, mul, polynomial, select, sub } from './terms.js'

/** π/2 in three parts: products of the first two with integers below 2²⁰ are exact. */
const HALF_PI = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21] as const
/** 1.5·2⁵²: adding it rounds to an integer, and leaves that integer in the low bits. */
const MAGIC = 1.5 * 2 ** 52
const QUARTER = Math.PI / 4 + 1e-6

interface Reduced {
  readonly r: Reg
  /** An i32 whose low two bits count. */
  readonly quarter: Reg
}

/** x = quarter·π/2 + r, for float64. */
function reduce64(k: KernelBuilder, x: Reg): Reduced {
  const t = fma(k, x, 2 / Math.PI, MAGIC)
  const n = sub(k, t, MAGIC)
  let r = x
  for (const part of HALF_PI) r = fma(k, n, -part, r)
  // Far out n has no fraction bits left to be right: keep r where the polynomials make sense.
  const bounded = max(k, min(k, r, QUARTER), -QUARTER)
  return { r: bounded, quarter: k.convert('i32', k.bitcast('i64', t)) }
}

type Digits = readonly [below: number, parts: readonly [number, number, number]]

/**
 * The digits of 2/π that count for float32 numbers below a bound, in parts of 29, 29 and 53 bits. Those
 * before, times any float32 number from the bound above on, are multiples of 4 quarters: whole turns.
 * (M. Payne, R. Hanek: Radian reduction for trigonometric functions, SIGNUM 1983.)
 */
const TWO_OVER_PI: readonly Digits[] = [
  [2 ** 53, [0.636619770899415, 1.4681663246252086e-9, 2.276010073078396e-18]],
  [2 ** 81, [3.3308114738561656e-9, 2.276010060734833e-18, 1.234356328469044e-26]],
  [2 ** 109, [2.276010047810136e-18, 2.5268260333447567e-26, 2.2383930857039694e-35]],
  [
    Number.POSITIVE_INFINITY,
    [2.526826028529932e-26, 7.053217935083346e-35, 1.1588713353428141e-43],
  ],
]
/** Adding it rounds to a multiple of 4. */
const MAGIC_4 = 1.5 * 2 ** 54

/**
 * x = quarter·π/2 + r, for float32, in double: 24 bits times 29 are exact, and so is all that is taken
 * from them, so the bits do not depend on whether multiplications and additions are fused.
 */
function reduce32(k: KernelBuilder, x: Reg): Reduced {
  const wide = k.convert('f64', x)
  const size = k.set('abs', wide)
  const [[, farthest], ...nearer] = [...TWO_OVER_PI].reverse() as [Digits, ...Digits[]]
  const isNearer = nearer.map(([bound]) => lt(k, size, bound))
  const [high, middle, low] = farthest.map((last, part) => {
    const digits = nearer.reduce(
      (further, [, parts], i) => select(k, isNearer[i]!, parts[part]!, further),
      k.const('f64', last),
    )
    return mul(k, wide, digits)
  }) as [Reg, Reg, Reg]
  // In quarters, without whole turns: at most 2 and a bit, as a multiple of 2⁻²⁷ or finer.
  const first = sub(k, high, sub(k, add(k, high, MAGIC_4), MAGIC_4))
  const t = add(k, add(k, first, middle), MAGIC)
  const n = sub(k, t, MAGIC)
  const rest = add(k, add(k, sub(k, first, n), middle), low)
  return {
    r: k.convert('f32', mul(k, rest, Math.PI / 2)),
    quarter: k.convert('i32', k.bitcast('i64', t)),
  }
}

function sine(k: KernelBuilder, r: Reg): Reg {
  const z = mul(k, r, r)
  const p =
    r.type === 'f32'
      ? polynomial(k, z, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1])
      : polynomial(
          k,
          z,
          [
            1.58969099521155e-10, -2.5050760253406863e-8, 2.7557313707070068e-6,
            -0.0001984126982985795, 0.00833333333332249, -0.16666666666666632,
          ],
        )
  return fma(k, mul(k, p, z), r, r)
}

function cosine(k: KernelBuilder, r: Reg): Reg {
  const z = mul(k, r, r)
  const p =
    r.type === 'f32'
      ? polynomial(k, z, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2])
      : polynomial(
          k,
          z,
          [
            -1.1359647557788195e-11, 2.087572321298175e-9, -2.7557314351390663e-7,
            0.00002480158728947673, -0.001388888888887411, 0.0416666666666666,
          ],
        )
  const half = mul(k, z, 0.5)
  const one = sub(k, 1, half)
  // What 1 - z/2 lost in rounding goes in with the small terms.
  const lost = sub(k, sub(k, 1, one), half)
  return add(k, one, fma(k, mul(k, z, z), p, lost))
}

/** sin(x + turns·π/2). */
function turned(k: KernelBuilder, x: Reg, turns: number): Reg {
  const { r, quarter } = (x.type === 'f32' ? reduce32 : reduce64)(k, x)
  const q = turns === 0 ? quarter : add(k, quarter, turns)
  const isEven = k.set('eq', k.set('and', q, k.const('i32', 1)), k.const('i32', 0))
  const value = k.set('select', isEven, sine(k, r), cosine(k, r))
  const isUpper = k.set('eq', k.set('and', q, k.const('i32', 2)), k.const('i32', 0))
  const signed = k.set('select', isUpper, value, k.set('neg', value))
  // Infinity has no sine: ∞ - ∞ is NaN, but the bounds above would have hidden it.
  const isInfinite = eq(k, k.set('abs', x), Number.POSITIVE_INFINITY)
  return select(k, isInfinite, Number.NaN, signed)
}

export function sin(k: KernelBuilder, x: Reg): Reg {
  // Keeps the sign of zero, and denormals.
  return k.set('select', eq(k, x, 0), x, turned(k, x, 0))
}

export const cos = (k: KernelBuilder, x: Reg): Reg => turned(k, x, 1)

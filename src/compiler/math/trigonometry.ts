// sin and cos: the quarter turn an angle lies in, and a polynomial on what is left of it.
//
// The reduction is done in double for float32 too. Up to |x| = 10⁶ it is exact to the last bit that
// matters; beyond, the error grows with x (about 10⁻¹⁶·|x|), and results stay within [-1, 1].
// Coefficients: Cephes' sinf.c (S. Moshier) and FreeBSD's k_sin.c and k_cos.c (Sun Microsystems 1993).

import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'
import { add, eq, fma, max, min, mul, polynomial, select, sub } from './terms.js'

/** π/2 in three parts: products of the first two with integers below 2²⁰ are exact. */
const HALF_PI = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21] as const
/** 1.5·2⁵²: adding it rounds to an integer, and leaves that integer in the low bits. */
const MAGIC = 1.5 * 2 ** 52
const QUARTER = Math.PI / 4 + 1e-6

/** x = quarter·π/2 + r; `quarter` is an i32 whose low two bits count. */
function reduce(k: KernelBuilder, x: Reg): { r: Reg; quarter: Reg } {
  const wide = k.convert('f64', x)
  const t = fma(k, wide, 2 / Math.PI, MAGIC)
  const n = sub(k, t, MAGIC)
  let r = wide
  for (const part of HALF_PI) r = fma(k, n, -part, r)
  // Far out n has no fraction bits left to be right: keep r where the polynomials make sense.
  const bounded = max(k, min(k, r, QUARTER), -QUARTER)
  return { r: k.convert(x.type, bounded), quarter: k.convert('i32', k.bitcast('i64', t)) }
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
  const { r, quarter } = reduce(k, x)
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

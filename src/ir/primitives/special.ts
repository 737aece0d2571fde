// Special functions that JavaScript's Math does not have, in double precision.

/** Evaluates c[0] + c[1] x + c[2] x² + … by Horner's rule. */
function polynomial(x: number, c: readonly number[]): number {
  let sum = 0
  for (let i = c.length - 1; i >= 0; i--) sum = sum * x + c[i]!
  return sum
}

// Rational approximations on |x| < 0.84375, < 1.25, < 1/0.35, < 28, with the coefficients of FreeBSD's
// s_erf.c, whose notice reads: Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved.
// Developed at SunPro, a Sun Microsystems, Inc. business. Permission to use, copy, modify, and
// distribute this software is freely granted, provided that this notice is preserved.
const PP = [
  0.12837916709551256, -0.3250421072470015, -0.02848174957559851, -0.005770270296489442,
  -2.3763016656650163e-5,
]
const QQ = [
  1, 0.39791722395915535, 0.0650222499887673, 0.005081306281875766, 0.00013249473800432164,
  -3.960228278775368e-6,
]
const ERX = 0.8450629115104675
const PA = [
  -0.0023621185607526594, 0.41485611868374833, -0.3722078760357013, 0.31834661990116175,
  -0.11089469428239668, 0.035478304325618236, -0.002166375594868791,
]
const QA = [
  1, 0.10642088040084423, 0.540397917702171, 0.07182865441419627, 0.12617121980876164,
  0.01363708391202905, 0.011984499846799107,
]
const RA = [
  -0.009864944034847148, -0.6938585727071818, -10.558626225323291, -62.375332450326006,
  -162.39666946257347, -184.60509290671104, -81.2874355063066, -9.814329344169145,
]
const SA = [
  1, 19.651271667439257, 137.65775414351904, 434.56587747522923, 645.3872717332679,
  429.00814002756783, 108.63500554177944, 6.570249770319282, -0.0604244152148581,
]
const RB = [
  -0.0098649429247001, -0.799283237680523, -17.757954917754752, -160.63638485582192,
  -637.5664433683896, -1025.0951316110772, -483.5191916086514,
]
const SB = [
  1, 30.33806074348246, 325.7925129965739, 1536.729586084437, 3199.8582195085955,
  2553.0504064331644, 474.52854120695537, -22.44095244658582,
]

/**
 * Coefficients of erf, lowest first, by where |x| lies: numerators and denominators in x² near 0, in |x| - 1
 * in the middle, in 1/x² further out. `atOne` is about erf(1).
 */
export const ERF = {
  near: [PP, QQ],
  middle: [PA, QA],
  far: [RA, SA],
  farther: [RB, SB],
  atOne: ERX,
  farthest: 1 / 0.35,
} as const

const words = new DataView(new ArrayBuffer(8))
/** x with the low half of its bits cleared, so that its square is exact. */
function truncateLow(x: number): number {
  words.setFloat64(0, x)
  words.setUint32(4, 0)
  return words.getFloat64(0)
}

/** The error function 2/√π ∫₀ˣ exp(−t²) dt, to within an ulp. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x
  const a = Math.abs(x)
  const sign = x < 0 ? -1 : 1
  if (a < 0.84375) {
    const z = x * x
    return x + x * (polynomial(z, PP) / polynomial(z, QQ))
  }
  if (a < 1.25) {
    const s = a - 1
    return sign * (ERX + polynomial(s, PA) / polynomial(s, QA))
  }
  if (a >= 6) return sign
  const s = 1 / (a * a)
  const ratio =
    a < ERF.farthest ? polynomial(s, RA) / polynomial(s, SA) : polynomial(s, RB) / polynomial(s, SB)
  const z = truncateLow(a)
  const tail = Math.exp(-z * z - 0.5625) * Math.exp((z - a) * (z + a) + ratio)
  return sign * (1 - tail / a)
}

/** a to the power b as C's pow has it; JavaScript differs at 1^NaN and (−1)^±∞, which are 1. */
export function power(a: number, b: number): number {
  if (a === 1 || (a === -1 && Math.abs(b) === Infinity)) return 1
  return a ** b
}

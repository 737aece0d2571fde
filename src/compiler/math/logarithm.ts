// log and log1p: x = 2ᵏ·m with m near 1, then a series in s = (m - 1) / (m + 1).
//
// Coefficients and splitting of FreeBSD's e_log.c, e_logf.c and s_log1p.c (Sun Microsystems 1993, freely
// granted).

import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'
import { add, div, eq, fma, lt, mul, polynomial, select, sub } from './terms.js'

interface Format {
  readonly bits: 'i32' | 'i64'
  readonly mantissa: number
  readonly bias: number
  /** Smallest normal number, and a power of two that makes denormals normal. */
  readonly normal: number
  readonly up: number
  /** Bits of √½: mantissas start there, so that m - 1 is small on both sides of a power of two. */
  readonly rootHalf: bigint
  readonly one: bigint
  readonly high: number
  readonly low: number
  /** Coefficients of even and odd powers of s², highest first. */
  readonly even: readonly number[]
  readonly odd: readonly number[]
}

const FORMATS: Readonly<Record<'f32' | 'f64', Format>> = {
  f32: {
    bits: 'i32',
    mantissa: 23,
    bias: 127,
    normal: 2 ** -126,
    up: 25,
    rootHalf: 0x3f3504f3n,
    one: 0x3f800000n,
    high: 6.9313812256e-1,
    low: 9.0580006145e-6,
    even: [0.24279078841, 0.40000972152],
    odd: [0.28498786688, 0.66666662693],
  },
  f64: {
    bits: 'i64',
    mantissa: 52,
    bias: 1023,
    normal: 2 ** -1022,
    up: 54,
    rootHalf: 0x3fe6a09e667f3bcdn,
    one: 0x3ff0000000000000n,
    high: 0.6931471803691238,
    low: 1.9082149292705877e-10,
    even: [0.15313837699209373, 0.22222198432149784, 0.3999999999940942],
    odd: [0.14798198605116586, 0.1818357216161805, 0.2857142874366239, 0.6666666666666735],
  },
}

const formatOf = (x: Reg): Format => FORMATS[x.type as 'f32' | 'f64']
const bits = (k: KernelBuilder, f: Format, value: bigint): Reg =>
  k.const(f.bits, f.bits === 'i64' ? value : Number(value))

/** x (positive, normal) as 2ⁿ·(1 + m). n comes as a float. */
function split(k: KernelBuilder, f: Format, x: Reg): { n: Reg; m: Reg } {
  const raw = k.set('add', k.bitcast(f.bits, x), bits(k, f, f.one - f.rootHalf))
  const exponent = k.set('shr', raw, bits(k, f, BigInt(f.mantissa)))
  const fraction = k.set('and', raw, bits(k, f, (1n << BigInt(f.mantissa)) - 1n))
  const placed = k.set('add', fraction, bits(k, f, f.rootHalf))
  const n = k.convert(x.type, k.set('sub', exponent, bits(k, f, BigInt(f.bias))))
  return { n, m: sub(k, k.bitcast(x.type, placed), 1) }
}

/** log(2ⁿ·(1 + m)) + correction. */
function assemble(k: KernelBuilder, f: Format, n: Reg, m: Reg, correction: Reg | null): Reg {
  const s = div(k, m, add(k, m, 2))
  const z = mul(k, s, s)
  const w = mul(k, z, z)
  const series = fma(k, polynomial(k, w, f.even), w, mul(k, polynomial(k, w, f.odd), z))
  const half = mul(k, mul(k, m, 0.5), m)
  let low = mul(k, n, f.low)
  if (correction !== null) low = add(k, low, correction)
  const small = sub(k, fma(k, s, add(k, half, series), low), half)
  return fma(k, n, f.high, add(k, small, m))
}

/** The natural logarithm: NaN below 0, -∞ at 0. */
export function log(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  const denormal = lt(k, x, f.normal)
  const scaled = select(k, denormal, mul(k, x, 2 ** f.up), x)
  const { n, m } = split(k, f, scaled)
  const result = assemble(k, f, select(k, denormal, sub(k, n, f.up), n), m, null)
  return outside(k, x, result, 0)
}

/** The natural logarithm of a double that is 0 or a normal number, for results with few digits. */
export function logNormal(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  const { n, m } = split(k, f, x)
  return outside(k, x, assemble(k, f, n, m, null), 0)
}

/** Puts the values at and below the pole, and at infinity and NaN, in place of what the formula gives. */
function outside(k: KernelBuilder, x: Reg, result: Reg, pole: number): Reg {
  // False for NaN and infinity alike: there the argument itself is the answer.
  const finite = lt(k, x, Number.POSITIVE_INFINITY)
  const above = select(k, finite, result, x)
  const atPole = select(k, eq(k, x, pole), Number.NEGATIVE_INFINITY, above)
  return select(k, lt(k, x, pole), Number.NaN, atPole)
}

/** log(1 + x), accurate near 0. */
export function log1p(k: KernelBuilder, x: Reg): Reg {
  const f = formatOf(x)
  const u = add(k, x, 1)
  const { n, m } = split(k, f, u)
  // What rounding 1 + x lost, taken from the smaller side, as a correction to the logarithm.
  const lost = select(k, lt(k, 1, x), sub(k, 1, sub(k, u, x)), sub(k, x, sub(k, u, 1)))
  const result = assemble(k, f, n, m, div(k, lost, u))
  const zero = eq(k, x, 0)
  return select(k, zero, x, outside(k, x, result, -1))
}

// The error function: odd near 0, one minus an exponential further out.
//
// float32: minimax polynomials after N. Juffa (public). float64: the rational approximations of the
// reference, all of them, of which each element takes one.

import { ERF } from '../../ir/primitives/special.js'
import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'
import { exp } from './exponential.js'
import { add, bitAnd, div, fma, lt, min, mul, polynomial, sub, withSign } from './terms.js'

/** 2/√π ∫₀ˣ exp(-t²) dt. */
export const erf = (k: KernelBuilder, x: Reg): Reg => (x.type === 'f32' ? erf32 : erf64)(k, x)

function erf32(k: KernelBuilder, x: Reg): Reg {
  const t = min(k, k.set('abs', x), 4.5)
  const s = mul(k, x, x)
  const near = polynomial(
    k,
    s,
    [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1],
  )
  const small = fma(k, near, x, x)
  const far = polynomial(
    k,
    t,
    [
      -1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1,
      -1.28717512e-1,
    ],
  )
  const large = withSign(k, sub(k, 1, exp(k, sub(k, mul(k, far, t), t))), x)
  return k.set('select', lt(k, t, 0.927734375), small, large)
}

/** A quotient of polynomials, their coefficients lowest first. */
function ratio(k: KernelBuilder, x: Reg, [p, q]: readonly (readonly number[])[]): Reg {
  return div(k, polynomial(k, x, [...p!].reverse()), polynomial(k, x, [...q!].reverse()))
}

function erf64(k: KernelBuilder, x: Reg): Reg {
  // From 6 on it is 1 to the last bit.
  const a = min(k, k.set('abs', x), 6)
  const near = fma(k, x, ratio(k, mul(k, x, x), ERF.near), x)
  const middle = add(k, ratio(k, sub(k, a, 1), ERF.middle), ERF.atOne)
  const s = div(k, 1, mul(k, a, a))
  const isNearer = lt(k, a, ERF.farthest)
  const exponent = k.set('select', isNearer, ratio(k, s, ERF.far), ratio(k, s, ERF.farther))
  // exp(-a²), where the square of a's upper half is exact.
  const upper = k.bitcast('f64', bitAnd(k, k.bitcast('i64', a), -(2 ** 32)))
  const square = exp(k, sub(k, -0.5625, mul(k, upper, upper)))
  const rest = exp(k, add(k, mul(k, sub(k, upper, a), add(k, upper, a)), exponent))
  const far = sub(k, 1, div(k, mul(k, square, rest), a))
  const outer = withSign(k, k.set('select', lt(k, a, 1.25), middle, far), x)
  return k.set('select', lt(k, a, 0.84375), near, outer)
}

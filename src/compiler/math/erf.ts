// The error function, float32: an odd polynomial near 0, one minus an exponential further out.
// Minimax coefficients after N. Juffa (public).

import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'
import { exp } from './exponential.js'
import { fma, lt, min, mul, polynomial, sub, withSign } from './terms.js'

/** 2/√π ∫₀ˣ exp(-t²) dt. */
export function erf(k: KernelBuilder, x: Reg): Reg {
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

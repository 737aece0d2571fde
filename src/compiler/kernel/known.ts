// What is a number already while code is written: indices, loop bounds, registers set by literals.

import type { Affine, Bound, Kernel, Of } from './ir.js'
import { resultOf, walk } from './walk.js'

/** Where an emitter has each index variable, by id. Constants are those with a value. */
type Homes = ReadonlyMap<number, { readonly kind: string; readonly value?: number }>

/** The value of an affine whose variables all are constants, or null. */
export function knownValue(homes: Homes, a: Affine): number | null {
  let sum = a.constant
  for (const { variable, coefficient } of a.terms) {
    const value = homes.get(variable.id)?.value
    if (value === undefined) return null
    sum += coefficient * value
  }
  return sum
}

/** The value of a bound whose variables all are constants, or null. */
export function knownBound(homes: Homes, b: Bound): number | null {
  if (!('min' in b)) return knownValue(homes, b)
  const [x, y] = [knownValue(homes, b.min[0]), knownValue(homes, b.min[1])]
  return x === null || y === null ? null : Math.min(x, y)
}

/** The quotient or remainder of a value whose variables all are constants, or null. */
export function knownQuotient(
  homes: Homes,
  { op, value, by }: Of<'divide' | 'modulo'>,
): number | null {
  const known = knownValue(homes, value)
  if (known === null || known < 0) return null
  return op === 'divide' ? Math.floor(known / by) : known % by
}

/** The values of registers that are assigned once, by a literal. */
export function constantsOf(kernel: Kernel): Map<number, number | bigint> {
  const constants = new Map<number, number | bigint>()
  const seen = new Set<number>()
  walk(kernel.body, (s) => {
    const dst = resultOf(s)
    if (!dst) return
    if (seen.has(dst.id) || dst.lanes > 0 || s.op !== 'const') constants.delete(dst.id)
    else constants.set(dst.id, s.value)
    seen.add(dst.id)
  })
  return constants
}

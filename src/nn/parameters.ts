// What constructors of layers share: checked sizes and parameters with starting values.

import type { DType } from '../base/dtype.js'
import { ValueError } from '../base/errors.js'
import { full } from '../tensor/create.js'
import { uniform } from '../tensor/random.js'
import { Parameter } from '../tensor/variable.js'
import { type PerAxis, perAxis } from '../tensor/windows.js'

/** Throws unless all of some named sizes are whole numbers of at least 1. */
export function checkSizes(where: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isInteger(size) && size >= 1) continue
    throw new ValueError(where, `${name}: a whole number of at least 1`, String(size))
  }
}

/** One whole number of at least 1 for each spatial axis. */
export function sizesPerAxis(where: string, name: string, value: PerAxis, rank: number): number[] {
  const list = perAxis(where, name, value, rank)
  checkSizes(where, Object.fromEntries(list.map((n, i) => [`${name}[${i}]`, n])))
  return list
}

/** A parameter drawn evenly from [-bound, bound). */
export const uniformParameter = (shape: number[], bound: number, dtype: DType): Parameter =>
  new Parameter(uniform(shape, { low: -bound, high: bound, dtype }))

/** A parameter with one value everywhere. */
export const filledParameter = (shape: number[], value: number, dtype: DType): Parameter =>
  new Parameter(full(shape, value, { dtype }))

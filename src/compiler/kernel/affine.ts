// Affine index arithmetic: what addresses and loop bounds are made of. (It goes through terms by index: there
// are very many sums, and in a young process iterators and closures would be most of their cost.)

import type { Affine, IndexVar } from './ir.js'

type Term = Affine['terms'][number]

export const affine = (constant: number): Affine => ({ constant, terms: [] })
export const ZERO = affine(0)

let nextVar = 0
/** A new index variable. The name is for people only. */
export const indexVar = (name: string): IndexVar => ({ id: nextVar++, name })

export const ofVar = (variable: IndexVar, coefficient = 1): Affine => ({
  constant: 0,
  terms: coefficient === 0 ? [] : [{ variable, coefficient }],
})

export function plus(a: Affine, b: Affine | number): Affine {
  if (typeof b === 'number') return b === 0 ? a : { constant: a.constant + b, terms: a.terms }
  if (b.terms.length === 0) return plus(a, b.constant)
  if (a.terms.length === 0) return plus(b, a.constant)
  // Terms are never written to, so those that stay as they are can be shared.
  const terms = a.terms.slice()
  for (let n = 0; n < b.terms.length; n++) {
    const t = b.terms[n]!
    let i = 0
    while (i < terms.length && terms[i]!.variable.id !== t.variable.id) i++
    if (i === terms.length) {
      terms.push(t)
      continue
    }
    const coefficient = terms[i]!.coefficient + t.coefficient
    if (coefficient === 0) terms.splice(i, 1)
    else terms[i] = { variable: t.variable, coefficient }
  }
  return { constant: a.constant + b.constant, terms }
}

export function times(a: Affine, k: number): Affine {
  if (k === 1) return a
  if (k === 0) return ZERO
  if (a.terms.length === 0) return affine(a.constant * k)
  const terms: Term[] = new Array(a.terms.length)
  for (let i = 0; i < terms.length; i++) {
    const { variable, coefficient } = a.terms[i]!
    terms[i] = { variable, coefficient: coefficient * k }
  }
  return { constant: a.constant * k, terms }
}

/** Σ at[i]·strides[i]. */
export function linear(at: readonly Affine[], strides: readonly number[]): Affine {
  let sum = ZERO
  for (let i = 0; i < at.length; i++) sum = plus(sum, times(at[i] as Affine, strides[i] as number))
  return sum
}

/** Coefficient of a variable, 0 where it does not occur. */
export function coefficientOf({ terms }: Affine, v: IndexVar): number {
  for (let i = 0; i < terms.length; i++) {
    if (terms[i]!.variable.id === v.id) return terms[i]!.coefficient
  }
  return 0
}

export const isConstant = (a: Affine): boolean => a.terms.length === 0

/** Text such as `64*i + j + 3`. */
export function formatAffine(a: Affine): string {
  const parts = a.terms.map((t) =>
    t.coefficient === 1 ? t.variable.name : `${t.coefficient}*${t.variable.name}`,
  )
  if (a.constant !== 0 || parts.length === 0) parts.push(String(a.constant))
  return parts.join(' + ')
}

/** Whether a sum is a multiple of a number, whatever its variables are. */
export const isMultiple = (a: Affine, of: number): boolean =>
  a.constant % of === 0 && a.terms.every((t) => t.coefficient % of === 0)

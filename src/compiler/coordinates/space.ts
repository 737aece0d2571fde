// Index arithmetic with quotients and remainders that stays symbolic as long as it can.
//
// A reshape that merges or splits axes makes coordinates such as floor(i / 3) and i mod 3. Most of them
// meet again in an address, where 3·floor(i / 3) + i mod 3 is plain i. So quotients and remainders
// ("digits") are kept as variables with a definition, put together again when sums are formed, and
// dropped when the ranges of variables show what they are. Only what is left is ever computed.

import { coefficientOf, indexVar, linear, ofVar, plus, times, ZERO } from '../kernel/affine.js'
import type { Affine, IndexVar } from '../kernel/ir.js'

/** floor(value / by) mod `mod`; `mod` 0 stands for no remainder taken. */
export interface Digit {
  readonly value: Affine
  readonly by: number
  readonly mod: number
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

const keyOf = (a: Affine): string => {
  const terms = a.terms.map((t) => `${t.variable.id}*${t.coefficient}`)
  if (terms.length > 1) terms.sort()
  return `${a.constant}+${terms.join('+')}`
}

/** Whether two affine values are the same sum. */
export function affineEqual(a: Affine, b: Affine): boolean {
  if (a === b) return true
  if (a.constant !== b.constant || a.terms.length !== b.terms.length) return false
  for (const t of a.terms) if (coefficientOf(b, t.variable) !== t.coefficient) return false
  return true
}

export const coordsEqual = (a: readonly Affine[], b: readonly Affine[]): boolean =>
  a === b || (a.length === b.length && a.every((x, i) => affineEqual(x, b[i] as Affine)))

/** The variables of one kernel, how large each may get, and which of them are digits of others. */
export class IndexSpace {
  private readonly limits = new Map<number, number>()
  private readonly digits = new Map<number, Digit>()
  private readonly interned = new Map<string, IndexVar>()

  /** Declares that a variable lies in [0, limit). */
  bound(variable: IndexVar, limit: number): void {
    this.limits.set(variable.id, limit)
  }

  variable(name: string, limit: number): IndexVar {
    const v = indexVar(name)
    this.bound(v, limit)
    return v
  }

  /** The definition of a variable that is a digit. */
  digitOf(v: IndexVar): Digit | undefined {
    return this.digits.get(v.id)
  }

  /** The variables (by id) that a sum contains only inside of digits. */
  hidden(a: Affine, into: Set<number> = new Set()): Set<number> {
    for (const t of a.terms) {
      const digit = this.digits.get(t.variable.id)
      if (digit === undefined) continue
      for (const u of digit.value.terms) into.add(u.variable.id)
      this.hidden(digit.value, into)
    }
    return into
  }

  /** Largest and smallest value; infinite when a variable has no declared limit. */
  max(a: Affine): number {
    let m = a.constant
    for (const t of a.terms) if (t.coefficient > 0) m += t.coefficient * this.last(t.variable)
    return m
  }

  min(a: Affine): number {
    let m = a.constant
    for (const t of a.terms) if (t.coefficient < 0) m += t.coefficient * this.last(t.variable)
    return m
  }

  private last(v: IndexVar): number {
    return (this.limits.get(v.id) ?? Number.POSITIVE_INFINITY) - 1
  }

  /** floor(value / by) mod `mod`, in the simplest form known. */
  digit(value: Affine, by: number, mod: number): Affine {
    if (mod === 1) return ZERO
    const only = value.terms[0]
    if (value.constant === 0 && value.terms.length === 1 && only?.coefficient === 1) {
      const inner = this.digits.get(only.variable.id)
      const composed = inner && compose(inner, by, mod)
      if (composed) return this.digit(composed.value, composed.by, composed.mod)
    }
    // Multiples of `by` divide exactly: floor((by·a + rest) / by) = a + floor(rest / by).
    const { whole, rest } = this.split(value, by)
    const positive = this.min(rest) >= 0
    if (positive && this.max(rest) < by) return this.remainder(whole, mod)
    // Where by = g·n and what is no multiple of g stays below g, floor((g·a + rest) / g·n) = floor(a / n).
    const coarse = this.coarsen(value, by)
    if (coarse !== null) return this.digit(coarse.value, coarse.by, mod)
    if (mod === 0) return positive ? plus(whole, this.atom(rest, by, 0)) : this.atom(value, by, 0)
    // Multiples of by·mod do not show in the digit.
    const { rest: visible } = this.split(value, by * mod)
    const kept = this.min(visible) >= 0 ? visible : value
    return this.atom(kept, by, this.max(kept) < by * mod ? 0 : mod)
  }

  private coarsen(value: Affine, by: number): { value: Affine; by: number } | null {
    let best: { value: Affine; by: number } | null = null
    let grain = 1
    for (const t of value.terms) {
      const g = gcd(by, Math.abs(t.coefficient))
      if (g <= grain) continue
      const { whole, rest } = this.split(value, g)
      if (this.min(rest) < 0 || this.max(rest) >= g) continue
      grain = g
      best = { value: whole, by: by / g }
    }
    return best
  }

  private remainder(value: Affine, mod: number): Affine {
    if (mod === 0) return value
    const { rest } = this.split(value, mod)
    if (this.min(rest) >= 0 && this.max(rest) < mod) return rest
    return this.atom(this.min(rest) >= 0 ? rest : value, 1, mod)
  }

  /** value = by·whole + rest, with the constant of `rest` in [0, by). */
  private split(value: Affine, by: number): { whole: Affine; rest: Affine } {
    if (by === 1) return { whole: value, rest: ZERO }
    const c = Math.floor(value.constant / by)
    const divides = value.terms.filter((t) => t.coefficient % by === 0)
    if (divides.length === 0 && c === 0) return { whole: ZERO, rest: value }
    return {
      whole: {
        constant: c,
        terms: divides.map((t) => ({ variable: t.variable, coefficient: t.coefficient / by })),
      },
      rest: {
        constant: value.constant - c * by,
        terms: value.terms.filter((t) => t.coefficient % by !== 0),
      },
    }
  }

  private atom(value: Affine, by: number, mod: number): Affine {
    if (by === 1 && mod === 0) return value
    const key = `${keyOf(value)}/${by}%${mod}`
    let v = this.interned.get(key)
    if (v === undefined) {
      const limit = Math.floor(this.max(value) / by) + 1
      v = this.variable(mod === 0 ? 'q' : 'd', mod === 0 ? limit : Math.min(mod, limit))
      this.digits.set(v.id, { value, by, mod })
      this.interned.set(key, v)
    }
    return { constant: 0, terms: [{ variable: v, coefficient: 1 }] }
  }

  /** Σ coords[i]·strides[i], with neighbouring digits of one value put together. */
  linear(coords: readonly Affine[], strides: readonly number[]): Affine {
    return this.gather(linear(coords, strides))
  }

  /** Replaces c·m·(v / d·m) + c·((v / d) mod m) by c·(v / d), until nothing changes. */
  gather(sum: Affine): Affine {
    let current = sum
    for (;;) {
      const next = this.gatherOnce(current)
      if (next === null) return current
      current = next
    }
  }

  private gatherOnce(sum: Affine): Affine | null {
    if (this.digits.size === 0) return null
    for (let n = 0; n < sum.terms.length; n++) {
      const low = sum.terms[n]!
      const l = this.digits.get(low.variable.id)
      if (l === undefined || l.mod === 0) continue
      const rest = (...without: IndexVar[]): Affine => ({
        constant: sum.constant,
        terms: sum.terms.filter((t) => !without.includes(t.variable)),
      })
      for (const high of sum.terms) {
        if (high.coefficient !== low.coefficient * l.mod) continue
        if (!this.follows(high.variable, l)) continue
        const mod = this.digits.get(high.variable.id)?.mod ?? 0
        const merged = this.digit(l.value, l.by, mod * l.mod)
        return plus(rest(low.variable, high.variable), times(merged, low.coefficient))
      }
    }
    return null
  }

  /** Whether a variable is the digit of the same value next to one. */
  private follows(high: IndexVar, { value, by, mod }: Digit): boolean {
    const h = this.digits.get(high.id)
    if (h !== undefined && h.by === by * mod && affineEqual(h.value, value)) return true
    // Quotients of sums may be known in a simpler form: then it is worked out, and compared.
    return (
      value.terms.length > 1 && affineEqual(this.digit(value, by * mod, h?.mod ?? 0), ofVar(high))
    )
  }
}

function compose(inner: Digit, by: number, mod: number): Digit | null {
  const value = inner.value
  if (inner.mod === 0) return { value, by: inner.by * by, mod }
  if (inner.mod % by !== 0) return null
  const left = inner.mod / by
  if (mod === 0) return { value, by: inner.by * by, mod: left }
  return left % mod === 0 ? { value, by: inner.by * by, mod } : null
}

/** Row-major coordinates in `to` of the element at `coords` in `from`; both shapes have equal sizes. */
export function reshapeCoords(
  space: IndexSpace,
  coords: readonly Affine[],
  from: readonly number[],
  to: readonly number[],
): Affine[] {
  const out = new Array<Affine>(to.length).fill(ZERO)
  let i = from.length
  let j = to.length
  // From the back, take the shortest runs of axes with equal products: they correspond.
  while (i > 0 || j > 0) {
    let p = 1
    let q = 1
    const end = i
    const last = j
    if (i > 0) p *= from[--i] as number
    if (j > 0) q *= to[--j] as number
    while (p !== q) {
      if (p < q && i > 0) p *= from[--i] as number
      else if (j > 0) q *= to[--j] as number
      else break
    }
    // Axes of size 1 at the front belong to this run.
    if (j === 0 && i > 0) while (i > 0) i--
    run(space, coords, from, i, end, to, j, last, out)
  }
  return out
}

function run(
  space: IndexSpace,
  coords: readonly Affine[],
  from: readonly number[],
  i: number,
  end: number,
  to: readonly number[],
  j: number,
  last: number,
  out: Affine[],
): void {
  const strides = new Array<number>(end - i)
  let s = 1
  for (let a = end - 1; a >= i; a--) {
    strides[a - i] = s
    s *= from[a] as number
  }
  const flat = space.linear(coords.slice(i, end), strides)
  let wide = last - 1
  // Only axes larger than 1 take digits; the outermost of them needs no remainder.
  let outermost = j
  while (outermost < last && to[outermost] === 1) outermost++
  let by = 1
  for (; wide >= j; wide--) {
    const size = to[wide] as number
    if (size === 1) continue
    out[wide] = space.digit(flat, by, wide === outermost ? 0 : size)
    by *= size
  }
}

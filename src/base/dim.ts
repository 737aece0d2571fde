// Symbolic dimensions: polynomials with integer coefficients over named sizes that are not known yet.

import { ShapeError } from './errors.js'

/**
 * The size of one axis: a number, or a symbolic expression over sizes that a placeholder left open.
 * Use the `dim*` functions for arithmetic; they work on both and cost next to nothing on numbers.
 */
export type Dim = number | SymDim

/** A size that is not known yet. */
interface Unknown {
  readonly kind: 'symbol'
  readonly name: string
  /** Whether it takes the size of what it has to fit, as a placeholder's `null` does. */
  readonly open: boolean
  /** What an open one has been taken to be equal to. */
  is: Dim | null
}

/** What an unknown in a symbolic dimension is: a placeholder's size, or a quotient that did not divide. */
type Atom = Unknown | { readonly kind: 'quotient'; readonly of: SymDim; readonly by: number }

/** A product of atoms with a coefficient; `atoms` are sorted by their printed form. */
interface Term {
  readonly coefficient: number
  readonly atoms: readonly Atom[]
}

const printAtom = (a: Atom): string => (a.kind === 'symbol' ? a.name : `((${a.of})//${a.by})`)
const monomial = (t: Term): string => t.atoms.map(printAtom).join('*')

/** Sizes for the symbols of a symbolic dimension. */
export type DimEnv = ReadonlyMap<string, number>

/**
 * An immutable symbolic size, in normal form (equal expressions print equally). Turning one into a
 * JavaScript number throws a `ShapeError`, so that an unknown size never slips through as NaN.
 */
export class SymDim {
  /** The printed normal form, which is also the identity of the expression. */
  readonly key: string

  private constructor(readonly terms: readonly Term[]) {
    this.key = terms
      .map((t) => {
        const m = monomial(t)
        if (m === '') return String(t.coefficient)
        return t.coefficient === 1 ? m : `${t.coefficient}*${m}`
      })
      .join(' + ')
  }

  /** A size that is not known until `name` is given a value. */
  static symbol(name: string): SymDim {
    return SymDim.unknown({ kind: 'symbol', name, open: false, is: null })
  }

  /** As `symbol`, but where it has to fit another size it is taken to be equal to it (`dimFits`). */
  static open(name: string): SymDim {
    return SymDim.unknown({ kind: 'symbol', name, open: true, is: null })
  }

  static unknown(atom: Unknown): SymDim {
    return new SymDim([{ coefficient: 1, atoms: [atom] }])
  }

  static quotient(of: SymDim, by: number): SymDim {
    return new SymDim([{ coefficient: 1, atoms: [{ kind: 'quotient', of, by }] }])
  }

  /** The normal form of a sum of terms: a number when nothing symbolic is left. */
  static of(terms: readonly Term[]): Dim {
    const byMonomial = new Map<string, Term>()
    for (const t of terms) {
      const k = monomial(t)
      const c = (byMonomial.get(k)?.coefficient ?? 0) + t.coefficient
      byMonomial.set(k, { coefficient: c, atoms: t.atoms })
    }
    const kept = [...byMonomial.entries()].filter(([, t]) => t.coefficient !== 0)
    // The constant comes last, as people write it.
    kept.sort(([a], [b]) => (a === '' ? 1 : b === '' ? -1 : a < b ? -1 : 1))
    if (kept.length === 0) return 0
    const first = kept[0]
    if (kept.length === 1 && first && first[0] === '') return first[1].coefficient
    return new SymDim(kept.map(([, t]) => t))
  }

  toString(): string {
    return this.key
  }

  valueOf(): never {
    throw new ShapeError('size', 'a size that is known', `the symbolic size ${this.key}`)
  }

  [Symbol.toPrimitive](hint: string): string {
    return hint === 'string' ? this.key : this.valueOf()
  }
}

const termsOf = (d: Dim): readonly Term[] =>
  typeof d === 'number' ? [{ coefficient: d, atoms: [] }] : d.terms

export const isKnown = (d: Dim): d is number => typeof d === 'number'

export function dimAdd(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  return SymDim.of([...termsOf(a), ...termsOf(b)])
}

export function dimMul(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a * b
  const out: Term[] = []
  for (const x of termsOf(a))
    for (const y of termsOf(b)) {
      const atoms = [...x.atoms, ...y.atoms].sort((p, q) => (printAtom(p) < printAtom(q) ? -1 : 1))
      out.push({ coefficient: x.coefficient * y.coefficient, atoms })
    }
  return SymDim.of(out)
}

export const dimSub = (a: Dim, b: Dim): Dim => dimAdd(a, dimMul(b, -1))

/** Whether any open size has been taken to be equal to something: there is nothing to look up before. */
let taken = false

const NOTHING: DimEnv = new Map()
/** The size with every open symbol replaced by what it is taken to be. */
export const dimSettled = (d: Dim): Dim =>
  taken && typeof d !== 'number' ? dimSubstitute(d, NOTHING) : d

/**
 * Equality of normal forms: `true` only when the sizes are equal whatever the symbols are, given what
 * open ones have been taken to be.
 */
export function dimEqual(a: Dim, b: Dim): boolean {
  if (a === b) return true
  if (typeof a === 'number' && typeof b === 'number') return false
  const x = dimSettled(a)
  const y = dimSettled(b)
  return x === y || (typeof x !== 'number' && typeof y !== 'number' && x.key === y.key)
}

/** The open unknown a size is, or `null`. */
function openOf(d: Dim): Unknown | null {
  if (typeof d === 'number' || d.terms.length !== 1) return null
  const { coefficient, atoms } = d.terms[0] as Term
  const atom = atoms[0]
  if (coefficient !== 1 || atoms.length !== 1 || atom?.kind !== 'symbol') return null
  return atom.open ? atom : null
}

/**
 * For sizes that *have* to be equal, where anything else is an error: equality, or else an open size is
 * from now on taken to be equal to the other. Whether it is, shows when sizes are fed.
 */
export function dimFits(a: Dim, b: Dim): boolean {
  if (dimEqual(a, b)) return true
  if (typeof a === 'number' && typeof b === 'number') return false
  const x = dimSettled(a)
  const y = dimSettled(b)
  const unknown = openOf(x) ?? openOf(y)
  if (unknown === null) return false
  const other = openOf(x) === unknown ? y : x
  if (dimSymbols(other).has(unknown.name)) return false
  unknown.is = other
  taken = true
  return true
}

/** `floor(a / by)`, exact when every coefficient divides. */
export function dimFloorDiv(a: Dim, by: number): Dim {
  if (typeof a === 'number') return Math.floor(a / by)
  if (by === 1) return a
  // floor((q·by + r) / by) = q + floor(r / by): take out what divides, keep the rest as a quotient.
  const whole: Term[] = []
  const rest: Term[] = []
  for (const t of a.terms) {
    if (t.coefficient % by === 0) whole.push({ ...t, coefficient: t.coefficient / by })
    else rest.push(t)
  }
  const remainder = SymDim.of(rest)
  const tail =
    typeof remainder === 'number' ? Math.floor(remainder / by) : SymDim.quotient(remainder, by)
  return dimAdd(SymDim.of(whole), tail)
}

/** The quotient when it is exact for every value of the symbols, else `null`. */
export function dimExactDiv(numerator: Dim, denominator: Dim): Dim | null {
  const a = dimSettled(numerator)
  const b = dimSettled(denominator)
  if (typeof a === 'number' && typeof b === 'number') {
    return b !== 0 && a % b === 0 ? a / b : null
  }
  if (dimEqual(a, b)) return 1
  // Only division by one product is needed in practice: reshape divides by the other sizes.
  const divisor = termsOf(b)
  const d = divisor[0]
  if (divisor.length !== 1 || d === undefined || d.coefficient === 0) return null
  const out: Term[] = []
  for (const t of termsOf(a)) {
    if (t.coefficient % d.coefficient !== 0) return null
    const atoms = [...t.atoms]
    for (const atom of d.atoms) {
      const at = atoms.findIndex((x) => printAtom(x) === printAtom(atom))
      if (at < 0) return null
      atoms.splice(at, 1)
    }
    out.push({ coefficient: t.coefficient / d.coefficient, atoms })
  }
  return SymDim.of(out)
}

/** The size with symbols replaced; those that `env` does not name stay, or are what they were taken to be. */
export function dimSubstitute(d: Dim, env: DimEnv): Dim {
  if (typeof d === 'number') return d
  let sum: Dim = 0
  for (const t of d.terms) {
    let product: Dim = t.coefficient
    for (const a of t.atoms) {
      let factor: Dim
      if (a.kind === 'symbol') {
        factor = env.get(a.name) ?? (a.is === null ? SymDim.unknown(a) : dimSubstitute(a.is, env))
      } else factor = dimFloorDiv(dimSubstitute(a.of, env), a.by)
      product = dimMul(product, factor)
    }
    sum = dimAdd(sum, product)
  }
  return sum
}

/** The names of the symbols in a size. */
export function dimSymbols(d: Dim, into: Set<string> = new Set()): Set<string> {
  if (typeof d === 'number') return into
  for (const t of d.terms)
    for (const a of t.atoms) {
      if (a.kind === 'symbol') into.add(a.name)
      else dimSymbols(a.of, into)
    }
  return into
}

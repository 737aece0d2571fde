// Interval analysis of index variables: what loop bounds, guards and addresses can be, at least and at
// most. It decides which tails and guards an emitter may leave out.

import { plus, times } from './affine.js'
import type { Affine, Bound, Kernel, Stmt } from './ir.js'
import { boundParts, walk } from './walk.js'

export interface Interval {
  readonly low: number
  readonly high: number
}

const EVERYTHING: Interval = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }

/** The statements that say what index variables are, outer ones first. */
export function definitionsOf(kernel: Kernel): readonly Stmt[] {
  const found: Stmt[] = []
  walk(kernel.body, (s) => {
    if ('variable' in s) found.push(s)
  })
  return found
}

/** The intervals of all index variables of a kernel. */
export class Ranges {
  private readonly of = new Map<number, Interval>()

  /**
   * @param chunks the chunks that are looked at; all of them, if nothing is said
   * @param definitions what `definitionsOf` found, for those who ask about a kernel several times
   */
  constructor(
    kernel: Kernel,
    chunks: Interval = { low: 0, high: Math.max(0, kernel.grid - 1) },
    definitions = definitionsOf(kernel),
  ) {
    this.of.set(kernel.chunk.id, chunks)
    for (let n = 0; n < definitions.length; n++) this.define(definitions[n]!)
  }

  affine(a: Affine): Interval {
    let low = a.constant
    let high = a.constant
    for (let n = 0; n < a.terms.length; n++) {
      const { variable, coefficient } = a.terms[n]!
      const r = this.of.get(variable.id) ?? EVERYTHING
      low += coefficient * (coefficient > 0 ? r.low : r.high)
      high += coefficient * (coefficient > 0 ? r.high : r.low)
    }
    return { low, high }
  }

  bound(b: Bound): Interval {
    if (!('min' in b)) return this.affine(b)
    const x = this.affine(b.min[0])
    const y = this.affine(b.min[1])
    return { low: Math.min(x.low, y.low), high: Math.min(x.high, y.high) }
  }

  /** Whether a loop's body runs at least once. */
  runs(s: Extract<Stmt, { op: 'for' | 'vector' }>): boolean {
    if (s.op === 'vector') return this.bound(s.count).low >= 1
    // The difference, so that a variable in both bounds counts once.
    return boundParts(s.to).every((to) => this.affine(difference(to, s.from)).low >= 1)
  }

  /** Whether a guard always (`true`) or never (`false`) holds, or depends (`null`). */
  holds(left: Affine, cmp: 'lt' | 'ge' | 'eq', right: Affine): boolean | null {
    const { low, high } = this.affine(difference(left, right))
    if (cmp === 'eq') return low === 0 && high === 0 ? true : low > 0 || high < 0 ? false : null
    const less = high < 0 ? true : low >= 0 ? false : null
    return less === null ? null : cmp === 'lt' ? less : !less
  }

  private define(s: Stmt): void {
    if (s.op === 'for') {
      const from = this.affine(s.from).low
      this.of.set(s.variable.id, { low: from, high: Math.max(from, this.bound(s.to).high - 1) })
    } else if (s.op === 'vector') {
      this.of.set(s.variable.id, { low: 0, high: Math.max(0, this.bound(s.count).high - 1) })
    } else if (s.op === 'divide') {
      const { low, high } = this.affine(s.value)
      this.of.set(s.variable.id, {
        low: Math.max(0, Math.floor(low / s.by)),
        high: Math.max(0, Math.floor(high / s.by)),
      })
    } else if (s.op === 'modulo') {
      const { high } = this.affine(s.value)
      this.of.set(s.variable.id, { low: 0, high: Math.max(0, Math.min(s.by - 1, high)) })
    }
  }
}

/** a - b. */
export const difference = (a: Affine, b: Affine): Affine => plus(a, times(b, -1))

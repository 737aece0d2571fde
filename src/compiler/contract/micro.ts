// The micro-kernel: a tile of results kept in registers while K runs.
//
// A product of M·N·K multiply-adds has only M·K + K·N operands, so what limits a naive loop is loading
// them again and again. A tile of `rows` × `lanes` results loads rows + lanes operands a step of K and
// does rows · lanes multiply-adds with them. One operand is loaded as vectors (neighbouring lanes), the
// other element by element and spread over all lanes. The accumulators live in registers from the first
// step to the last: the tile is as large as the register file allows, and no larger.

import { affine, plus, times } from '../kernel/affine.js'
import type { KernelAssembly } from '../kernel/assembly.js'
import type { Affine, Bound, Reg, RegType, Stmt } from '../kernel/ir.js'
import { walk } from '../kernel/walk.js'
import { constantOf, nest } from './axes.js'

/** What becomes of a tile's sums. */
export interface End {
  /** Takes the sum of splat i with vector j. */
  done(i: number, j: number, lane: Affine, sum: Reg): void
  /** The same for a splat that is the index of a loop, where that can be said: for work that is long. */
  doneInLoop?(i: Affine, j: number, lane: Affine, sum: Reg): void
}

export interface MicroKernel extends End {
  readonly type: RegType
  /** Width of the tile in lanes, and how many of them are in use. */
  readonly lanes: number
  readonly count: Bound | number
  /** Operands that are spread over the lanes, and operands that have a value a lane. */
  readonly splats: number
  readonly vectors: number
  /** Loops over K, outermost first, and how many of the inner ones are written out. */
  readonly depth: readonly (number | Bound)[]
  readonly unrolled?: number
  /** Steps that a round of the innermost loop takes. Default 1. */
  readonly steps?: number
  splat(i: number, at: Affine[]): Reg
  vector(j: number, lane: Affine, at: Affine[]): Reg
  /** Where it depends on the place what becomes of the sums: calls `end` in each case. */
  ends?(end: (e: End) => void): void
}

/** Statements that what is done with the sums may have in all, before it is written as a loop. */
const WRITTEN_OUT = 96

/** Steps of K from which on it pays to take several in a round. */
const LONG_ENOUGH = 64

/** Emits a micro-kernel: splats × vectors accumulators of `lanes` each. */
export function microKernel(k: KernelAssembly, m: MicroKernel): void {
  const each = <T>(count: number, make: (i: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(i))
  k.vector('n', m.count, m.lanes, (lane) => {
    const sums = each(m.splats, () => each(m.vectors, () => k.accumulator(m.type, 0)))
    const step = (at: Affine[]): void => {
      // The fewer operands are loaded first and stay in registers while the others stream past.
      if (m.vectors <= m.splats) {
        const vectors = each(m.vectors, (j) => m.vector(j, lane, at))
        for (const [i, row] of sums.entries()) {
          const splat = m.splat(i, at)
          for (const [j, sum] of row.entries()) multiplyAdd(k, sum, splat, vectors[j]!)
        }
      } else {
        const splats = each(m.splats, (i) => m.splat(i, at))
        for (let j = 0; j < m.vectors; j++) {
          const vector = m.vector(j, lane, at)
          for (const [i, row] of sums.entries()) multiplyAdd(k, row[j]!, splats[i]!, vector)
        }
      }
    }
    overDepth(k, m, step)
    const end = (e: End): void => finish(k, m, e, lane, sums)
    if (m.ends) m.ends(end)
    else end(m)
  })
}

/** The loops over K. */
function overDepth(k: KernelAssembly, m: MicroKernel, step: (at: Affine[]) => void): void {
  const { depth, unrolled, steps = 1 } = m
  const last = depth.at(-1)
  const bound = typeof last === 'number' ? affine(last) : last
  const rounds = bound === undefined || unrolled || steps === 1 ? null : roundsOf(bound, steps)
  if (rounds === null) {
    nest(k, 'k', depth, step, unrolled)
    return
  }
  nest(k, 'k', depth.slice(0, -1), (outer) => {
    const whole = (i: Affine): void => {
      for (let s = 0; s < steps; s++) step([...outer, plus(i, s)])
    }
    k.loop('k', rounds.whole, whole, { step: steps })
    for (let s = 0; s < rounds.rest; s++) step([...outer, plus(rounds.whole as Affine, s)])
  })
}

/** A bound as rounds of some steps and what is left; null where that is not known or not worth it. */
function roundsOf(bound: Bound, steps: number): { whole: Bound; rest: number } | null {
  const known = constantOf(bound)
  if (known !== null) {
    const rest = known % steps
    return known < LONG_ENOUGH ? null : { whole: affine(known - rest), rest }
  }
  const divides = (a: Affine): boolean =>
    a.constant % steps === 0 && a.terms.every((t) => t.coefficient % steps === 0)
  const parts = 'min' in bound ? bound.min : [bound]
  return parts.every(divides) ? { whole: bound, rest: 0 } : null
}

/**
 * Does what is to be done with the sums. Short work is written out for each. Long work (an optimizer's
 * update, an activation's polynomial) would make most of the kernel's code, a copy for each sum; so it is a
 * loop over sums put aside in memory, which costs next to nothing beside the work.
 */
function finish(
  k: KernelAssembly,
  m: MicroKernel,
  e: End,
  lane: Affine,
  sums: readonly Reg[][],
): void {
  const all = sums.flatMap((row, i) => row.map((sum, j) => ({ i, j, sum })))
  const first = k.block(() => e.done(0, 0, lane, sums[0]![0]!))
  if (e.doneInLoop === undefined || sizeOf(first) * all.length <= WRITTEN_OUT) {
    for (const s of first) k.emit(s)
    for (const { i, j, sum } of all.slice(1)) e.done(i, j, lane, sum)
    return
  }
  const { splats, vectors, lanes, type } = m
  const aside = k.scratch('sums', type as Exclude<RegType, 'bool'>, splats * vectors * lanes)
  const placeOf = (i: Affine, j: number): Affine =>
    plus(plus(times(i, vectors * lanes), j * lanes), lane)
  for (const { i, j, sum } of all) k.store(aside, placeOf(affine(i), j), sum)
  k.loop('row', splats, (i) => {
    for (let j = 0; j < vectors; j++) e.doneInLoop!(i, j, lane, k.load(aside, placeOf(i, j)))
  })
}

function sizeOf(body: readonly Stmt[]): number {
  let statements = 0
  walk(body, () => statements++)
  return statements
}

/** acc = a·b + acc, fused if the target can; integers wrap. */
export function multiplyAdd(k: KernelAssembly, acc: Reg, a: Reg, b: Reg): void {
  if (acc.type === 'f32' || acc.type === 'f64') k.update(acc, 'fma', a, b, acc)
  else k.update(acc, 'add', k.set('mul', a, b), acc)
}

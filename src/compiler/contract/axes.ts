// Flat indices over groups of axes: how a tiling, which knows only rows, columns and depth, addresses
// operands of any rank.

import { sizeOf } from '../../base/shape.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import type { KernelAssembly } from '../kernel/assembly.js'
import type { Affine, Bound } from '../kernel/ir.js'

/** Opens a loop for every size and hands all the variables to `body`. The last `unrolled` are written out. */
export function nest(
  k: KernelAssembly,
  name: string,
  sizes: readonly (number | Bound)[],
  body: (at: Affine[]) => void,
  unrolled = 0,
): void {
  const open = (at: Affine[]): void => {
    const size = sizes[at.length]
    if (size === undefined) {
      body(at)
      return
    }
    const known = typeof size === 'number' ? size : constantOf(size)
    const unroll = known !== null && at.length >= sizes.length - unrolled
    if (known === 1) open([...at, affine(0)])
    else k.loop(`${name}${at.length}`, size, (i) => open([...at, i]), { unroll })
  }
  open([])
}

/** A bound's value where it does not depend on where the kernel is. */
export const constantOf = (b: Bound): number | null =>
  'min' in b || b.terms.length > 0 ? null : b.constant

/** A flat index as coordinates, last axis fastest. */
export function unflatten(k: KernelAssembly, flat: Affine, sizes: readonly number[]): Affine[] {
  if (sizes.length === 0) return []
  const coords: Affine[] = []
  let rest = flat
  for (let i = sizes.length - 1; i > 0; i--) {
    const size = sizes[i]!
    if (size === 1) {
      coords.unshift(affine(0))
    } else if (sizeOf(sizes.slice(0, i)) === 1) {
      coords.unshift(rest)
      rest = affine(0)
    } else {
      const { quotient, remainder } = k.divmod(rest, size, 'u')
      coords.unshift(ofVar(remainder))
      rest = ofVar(quotient)
    }
  }
  return [rest, ...coords]
}

/** Coordinates as a flat index, last axis fastest. */
export function flatten(coords: readonly Affine[], sizes: readonly number[]): Affine {
  let flat = affine(0)
  for (const [i, c] of coords.entries()) flat = plus(times(flat, sizes[i]!), c)
  return flat
}

/** A list of axes, neighbours merged where they count as one. */
export interface MergedAxes {
  readonly sizes: readonly number[]
  /** Which merged axis an original one went into. */
  readonly runOf: readonly number[]
  /** Coordinates along the original axes. */
  expand(merged: readonly Affine[]): Affine[]
}

export function mergeAxes(
  sizes: readonly number[],
  canMerge: (outer: number, inner: number, innerSize: number) => boolean,
): MergedAxes {
  // Each run of merged axes takes its coordinate at its last axis; the axes before it stay at zero.
  const runs: { last: number; size: number }[] = []
  const runOf: number[] = []
  for (const [i, size] of sizes.entries()) {
    const run = runs.at(-1)
    if (run !== undefined && (run.size === 1 || size === 1 || canMerge(run.last, i, size))) {
      // Of an axis of size 1 the coordinate is zero: the run's coordinate stays where it can vary.
      if (size !== 1 || run.size === 1) run.last = i
      run.size *= size
    } else {
      runs.push({ last: i, size })
    }
    runOf.push(runs.length - 1)
  }
  return {
    sizes: runs.map((r) => r.size),
    runOf,
    expand: (merged) => {
      const coords = sizes.map(() => affine(0))
      for (const [i, run] of runs.entries()) coords[run.last] = merged[i]!
      return coords
    },
  }
}

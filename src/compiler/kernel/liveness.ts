// How long registers live: intervals of positions in statement order, stretched over the loops (and the
// guards, which an emitter may write out several times) inside which a value from outside is used.

import type { Kernel, Stmt } from './ir.js'
import { bodiesOf, operandsOf, resultOf } from './walk.js'

export interface Interval {
  /** Position of the first assignment. */
  readonly start: number
  /** Position after which the value is not needed. */
  readonly end: number
}

interface Region {
  readonly start: number
  end: number
}

export interface Liveness {
  /** Position of each statement. A loop's or guard's own end has the position in `ends`. */
  readonly positions: ReadonlyMap<Stmt, number>
  readonly ends: ReadonlyMap<Stmt, number>
  readonly registers: ReadonlyMap<number, Interval>
}

export function livenessOf(kernel: Kernel): Liveness {
  const positions = new Map<Stmt, number>()
  const ends = new Map<Stmt, number>()
  const registers = new Map<number, { start: number; end: number; region: Region | null }>()
  /** Open loops and guards, outermost first. */
  const regions: Region[] = []
  let position = 0

  const touch = (id: number): void => {
    let r = registers.get(id)
    if (!r) {
      r = { start: position, end: position, region: null }
      registers.set(id, r)
      return
    }
    r.end = position
    // Made before a loop and touched in it: alive until the outermost such loop or guard ends.
    for (const region of regions) {
      if (region.start <= r.start) continue
      r.region = region
      break
    }
  }
  const visit = (body: readonly Stmt[]): void => {
    for (const s of body) {
      position++
      positions.set(s, position)
      for (const r of operandsOf(s)) touch(r.id)
      const dst = resultOf(s)
      if (dst) touch(dst.id)
      const inner = bodiesOf(s)
      if (inner.length === 0) continue
      const region = { start: position, end: position }
      regions.push(region)
      for (const b of inner) visit(b)
      position++
      ends.set(s, position)
      region.end = position
      regions.pop()
    }
  }
  visit(kernel.body)
  for (const r of registers.values()) if (r.region) r.end = Math.max(r.end, r.region.end)
  return { positions, ends, registers }
}

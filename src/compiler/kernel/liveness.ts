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

export interface Liveness {
  /** Position of each statement. A loop's or guard's own end has the position in `ends`. */
  readonly positions: ReadonlyMap<Stmt, number>
  readonly ends: ReadonlyMap<Stmt, number>
  readonly registers: ReadonlyMap<number, Interval>
}

export function livenessOf(kernel: Kernel): Liveness {
  const positions = new Map<Stmt, number>()
  const ends = new Map<Stmt, number>()
  const registers = new Map<number, { start: number; end: number }>()
  const regions: { start: number; end: number }[] = []
  let position = 0

  const uses: {
    id: number
    position: number
    regions: readonly { start: number; end: number }[]
  }[] = []
  const touch = (id: number): void => {
    const known = registers.get(id)
    if (!known) registers.set(id, { start: position, end: position })
    uses.push({ id, position, regions: [...regions] })
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
      const region = { start: position, end: Number.POSITIVE_INFINITY }
      regions.push(region)
      for (const b of inner) visit(b)
      position++
      ends.set(s, position)
      region.end = position
      regions.pop()
    }
  }
  visit(kernel.body)
  for (const use of uses) {
    const r = registers.get(use.id)!
    r.end = Math.max(r.end, use.position)
    // Made before a loop and touched in it: alive until the outermost such loop or guard ends.
    const outermost = use.regions.find((l) => l.start > r.start)
    if (outermost) r.end = Math.max(r.end, outermost.end)
  }
  return { positions, ends, registers }
}

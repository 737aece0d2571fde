// Squares: four stores in a row whose lanes are far apart, but which lie side by side, write the transpose
// of four registers. Emitters turn the registers and store 16 bytes a lane, where single elements would
// take four stores a lane. Packing for matrix products is made of these.

import type { Access, AddressPlan } from './addresses.js'
import type { Reg, Stmt } from './ir.js'

export type Store = Extract<Stmt, { op: 'store' }>
export const SIDE = 4

/** For each store of a square of a run of statements: the whole square. */
export function findSquares(
  run: readonly Stmt[],
  accesses: AddressPlan['accesses'],
  isUniform: (r: Reg) => boolean,
): Map<Stmt, readonly Store[]> {
  const squares = new Map<Stmt, readonly Store[]>()
  for (let i = 0; i + SIDE <= run.length; i++) {
    if (run[i]!.op !== 'store') continue
    const four: readonly Stmt[] = run.slice(i, i + SIDE)
    if (!isSquare(four, accesses) || four.some((s) => isUniform(s.from))) continue
    for (const s of four) squares.set(s, four)
    i += SIDE - 1
  }
  return squares
}

function isSquare(
  four: readonly Stmt[],
  accesses: AddressPlan['accesses'],
): four is readonly Store[] {
  const a = accesses.get(four[0] as Stmt)
  // Overlapping lanes have to be stored in order; those far apart have no constant offsets.
  if (a === undefined || Math.abs(a.laneBytes) < 16 || !a.near) return false
  return four.every((s, i) => {
    if (s.op !== 'store' || s.when !== undefined) return false
    const b = accesses.get(s) as Access
    return (
      (s.buffer.type === 'f32' || s.buffer.type === 'i32') &&
      b.pointer === a.pointer &&
      b.varying.length === 0 &&
      b.laneBytes === a.laneBytes &&
      b.bytes === a.bytes + 4 * i
    )
  })
}

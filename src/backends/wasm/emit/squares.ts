// Transposes: four stores in a row whose lanes are far apart, but which lie side by side, write the
// transpose of a square of four registers. Turning the square in registers takes eight shuffles and four
// stores, where its sixteen lanes would take sixteen. Packing for matrix products is made of these.

import type { Stmt } from '../../../compiler/kernel/ir.js'
import type { Of, State } from './state.js'
import { PART } from './state.js'

type Store = Of<'store'>

/** For each store of a square of a run without guards: the whole square. */
export function findSquares(e: State, run: readonly Stmt[]): Map<Stmt, readonly Store[]> {
  const squares = new Map<Stmt, readonly Store[]>()
  if (e.lanes?.mask && e.lanes.mask.prefix === null) return squares
  for (let i = 0; i + PART <= run.length; ) {
    const four = run.slice(i, i + PART)
    if (isSquare(e, four)) {
      for (const s of four) squares.set(s, four)
      i += PART
    } else {
      i++
    }
  }
  return squares
}

function isSquare(e: State, four: readonly Stmt[]): four is readonly Store[] {
  const [first] = four
  if (first?.op !== 'store') return false
  const a = e.addresses.accesses.get(first)
  if (a === undefined || Math.abs(a.laneBytes) < 16 || a.laneBytes * PART * 4 > 1 << 16)
    return false
  return four.every((s, i) => {
    if (s.op !== 'store' || s.when !== undefined) return false
    const b = e.addresses.accesses.get(s)
    return (
      b !== undefined &&
      (s.buffer.type === 'f32' || s.buffer.type === 'i32') &&
      !e.registers.isUniform(s.from) &&
      b.pointer === a.pointer &&
      b.varying.length === 0 &&
      b.laneBytes === a.laneBytes &&
      b.bytes === a.bytes + 4 * i
    )
  })
}

/** Stores part `part` of a square: lane l of all four registers, side by side, for each l. */
export function storeSquare(e: State, square: readonly Store[], part: number): void {
  const { f, registers } = e
  const a = e.addresses.accesses.get(square[0]!)!
  const pointer = e.pointers.get(a.pointer.id)
  if (pointer === undefined) throw new Error(`a pointer into ${a.pointer.buffer.name} is not set`)
  /** Lanes of two registers, in turns: the lower two of each, or the upper two. */
  const pair = (first: Store, second: Store, lanes: readonly [number, number, number, number]) => {
    const local = f.local('v128')
    registers.push(first.from, part)
    registers.push(second.from, part)
    f.shuffle32(lanes)
    f.set(local)
    return local
  }
  const [r0, r1, r2, r3] = square as [Store, Store, Store, Store]
  for (const half of [0, 1]) {
    const lanes = half === 0 ? ([0, 4, 1, 5] as const) : ([2, 6, 3, 7] as const)
    const [left, right] = [pair(r0, r1, lanes), pair(r2, r3, lanes)]
    for (const odd of [0, 1]) {
      f.get(pointer)
      f.get(left)
      f.get(right)
      f.shuffle32(odd === 0 ? [0, 1, 4, 5] : [2, 3, 6, 7])
      f.memory('v128.store', a.bytes + a.laneBytes * (PART * part + 2 * half + odd))
    }
    f.release('v128', left)
    f.release('v128', right)
  }
}

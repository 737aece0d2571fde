// Stores of squares (see compiler/kernel/squares.ts): eight shuffles turn four registers.

import type { Store } from '../../../compiler/kernel/squares.js'
import { accessOf, pushPointer } from './access.js'
import { PART, type State } from './state.js'

/** Stores part `part` of a square: lane l of all four registers, side by side, for each l. */
export function storeSquare(e: State, square: readonly Store[], part: number): void {
  const { f, registers } = e
  const a = accessOf(e, square[0]!)
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
      pushPointer(e, a)
      f.get(left)
      f.get(right)
      f.shuffle32(odd === 0 ? [0, 1, 4, 5] : [2, 3, 6, 7])
      f.memory('v128.store', a.bytes + a.laneBytes * (PART * part + 2 * half + odd))
    }
    f.release('v128', left)
    f.release('v128', right)
  }
}

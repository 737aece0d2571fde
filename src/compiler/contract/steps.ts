// What a step of K costs a tile, and the registers a tile takes.
//
// Costs are rough counts of cycles on a core that does two vector multiply-adds and two loads a cycle. The
// multiply-adds are what nobody gets round; what tiles differ in is everything beside them. A core that is
// alone hides most of that, but one whose other half is busy issues half as much, and then each instruction
// and each line that has to come from the second-level cache shows.

import type { Target } from '../kernel/ir.js'

/** Cycles of a multiply-add from operand to result: an accumulator can be used once in so many. */
const LATENCY = 4

/** Cycles that loading one value into all lanes takes, and loading neighbours. */
const SPLAT_COST = 0.75
const LOAD_COST = 0.6
/** Cycles that an instruction takes which the multiply-adds nearly hide. */
const ISSUE_COST = 0.08

/**
 * Whether multiply-adds of such a tile spread an element of memory over their lanes by themselves: each
 * splat is used once then, and takes neither an instruction nor a register.
 */
const spreadsItself = (target: Target, r: number, v: number): boolean =>
  target.spreads === true && Math.min(r, v) === 1

/**
 * Cycles a tile of r rows and v registers spends on one step of K, `loop` of them on going round; loading a
 * register of neighbours takes `load` times as long as usual.
 */
export function stepCost(target: Target, r: number, v: number, loop = 1, load = 1): number {
  const multiply = Math.max((r * v) / 2, LATENCY)
  const loads = LOAD_COST * load * v
  if (!target.spreads) return Math.max(multiply, SPLAT_COST * r + loads) + loop
  const splats = spreadsItself(target, r, v) ? 0 : ISSUE_COST * r
  return Math.max(multiply, (r + load * v) / 2) + splats + loads + loop
}

/** The most sums a tile can have beside a register for each operand, on any target. */
const MOST_SUMS = 30

/** More rows than this are too many for tiles of v registers, whatever the target. */
export const mostRows = (v: number): number => Math.floor(MOST_SUMS / v)

/** How much slower a tile is that takes more registers than the target's own. */
const CROWDED = 1.15

/** What a tile's cost is multiplied with for its registers; null if it has too many. */
export function crowding(target: Target, r: number, v: number): number | null {
  const used = r * v + (spreadsItself(target, r, v) ? 0 : Math.min(r, v)) + 1
  const own = ownRegisters(target)
  const all = target.nativeLanes >= 16 ? 32 : 16
  // Two more than the target's own tile, if it has them.
  if (used > Math.min(own + 2, all - 1)) return null
  // Past the target's own number, some values will wait in memory now and then.
  return used > own ? CROWDED : 1
}

/** Registers the target's own tile takes: its sums, its vectors and a splat. */
function ownRegisters({ tile, nativeLanes }: Target): number {
  const v = Math.max(1, tile.lanes / nativeLanes)
  return tile.rows * v + v + 1
}

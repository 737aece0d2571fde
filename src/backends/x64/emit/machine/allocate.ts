// Linear-scan register allocation (Poletto and Sarkar, 1999): intervals in the order of their starts take
// what is free; where nothing is, the one that costs least goes without a register.

import type { Instruction, RegClass, VReg } from './code.js'
import { type Interval, intervalsOf } from './intervals.js'
import { isCopy } from './roles.js'

/** Real registers by class, in the order in which they are handed out. */
export type RegisterFile = { readonly [C in RegClass]: readonly number[] }

/** Those a callee may change first; rsp (4) is the stack's. */
const GENERAL = [0, 1, 2, 6, 7, 8, 9, 10, 11, 3, 5, 12, 13, 14, 15]
const count = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i)

export const FILES = {
  avx2: { gp: GENERAL, vector: count(16), mask: [] },
  // k0 as a mask means `no mask`.
  avx512: { gp: GENERAL, vector: count(32), mask: count(7, 1) },
} as const satisfies Record<string, RegisterFile>

export interface Allocation {
  /** Real registers by the ids of virtual ones. */
  readonly homes: ReadonlyMap<number, number>
  /** Registers for which none was left. */
  readonly spilled: readonly VReg[]
}

/**
 * Gives registers to all intervals of some code.
 * @param keep registers that must get one (they carry spilled values from and to memory)
 * @param cheap registers whose value can be had again without the stack
 */
export function allocate(
  code: readonly Instruction[],
  file: RegisterFile,
  keep: ReadonlySet<number>,
  cheap: ReadonlySet<number>,
): Allocation {
  const homes = new Map<number, number>()
  const spilled: VReg[] = []
  const hints = copiesOf(code)
  const intervals = intervalsOf(code)
  const fixed = intervals.filter((i) => i.reg.fixed !== null)
  for (const f of fixed) homes.set(f.reg.id, f.reg.fixed!)

  const scan = (cls: RegClass): void => {
    let active: Interval[] = []
    const taken = new Map<number, Interval>()
    const claims = fixed.filter((f) => f.reg.cls === cls)
    const cost = (i: Interval): number =>
      keep.has(i.reg.id)
        ? Number.POSITIVE_INFINITY
        : (i.uses * (cheap.has(i.reg.id) ? 0.25 : 1)) / (i.end - i.start + 1)
    /** Whether a register is not claimed by name during an interval. */
    const open = (real: number, i: Interval): boolean =>
      claims.every((f) => f.reg.fixed !== real || f.end < i.start || f.start > i.end)
    const give = (i: Interval, real: number): void => {
      homes.set(i.reg.id, real)
      taken.set(real, i)
      active.push(i)
    }

    for (const i of intervals) {
      if (i.reg.cls !== cls || i.reg.fixed !== null) continue
      active = active.filter((a) => {
        if (a.end >= i.start) return true
        taken.delete(homes.get(a.reg.id)!)
        return false
      })
      const free = file[cls].filter((real) => !taken.has(real) && open(real, i))
      const wanted = (hints.get(i.reg.id) ?? []).map((id) => homes.get(id))
      const choice = free.find((real) => wanted.includes(real)) ?? free[0]
      if (choice !== undefined) {
        give(i, choice)
        continue
      }
      // Somebody has to go: of those whose register would do, the one least missed.
      let loser = i
      for (const a of active) {
        if (open(homes.get(a.reg.id)!, i) && cost(a) < cost(loser)) loser = a
      }
      if (cost(loser) === Number.POSITIVE_INFINITY) throw new Error('no register is left to spill')
      spilled.push(loser.reg)
      if (loser === i) continue
      const real = homes.get(loser.reg.id)!
      homes.delete(loser.reg.id)
      active = active.filter((a) => a !== loser)
      give(i, real)
    }
  }
  for (const cls of ['gp', 'vector', 'mask'] as const) scan(cls)
  return { homes, spilled }
}

/** Which registers are copies of which: they had better share a home. */
function copiesOf(code: readonly Instruction[]): Map<number, number[]> {
  const copies = new Map<number, number[]>()
  const note = (a: number, b: number): void => {
    const list = copies.get(a)
    if (list) list.push(b)
    else copies.set(a, [b])
  }
  for (const i of code) {
    if (!isCopy(i)) continue
    const [a, b] = i.operands
    if (a?.kind !== 'view' || b?.kind !== 'view') continue
    note(a.reg.id, b.reg.id)
    note(b.reg.id, a.reg.id)
  }
  return copies
}

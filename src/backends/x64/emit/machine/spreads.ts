// Elements that several instructions read from memory each, where one load would do for all.
//
// A multiply-add that spreads an element of memory over its lanes is one instruction to the front of the
// core, and what a core can take in is scarce: another thread may share it and have every other cycle.
// Loads are what there are enough of, up to the two a cycle that whole registers allow. So a tile's inner
// loop gives some of its spread loads to all of their users, as many as that leaves room for.

import type { Code, Instruction, View, VReg } from './code.js'
import { type Counts, type Load, loadOf, withMemory, withoutGaps } from './fold.js'

/** Most instructions that load, for every one that computes: some room is left for other lines to arrive. */
const LOADS_PER_OPERATION = 5 / 6

/** A spread load, and what its users would be with an operand of memory. */
interface Shared {
  readonly load: Load
  readonly at: number
  /** How many instructions use it, and those of them that may. */
  readonly uses: number
  readonly users: { readonly at: number; readonly folded: Instruction }[]
}

/** Turns some of the spread loads that have several users into operands of memory. For AVX-512 only. */
export function foldSpreads(code: Code, { reads, writes }: Counts): void {
  const { instructions } = code
  const writtenAt = new Int32Array(code.registers.length).fill(-1)
  const out: (Instruction | null)[] = instructions.slice()
  let stretch = new Stretch()

  for (let at = 0; at < instructions.length; at++) {
    const i = instructions[at]!
    const { operation, operands } = i
    // No load moves past these.
    if (operation.jumps || operation.name === 'label' || operands[0]?.kind === 'mem') {
      stretch.settle(out)
      stretch = new Stretch()
    } else if (operation.element !== 0) {
      stretch.use(i, at, (base, from) => writtenAt[base.id]! > from)
    } else {
      const load = loadOf(i)
      if (load !== null) {
        const { reg } = operands[0] as View
        const { base, index, spread } = load.mem
        const plain = spread !== 0 && base.kind === 'register' && index === null
        const several = plain && reads[reg.id]! > 1 && writes[reg.id] === 1
        stretch.load(several ? reg : null, reads[reg.id]!, load, at)
      }
    }
    for (let n = 0; n < i.writes.length; n++) writtenAt[i.writes[n]!.id] = at
  }
  stretch.settle(out)
  code.instructions = withoutGaps(out)
}

/** Instructions between two that nothing may move past. */
class Stretch {
  private readonly shared = new Map<VReg, Shared>()
  private operations = 0
  private loads = 0

  /** Takes note of a load, of a register that may have to give way to its users or of another. */
  load(reg: VReg | null, uses: number, load: Load, at: number): void {
    this.loads++
    if (reg !== null) this.shared.set(reg, { load, at, uses, users: [] })
  }

  /** Takes note of an instruction that computes. */
  use(i: Instruction, at: number, moved: (base: VReg, from: number) => boolean): void {
    this.operations++
    for (let place = 1; place < i.operands.length; place++) {
      const o = i.operands[place]!
      if (o.kind === 'mem') this.loads++
      const s = o.kind === 'view' ? this.shared.get(o.reg) : undefined
      if (s === undefined || moved(s.load.mem.base as VReg, s.at)) continue
      const folded = withMemory(i, place, s.load, true)
      if (folded !== null) s.users.push({ at, folded })
      return
    }
  }

  /** Folds as many loads as there is room for, evenly among those that may be. */
  settle(out: (Instruction | null)[]): void {
    if (this.shared.size === 0) return
    const all = [...this.shared.values()].filter((s) => s.users.length === s.uses)
    const more = Math.max(...all.map((s) => s.uses - 1))
    const room = Math.floor(LOADS_PER_OPERATION * this.operations) - this.loads
    const folds = Math.min(all.length, Math.floor(room / more))
    for (let n = 0; n < folds; n++) {
      const { at, users } = all[Math.floor(((n + 0.5) * all.length) / folds)]!
      out[at] = null
      for (const user of users) out[user.at] = user.folded
    }
  }
}

// When virtual registers are alive: from the first position to the last at which their value is needed,
// found by data flow over basic blocks, so that loops and branches need no special care.
//
// Instruction i reads at position 2i and writes at 2i + 1: a register that is read for the last time may
// share its place with one written by the same instruction.

import type { Instruction, VReg } from './code.js'
import { isJump, rolesOf } from './roles.js'

export interface Interval {
  readonly reg: VReg
  start: number
  end: number
  /** How much slower the code were without a register: uses, ten times more for each loop around. */
  uses: number
}

interface Block {
  readonly first: number
  readonly last: number
  readonly next: number[]
  /** Read before they are written here; written here. */
  readonly needs: Set<number>
  readonly makes: Set<number>
  liveOut: Set<number>
}

/** Basic blocks: runs of instructions entered at their first and left at their last. */
function blocksOf(code: readonly Instruction[]): Block[] {
  const blocks: Block[] = []
  const starts = new Map<number, number>()
  let first = 0
  const close = (last: number): void => {
    if (last < first) return
    blocks.push({
      first,
      last,
      next: [],
      needs: new Set(),
      makes: new Set(),
      liveOut: new Set(),
    })
    first = last + 1
  }
  for (const [i, s] of code.entries()) {
    if (s.op === 'label') {
      close(i - 1)
      const [l] = s.operands
      if (l?.kind === 'label') starts.set(l.id, blocks.length)
    } else if (isJump(s.op)) {
      close(i)
    }
  }
  close(code.length - 1)
  for (const [b, block] of blocks.entries()) {
    const s = code[block.last]!
    if (isJump(s.op)) {
      const [l] = s.operands
      if (l?.kind === 'label') block.next.push(starts.get(l.id)!)
    }
    if (s.op !== 'jmp' && b + 1 < blocks.length) block.next.push(b + 1)
  }
  return blocks
}

function flow(code: readonly Instruction[], blocks: readonly Block[]): void {
  for (const b of blocks) {
    for (let i = b.first; i <= b.last; i++) {
      const { reads, writes } = rolesOf(code[i]!)
      for (const r of reads) if (!b.makes.has(r.id)) b.needs.add(r.id)
      for (const r of writes) b.makes.add(r.id)
    }
  }
  let changed = true
  while (changed) {
    changed = false
    for (let i = blocks.length - 1; i >= 0; i--) {
      const b = blocks[i]!
      const before = b.liveOut.size
      for (const n of b.next) {
        const successor = blocks[n]!
        for (const id of successor.needs) b.liveOut.add(id)
        for (const id of successor.liveOut) if (!successor.makes.has(id)) b.liveOut.add(id)
      }
      if (b.liveOut.size !== before) changed = true
    }
  }
}

/** The intervals of all registers that occur, in order of their starts. */
export function intervalsOf(code: readonly Instruction[]): Interval[] {
  const blocks = blocksOf(code)
  flow(code, blocks)
  const intervals = new Map<number, Interval>()
  const registers = new Map<number, VReg>()
  const touch = (id: number, position: number, uses: number): void => {
    const known = intervals.get(id)
    if (!known) {
      intervals.set(id, { reg: registers.get(id)!, start: position, end: position, uses })
      return
    }
    known.start = Math.min(known.start, position)
    known.end = Math.max(known.end, position)
    known.uses += uses
  }
  for (const [i, s] of code.entries()) {
    const { reads, writes } = rolesOf(s)
    const uses = 10 ** Math.min(s.depth, 6)
    for (const r of reads) {
      registers.set(r.id, r)
      touch(r.id, 2 * i, uses)
    }
    for (const r of writes) {
      registers.set(r.id, r)
      touch(r.id, 2 * i + 1, uses)
    }
  }
  for (const b of blocks) {
    for (const id of b.liveOut) {
      touch(id, 2 * b.last + 1, 0)
    }
    for (const id of b.needs) touch(id, 2 * b.first, 0)
    for (const id of b.liveOut) if (!b.makes.has(id)) touch(id, 2 * b.first, 0)
  }
  return [...intervals.values()].sort((a, b) => a.start - b.start || a.reg.id - b.reg.id)
}

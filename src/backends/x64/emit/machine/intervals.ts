// When virtual registers are alive: from the first position to the last at which their value is needed.
//
// Instruction i reads at position 2i and writes at 2i + 1: a register that is read for the last time may
// share its place with one written by the same instruction.

import { forEachLive, livenessOf } from './blocks.js'
import type { Code, VReg } from './code.js'

export class Interval {
  end: number
  /** How much slower the code were without a register: uses, ten times more for each loop around. */
  uses = 0
  /** What going without a register would cost; -1 until somebody has to ask. */
  cost = -1

  constructor(
    readonly reg: VReg,
    public start: number,
  ) {
    this.end = start
  }
}

/** Uses that one in so many loops stands for. */
const WEIGHTS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6]

/** The intervals of all registers that occur, in order of their starts. */
export function intervalsOf(code: Code): Interval[] {
  const { instructions, registers } = code
  /** By id. */
  const known: (Interval | undefined)[] = new Array(registers.length).fill(undefined)
  const intervals: Interval[] = []
  const touch = (reg: VReg, position: number, uses: number): void => {
    let interval = known[reg.id]
    if (interval === undefined) {
      interval = new Interval(reg, position)
      known[reg.id] = interval
      intervals.push(interval)
    } else if (position > interval.end) {
      interval.end = position
    }
    interval.uses += uses
  }
  for (let at = 0; at < instructions.length; at++) {
    const { reads, writes, depth } = instructions[at]!
    const uses = WEIGHTS[Math.min(depth, WEIGHTS.length - 1)]!
    for (let n = 0; n < reads.length; n++) touch(reads[n]!, 2 * at, uses)
    for (let n = 0; n < writes.length; n++) touch(writes[n]!, 2 * at + 1, uses)
  }
  const liveness = livenessOf(code)
  for (const block of liveness.blocks) {
    forEachLive(liveness, block, (id, atStart, atEnd) => {
      const interval = known[id]!
      if (atStart) interval.start = Math.min(interval.start, 2 * block.first)
      if (atEnd) interval.end = Math.max(interval.end, 2 * block.last + 1)
    })
  }
  return intervals.sort((a, b) => a.start - b.start || a.reg.id - b.reg.id)
}

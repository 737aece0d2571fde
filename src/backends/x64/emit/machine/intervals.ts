// When virtual registers are alive: from the first position to the last at which their value is needed.
//
// Instruction i reads at position 2i and writes at 2i + 1: a register that is read for the last time may
// share its place with one written by the same instruction.

import { forEachLive, livenessOf } from './blocks.js'
import type { Code, VReg } from './code.js'

export class Interval {
  /** What going without a register would cost; -1 until somebody has to ask. */
  cost: number

  /** @param uses how much slower the code were without a register: ten times more for each loop around */
  constructor(
    readonly reg: VReg,
    readonly start: number,
    readonly end: number,
    readonly uses: number,
  ) {
    this.cost = -1
  }
}

/** Uses that one in so many loops stands for. */
const WEIGHTS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6]

/** The intervals of all registers that occur, in order of their starts. */
export function intervalsOf(code: Code): Interval[] {
  const { instructions, registers } = code
  // By id; -1 where a register does not occur.
  const starts = new Int32Array(registers.length).fill(-1)
  const ends = new Int32Array(registers.length).fill(-1)
  const uses = new Float64Array(registers.length)
  for (let at = 0; at < instructions.length; at++) {
    const { reads, writes, depth } = instructions[at]!
    const weight = WEIGHTS[Math.min(depth, WEIGHTS.length - 1)]!
    for (let n = 0; n < reads.length; n++) {
      const { id } = reads[n]!
      if (starts[id]! < 0) starts[id] = 2 * at
      ends[id] = 2 * at
      uses[id]! += weight
    }
    for (let n = 0; n < writes.length; n++) {
      const { id } = writes[n]!
      if (starts[id]! < 0) starts[id] = 2 * at + 1
      ends[id] = 2 * at + 1
      uses[id]! += weight
    }
  }
  const liveness = livenessOf(code)
  for (let b = 0; b < liveness.blocks.length; b++) {
    const block = liveness.blocks[b]!
    forEachLive(liveness, block, (id, atStart, atEnd) => {
      if (atStart) starts[id] = Math.min(starts[id]!, 2 * block.first)
      if (atEnd) ends[id] = Math.max(ends[id]!, 2 * block.last + 1)
    })
  }
  const ids = inOrder(starts, 2 * instructions.length)
  const intervals: Interval[] = new Array(ids.length)
  for (let n = 0; n < ids.length; n++) {
    const id = ids[n]!
    intervals[n] = new Interval(registers[id]!, starts[id]!, ends[id]!, uses[id]!)
  }
  return intervals
}

/** Ids by their starts, those below `limit` and not negative; of equal ones the lower id comes first. */
function inOrder(starts: Int32Array, limit: number): number[] {
  // Counted, not compared: how many start before each position tells where its ids go.
  const next = new Int32Array(limit + 1)
  for (let id = 0; id < starts.length; id++) if (starts[id]! >= 0) next[starts[id]! + 1]!++
  for (let at = 1; at <= limit; at++) next[at]! += next[at - 1]!
  const ids: number[] = new Array(next[limit]!).fill(-1)
  for (let id = 0; id < starts.length; id++) if (starts[id]! >= 0) ids[next[starts[id]!]!++] = id
  return ids
}

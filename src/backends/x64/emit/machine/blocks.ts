// Basic blocks, and which registers are alive between them: data flow, so that loops and branches need no
// special care.

import type { Code, Instruction } from './code.js'

/** A run of instructions, entered at its first and left at its last. */
export class Block {
  readonly next: number[] = []
  /** Registers read before they are written here, those written here, and those needed afterwards. */
  needs = NOTHING
  makes = NOTHING
  liveOut = NOTHING

  constructor(
    readonly first: number,
    readonly last: number,
  ) {}
}

/** A set of registers, a bit each, by their places in `Liveness.shared`. */
type Bits = Int32Array
const NOTHING: Bits = new Int32Array(0)
const add = (set: Bits, n: number): void => {
  set[n >> 5]! |= 1 << (n & 31)
}

export interface Liveness {
  readonly blocks: readonly Block[]
  /** Ids of the registers that some block needs from another; most live and die in one. */
  readonly shared: readonly number[]
}

function blocksOf(code: readonly Instruction[]): Block[] {
  const blocks: Block[] = []
  const starts: number[] = []
  let first = 0
  const close = (last: number): void => {
    if (last < first) return
    blocks.push(new Block(first, last))
    first = last + 1
  }
  for (let i = 0; i < code.length; i++) {
    const { operation, operands } = code[i]!
    if (operation.name === 'label') {
      close(i - 1)
      const label = operands[0]
      if (label!.kind === 'label') starts[label!.id] = blocks.length
    } else if (operation.jumps) {
      close(i)
    }
  }
  close(code.length - 1)
  for (let b = 0; b < blocks.length; b++) {
    const block = blocks[b]!
    const { operation, operands } = code[block.last]!
    if (operation.jumps) {
      const label = operands[0]
      if (label!.kind === 'label') block.next.push(starts[label!.id]!)
    }
    if (operation.name !== 'jmp' && b + 1 < blocks.length) block.next.push(b + 1)
  }
  return blocks
}

/** Which registers are alive at the end of each block. */
export function livenessOf({ instructions, registers }: Code): Liveness {
  const blocks = blocksOf(instructions)
  const shared: number[] = []
  /** Places in `shared`, by id. */
  const placeOf = new Int32Array(registers.length).fill(-1)
  /** The last block that wrote a register, and that needed it. */
  const madeIn = new Int32Array(registers.length).fill(-1)
  const neededIn = new Int32Array(registers.length).fill(-1)
  const needs = blocks.map((block, b) => {
    const needed: number[] = []
    for (let at = block.first; at <= block.last; at++) {
      const { reads, writes } = instructions[at]!
      for (let n = 0; n < reads.length; n++) {
        const { id } = reads[n]!
        if (madeIn[id] === b || neededIn[id] === b) continue
        neededIn[id] = b
        if (placeOf[id]! < 0) placeOf[id] = shared.push(id) - 1
        needed.push(placeOf[id]!)
      }
      for (let n = 0; n < writes.length; n++) madeIn[writes[n]!.id] = b
    }
    return needed
  })

  const words = (shared.length + 31) >> 5
  for (let b = 0; b < blocks.length; b++) {
    const block = blocks[b]!
    block.needs = new Int32Array(words)
    block.makes = new Int32Array(words)
    block.liveOut = new Int32Array(words)
    const needed = needs[b]!
    for (let n = 0; n < needed.length; n++) add(block.needs, needed[n]!)
    for (let at = block.first; at <= block.last; at++) {
      const { writes } = instructions[at]!
      for (let n = 0; n < writes.length; n++) {
        const place = placeOf[writes[n]!.id]!
        if (place >= 0) add(block.makes, place)
      }
    }
  }
  let changed = true
  while (changed) {
    changed = false
    for (let b = blocks.length - 1; b >= 0; b--) {
      const { next, liveOut } = blocks[b]!
      for (let n = 0; n < next.length; n++) {
        const { needs, liveOut: after, makes } = blocks[next[n]!]!
        for (let w = 0; w < words; w++) {
          const live = liveOut[w]! | needs[w]! | (after[w]! & ~makes[w]!)
          if (live === liveOut[w]) continue
          liveOut[w] = live
          changed = true
        }
      }
    }
  }
  return { blocks, shared }
}

/** Calls `visit` for each register of a block: whether it is alive where the block starts, and ends. */
export function forEachLive(
  { shared }: Liveness,
  { needs, makes, liveOut }: Block,
  visit: (id: number, atStart: boolean, atEnd: boolean) => void,
): void {
  for (let w = 0; w < needs.length; w++) {
    const atEnd = liveOut[w]!
    const atStart = needs[w]! | (atEnd & ~makes[w]!)
    for (let left = atStart | atEnd; left !== 0; left &= left - 1) {
      const bit = left & -left
      const place = 32 * w + 31 - Math.clz32(bit)
      visit(shared[place]!, (atStart & bit) !== 0, (atEnd & bit) !== 0)
    }
  }
}

// From machine IR to a finished function: loads folded, registers given out, a stack frame around it.

import type { Isa } from '../isa/isa.js'
import { allocate, registerFile } from './allocate.js'
import type { Code, Instruction } from './code.js'
import type { Convention } from './convention.js'
import { encode } from './encode.js'
import { dropDead, foldLoads } from './fold.js'
import { formatCode } from './print.js'
import { constantLoads, rewriteSpills } from './spill.js'
import { foldSpreads } from './spreads.js'

export interface MachineFunction {
  readonly instructions: readonly Instruction[]
  /** Registers that had to live in the stack frame; those made again from constants do not count. */
  readonly spills: number
  bytes(): Uint8Array
  /** As text, one line an instruction. */
  text(): string
}

/** Rounds of allocation: each gives some registers to the stack, which leaves fewer that want one. */
const MOST_ROUNDS = 20

export function finishFunction(code: Code, isa: Isa, convention: Convention): MachineFunction {
  const file = registerFile(isa.level, convention)
  const counts = dropDead(code)
  foldLoads(code, counts, isa.spreads)
  if (isa.spreads) foldSpreads(code, counts)
  let spills = 0
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const constants = constantLoads(code)
    const isCheap = (r: { id: number }): boolean => constants[r.id] !== undefined
    const { homes, spilled } = allocate(code, file, isCheap)
    if (spilled.length === 0) {
      const { instructions } = code
      return {
        instructions,
        spills,
        bytes: () => encode(code, homes, convention),
        text: () => formatCode(instructions, homes),
      }
    }
    spills += spilled.filter((r) => !isCheap(r)).length
    rewriteSpills(code, spilled, constants, isa.bits, isa.spreads)
    dropDead(code)
  }
  throw new Error('register allocation does not come to an end')
}

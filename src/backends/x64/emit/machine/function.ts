// From machine IR to a finished function: loads folded, registers given out, a stack frame around it.

import type { Isa } from '../isa/isa.js'
import { allocate, FILES } from './allocate.js'
import type { Code, Instruction } from './code.js'
import { encode } from './encode.js'
import { dropDead, foldLoads } from './fold.js'
import { formatCode } from './print.js'
import { constantLoads, rewriteSpills } from './spill.js'

export interface MachineFunction {
  readonly instructions: readonly Instruction[]
  /** Real registers by the ids of virtual ones. */
  readonly homes: ReadonlyMap<number, number>
  /** Registers that had to live in the stack frame, and those made again from constants. */
  readonly spills: number
  bytes(): Uint8Array
  /** As text, one line an instruction. */
  text(): string
}

/** Rounds of allocation: each gives some registers to the stack, which leaves fewer that want one. */
const MOST_ROUNDS = 20

export function finishFunction(code: Code, isa: Isa): MachineFunction {
  code.instructions = dropDead(foldLoads(dropDead(code.instructions), isa.spreads))
  const keep = new Set<number>()
  let spills = 0
  for (let round = 0; ; round++) {
    const cheap = new Set(constantLoads(code.instructions).keys())
    const { homes, spilled } = allocate(code.instructions, FILES[isa.level], keep, cheap)
    if (spilled.length === 0) {
      const instructions = code.instructions
      return {
        instructions,
        homes,
        spills,
        bytes: () => encode(code, homes),
        text: () => formatCode(instructions, homes),
      }
    }
    if (round === MOST_ROUNDS) throw new Error('register allocation does not come to an end')
    spills += spilled.filter((r) => !cheap.has(r.id)).length
    for (const r of rewriteSpills(code, spilled, isa.bits, isa.spreads)) keep.add(r.id)
    code.instructions = dropDead(code.instructions)
  }
}

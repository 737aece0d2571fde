// Small improvements before registers are given out: what nobody reads is not computed, and a load whose
// value one instruction uses becomes that instruction's memory operand.

import type { Code, Instruction, Mem, View, VReg } from './code.js'

/** Whether an instruction does nothing but set the registers it writes (flags nobody asks about aside). */
function isPure({ operation, operands, implied }: Instruction): boolean {
  if (operation.reads || operation.modifies || operation.clears) return false
  return operands.length > 0 && operands[0]!.kind === 'view' && !implied?.writes
}

/** How often each register is read, and how often written, by id. */
export interface Counts {
  readonly reads: Int32Array
  readonly writes: Int32Array
}

/** (By index: iterators would be most of the garbage.) */
export function countsOf({ instructions, registers }: Code): Counts {
  const counts = {
    reads: new Int32Array(registers.length),
    writes: new Int32Array(registers.length),
  }
  for (let at = 0; at < instructions.length; at++) {
    const { reads, writes } = instructions[at]!
    for (let n = 0; n < reads.length; n++) counts.reads[reads[n]!.id]!++
    for (let n = 0; n < writes.length; n++) counts.writes[writes[n]!.id]!++
  }
  return counts
}

/** Drops instructions whose results are never read. @returns counts of what is left */
export function dropDead(code: Code): Counts {
  const counts = countsOf(code)
  const { instructions } = code
  const isDead = (writes: readonly VReg[]): boolean => {
    for (let n = 0; n < writes.length; n++) {
      const { fixed, id } = writes[n]!
      if (fixed !== null || counts.reads[id] !== 0) return false
    }
    return true
  }
  const kept: Instruction[] = []
  // Backwards, so that what only dead instructions read dies too.
  for (let at = instructions.length - 1; at >= 0; at--) {
    const i = instructions[at]!
    const { reads, writes } = i
    if (isDead(writes) && isPure(i)) {
      for (let n = 0; n < reads.length; n++) counts.reads[reads[n]!.id]!--
      for (let n = 0; n < writes.length; n++) counts.writes[writes[n]!.id]!--
    } else {
      kept.push(i)
    }
  }
  code.instructions = kept.reverse()
  return counts
}

/** A load that an operand of memory can stand for. */
export interface Load {
  readonly mem: Mem
  readonly bits: number
}

/** What an instruction loads, if a memory operand could do that; else null. */
export function loadOf({ operation, operands, mask }: Instruction): Load | null {
  const { loads } = operation
  if (loads === null || mask !== null || operands.length !== 2) return null
  const d = operands[0]!
  const m = operands[1]!
  if (d.kind !== 'view' || m.kind !== 'mem') return null
  return { mem: loads === 0 ? m : { ...m, spread: loads }, bits: d.bits }
}

/**
 * `i` with its register operand at `at` read from memory instead; null where the form does not exist.
 * @param spreads whether instructions can spread one element over all lanes (AVX-512)
 */
export function withMemory(
  i: Instruction,
  at: number,
  { mem, bits }: Load,
  spreads: boolean,
): Instruction | null {
  const { element, compares, commutes } = i.operation
  if (element === 0 || (i.operands[at] as View).bits !== bits) return null
  // An instruction has one operand of memory at most.
  if (i.hasMemory) return null
  if (mem.spread !== 0 && (!spreads || mem.spread !== element)) return null
  const place = compares ? 2 : i.operands.length - 1
  const operands = i.operands.slice()
  if (at !== place) {
    // The first source may become the second one, where order does not matter.
    if (at !== 1 || place !== 2 || !commutes) return null
    operands[1] = operands[2]!
  }
  operands[place] = mem
  return i.on(operands)
}

/** Turns loads into memory operands of the one instruction that uses what they load. */
export function foldLoads(code: Code, counts: Counts, spreads: boolean): void {
  const { instructions } = code
  /** By register: the last load that made it, where that was, and where it was last written. */
  const loads: (Load | undefined)[] = []
  const loadedAt = new Int32Array(code.registers.length)
  const writtenAt = new Int32Array(code.registers.length).fill(-1)
  /** Where memory was last written, or control flow met: no load moves past that. */
  let fence = -1
  const out: (Instruction | null)[] = instructions.slice()

  const mayMove = (reg: VReg): boolean => {
    const load = loads[reg.id]
    const from = loadedAt[reg.id]!
    if (load === undefined || from < fence) return false
    const { base, index } = load.mem
    // A pointer that has moved on since points to something else.
    if (base.kind === 'register' && writtenAt[base.id]! > from) return false
    return index === null || writtenAt[index.id]! < from
  }

  for (let at = 0; at < instructions.length; at++) {
    const i = instructions[at]!
    const { operands, operation } = i
    if (operation.jumps || operation.name === 'label') {
      fence = at
      continue
    }
    if (i.hasMemory) {
      if (operands[0]!.kind === 'mem') fence = at
    } else if (operation.element !== 0) {
      for (let place = 1; place < operands.length; place++) {
        const o = operands[place]!
        if (o.kind !== 'view' || !mayMove(o.reg)) continue
        const folded = withMemory(i, place, loads[o.reg.id]!, spreads)
        if (folded === null) continue
        out[at] = folded
        out[loadedAt[o.reg.id]!] = null
        break
      }
    }
    for (let n = 0; n < i.writes.length; n++) writtenAt[i.writes[n]!.id] = at
    const load = i.hasMemory ? loadOf(i) : null
    // Constants stay where they are: the allocator may keep them in registers.
    if (load === null || load.mem.base.kind !== 'register') continue
    const { reg } = operands[0] as View
    if (counts.reads[reg.id] === 1 && counts.writes[reg.id] === 1) {
      loads[reg.id] = load
      loadedAt[reg.id] = at
    }
  }
  code.instructions = withoutGaps(out)
}

/** What is left of a list whose gaps are closed. */
export function withoutGaps(list: readonly (Instruction | null)[]): Instruction[] {
  let gaps = 0
  for (let n = 0; n < list.length; n++) if (list[n] === null) gaps++
  const kept: Instruction[] = new Array(list.length - gaps)
  let end = 0
  for (let n = 0; n < list.length; n++) {
    const i = list[n]!
    if (i !== null) kept[end++] = i
  }
  return kept
}

// Small improvements before registers are given out: what nobody reads is not computed, and a load whose
// value one instruction uses becomes that instruction's memory operand.

import type { Instruction } from './code.js'
import { isJump, isPure, loadOf, rolesOf, withMemory } from './roles.js'

/** Drops instructions whose results are never read. */
export function dropDead(code: readonly Instruction[]): Instruction[] {
  const uses = new Map<number, number>()
  const count = (i: Instruction, by: number): void => {
    for (const r of rolesOf(i).reads) uses.set(r.id, (uses.get(r.id) ?? 0) + by)
  }
  for (const i of code) count(i, 1)
  const out: Instruction[] = []
  // Backwards, so that what only dead instructions read dies too.
  for (let at = code.length - 1; at >= 0; at--) {
    const i = code[at]!
    if (isPure(i) && rolesOf(i).writes.every((r) => r.fixed === null && !uses.get(r.id))) {
      count(i, -1)
      continue
    }
    out.push(i)
  }
  return out.reverse()
}

/**
 * Turns loads into memory operands.
 * @param spreads whether instructions can spread one element over all lanes (AVX-512)
 */
export function foldLoads(code: readonly Instruction[], spreads: boolean): Instruction[] {
  const uses = new Map<number, number>()
  const makes = new Map<number, number>()
  for (const i of code) {
    const { reads, writes } = rolesOf(i)
    for (const r of reads) uses.set(r.id, (uses.get(r.id) ?? 0) + 1)
    for (const r of writes) makes.set(r.id, (makes.get(r.id) ?? 0) + 1)
  }
  const out: (Instruction | null)[] = code.slice()
  /** Loads since the last store, label or jump, by the register they make. */
  let loads = new Map<number, { at: number; load: NonNullable<ReturnType<typeof loadOf>> }>()
  for (const [at, i] of code.entries()) {
    if (i.op === 'label' || isJump(i.op)) {
      loads = new Map()
      continue
    }
    const { writes } = rolesOf(i)
    // A pointer that moves on makes earlier loads through it others.
    if (writes.some((w) => w.cls === 'gp')) {
      for (const [id, { load }] of loads) {
        const { base, index } = load.mem
        if (writes.some((w) => w === base || w === index)) loads.delete(id)
      }
    }
    if (!i.operands.some((o) => o.kind === 'mem')) {
      for (const [place, o] of i.operands.entries()) {
        const known = o.kind === 'view' && place > 0 ? loads.get(o.reg.id) : undefined
        const folded = known && withMemory(i, place, known.load, spreads)
        if (!folded || !known) continue
        out[at] = folded
        out[known.at] = null
        break
      }
    } else if (i.operands[0]?.kind === 'mem') {
      loads = new Map()
    }
    const load = loadOf(i)
    const [d] = i.operands
    if (!load || d?.kind !== 'view') continue
    // Constants stay where they are: the allocator may keep them in registers.
    if ('area' in load.mem.base) continue
    if (uses.get(d.reg.id) === 1 && makes.get(d.reg.id) === 1) loads.set(d.reg.id, { at, load })
  }
  return out.filter((i): i is Instruction => i !== null)
}

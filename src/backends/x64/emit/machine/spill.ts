// Code for registers that did not get one: each use loads the value into a register that lives for one
// instruction only, each assignment stores it. A value that a constant load makes is loaded again instead,
// and where an instruction can read memory itself, it does.

import {
  type Code,
  type Instruction,
  type Mem,
  mem,
  type Operand,
  type Place,
  type View,
  type VReg,
  view,
} from './code.js'
import { loadOf, rolesOf, withMemory } from './roles.js'

/** Loads of constants, by the register they make: those that nothing else assigns. */
export function constantLoads(code: readonly Instruction[]): Map<number, Instruction> {
  const loads = new Map<number, Instruction>()
  const seen = new Set<number>()
  for (const i of code) {
    for (const w of rolesOf(i).writes) {
      if (!seen.has(w.id) && isConstantLoad(i)) loads.set(w.id, i)
      else loads.delete(w.id)
      seen.add(w.id)
    }
  }
  return loads
}

function isConstantLoad(i: Instruction): boolean {
  const m = i.operands[1]
  if (i.op === 'vzero') return true
  return (
    i.operands.length === 2 &&
    i.mask === null &&
    m?.kind === 'mem' &&
    'area' in m.base &&
    m.base.area === 'pool' &&
    m.index === null
  )
}

const MOVES = { gp: 'mov', vector: 'vmovups', mask: 'kmovw' } as const

/** Rewrites code without `spilled`. @returns the registers made for single instructions */
export function rewriteSpills(
  code: Code,
  spilled: readonly VReg[],
  bits: 256 | 512,
  spreads: boolean,
): VReg[] {
  const constants = constantLoads(code.instructions)
  const gone = new Set(spilled.map((r) => r.id))
  const places = new Map<number, Place>()
  const temporary: VReg[] = []
  const width = (r: VReg): View['bits'] => (r.cls === 'vector' ? bits : r.cls === 'gp' ? 64 : 64)
  const placeOf = (r: VReg): Mem => {
    let place = places.get(r.id)
    if (!place) {
      place = code.frame(r.cls === 'vector' ? bits / 8 : 8)
      places.set(r.id, place)
    }
    return mem(place)
  }
  const out: Instruction[] = []
  for (const original of code.instructions) {
    const roles = rolesOf(original)
    if (roles.writes.some((r) => gone.has(r.id) && constants.has(r.id))) continue
    let i = foldConstants(original, gone, constants, spreads)
    const reads = new Set(rolesOf(i).reads.filter((r) => gone.has(r.id)))
    const writes = new Set(rolesOf(i).writes.filter((r) => gone.has(r.id)))
    const after: Instruction[] = []
    for (const r of new Set([...reads, ...writes])) {
      const t = code.reg(r.cls)
      temporary.push(t)
      const made = constants.get(r.id)
      const simple = (op: string, operands: Operand[]): Instruction => ({
        op,
        operands,
        mask: null,
        zero: false,
        reads: [],
        writes: [],
        depth: i.depth,
      })
      if (reads.has(r)) {
        if (made) out.push(replaced({ ...made, depth: i.depth }, r, t))
        else out.push(simple(MOVES[r.cls], [view(t, width(r)), placeOf(r)]))
      }
      if (writes.has(r)) after.push(simple(MOVES[r.cls], [placeOf(r), view(t, width(r))]))
      i = replaced(i, r, t)
    }
    out.push(i, ...after)
  }
  code.instructions = out
  return temporary
}

function foldConstants(
  original: Instruction,
  gone: ReadonlySet<number>,
  constants: ReadonlyMap<number, Instruction>,
  spreads: boolean,
): Instruction {
  if (original.operands.some((o) => o.kind === 'mem')) return original
  for (const [at, o] of original.operands.entries()) {
    if (at === 0 || o.kind !== 'view' || !gone.has(o.reg.id)) continue
    const made = constants.get(o.reg.id)
    const load = made && loadOf(made)
    const folded = load ? withMemory(original, at, load, spreads) : null
    if (folded) return folded
  }
  return original
}

function replaced(i: Instruction, from: VReg, to: VReg): Instruction {
  const same = (r: VReg): VReg => (r.id === from.id ? to : r)
  const operands = i.operands.map((o): Operand => {
    if (o.kind === 'view') return { ...o, reg: same(o.reg) }
    if (o.kind !== 'mem') return o
    const base = 'area' in o.base ? o.base : same(o.base)
    return { ...o, base, index: o.index && same(o.index) }
  })
  return { ...i, operands, mask: i.mask && same(i.mask) }
}

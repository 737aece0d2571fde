// Code for registers that did not get one: each use loads the value into a register that lives for one
// instruction only, each assignment stores it. A value that a constant load makes is loaded again instead,
// and where an instruction can read memory itself, it does.

import {
  type Code,
  Instruction,
  type Mem,
  mem,
  type Operand,
  type View,
  type VReg,
  view,
} from './code.js'
import { loadOf, withMemory } from './fold.js'
import { operationOf } from './operations.js'

/** By id, the constant load that makes a register: for those that nothing else assigns. */
export function constantLoads(code: Code): (Instruction | undefined)[] {
  const loads: (Instruction | undefined)[] = new Array(code.registers.length).fill(undefined)
  const seen = new Uint8Array(code.registers.length)
  const { instructions } = code
  for (let at = 0; at < instructions.length; at++) {
    const i = instructions[at]!
    const { writes } = i
    for (let n = 0; n < writes.length; n++) {
      const { id } = writes[n]!
      loads[id] = seen[id] === 0 && isConstantLoad(i) ? i : undefined
      seen[id] = 1
    }
  }
  return loads
}

function isConstantLoad({ operation, operands, mask }: Instruction): boolean {
  if (operation.name === 'vzero') return true
  if (operands.length !== 2 || mask !== null) return false
  const m = operands[1]!
  return m.kind === 'mem' && m.base.kind === 'place' && m.base.area === 'pool' && m.index === null
}

const MOVES = { gp: 'mov', vector: 'vmovups', mask: 'kmovw' } as const

/**
 * Rewrites code without `spilled`.
 * @param constants what `constantLoads` found in the code
 */
export function rewriteSpills(
  code: Code,
  spilled: readonly VReg[],
  constants: readonly (Instruction | undefined)[],
  bits: 256 | 512,
  spreads: boolean,
): void {
  const gone = new Uint8Array(code.registers.length)
  for (const r of spilled) gone[r.id] = 1
  const isGone = (r: VReg): boolean => gone[r.id] === 1
  const anyGone = (list: readonly VReg[]): boolean => {
    for (let n = 0; n < list.length; n++) if (gone[list[n]!.id] === 1) return true
    return false
  }
  const places: (Mem | undefined)[] = []
  const placeOf = (r: VReg): Mem => {
    places[r.id] ??= mem(code.frame(r.cls === 'vector' ? bits / 8 : 8))
    return places[r.id]!
  }
  const out: Instruction[] = []
  const { instructions } = code
  for (let at = 0; at < instructions.length; at++) {
    const original = instructions[at]!
    const { writes, reads } = original
    if (!anyGone(reads) && !anyGone(writes)) {
      out.push(original)
      continue
    }
    if (writes.some((r) => isGone(r) && constants[r.id] !== undefined)) continue
    let i = foldConstants(original, isGone, constants, spreads)
    const after: Instruction[] = []
    for (const r of new Set([...i.reads, ...i.writes])) {
      if (!isGone(r)) continue
      const t = code.reg(r.cls, null, true)
      const move = (...operands: Operand[]): Instruction =>
        new Instruction(operationOf(MOVES[r.cls]), operands, null, false, null, i.depth)
      const moved = view(t, r.cls === 'vector' ? bits : 64)
      if (i.reads.includes(r)) {
        const made = constants[r.id]
        out.push(made ? replaced(made, r, t, i.depth) : move(moved, placeOf(r)))
      }
      if (i.writes.includes(r)) after.push(move(placeOf(r), moved))
      i = replaced(i, r, t, i.depth)
    }
    out.push(i, ...after)
  }
  code.instructions = out
}

function foldConstants(
  original: Instruction,
  isGone: (r: VReg) => boolean,
  constants: readonly (Instruction | undefined)[],
  spreads: boolean,
): Instruction {
  const { operands } = original
  if (original.hasMemory) return original
  for (let at = 1; at < operands.length; at++) {
    const o = operands[at]!
    if (o.kind !== 'view' || !isGone(o.reg)) continue
    const made = constants[o.reg.id]
    const load = made && loadOf(made)
    const folded = load && withMemory(original, at, load, spreads)
    if (folded) return folded
  }
  return original
}

/** An instruction with another register in all places of one. */
function replaced(i: Instruction, from: VReg, to: VReg, depth: number): Instruction {
  const same = (r: VReg): VReg => (r === from ? to : r)
  const operands = i.operands.map((o): Operand => {
    if (o.kind === 'view') return o.reg === from ? ({ ...o, reg: to } satisfies View) : o
    if (o.kind !== 'mem') return o
    const base = o.base.kind === 'register' ? same(o.base) : o.base
    return { ...o, base, index: o.index && same(o.index) }
  })
  return new Instruction(i.operation, operands, i.mask && same(i.mask), i.zero, i.implied, depth)
}

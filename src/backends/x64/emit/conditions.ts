// Conditions: comparisons of numbers, and functions of conditions among themselves.

import type { Fn, Reg } from '../../../compiler/kernel/ir.js'
import { type Comparison, isWide, type Numeric } from './isa/isa.js'
import type { VReg } from './machine/code.js'
import type { State } from './state.js'

type Condition = (e: State, dst: VReg, ...args: VReg[]) => void

const logic =
  (fn: 'and' | 'or' | 'xor'): Condition =>
  ({ isa, lanes }, dst, a, b) =>
    isa.logic(dst, fn, a!, b!, lanes.size)

/** Functions of conditions. */
const CONDITIONS: Partial<Record<Fn, Condition>> = {
  and: logic('and'),
  or: logic('or'),
  xor: logic('xor'),
  ne: logic('xor'),
  not: ({ isa, lanes }, dst, a) => isa.not(dst, a!, lanes.size),
  eq: ({ isa, lanes }, dst, a, b) => {
    const differs = isa.fresh('bool')
    isa.logic(differs, 'xor', a!, b!, lanes.size)
    isa.not(dst, differs, lanes.size)
  },
  select: ({ isa, lanes }, dst, a, b, c) =>
    isa.select(dst, a!, b!, c!, 'bool', isa.width('bool', lanes.size)),
}

/** Assigns fn(args) of conditions to a part of a register. */
export function setCondition(e: State, dst: Reg, fn: Fn, args: readonly Reg[], part: number): void {
  const { registers, lanes } = e
  const make = CONDITIONS[fn]
  if (make === undefined) throw new Error(`${fn} is not defined for bool`)
  registers.assign(dst, part, 0, lanes, (out) =>
    make(e, out, ...args.map((r) => registers.get(r, part, 0, lanes))),
  )
}

/** Assigns the condition `args[0] cmp args[1]` on numbers, half by half. */
export function setComparison(
  e: State,
  dst: Reg,
  cmp: Comparison,
  args: readonly Reg[],
  part: number,
): void {
  const { registers, isa, lanes } = e
  const type = args[0]!.type as Numeric
  const bits = isa.width(type, lanes.size)
  const count = isa.halves(type, lanes.size)
  registers.assign(dst, part, 0, lanes, (out) => {
    // Where all lanes are alike, one half is as good as the other.
    const alike = registers.isUniform(dst) && args.every((r) => registers.isUniform(r))
    const halves: VReg[] = []
    for (let half = 0; half < count; half++) {
      if (alike && half > 0) {
        halves.push(halves[0]!)
        continue
      }
      const condition = count === 1 && !narrows(e, type) ? out : isa.fresh('bool')
      const [a, b] = args.map((r) => registers.get(r, part, half, lanes))
      isa.compare(condition, type, cmp, a!, b!, bits)
      halves.push(condition)
    }
    if (halves[0] !== out) isa.conditionOf(out, halves, type, lanes.size)
  })
}

/** Whether conditions on 64-bit lanes have to be narrowed to 32-bit ones. */
const narrows = (e: State, type: Numeric): boolean =>
  e.isa.condition === 'vector' && isWide(type) && e.lanes.size > 1

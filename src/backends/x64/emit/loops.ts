// Serial loops.

import type { Pointer } from '../../../compiler/kernel/addresses.js'
import { knownBound, knownValue } from '../../../compiler/kernel/known.js'
import { boundParts } from '../../../compiler/kernel/walk.js'
import { affineValue, boundValue, differsByLane } from './indices.js'
import { imm, type VReg } from './machine/code.js'
import { advancePointers, setPointer } from './pointers.js'
import type { Of, State } from './state.js'

/** What `round` emits again and again: `counter` goes up by `step` while it is below `limit`. */
export function repeat(
  e: State,
  counter: VReg,
  limit: VReg | number,
  step: number,
  pointers: readonly Pointer[],
  round: () => void,
): void {
  const { code } = e
  const top = code.label()
  code.emit('align', [imm(32)])
  code.bind(top)
  code.inLoop(() => {
    round()
    advancePointers(e, pointers, step)
    code.g('add', counter, step)
    compare(e, counter, limit)
    code.jump('jl', top)
  })
}

/** Sets the flags for `value` against `limit`, which may have any number of bits. */
export function compare(e: State, value: VReg, limit: VReg | number): void {
  const { code } = e
  if (typeof limit !== 'number' || (limit | 0) === limit) {
    code.g('cmp', value, limit)
    return
  }
  const t = code.gp()
  code.g('mov', t, limit)
  code.g('cmp', value, t)
}

export function emitFor(e: State, s: Of<'for'>): void {
  const { code, lanes } = e
  if (differsByLane(e, s.from) || boundParts(s.to).some((b) => differsByLane(e, b))) {
    throw new Error(`the bounds of loop ${s.variable.name} differ from lane to lane`)
  }
  const pointers = e.addresses.loops.get(s) ?? []
  const from = knownValue(e.variables, s.from)
  const to = knownBound(e.variables, s.to)
  if (from !== null && to !== null && to <= from) return
  e.lanes = { ...lanes, depth: lanes.depth + 1 }
  const setPointers = (): void => {
    for (const p of pointers) setPointer(e, p, true)
  }
  if (from !== null && to !== null && to - from <= s.step) {
    e.variables.set(s.variable.id, { kind: 'constant', value: from })
    setPointers()
    e.emitBody(s.body)
  } else {
    const counter = affineValue(e, s.from)
    const limit = to ?? boundValue(e, s.to)
    e.variables.set(s.variable.id, { kind: 'general', reg: counter })
    const end = code.label()
    if (!e.ranges.runs(s)) {
      compare(e, counter, limit)
      code.jump('jge', end)
    }
    setPointers()
    repeat(e, counter, limit, s.step, pointers, () => e.emitBody(s.body))
    code.bind(end)
  }
  e.lanes = lanes
}

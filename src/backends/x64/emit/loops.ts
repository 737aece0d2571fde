// Serial loops.

import type { Pointer } from '../../../compiler/kernel/addresses.js'
import { knownBound, knownValue } from '../../../compiler/kernel/known.js'
import { difference } from '../../../compiler/kernel/ranges.js'
import { boundParts } from '../../../compiler/kernel/walk.js'
import { affineValue, boundValue, differsByLane } from './indices.js'
import { imm, type VReg } from './machine/code.js'
import { advancePointers, setPointer } from './pointers.js'
import type { Of, State, VariableHome } from './state.js'

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

/** Whether a loop goes round exactly once, wherever it begins. */
function isOnce({ from, to, step }: Of<'for'>): boolean {
  if ('min' in to) return false
  const { constant, terms } = difference(to, from)
  return terms.length === 0 && constant > 0 && constant <= step
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
  const setPointers = (own: boolean): void => {
    for (const p of pointers) setPointer(e, p, own)
  }
  if (from !== null && to !== null ? to - from <= s.step : isOnce(s)) {
    const home: VariableHome =
      from === null
        ? { kind: 'general', reg: affineValue(e, s.from) }
        : { kind: 'constant', value: from }
    e.variables.set(s.variable.id, home)
    setPointers(false)
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
    setPointers(true)
    repeat(e, counter, limit, s.step, pointers, () => e.emitBody(s.body))
    code.bind(end)
  }
  e.lanes = lanes
}

// Serial loops.

import type { Bound, Stmt } from '../../../compiler/kernel/ir.js'
import { knownBound, knownValue } from '../../../compiler/kernel/known.js'
import { boundParts } from '../../../compiler/kernel/walk.js'
import { advancePointers, differsByLane, pushAffine, pushBound, setPointer } from './indices.js'
import type { Of, State } from './state.js'

export function emitFor(e: State, s: Of<'for'>): void {
  const { f, lanes } = e
  if (differsByLane(e, s.from) || boundParts(s.to).some((b) => differsByLane(e, b))) {
    throw new Error(`the bounds of loop ${s.variable.name} differ from lane to lane`)
  }
  const pointers = e.addresses.loops.get(s) ?? []
  const from = knownValue(e.variables, s.from)
  const to = knownBound(e.variables, s.to)
  if (from !== null && to !== null && to <= from) {
    e.registers.settleEnd(s)
    return
  }
  if (lanes) e.lanes = { ...lanes, depth: lanes.depth + 1 }
  if (from !== null && to !== null && to - from <= s.step) {
    e.variables.set(s.variable.id, { kind: 'constant', value: from })
    for (const p of pointers) setPointer(e, p)
    e.emitBody(s.body)
  } else {
    const i = f.local('i32')
    pushAffine(e, s.from)
    f.set(i)
    const pushLimit = limitOf(e, s.to)
    e.variables.set(s.variable.id, { kind: 'local', local: i })
    const run = (): void => {
      for (const p of pointers) setPointer(e, p)
      f.loop(() => {
        e.emitBody(s.body)
        advancePointers(e, pointers, s.step)
        f.get(i)
        f.i32(s.step)
        f.op('i32.add')
        f.tee(i)
        pushLimit.push()
        f.op('i32.lt_s')
        f.branchIf(0)
      })
    }
    if (e.ranges.runs(s)) {
      run()
    } else {
      f.get(i)
      pushLimit.push()
      f.op('i32.lt_s')
      f.if(run)
    }
    pushLimit.release()
    f.release('i32', i)
  }
  e.lanes = lanes
  releasePointers(e, s)
  e.registers.settleEnd(s)
}

/** A bound that is computed once: a constant, or a local. */
function limitOf(e: State, b: Bound): { push(): void; release(): void } {
  const { f } = e
  const known = knownBound(e.variables, b)
  if (known !== null) return { push: () => f.i32(known), release: () => {} }
  const local = f.local('i32')
  pushBound(e, b)
  f.set(local)
  return { push: () => f.get(local), release: () => f.release('i32', local) }
}

/** Gives back the locals of a loop's pointers. */
export function releasePointers(e: State, s: Stmt): void {
  for (const p of e.addresses.loops.get(s) ?? []) {
    const local = e.pointers.get(p.id)
    if (local !== undefined) e.f.release('i32', local)
    e.pointers.delete(p.id)
  }
}

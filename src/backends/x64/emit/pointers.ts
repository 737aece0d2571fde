// Pointers into buffers: set where their loop begins, moved on by a constant after each round.

import type { Pointer } from '../../../compiler/kernel/addresses.js'
import { affinesOf } from '../../../compiler/kernel/walk.js'
import { addConstant, addMultiple, fits, setSum } from './general.js'
import { differsByLane } from './indices.js'
import { mem, r64, type VReg } from './machine/code.js'
import type { Of, State } from './state.js'

/** The register that a pointer is set from; null for an offset that counts from 0. */
function startOf(e: State, { from, buffer }: Pointer): VReg | null {
  if (from === null && buffer === null) return null
  const start = from ? e.pointers.get(from.id) : e.bases.get(buffer!)
  if (!start) throw new Error(`no base for a pointer into ${buffer?.name ?? 'buffers'}`)
  return start
}

/** Computes a pointer from what it is defined by. `own`: it will be advanced. */
export function setPointer(e: State, p: Pointer, own: boolean): void {
  const { code } = e
  const base = startOf(e, p)
  let constant = p.bytes
  const terms: { reg: VReg; bytes: number }[] = []
  for (const { variable, bytes } of p.terms) {
    const home = e.variables.get(variable.id)
    if (home?.kind === 'constant') constant += bytes * home.value
    else if (home?.kind === 'general') terms.push({ reg: home.reg, bytes })
    else throw new Error(`index ${variable.name} is used before it is set`)
  }
  if (base !== null && !own && terms.length === 0 && constant === 0) {
    e.pointers.set(p.id, base)
    return
  }
  const dst = code.gp()
  e.pointers.set(p.id, dst)
  const first = terms.shift()
  if (first !== undefined) {
    setSum(e, dst, base, first.reg, first.bytes)
    for (const t of terms) addMultiple(e, dst, t.reg, t.bytes)
    addConstant(e, dst, constant)
  } else if (base === null) {
    code.g('mov', dst, constant)
  } else if (constant !== 0 && fits(constant)) {
    code.emit('lea', [r64(dst), mem(base, constant)])
  } else {
    code.g('mov', dst, base)
    addConstant(e, dst, constant)
  }
}

/** Moves a loop's pointers on by `steps` of its variable. */
export function advancePointers(e: State, pointers: readonly Pointer[], steps: number): void {
  for (const p of pointers) addConstant(e, e.pointers.get(p.id)!, p.step * steps)
}

/** Sets the pointers that wait for a quotient or remainder. */
export function setPointersAfter(e: State, s: Of<'divide' | 'modulo'>): void {
  if (affinesOf(s).some((a) => differsByLane(e, a))) return
  for (const p of e.addresses.after.get(s) ?? []) setPointer(e, p, false)
}

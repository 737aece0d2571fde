// Guards: a branch where one value decides, a mask where each lane has its own.

import type { Affine, Stmt } from '../../../compiler/kernel/ir.js'
import { difference } from '../../../compiler/kernel/ranges.js'
import { differsByLane, pushAffine, pushLaneValues } from './indices.js'
import { atPart, type Of, type State } from './state.js'

const COMPARE = { lt: 'lt_s', ge: 'ge_s', eq: 'eq' } as const

export function emitWhen(e: State, s: Of<'when'>): void {
  const { f } = e
  const distance = difference(s.left, s.right)
  if (differsByLane(e, distance)) {
    emitWhenByLane(e, s, distance)
    return
  }
  pushAffine(e, { ...distance, constant: 0 })
  f.i32(-distance.constant)
  f.op(`i32.${COMPARE[s.cmp]}`)
  const { otherwise } = s
  f.if(() => e.emitBody(s.body), otherwise && (() => e.emitBody(otherwise)))
  e.registers.settleEnd(s)
}

/** Part by part: the body runs if any lane passes, masked to the lanes that do. */
function emitWhenByLane(e: State, s: Of<'when'>, distance: Affine): void {
  const { f } = e
  const outer = e.lanes!
  for (const part of outer.parts) {
    const passes = f.local('v128')
    pushLaneValues(e, distance, part)
    f.i32x4([0, 0, 0, 0])
    f.op(`i32x4.${COMPARE[s.cmp]}`)
    f.set(passes)
    const branch = (body: readonly Stmt[], negate: boolean): void => {
      const mask = f.local('v128')
      f.get(passes)
      if (negate) f.op('v128.not')
      if (outer.mask) {
        f.get(outer.mask.locals[part]!)
        f.op('v128.and')
      }
      f.tee(mask)
      f.op('v128.any_true')
      f.if(() => {
        e.lanes = { ...outer, parts: [part], mask: { locals: atPart(part, mask), prefix: null } }
        e.emitBody(body)
        e.lanes = outer
      })
      f.release('v128', mask)
    }
    branch(s.body, false)
    if (s.otherwise) branch(s.otherwise, true)
    f.release('v128', passes)
  }
  e.registers.settleEnd(s)
}

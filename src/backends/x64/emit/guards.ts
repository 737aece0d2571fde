// Guards: a branch where one value decides, a mask where each lane has its own.

import type { Affine, Stmt } from '../../../compiler/kernel/ir.js'
import { difference } from '../../../compiler/kernel/ranges.js'
import { affineInto, differsByLane, laneValues } from './indices.js'
import { compare } from './loops.js'
import { r32, type VReg } from './machine/code.js'
import type { Lanes, Of, State } from './state.js'

const JUMP_UNLESS = { lt: 'jge', ge: 'jl', eq: 'jne' } as const

export function emitWhen(e: State, s: Of<'when'>): void {
  const { code } = e
  const distance = difference(s.left, s.right)
  if (differsByLane(e, distance)) {
    emitWhenByLane(e, s, distance)
    return
  }
  const value = code.gp()
  affineInto(e, value, { ...distance, constant: 0 })
  compare(e, value, -distance.constant)
  const [otherwise, end] = [code.label(), code.label()]
  code.jump(JUMP_UNLESS[s.cmp], otherwise)
  e.emitBody(s.body)
  if (s.otherwise) {
    code.jump('jmp', end)
    code.bind(otherwise)
    e.emitBody(s.otherwise)
    code.bind(end)
  } else {
    code.bind(otherwise)
  }
}

/** Part by part: the body runs if any lane passes, masked to the lanes that do. */
function emitWhenByLane(e: State, s: Of<'when'>, distance: Affine): void {
  const { code, isa } = e
  const outer = e.lanes
  const { size } = outer
  for (const part of outer.parts) {
    const [zero, passes] = [code.vector(), isa.fresh('bool')]
    const bits = isa.width('i32', size)
    const values = laneValues(e, distance, part)
    code.v('vzero', bits, zero)
    if (s.cmp === 'ge') isa.compare(passes, 'i32', 'le', zero, values, bits)
    else isa.compare(passes, 'i32', s.cmp, values, zero, bits)
    const branch = (body: readonly Stmt[], how: 'and' | 'andn'): void => {
      const mask = isa.fresh('bool')
      const on = outer.mask?.conditions[part]
      if (on) isa.logic(mask, how, passes, on, size)
      else if (how === 'and') isa.copy(mask, passes, bits)
      else isa.not(mask, passes, size)
      const skip = code.label()
      const any = code.gp()
      isa.bitsOf(any, mask, size)
      code.emit('test', [r32(any), r32(any)])
      code.jump('je', skip)
      const conditions: VReg[] = []
      conditions[part] = mask
      const inner: Lanes = { ...outer, parts: [part], mask: { conditions, prefix: null } }
      e.lanes = inner
      e.emitBody(body)
      e.lanes = outer
      code.bind(skip)
    }
    branch(s.body, 'and')
    if (s.otherwise) branch(s.otherwise, 'andn')
  }
}

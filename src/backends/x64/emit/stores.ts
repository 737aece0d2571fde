// Stores: neighbours as one instruction, everything else lane by lane. Masked lanes are never written, not
// even with what was there: another thread may be writing it.

import { BYTES, type MemoryType, type Reg } from '../../../compiler/kernel/ir.js'
import {
  accessOf,
  distanceOf,
  elementAt,
  elementsOf,
  firstElement,
  neighbours,
  type PartAccess,
  partAccess,
} from './access.js'
import { isWide, type Numeric } from './isa/isa.js'
import { laneLoop } from './lane-loop.js'
import { imm, type Mem, mem, r32, type VReg, view } from './machine/code.js'
import { maskOf, type Of, type State } from './state.js'

type Store = PartAccess<Of<'store' | 'scatter'>>

/** Stores lane 0. */
function storeElement(e: State, to: Mem, from: VReg, type: MemoryType): void {
  const { code } = e
  if (type === 'u8') {
    const t = code.gp()
    code.emit('vmovd', [r32(t), view(from, 128)])
    code.emit('mov', [to, view(t, 8)])
  } else {
    code.emit(isWide(type) ? 'vmovsd' : 'vmovss', [to, view(from, 128)])
  }
}

export function emitStore(e: State, s: Of<'store' | 'scatter'>, part: number): void {
  if (e.lanes.size === 1) storeOne(e, s)
  else storeLanes(partAccess(e, s, s.from.type, part))
}

function storeOne(e: State, s: Of<'store' | 'scatter'>): void {
  const { code, isa, lanes, registers } = e
  const a = accessOf(e, s)
  const { type } = s.buffer
  const from = registers.get(s.from, 0, 0, lanes)
  if (s.op === 'scatter') {
    storeElement(e, elementAt(e, s, a, registers.get(s.offset, 0, 0, lanes)), from, type)
    return
  }
  const skip = code.label()
  if (s.when) {
    const bits = code.gp()
    isa.bitsOf(bits, registers.get(s.when, 0, 0, lanes), 1)
    code.emit('test', [r32(bits), imm(1)])
    code.jump('je', skip)
  }
  storeElement(e, firstElement(e, s, a), from, type)
  code.bind(skip)
}

/** The condition of the lanes of a part that are stored; null if all are. */
function conditionOf(e: State, part: number, when: Reg | undefined): VReg | null {
  const { isa, lanes, registers } = e
  const mask = maskOf(lanes, part)
  if (!when) return mask
  const condition = registers.get(when, part, 0, lanes)
  if (!mask) return condition
  const both = isa.fresh('bool')
  isa.logic(both, 'and', condition, mask, lanes.size)
  return both
}

function storeLanes(p: Store): void {
  const { e, s, part, bits } = p
  const { isa, lanes, registers } = e
  const condition = conditionOf(e, part, s.op === 'store' ? s.when : undefined)
  const { type } = s.buffer
  if (distanceOf(p) !== 1) storeApart(p, condition)
  else if (type !== 'u8') storeNeighbours(p, type, condition)
  else if (condition === null || isa.masksBytes) {
    const from = registers.get(s.from, part, 0, lanes)
    isa.storeBytes(neighbours(p), from, condition, lanes.size, bits)
  } else storeApart(p, condition)
}

function storeNeighbours(p: Store, type: Numeric, condition: VReg | null): void {
  const { e, s, part, bits } = p
  const { code, isa, lanes, registers } = e
  for (let half = 0; half < isa.halves(type, lanes.size); half++) {
    const to = neighbours(p, half)
    const from = registers.get(s.from, part, half, lanes)
    if (condition === null) code.emit('vmovups', [to, view(from, bits)])
    else {
      const some = isa.conditionFor(condition, type, lanes.size, half)
      isa.storeMasked(to, from, some, type, bits)
    }
  }
}

/** Lanes that are no neighbours, lane after lane: a later one wins where two store to one element. */
function storeApart(p: Store, condition: VReg | null): void {
  const { e, s, part, bits } = p
  const { code, isa, lanes, registers } = e
  const { type } = s.buffer
  const { base, disp, index } = elementsOf(p)
  const indexBits = isa.width('i32', lanes.size)
  const halves = isa.halves(s.from.type, lanes.size)
  const scatters = type !== 'u8' && isa.scatter !== null
  let active: VReg | null = null
  if (condition && !scatters) {
    active = code.gp()
    isa.bitsOf(active, condition, lanes.size)
  }
  const perHalf = lanes.size / halves
  for (let half = 0; half < halves; half++) {
    const from = registers.get(s.from, part, half, lanes)
    const at = isa.half(index, half, indexBits)
    if (scatters) {
      const some = condition && isa.conditionFor(condition, type, lanes.size, half)
      isa.scatter({ base, disp, index: at }, from, some, type, bits)
      continue
    }
    if (active && half > 0) code.g('shr', active, perHalf)
    const value = { reg: from, bits, size: isWide(type) ? 8 : 4 } as const
    const places = { reg: at, bits: indexBits, size: 4 } as const
    laneLoop(code, { lanes: perHalf, operands: [value, places], active }, ([v, i]) => {
      const [element, where] = [code.gp(), code.gp()]
      code.emit('movsxd', [view(where, 64), i!])
      code.emit('mov', [view(element, isWide(type) ? 64 : 32), v!])
      const to = mem(base, disp, { index: where, scale: BYTES[type] as 1 | 4 | 8 })
      code.emit('mov', [to, view(element, type === 'u8' ? 8 : isWide(type) ? 64 : 32)])
    })
  }
}

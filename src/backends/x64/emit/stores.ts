// Stores: neighbours as one instruction, everything else lane by lane. Masked lanes are never written, not
// even with what was there: another thread may be writing it.

import type { Access } from '../../../compiler/kernel/addresses.js'
import { BYTES, type MemoryType, type Reg } from '../../../compiler/kernel/ir.js'
import { Avx512 } from './isa/avx512.js'
import { isWide } from './isa/isa.js'
import { laneLoop } from './lane-loop.js'
import { accessOf, baseOf, elementIndices, elementOf, laneOffset, pointerOf } from './loads.js'
import { imm, type Mem, mem, r32, type VectorBits, type VReg, view } from './machine/code.js'
import { maskOf, type Of, type State } from './state.js'

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
  const { registers, lanes } = e
  if (lanes.size > 1) {
    storeLanes(e, s, part)
    return
  }
  const { code, isa } = e
  const a = accessOf(e, s)
  const type = s.buffer.type
  const from = registers.get(s.from, 0, 0, lanes)
  if (s.op === 'scatter') {
    const offset = registers.get(s.offset, 0, 0, lanes)
    storeElement(e, elementOf(e, a, offset, s.scale * BYTES[type]), from, type)
    return
  }
  const skip = code.label()
  if (s.when) {
    const bits = code.gp()
    isa.bitsOf(bits, registers.get(s.when, 0, 0, lanes), 1)
    code.emit('test', [r32(bits), imm(1)])
    code.jump('je', skip)
  }
  storeElement(e, mem(pointerOf(e, a), a.bytes), from, type)
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

function storeLanes(e: State, s: Of<'store' | 'scatter'>, part: number): void {
  const { isa, lanes, registers } = e
  const a = accessOf(e, s)
  const type = s.buffer.type
  const size = BYTES[type]
  const bits = isa.width(s.from.type, lanes.size)
  const condition = conditionOf(e, part, s.op === 'store' ? s.when : undefined)
  if (laneOffset(e, s) !== null || a.laneBytes !== size || a.varying.length > 0) {
    storeApart(e, s, a, part, bits, condition)
    return
  }
  const base = baseOf(e, s, a, part)
  if (type === 'u8') {
    storeBytes(e, s, mem(base, a.bytes + lanes.size * part), part, bits, condition)
    return
  }
  for (let half = 0; half < isa.halves(s.from.type, lanes.size); half++) {
    const to = mem(base, a.bytes + size * lanes.size * part + (half * bits) / 8)
    const from = registers.get(s.from, part, half, lanes)
    if (!condition) e.code.emit('vmovups', [to, view(from, bits)])
    else {
      isa.storeMasked(to, from, isa.conditionFor(condition, type, lanes.size, half), type, bits)
    }
  }
}

/** Narrows 32-bit lanes to neighbouring bytes. */
function storeBytes(
  e: State,
  s: Of<'store' | 'scatter'>,
  to: Mem,
  part: number,
  bits: VectorBits,
  condition: VReg | null,
): void {
  const { code, isa, lanes, registers } = e
  const from = registers.get(s.from, part, 0, lanes)
  if (isa instanceof Avx512) {
    code.emit('vpmovdb', [to, view(from, bits)], condition ? { mask: condition } : {})
    return
  }
  if (condition) {
    storeApart(e, s, accessOf(e, s), part, bits, condition)
    return
  }
  const [packed, order] = [code.vector(), code.vector()]
  isa.loadTable(order, [0x0c080400, -1, -1, -1, 0x0c080400, -1, -1, -1], bits)
  code.v('vpshufb', bits, packed, from, order)
  if (lanes.size === 4) {
    code.emit('vmovd', [to, view(packed, 128)])
    return
  }
  const both = code.vector()
  code.v('vunpcklps', 128, both, packed, isa.half(packed, 1, 256))
  code.emit('vmovq', [to, view(both, 128)])
}

/** Lanes that are no neighbours, lane after lane: a later one wins where two store to one element. */
function storeApart(
  e: State,
  s: Of<'store' | 'scatter'>,
  a: Access,
  part: number,
  bits: VectorBits,
  condition: VReg | null,
): void {
  const { code, isa, lanes, registers } = e
  const type = s.buffer.type
  const size = BYTES[type]
  const base = baseOf(e, s, a, part)
  const index = elementIndices(e, s, a, part)
  const indexBits = isa.width('i32', lanes.size)
  const halves = isa.halves(s.from.type, lanes.size)
  let active: VReg | null = null
  if (condition && (type === 'u8' || isa.level === 'avx2')) {
    active = code.gp()
    isa.bitsOf(active, condition, lanes.size)
  }
  const perHalf = lanes.size / halves
  for (let half = 0; half < halves; half++) {
    const from = registers.get(s.from, part, half, lanes)
    const at = isa.half(index, half, indexBits)
    if (isa instanceof Avx512 && type !== 'u8') {
      const m = condition && isa.conditionFor(condition, type, lanes.size, half)
      isa.scatter(base, a.bytes, at, from, m, type, bits)
      continue
    }
    if (active && half > 0) code.g('shr', active, perHalf)
    const value = { reg: from, bits, size: isWide(type) ? 8 : 4 } as const
    const places = { reg: at, bits: indexBits, size: 4 } as const
    laneLoop(e, perHalf, [value, places], null, active, ([v, i]) => {
      const [element, where] = [code.gp(), code.gp()]
      code.emit('movsxd', [view(where, 64), i!])
      code.emit('mov', [view(element, isWide(type) ? 64 : 32), v!])
      const to = mem(base, a.bytes, { index: where, scale: size as 1 | 4 | 8 })
      code.emit('mov', [to, view(element, type === 'u8' ? 8 : isWide(type) ? 64 : 32)])
    })
  }
}

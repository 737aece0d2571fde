// Stores: neighbours as one instruction, everything else lane by lane. Masked lanes are never written, not
// even with what was there: another thread may be writing it.

import { BYTES, type MemoryType, type Reg } from '../../../compiler/kernel/ir.js'
import type { LaneMemoryOp } from '../encode/opcodes.js'
import { accessOf, addressesOf, INSTRUCTIONS, pushPointer, pushScalarElement } from './access.js'
import { type Access, halvesOf, isWhole, type Lanes, type Of, PART, type State } from './state.js'

export function storeScalar(e: State, s: Of<'store' | 'scatter'>): void {
  const { f, registers } = e
  const a = accessOf(e, s)
  const type = s.buffer.type
  const write = (): void => {
    if (s.op === 'scatter') pushScalarElement(e, a, s.offset, s.scale * BYTES[type])
    else pushPointer(e, a)
    registers.pushScalar(s.from)
    f.memory(type === 'u8' ? 'i32.store8' : INSTRUCTIONS[type].store, a.bytes)
  }
  if (s.op === 'store' && s.when) {
    registers.pushScalar(s.when)
    f.if(write)
  } else {
    write()
  }
}

/** Pushes i32 bits of the lanes of a part that are to be stored; nothing if all of them are. */
function pushStoreBits(e: State, lanes: Lanes, part: number, when: Reg | undefined): boolean {
  const { f } = e
  const mask = isWhole(lanes.mask, part) ? null : lanes.mask
  if (when === undefined && !mask) return false
  if (when) e.registers.push(when, part)
  if (mask) f.get(mask.locals[part]!)
  if (when && mask) f.op('v128.and')
  f.op('i32x4.bitmask')
  return true
}

export function storeLanes(e: State, s: Of<'store' | 'scatter'>, part: number): void {
  const { f, registers } = e
  const lanes = e.lanes!
  const a = accessOf(e, s)
  const type = s.buffer.type
  const size = BYTES[type]
  const when = s.op === 'store' ? s.when : undefined
  const wide = halvesOf(s.from.type) === 2
  if (s.op === 'store' && a.laneBytes === size && a.varying.length === 0) {
    const first = a.bytes + size * PART * part
    const prefix = lanes.mask?.prefix?.[part] ?? null
    if (when === undefined && (!lanes.mask || prefix !== null)) {
      storePrefix(e, s.from, type, () => pushPointer(e, a), first, part, prefix ?? PART)
      return
    }
    pushPointer(e, a)
    f.addConstant(first)
    pushPacked(e, s.from, type, part, 0)
    if (wide) registers.push(s.from, part, 1)
    pushStoreBits(e, lanes, part, when)
    f.call(
      e.helpers.index(wide ? 'storeMasked64' : type === 'u8' ? 'storeMasked8' : 'storeMasked32'),
    )
    return
  }
  const bitsKnown = when === undefined && (!lanes.mask || lanes.mask.prefix !== null)
  if (s.op === 'store' && a.varying.length === 0 && bitsKnown && a.near) {
    storeStrided(e, s.from, type, a, part)
    return
  }
  // Lane after lane, in order: a later lane wins where two store to one element.
  const scattered = s.op === 'scatter'
  const offset = scattered ? s.offset : null
  const addresses = addressesOf(e, a, type, part, offset, scattered ? s.scale : 1)
  const bits = f.local('i32')
  const masked = pushStoreBits(e, lanes, part, when)
  if (masked) f.set(bits)
  for (let l = 0; l < PART; l++) {
    const write = (): void => {
      f.get(addresses)
      f.lane('i32x4.extract_lane', l)
      registers.push(s.from, part, wide ? l >> 1 : 0)
      if (type === 'u8') f.laneMemory('v128.store8_lane', 0, 4 * l)
      else f.laneMemory(INSTRUCTIONS[type].storeLane, 0, wide ? l & 1 : l)
    }
    if (masked) {
      f.get(bits)
      f.i32(1 << l)
      f.op('i32.and')
      f.if(write)
    } else {
      write()
    }
  }
  f.release('i32', bits)
  f.release('v128', addresses)
}

/** Lanes a constant distance apart, one after another. */
function storeStrided(e: State, from: Reg, type: MemoryType, a: Access, part: number): void {
  const { f, registers } = e
  const wide = halvesOf(from.type) === 2
  const active = e.lanes?.mask?.prefix?.[part] ?? PART
  for (let l = 0; l < active; l++) {
    pushPointer(e, a)
    registers.push(from, part, wide ? l >> 1 : 0)
    const at = a.bytes + a.laneBytes * (PART * part + l)
    if (type === 'u8') f.laneMemory('v128.store8_lane', at, 4 * l)
    else f.laneMemory(INSTRUCTIONS[type].storeLane, at, wide ? l & 1 : l)
  }
}

/** Pushes a v128 as it lies in memory; four u8 in its first bytes. */
function pushPacked(e: State, from: Reg, type: MemoryType, part: number, half: number): void {
  e.registers.push(from, part, half)
  if (type !== 'u8') return
  e.registers.push(from, part, half)
  e.f.shuffle([0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

/** Stores the first `count` of four neighbouring lanes. */
function storePrefix(
  e: State,
  from: Reg,
  type: MemoryType,
  push: () => void,
  first: number,
  part: number,
  count: number,
): void {
  const { f } = e
  if (type === 'u8') {
    const packed = f.local('v128')
    pushPacked(e, from, type, part, 0)
    f.set(packed)
    const piece = (op: LaneMemoryOp, at: number, lane: number): void => {
      push()
      f.get(packed)
      f.laneMemory(op, first + at, lane)
    }
    if (count === PART) piece('v128.store32_lane', 0, 0)
    else for (let l = 0; l < count; l++) piece('v128.store8_lane', l, l)
    f.release('v128', packed)
    return
  }
  const size = BYTES[type]
  const perHalf = 16 / size
  for (let at = 0; at < count; at += perHalf) {
    const n = Math.min(perHalf, count - at)
    const half = at / perHalf
    const piece = (op: LaneMemoryOp, lane: number, width: number): void => {
      push()
      e.registers.push(from, part, half)
      f.laneMemory(op, first + size * at + width * lane, lane)
    }
    if (n === perHalf) {
      push()
      e.registers.push(from, part, half)
      f.memory('v128.store', first + size * at)
      continue
    }
    if (n * size >= 8) piece('v128.store64_lane', 0, 8)
    if (n * size !== 8) piece('v128.store32_lane', n - 1, 4)
  }
}

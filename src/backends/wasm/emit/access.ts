// Addresses of memory accesses, and the instructions for each element type.

import { BYTES, type MemoryType, type Reg } from '../../../compiler/kernel/ir.js'
import type { LaneMemoryOp, MemoryOp } from '../encode/opcodes.js'
import { pushLaneDistances, scaleLanes } from './indices.js'
import { type Access, isWhole, type Of, type State } from './state.js'

interface Instructions {
  readonly load: MemoryOp
  readonly store: MemoryOp
  readonly splat: MemoryOp
  /** First lane of a v128, clearing the rest; and further lanes. */
  readonly first: MemoryOp
  readonly lane: LaneMemoryOp
  readonly storeLane: LaneMemoryOp
}

const W4 = {
  splat: 'v128.load32_splat',
  first: 'v128.load32_zero',
  lane: 'v128.load32_lane',
  storeLane: 'v128.store32_lane',
} as const
const W8 = {
  splat: 'v128.load64_splat',
  first: 'v128.load64_zero',
  lane: 'v128.load64_lane',
  storeLane: 'v128.store64_lane',
} as const

export const INSTRUCTIONS: Record<Exclude<MemoryType, 'u8'>, Instructions> = {
  f32: { load: 'f32.load', store: 'f32.store', ...W4 },
  i32: { load: 'i32.load', store: 'i32.store', ...W4 },
  f64: { load: 'f64.load', store: 'f64.store', ...W8 },
  i64: { load: 'i64.load', store: 'i64.store', ...W8 },
}

export const accessOf = (e: State, s: Of<'load' | 'gather' | 'store' | 'scatter'>): Access => {
  const access = e.addresses.accesses.get(s)
  if (!access) throw new Error(`no address was planned for a ${s.op} of ${s.buffer.name}`)
  return access
}

export const pushPointer = (e: State, a: Access): void => {
  const local = e.pointers.get(a.pointer.id)
  if (local === undefined) throw new Error(`a pointer into ${a.pointer.buffer.name} is not set`)
  e.f.get(local)
}

/** Pushes the address, less the access's constant, of an element found by an offset. */
export function pushScalarElement(e: State, a: Access, offset: Reg, scale: number): void {
  pushPointer(e, a)
  e.registers.pushScalar(offset)
  e.f.i32(scale)
  e.f.op('i32.mul')
  e.f.op('i32.add')
}

/** Sets a local to the i32x4 of the addresses of a part's lanes; masked lanes get the buffer's base. */
export function addressesOf(
  e: State,
  a: Access,
  type: MemoryType,
  part: number,
  offset: Reg | null,
  scale: number,
): number {
  const { f } = e
  const out = f.local('v128')
  pushPointer(e, a)
  f.addConstant(a.bytes)
  f.op('i32x4.splat')
  if (pushLaneDistances(e, a.laneBytes, a.varying, part)) f.op('i32x4.add')
  if (offset) {
    e.registers.push(offset, part)
    scaleLanes(e, scale * BYTES[type])
    f.op('i32x4.add')
  }
  if (e.lanes && !isWhole(e.lanes.mask, part)) {
    // Where a masked lane points is anybody's guess, and may lie outside memory.
    f.get(e.bases.get(a.pointer.buffer)!)
    f.op('i32x4.splat')
    f.get(e.lanes.mask!.locals[part]!)
    e.registers.selectLanes()
  }
  f.set(out)
  return out
}

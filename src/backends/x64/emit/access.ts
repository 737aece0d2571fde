// Where the elements of an access are: its pointer, what moves it, and how far lanes are from each other.

import type { Access } from '../../../compiler/kernel/addresses.js'
import { BYTES, type Reg, type RegType } from '../../../compiler/kernel/ir.js'
import { isScale } from './general.js'
import { laneDistances, scaled } from './indices.js'
import type { Elements } from './isa/isa.js'
import { type Mem, mem, r32, r64, type VectorBits, type VReg, view } from './machine/code.js'
import type { Of, State } from './state.js'

export type AccessStmt = Of<'load' | 'prefetch' | 'gather' | 'store' | 'scatter'>

export function accessOf(e: State, s: AccessStmt): Access {
  const access = e.addresses.accesses.get(s)
  if (!access) throw new Error(`no address was planned for a ${s.op} of ${s.buffer.name}`)
  return access
}

/** Memory some bytes from an access's pointer. */
export function placeOf(e: State, s: AccessStmt, { pointer }: Access, bytes: number): Mem {
  const reg = e.pointers.get(pointer.id)
  if (!reg) throw new Error(`a pointer into ${s.buffer.name} is not set`)
  if (pointer.buffer !== null) return mem(reg, bytes)
  return mem(e.bases.get(s.buffer)!, bytes, { index: reg })
}

/** A register with an access's pointer. */
export function pointerOf(e: State, s: AccessStmt, a: Access): VReg {
  const at = placeOf(e, s, a, 0)
  if (at.index === null) return at.base as VReg
  const reg = e.code.gp()
  e.code.emit('lea', [r64(reg), at])
  return reg
}

/** The element of an access that has no offset, or that of lane 0. */
export const firstElement = (e: State, s: AccessStmt, a: Access): Mem => placeOf(e, s, a, a.bytes)

/** The element found by an offset, in lane 0 of a register. */
export function elementAt(e: State, s: Of<'gather' | 'scatter'>, a: Access, offset: VReg): Mem {
  const { code } = e
  const at = code.gp()
  code.emit('vmovd', [r32(at), view(offset, 128)])
  code.emit('movsxd', [r64(at), r32(at)])
  const step = s.scale * BYTES[s.buffer.type]
  if (isScale(step)) {
    return mem(pointerOf(e, s, a), a.bytes, { index: at, scale: step })
  }
  const scaledAt = code.gp()
  code.g('imul', scaledAt, at, step)
  return mem(pointerOf(e, s, a), a.bytes, { index: scaledAt })
}

/** What a statement of a vector loop loads or stores in one part. */
export interface PartAccess<S extends AccessStmt> {
  readonly e: State
  readonly s: S
  readonly access: Access
  readonly part: number
  /** Width of the registers of the value. */
  readonly bits: VectorBits
}

/** @param type what the value is in registers */
export function partAccess<S extends AccessStmt>(
  e: State,
  s: S,
  type: RegType,
  part: number,
): PartAccess<S> {
  return { e, s, access: accessOf(e, s), part, bits: e.isa.width(type, e.lanes.size) }
}

/** Whether an access has an offset that all lanes share: they then lie as those of a plain load or store do. */
const isMoved = ({ e, s }: PartAccess<AccessStmt>): boolean =>
  'offset' in s && e.registers.isUniform(s.offset)

/** The pointer of an access, moved by the offset of one that is. */
function movedPointer({ e, s, access, part }: PartAccess<Of<'gather' | 'scatter'>>): VReg {
  // Parts of a statement follow one another without a branch in between: the first one's serves all.
  const known = part === e.lanes.parts[0] ? undefined : e.moved.get(s)
  if (known !== undefined) return known
  const { code } = e
  const base = code.gp()
  const offset = e.registers.get(s.offset, part, 0, e.lanes)
  code.emit('lea', [r64(base), { ...elementAt(e, s, access, offset), disp: 0 }])
  e.moved.set(s, base)
  return base
}

/** What `access.bytes` counts from. */
export function baseOf(p: PartAccess<AccessStmt>): VReg {
  if (isMoved(p)) return movedPointer(p as PartAccess<Of<'gather' | 'scatter'>>)
  return pointerOf(p.e, p.s, p.access)
}

/** The offset that differs from lane to lane, if an access has one. */
const laneOffset = (e: State, s: AccessStmt): Reg | null =>
  'offset' in s && !e.registers.isUniform(s.offset) ? s.offset : null

/** How many elements each lane is from the one before; null where that differs. */
export function distanceOf({ e, s, access }: PartAccess<AccessStmt>): number | null {
  if (laneOffset(e, s) !== null || access.varying.length > 0) return null
  return access.laneBytes / BYTES[s.buffer.type]
}

/** The first element of a part (or of one of its halves) of neighbours. */
export function neighbours(p: PartAccess<AccessStmt>, half = 0): Mem {
  const { e, s, access, part, bits } = p
  const at = access.bytes + BYTES[s.buffer.type] * e.lanes.size * part + (half * bits) / 8
  return isMoved(p) ? mem(baseOf(p), at) : placeOf(e, s, access, at)
}

/** The elements of a part's lanes, each by itself. */
export function elementsOf(p: PartAccess<AccessStmt>): Elements {
  return { base: baseOf(p), disp: p.access.bytes, index: indicesOf(p) }
}

/** For each lane of a part, how many elements from the access's constant place its element is. */
function indicesOf({ e, s, access, part }: PartAccess<AccessStmt>): VReg {
  const { code, isa, registers, lanes } = e
  const bits = isa.width('i32', lanes.size)
  const distances = laneDistances(e, access.laneBytes, access.varying, part, BYTES[s.buffer.type])
  const offset = laneOffset(e, s)
  const scale = 'scale' in s ? s.scale : 1
  const offsets = offset && scaled(e, registers.get(offset, part, 0, lanes), scale)
  if (distances && offsets) {
    const sum = code.vector()
    code.v('vpaddd', bits, sum, distances, offsets)
    return sum
  }
  if (distances || offsets) return (distances ?? offsets)!
  const none = code.vector()
  isa.loadConstant(none, 'i32', 0, bits)
  return none
}

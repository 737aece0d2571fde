// Loads: neighbours as one instruction, one element for all lanes, gathers for everything else.

import type { Access } from '../../../compiler/kernel/addresses.js'
import { BYTES, type MemoryType, type Reg } from '../../../compiler/kernel/ir.js'
import { laneDistances, scaled } from './indices.js'
import { isWide } from './isa/isa.js'
import { imm, type Mem, mem, r32, r64, type VectorBits, type VReg, view } from './machine/code.js'
import { isWhole, maskOf, type Of, type State } from './state.js'
import { loadByTable } from './tables.js'

type AccessStmt = Of<'load' | 'prefetch' | 'gather' | 'store' | 'scatter'>

export function accessOf(e: State, s: AccessStmt): Access {
  const access = e.addresses.accesses.get(s)
  if (!access) throw new Error(`no address was planned for a ${s.op} of ${s.buffer.name}`)
  return access
}

export function pointerOf(e: State, a: Access): VReg {
  const reg = e.pointers.get(a.pointer.id)
  if (!reg) throw new Error(`a pointer into ${a.pointer.buffer.name} is not set`)
  return reg
}

/**
 * Where an access's constant place is: its pointer, moved by an offset that is the same for all lanes if it
 * has one. Lanes then lie as those of a plain load or store do.
 */
export function baseOf(e: State, s: AccessStmt, a: Access, part: number): VReg {
  const pointer = pointerOf(e, a)
  if (!('offset' in s) || !e.registers.isUniform(s.offset)) return pointer
  // Parts of a statement follow one another without a branch in between: the first one's base serves all.
  const known = part === e.lanes.parts[0] ? undefined : e.moved.get(s)
  if (known !== undefined) return known
  const { code } = e
  const base = code.gp()
  const offset = e.registers.get(s.offset, part, 0, e.lanes)
  code.emit('lea', [
    r64(base),
    { ...elementOf(e, a, offset, s.scale * BYTES[s.buffer.type]), disp: 0 },
  ])
  e.moved.set(s, base)
  return base
}

/** The offset that differs from lane to lane, if an access has one. */
export const laneOffset = (e: State, s: AccessStmt): Reg | null =>
  'offset' in s && !e.registers.isUniform(s.offset) ? s.offset : null

/** Loads one element into lane 0. */
function loadElement(e: State, dst: VReg, from: Mem, type: MemoryType): void {
  const { code } = e
  if (type === 'u8') {
    const t = code.gp()
    code.emit('movzx8', [r32(t), from])
    code.emit('vmovd', [view(dst, 128), r32(t)])
  } else {
    code.emit(isWide(type) ? 'vmovsd' : 'vmovss', [view(dst, 128), from])
  }
}

/** Loads one element into all lanes of a register. */
function loadSplat(e: State, dst: VReg, from: Mem, type: MemoryType, bits: VectorBits): void {
  if (type !== 'u8') {
    e.isa.loadSplat(dst, from, type, bits)
    return
  }
  const t = e.code.gp()
  e.code.emit('movzx8', [r32(t), from])
  e.isa.splatGeneral(dst, t, 'i32', bits)
}

/** The address of an element found by an offset in lane 0 of a register. */
export function elementOf(e: State, a: Access, offset: VReg, step: number): Mem {
  const { code } = e
  const at = code.gp()
  code.emit('vmovd', [r32(at), view(offset, 128)])
  code.emit('movsxd', [r64(at), r32(at)])
  if (step === 1 || step === 2 || step === 4 || step === 8) {
    return mem(pointerOf(e, a), a.bytes, { index: at, scale: step })
  }
  const scaledAt = code.gp()
  code.g('imul', scaledAt, at, step)
  return mem(pointerOf(e, a), a.bytes, { index: scaledAt })
}

export function emitLoad(e: State, s: Of<'load'>, part: number): void {
  const a = accessOf(e, s)
  const { registers, isa, lanes } = e
  const from = mem(pointerOf(e, a), a.bytes)
  const bits = isa.width(s.dst.type, lanes.size)
  if (lanes.size === 1) {
    registers.assign(s.dst, 0, 0, lanes, (dst) => loadElement(e, dst, from, s.buffer.type))
  } else if (registers.isUniform(s.dst)) {
    registers.assign(s.dst, 0, 0, lanes, (dst) => loadSplat(e, dst, from, s.buffer.type, bits))
  } else {
    loadLanes(e, s, a, part, bits)
  }
}

const LINE = 64

/** Asks for the cache lines of a part of neighbours; of anything else, for none. */
export function emitPrefetch(e: State, s: Of<'prefetch'>, part: number): void {
  const a = accessOf(e, s)
  const size = BYTES[s.buffer.type]
  if (a.laneBytes !== size || a.varying.length > 0) return
  const bytes = size * e.lanes.size
  const first = Math.ceil((bytes * part) / LINE) * LINE
  for (let at = first; at < bytes * (part + 1); at += LINE) {
    e.code.emit('prefetcht0', [mem(pointerOf(e, a), a.bytes + at)])
  }
}

export function emitGather(e: State, s: Of<'gather'>, part: number): void {
  const a = accessOf(e, s)
  const { registers, isa, lanes } = e
  const type = s.buffer.type
  const bits = isa.width(s.dst.type, lanes.size)
  const step = s.scale * BYTES[type]
  if (lanes.size === 1) {
    registers.assign(s.dst, 0, 0, lanes, (dst) => {
      loadElement(e, dst, elementOf(e, a, registers.get(s.offset, 0, 0, lanes), step), type)
    })
  } else if (registers.isUniform(s.dst)) {
    registers.assign(s.dst, 0, 0, lanes, (dst) => {
      loadSplat(e, dst, elementOf(e, a, registers.get(s.offset, 0, 0, lanes), step), type, bits)
    })
  } else if (registers.isUniform(s.offset)) {
    loadLanes(e, s, a, part, bits)
  } else {
    gatherLanes(e, s, a, part, bits)
  }
}

function loadLanes(
  e: State,
  s: Of<'load' | 'gather'>,
  a: Access,
  part: number,
  bits: VectorBits,
): void {
  const { registers, isa, lanes } = e
  const type = s.buffer.type
  const size = BYTES[type]
  const base = baseOf(e, s, a, part)
  if (a.varying.length > 0 || a.laneBytes !== size) {
    if (a.varying.length > 0 && loadByTable(e, s, a, base, part, bits)) return
    const near = NEAR[a.laneBytes / size]
    if (near && a.varying.length === 0 && near(e, s, a, base, part, bits)) return
    gatherLanes(e, s, a, part, bits)
    return
  }
  const mask = maskOf(lanes, part)
  if (type === 'u8') {
    const from = mem(base, a.bytes + lanes.size * part)
    if (mask && isa.level === 'avx2') {
      gatherLanes(e, s, a, part, bits)
      return
    }
    registers.assign(s.dst, part, 0, lanes, (dst) => {
      e.code.emit('vpmovzxbd', [view(dst, bits), from], mask ? { mask, zero: true } : {})
    })
    return
  }
  for (let half = 0; half < registers.halves(s.dst, lanes); half++) {
    const from = mem(base, a.bytes + size * lanes.size * part + (half * bits) / 8)
    registers.assign(s.dst, part, half, lanes, (dst) => {
      if (!mask) {
        e.code.v('vmovups', bits, dst, from)
        return
      }
      isa.loadMasked(dst, from, isa.conditionFor(mask, type, lanes.size, half), type, bits)
    })
  }
}

/** Loads of lanes that are near each other, by their distance; false where a gather has to do. */
const NEAR: {
  readonly [distance: number]: (
    e: State,
    s: Of<'load' | 'gather'>,
    a: Access,
    base: VReg,
    part: number,
    bits: VectorBits,
  ) => boolean
} = { 2: loadPairs, [-1]: loadBackwards }

/** How many lanes of a part are loaded if they can be permuted and counted now; else 0. */
function countedLanes(e: State, s: Of<'load' | 'gather'>, part: number, bits: VectorBits): number {
  if ((s.buffer.type !== 'f32' && s.buffer.type !== 'i32') || bits === 128) return 0
  return isWhole(e.lanes, part) ? e.lanes.size : (e.lanes.mask!.prefix?.[part] ?? 0)
}

/** Loads the first `count` of a part's lanes from neighbours; the others become 0. */
function loadFirst(e: State, from: Mem, count: number, type: MemoryType, bits: VectorBits): VReg {
  const { code, isa, lanes } = e
  const dst = code.vector()
  if (count <= 0) {
    code.v('vzero', bits, dst)
  } else if (count >= lanes.size) {
    code.v('vmovups', bits, dst, from)
  } else {
    const condition = isa.fresh('bool')
    isa.conditionConstant(condition, count, lanes.size)
    isa.loadMasked(dst, from, condition, type === 'f32' ? 'f32' : 'i32', bits)
  }
  return dst
}

/** Every other element: two loads, which end with the last element asked for. */
function loadPairs(
  e: State,
  s: Of<'load' | 'gather'>,
  a: Access,
  base: VReg,
  part: number,
  bits: VectorBits,
): boolean {
  const { code, isa, registers, lanes } = e
  const { type } = s.buffer
  const count = countedLanes(e, s, part, bits)
  if (count === 0) return false
  const n = lanes.size
  const first = a.bytes + 8 * n * part
  // All lanes: the second load is one element early, so that it needs no mask to end with the last one.
  const early = count === n ? 1 : 0
  registers.assign(s.dst, part, 0, lanes, (dst) => {
    const low = loadFirst(e, mem(base, first), 2 * count - 1, type, bits)
    const rest = mem(base, first + 4 * (n - early))
    const high = loadFirst(e, rest, 2 * count - 1 + early - n, type, bits)
    if (isa.level === 'avx512') {
      const order = code.vector()
      const table = Array.from({ length: n }, (_, l) => 2 * l + (l < n / 2 ? 0 : early))
      isa.loadTable(order, table, bits)
      code.v('vpermt2ps', bits, low, order, high)
      isa.copy(dst, low, bits)
      return
    }
    const t = code.vector()
    code.v('vshufps', 256, t, low, high, early === 1 ? 0xd8 : 0x88)
    code.v('vpermq', 256, dst, t, 0xd8)
  })
  return true
}

/** Neighbours in reverse: one load, which begins with the last lane's. */
function loadBackwards(
  e: State,
  s: Of<'load' | 'gather'>,
  a: Access,
  base: VReg,
  part: number,
  bits: VectorBits,
): boolean {
  const { code, isa, registers, lanes } = e
  const count = countedLanes(e, s, part, bits)
  if (count === 0) return false
  const last = a.bytes - 4 * (lanes.size * part + count - 1)
  registers.assign(s.dst, part, 0, lanes, (dst) => {
    const forwards = loadFirst(e, mem(base, last), count, s.buffer.type, bits)
    const order = code.vector()
    const table = Array.from({ length: lanes.size }, (_, l) => Math.max(0, count - 1 - l))
    isa.loadTable(order, table, bits)
    code.v('vpermps', bits, dst, order, forwards)
  })
  return true
}

/** Lanes at addresses of their own. */
function gatherLanes(
  e: State,
  s: Of<'load' | 'gather'>,
  a: Access,
  part: number,
  bits: VectorBits,
): void {
  const { isa, registers, lanes } = e
  const type = s.buffer.type
  const mask = maskOf(lanes, part)
  const index = elementIndices(e, s, a, part)
  const base = baseOf(e, s, a, part)
  if (type === 'u8') {
    registers.assign(s.dst, part, 0, lanes, (dst) => {
      gatherBytes(e, dst, base, a.bytes, index, mask, bits)
    })
    return
  }
  for (let half = 0; half < registers.halves(s.dst, lanes); half++) {
    registers.assign(s.dst, part, half, lanes, (dst) => {
      const condition = mask && isa.conditionFor(mask, type, lanes.size, half)
      const at = isa.half(index, half, isa.width('i32', lanes.size))
      isa.gather(dst, base, a.bytes, at, condition, type, bits)
    })
  }
}

/** For each lane of a part, how many elements from the access's constant place its element is. */
export function elementIndices(e: State, s: AccessStmt, a: Access, part: number): VReg {
  const { code, isa, registers, lanes } = e
  const bits = isa.width('i32', lanes.size)
  const distances = laneDistances(e, a.laneBytes, a.varying, part, BYTES[s.buffer.type])
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

/**
 * Gathers bytes by way of the aligned four bytes around each, which never lie on a page that the byte does
 * not lie on.
 */
function gatherBytes(
  e: State,
  dst: VReg,
  pointer: VReg,
  disp: number,
  index: VReg,
  mask: VReg | null,
  bits: VectorBits,
): void {
  const { code, isa } = e
  const [base, low] = [code.gp(), code.gp()]
  code.emit('lea', [r64(base), mem(pointer, disp)])
  code.g('mov', low, base)
  code.emit('and', [r32(low), imm(3)])
  code.g('and', base, -4)
  const [start, at, word, bit, places, raw, moved] = Array.from({ length: 7 }, () =>
    code.vector(),
  ) as [VReg, VReg, VReg, VReg, VReg, VReg, VReg]
  isa.splatGeneral(start, low, 'i32', bits)
  code.v('vpaddd', bits, at, start, index)
  code.v('vpsrad', bits, word, at, 2)
  code.v(isa.bitwise.and, bits, bit, at, isa.constant('i32', 3, bits))
  code.v('vpslld', bits, places, bit, 3)
  isa.gather(raw, base, 0, word, mask, 'i32', bits)
  code.v('vpsrlvd', bits, moved, raw, places)
  code.v(isa.bitwise.and, bits, dst, moved, isa.constant('i32', 255, bits))
}

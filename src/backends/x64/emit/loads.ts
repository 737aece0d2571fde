// Loads: neighbours as one instruction, one element for all lanes, gathers for everything else.

import { BYTES, type MemoryType } from '../../../compiler/kernel/ir.js'
import { CACHE_LINE } from '../../../compiler/kernel/scratch.js'
import {
  accessOf,
  distanceOf,
  elementAt,
  elementsOf,
  firstElement,
  neighbours,
  type PartAccess,
  partAccess,
  placeOf,
} from './access.js'
import { type Elements, isWide, type Numeric } from './isa/isa.js'
import { imm, type Mem, mem, r32, r64, type VectorBits, type VReg, view } from './machine/code.js'
import { loadPermuted } from './permuted.js'
import { maskOf, type Of, type State } from './state.js'

type Load = PartAccess<Of<'load' | 'gather'>>

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

/** Loads one element, which is all there is or serves all lanes. */
function loadOne(e: State, s: Of<'load' | 'gather'>, element: () => Mem): void {
  const { registers, isa, lanes } = e
  const { type } = s.buffer
  registers.assign(s.dst, 0, 0, lanes, (dst) => {
    if (lanes.size === 1) loadElement(e, dst, element(), type)
    else loadSplat(e, dst, element(), type, isa.width(s.dst.type, lanes.size))
  })
}

export function emitLoad(e: State, s: Of<'load'>, part: number): void {
  if (e.lanes.size === 1 || e.registers.isUniform(s.dst)) {
    loadOne(e, s, () => firstElement(e, s, accessOf(e, s)))
  } else {
    loadLanes(partAccess(e, s, s.dst.type, part))
  }
}

export function emitGather(e: State, s: Of<'gather'>, part: number): void {
  const { registers, lanes } = e
  if (lanes.size === 1 || registers.isUniform(s.dst)) {
    loadOne(e, s, () => elementAt(e, s, accessOf(e, s), registers.get(s.offset, 0, 0, lanes)))
  } else {
    const p = partAccess(e, s, s.dst.type, part)
    if (registers.isUniform(s.offset)) loadLanes(p)
    else gatherLanes(p)
  }
}

/** Asks for the cache lines of a part of neighbours, or for the line of what all lanes share. */
export function emitPrefetch(e: State, s: Of<'prefetch'>, part: number): void {
  const a = accessOf(e, s)
  const size = BYTES[s.buffer.type]
  const name = s.writes ? 'prefetchw' : 'prefetcht0'
  const ask = (offset: number): void => e.code.emit(name, [placeOf(e, s, a, a.bytes + offset)])
  if (a.varying.length > 0) return
  if (a.laneBytes === 0 && part === e.lanes.parts[0]) ask(0)
  if (a.laneBytes !== size) return
  const bytes = size * e.lanes.size
  const first = Math.ceil((bytes * part) / CACHE_LINE) * CACHE_LINE
  for (let at = first; at < bytes * (part + 1); at += CACHE_LINE) {
    ask(at)
  }
}

/** Lanes that have no offsets of their own. */
function loadLanes(p: Load): void {
  const { e, s, part } = p
  const { type } = s.buffer
  const mask = maskOf(e.lanes, part)
  if (distanceOf(p) !== 1) {
    if (!loadPermuted(p)) gatherLanes(p)
  } else if (type !== 'u8') loadNeighbours(p, type, mask)
  else if (mask === null || e.isa.masksBytes) loadBytes(p, mask)
  else gatherLanes(p)
}

function loadNeighbours(p: Load, type: Numeric, mask: VReg | null): void {
  const { e, s, part, bits } = p
  const { code, isa, registers, lanes } = e
  for (let half = 0; half < registers.halves(s.dst, lanes); half++) {
    const from = neighbours(p, half)
    registers.assign(s.dst, part, half, lanes, (dst) => {
      if (mask === null) code.v('vmovups', bits, dst, from)
      else {
        const condition = isa.conditionFor(mask, type, lanes.size, half)
        isa.loadMasked(dst, from, condition, type, bits)
      }
    })
  }
}

/** Widens neighbouring bytes to 32-bit lanes. */
function loadBytes(p: Load, mask: VReg | null): void {
  const { e, s, part, bits } = p
  e.registers.assign(s.dst, part, 0, e.lanes, (dst) => {
    const extra = mask ? { mask, zero: true } : {}
    e.code.emit('vpmovzxbd', [view(dst, bits), neighbours(p)], extra)
  })
}

/** Lanes at addresses of their own. */
function gatherLanes(p: Load): void {
  const { e, s, part, bits } = p
  const { isa, registers, lanes } = e
  const { type } = s.buffer
  const mask = maskOf(lanes, part)
  const at = elementsOf(p)
  if (type === 'u8') {
    registers.assign(s.dst, part, 0, lanes, (dst) => gatherBytes(e, dst, at, mask, bits))
    return
  }
  for (let half = 0; half < registers.halves(s.dst, lanes); half++) {
    registers.assign(s.dst, part, half, lanes, (dst) => {
      const condition = mask && isa.conditionFor(mask, type, lanes.size, half)
      const index = isa.half(at.index, half, isa.width('i32', lanes.size))
      isa.gather(dst, { ...at, index }, condition, type, bits)
    })
  }
}

/**
 * Gathers bytes by way of the aligned four bytes around each, which never lie on a page that the byte does
 * not lie on.
 */
function gatherBytes(
  e: State,
  dst: VReg,
  { base: pointer, disp, index }: Elements,
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
  isa.gather(raw, { base, disp: 0, index: word }, mask, 'i32', bits)
  code.v('vpsrlvd', bits, moved, raw, places)
  code.v(isa.bitwise.and, bits, dst, moved, isa.constant('i32', 255, bits))
}

// Loads of lanes that are near each other but no neighbours: one or two loads of neighbours, and a permutation.

import type { MemoryType } from '../../../compiler/kernel/ir.js'
import { baseOf, distanceOf, type PartAccess } from './access.js'
import { type Mem, mem, r64, type VectorBits, type VReg } from './machine/code.js'
import { isWhole, type Of, type State } from './state.js'
import { inTable, summedTable, tableLanes } from './tables.js'

type Load = PartAccess<Of<'load' | 'gather'>>

/** Ways to load, by how many elements each lane is from the one before; false where a gather has to do. */
const BY_DISTANCE: { readonly [distance: number]: (p: Load) => boolean } = {
  2: loadPairs,
  [-1]: loadBackwards,
}

/** Loads a part's lanes, if a permutation can; else says false. */
export function loadPermuted(p: Load): boolean {
  const { buffer } = p.s
  if ((buffer.type !== 'f32' && buffer.type !== 'i32') || p.bits === 128) return false
  if (p.access.varying.length > 0) return loadByTable(p)
  return BY_DISTANCE[distanceOf(p) ?? 0]?.(p) ?? false
}

/** How many lanes of a part are loaded, if that is known now; else 0. */
const countedLanes = ({ e: { lanes }, part }: Load): number =>
  isWhole(lanes, part) ? lanes.size : (lanes.mask!.prefix?.[part] ?? 0)

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
function loadPairs(p: Load): boolean {
  const { e, s, access, part, bits } = p
  const { isa, registers, lanes } = e
  const { type } = s.buffer
  const count = countedLanes(p)
  if (count === 0) return false
  const n = lanes.size
  const base = baseOf(p)
  const first = access.bytes + 8 * n * part
  // All lanes: the second load is one element early, so that it needs no mask to end with the last one.
  const early = count === n ? 1 : 0
  registers.assign(s.dst, part, 0, lanes, (dst) => {
    const low = loadFirst(e, mem(base, first), 2 * count - 1, type, bits)
    const rest = mem(base, first + 4 * (n - early))
    const high = loadFirst(e, rest, 2 * count - 1 + early - n, type, bits)
    isa.everyOther(dst, low, high, early, bits)
  })
  return true
}

/** Neighbours in reverse: one load, which begins with the last lane's. */
function loadBackwards(p: Load): boolean {
  const { e, s, access, part, bits } = p
  const { code, isa, registers, lanes } = e
  const count = countedLanes(p)
  if (count === 0) return false
  const last = access.bytes - 4 * (lanes.size * part + count - 1)
  registers.assign(s.dst, part, 0, lanes, (dst) => {
    const forwards = loadFirst(e, mem(baseOf(p), last), count, s.buffer.type, bits)
    const order = code.vector()
    const table = Array.from({ length: lanes.size }, (_, l) => Math.max(0, count - 1 - l))
    isa.loadTable(order, table, bits)
    code.v('vpermps', bits, dst, order, forwards)
  })
  return true
}

const least = (xs: Int32Array): number => xs.reduce((a, b) => Math.min(a, b))
const most = (xs: Int32Array): number => xs.reduce((a, b) => Math.max(a, b))

/**
 * Where registers of neighbours start that hold what the lanes want, and which of the neighbours each lane
 * wants; null if they are too far apart. Nothing is read outside of what the loop reads.
 */
function windows(wanted: Int32Array, count: number, size: number) {
  const end = most(wanted.subarray(0, count)) + 1
  if (end - least(wanted.subarray(0, count)) < size) return null
  const starts = new Int32Array(wanted.length)
  const order = new Int32Array(wanted.length)
  for (let v = 0; v < count; v += size) {
    const lanes = wanted.subarray(v, Math.min(v + size, count))
    const start = Math.min(least(lanes), end - size)
    if (most(lanes) - start >= size) return null
    starts.fill(start, v, v + size)
    for (let l = 0; l < lanes.length; l++) order[v + l] = lanes[l]! - start
  }
  return { starts, order }
}

/**
 * Lanes that differ by nothing but what tables know: a load of neighbours, if a register is wide enough for all
 * that its lanes want.
 */
function loadByTable(p: Load): boolean {
  const { e, s, access, part, bits } = p
  const { code, lanes, registers, tables } = e
  // A guard's lanes may not be read at all, those of a tail may: as others read what they would.
  if (access.laneBytes !== 0 || (lanes.mask && lanes.mask.prefix === null)) return false
  const wanted = summedTable(e, access.varying, 4)
  const found = wanted && windows(wanted, tables.count, lanes.size)
  if (!found) return false
  registers.assign(s.dst, part, 0, lanes, (dst) => {
    const [at, neighbours] = [code.gp(), code.vector()]
    code.emit('movsxd', [r64(at), inTable(e, found.starts, part)])
    code.v('vmovups', bits, neighbours, mem(baseOf(p), access.bytes, { index: at, scale: 4 }))
    code.v('vpermps', bits, dst, tableLanes(e, found.order, part), neighbours)
  })
  return true
}

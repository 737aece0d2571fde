// Loads and stores: neighbours as one instruction, everything else lane by lane.

import { type Access, BYTES } from '../../../compiler/kernel/addresses.js'
import type { MemoryType, Reg } from '../../../compiler/kernel/ir.js'
import type { LaneMemoryOp, MemoryOp } from '../encode/opcodes.js'
import { pushLaneDistances, scaleLanes } from './indices.js'
import { halvesOf, isWhole, type Lanes, type Of, PART, type State } from './state.js'

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

const INSTRUCTIONS: Record<Exclude<MemoryType, 'u8'>, Instructions> = {
  f32: { load: 'f32.load', store: 'f32.store', ...W4 },
  i32: { load: 'i32.load', store: 'i32.store', ...W4 },
  f64: { load: 'f64.load', store: 'f64.store', ...W8 },
  i64: { load: 'i64.load', store: 'i64.store', ...W8 },
}

const accessOf = (e: State, s: Of<'load' | 'gather' | 'store' | 'scatter'>): Access => {
  const access = e.addresses.accesses.get(s)
  if (!access) throw new Error(`no address was planned for a ${s.op} of ${s.buffer.name}`)
  return access
}

const pushPointer = (e: State, a: Access): void => {
  const local = e.pointers.get(a.pointer.id)
  if (local === undefined) throw new Error(`a pointer into ${a.pointer.buffer.name} is not set`)
  e.f.get(local)
}

// ---- Scalars ----

export function loadScalar(e: State, s: Of<'load'>): void {
  const a = accessOf(e, s)
  pushPointer(e, a)
  e.f.memory(s.buffer.type === 'u8' ? 'i32.load8_u' : INSTRUCTIONS[s.buffer.type].load, a.bytes)
  e.registers.setScalar(s.dst)
}

export function gatherScalar(e: State, s: Of<'gather'>): void {
  const a = accessOf(e, s)
  pushScalarElement(e, a, s.offset, s.scale * BYTES[s.buffer.type])
  e.f.memory(s.buffer.type === 'u8' ? 'i32.load8_u' : INSTRUCTIONS[s.buffer.type].load, a.bytes)
  e.registers.setScalar(s.dst)
}

function pushScalarElement(e: State, a: Access, offset: Reg, scale: number): void {
  pushPointer(e, a)
  e.registers.pushScalar(offset)
  e.f.i32(scale)
  e.f.op('i32.mul')
  e.f.op('i32.add')
}

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

// ---- Loads of lanes ----

/** Loads one element into all lanes. */
export function loadUniform(e: State, s: Of<'load'>): void {
  const { f } = e
  const a = accessOf(e, s)
  e.registers.assign(s.dst, 0, 0, e.lanes, () => {
    pushPointer(e, a)
    if (s.buffer.type === 'u8') {
      f.memory('i32.load8_u', a.bytes)
      f.op('i32x4.splat')
    } else {
      f.memory(INSTRUCTIONS[s.buffer.type].splat, a.bytes)
    }
  })
}

export function loadLanes(e: State, s: Of<'load'>, part: number): void {
  const a = accessOf(e, s)
  const stride = a.laneBytes / BYTES[s.buffer.type]
  const assign = (half: number, value: () => void): void =>
    e.registers.assign(s.dst, part, half, e.lanes, value)
  if (a.varying.length > 0) {
    loadScattered(e, s, a, part, null, 1)
    return
  }
  const whole = WHOLE_LOADS.find((w) => w.stride === stride && w.types.includes(s.buffer.type))
  if (whole === undefined) {
    loadStrided(e, s, a, part)
    return
  }
  for (let half = 0; half < halvesOf(s.dst.type); half++) {
    const first = a.bytes + a.laneBytes * (PART * part + 2 * half)
    assign(half, () => whole.emit(e, () => pushPointer(e, a), first, s.buffer.type))
  }
}

interface WholeLoad {
  readonly stride: number
  readonly types: readonly MemoryType[]
  /** Pushes what lanes from `first` bytes after the pointer hold. */
  emit(e: State, push: () => void, first: number, type: MemoryType): void
}

/** Strides for which a few loads and shuffles give a v128. They may read past the last element. */
const WHOLE_LOADS: readonly WholeLoad[] = [
  {
    stride: 1,
    types: ['f32', 'i32', 'f64', 'i64'],
    emit: (e, push, first) => {
      push()
      e.f.memory('v128.load', first)
    },
  },
  {
    stride: 1,
    types: ['u8'],
    emit: (e, push, first) => {
      push()
      e.f.memory('v128.load32_zero', first)
      e.f.op('i16x8.extend_low_i8x16_u')
      e.f.op('i32x4.extend_low_i16x8_u')
    },
  },
  {
    stride: -1,
    types: ['f32', 'i32'],
    emit: (e, push, first) => {
      const local = e.f.local('v128')
      push()
      e.f.memory('v128.load', first - 12)
      e.f.tee(local)
      e.f.get(local)
      e.f.shuffle32([3, 2, 1, 0])
      e.f.release('v128', local)
    },
  },
  {
    stride: 2,
    types: ['f32', 'i32'],
    emit: (e, push, first) => {
      push()
      e.f.memory('v128.load', first)
      push()
      // One element earlier, so that nothing past the last element is read.
      e.f.memory('v128.load', first + 12)
      e.f.shuffle32([0, 2, 5, 7])
    },
  },
]

/** Lanes a constant distance apart, one after another. */
function loadStrided(e: State, s: Of<'load'>, a: Access, part: number): void {
  const { f } = e
  // Masked lanes may lie outside memory, and long distances do not fit offsets.
  if (!a.near || (e.lanes?.mask && e.lanes.mask.prefix === null)) {
    loadScattered(e, s, a, part, null, 1)
    return
  }
  const active = e.lanes?.mask?.prefix?.[part] ?? PART
  const at = (lane: number): number => a.bytes + a.laneBytes * (PART * part + lane)
  const type = s.buffer.type
  if (type === 'u8') {
    e.registers.assign(s.dst, part, 0, e.lanes, () => {
      for (let l = 0; l < active; l++) {
        pushPointer(e, a)
        f.memory('i32.load8_u', at(l))
        if (l === 0) f.op('i32x4.splat')
        else f.lane('i32x4.replace_lane', l)
      }
    })
    return
  }
  const { first, lane } = INSTRUCTIONS[type]
  const wide = halvesOf(s.dst.type) === 2
  for (let half = 0; half < (wide ? 2 : 1); half++) {
    e.registers.assign(s.dst, part, half, e.lanes, () => {
      const from = wide ? 2 * half : 0
      const to = Math.min(active, wide ? from + 2 : PART)
      if (from >= to) f.i32x4([0, 0, 0, 0])
      for (let l = from; l < to; l++) {
        if (l === from) {
          pushPointer(e, a)
          f.memory(first, at(l))
          continue
        }
        const rest = f.local('v128')
        f.set(rest)
        pushPointer(e, a)
        f.get(rest)
        f.laneMemory(lane, at(l), l - from)
        f.release('v128', rest)
      }
    })
  }
}

export function gatherLanes(e: State, s: Of<'gather'>, part: number): void {
  loadScattered(e, s, accessOf(e, s), part, s.offset, s.scale)
}

/** Sets a local to the i32x4 of the addresses of a part's lanes; masked lanes get the buffer's base. */
function addressesOf(
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

/** Lanes at addresses of their own. */
function loadScattered(
  e: State,
  s: Of<'load' | 'gather'>,
  a: Access,
  part: number,
  offset: Reg | null,
  scale: number,
): void {
  const { f } = e
  const type = s.buffer.type
  const addresses = addressesOf(e, a, type, part, offset, scale)
  const pushAddress = (l: number): void => {
    f.get(addresses)
    f.lane('i32x4.extract_lane', l)
  }
  const wide = halvesOf(s.dst.type) === 2
  for (let half = 0; half < (wide ? 2 : 1); half++) {
    e.registers.assign(s.dst, part, half, e.lanes, () => {
      const from = wide ? 2 * half : 0
      for (let i = 0; i < (wide ? 2 : PART); i++) {
        if (type === 'u8') {
          pushAddress(from + i)
          f.memory('i32.load8_u', 0)
          if (i === 0) f.op('i32x4.splat')
          else f.lane('i32x4.replace_lane', i)
        } else if (i === 0) {
          pushAddress(from)
          f.memory(INSTRUCTIONS[type].first, 0)
        } else {
          const rest = f.local('v128')
          f.set(rest)
          pushAddress(from + i)
          f.get(rest)
          f.laneMemory(INSTRUCTIONS[type].lane, 0, i)
          f.release('v128', rest)
        }
      }
    })
  }
  f.release('v128', addresses)
}

// ---- Stores of lanes ----

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

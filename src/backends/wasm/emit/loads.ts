// Loads: neighbours as one instruction, everything else lane by lane.

import { BYTES, type MemoryType, type Reg } from '../../../compiler/kernel/ir.js'
import { accessOf, addressesOf, INSTRUCTIONS, pushPointer, pushScalarElement } from './access.js'
import { type Access, halvesOf, type Of, PART, type State } from './state.js'

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

/** Loads one element, found by an offset that all lanes share, into all lanes. */
export function gatherUniform(e: State, s: Of<'gather'>): void {
  const { f } = e
  const a = accessOf(e, s)
  e.registers.assign(s.dst, 0, 0, e.lanes, () => {
    pushPointer(e, a)
    e.registers.push(s.offset, 0)
    f.lane('i32x4.extract_lane', 0)
    f.i32(s.scale * BYTES[s.buffer.type])
    f.op('i32.mul')
    f.op('i32.add')
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
  // Masked lanes may lie outside memory, and long distances do not fit offsets.
  if (!a.near || (e.lanes?.mask && e.lanes.mask.prefix === null)) {
    loadScattered(e, s, a, part, null, 1)
    return
  }
  const active = e.lanes?.mask?.prefix?.[part] ?? PART
  loadOneByOne(e, s, part, active, (lane) => {
    pushPointer(e, a)
    return a.bytes + a.laneBytes * (PART * part + lane)
  })
}

export function gatherLanes(e: State, s: Of<'gather'>, part: number): void {
  loadScattered(e, s, accessOf(e, s), part, s.offset, s.scale)
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
  const addresses = addressesOf(e, a, s.buffer.type, part, offset, scale)
  loadOneByOne(e, s, part, PART, (lane) => {
    f.get(addresses)
    f.lane('i32x4.extract_lane', lane)
    return 0
  })
  f.release('v128', addresses)
}

/**
 * Loads the first `active` lanes of a part, each by an instruction of its own: WebAssembly has no gathers.
 * @param push pushes an address for a lane, and answers how many bytes further its element is
 */
function loadOneByOne(
  e: State,
  s: Of<'load' | 'gather'>,
  part: number,
  active: number,
  push: (lane: number) => number,
): void {
  const halves = halvesOf(s.dst.type)
  const lanes = PART / halves
  for (let half = 0; half < halves; half++) {
    const from = half * lanes
    const count = Math.min(lanes, active - from)
    e.registers.assign(s.dst, part, half, e.lanes, () =>
      pushLanes(e, s.buffer.type, count, (lane) => push(from + lane)),
    )
  }
}

function pushLanes(
  { f }: State,
  type: MemoryType,
  count: number,
  push: (lane: number) => number,
): void {
  if (count <= 0) f.i32x4([0, 0, 0, 0])
  for (let l = 0; l < count; l++) {
    if (type === 'u8') {
      f.memory('i32.load8_u', push(l))
      if (l === 0) f.op('i32x4.splat')
      else f.lane('i32x4.replace_lane', l)
    } else if (l === 0) {
      f.memory(INSTRUCTIONS[type].first, push(0))
    } else {
      const rest = f.local('v128')
      f.set(rest)
      const at = push(l)
      f.get(rest)
      f.laneMemory(INSTRUCTIONS[type].lane, at, l)
      f.release('v128', rest)
    }
  }
}

// The notation of the instruction tables, read into forms.
//
// A row such as `v{kz}, v, v/m/b32{er} = both np 0f 58` has the operands on the left, after Intel's
// manual, and the encoding on the right. One row stands for several forms: one for each vector length
// or operand size.
//
// Operands
//   v h q e      a vector of the form's length; one of half, a quarter, an eighth of it (xmm at least)
//   x y z k      xmm, ymm, zmm, opmask
//   r            a general register of the operand size: 16, 32 and 64 bits, one form each
//   r8 … r64     a general register of that width
//   al cl ax eax rax acc  that register alone (acc: ax, eax or rax, of the operand size)
//   /m           or memory of the same size;  m32 or memory of 32 bits;  mem  memory of any size
//   m32[v]       elements of 32 bits at the addresses in a vector register (gathers, scatters)
//   /b32         or one element of 32 bits, broadcast
//   i8 i         immediate: 8 bits, sign-extended; of the operand size (sign-extended from 32 bits)
//   u8 i16 i64   immediate: a byte of any sign; 16 bits; 64 bits.   1  the number one, implied
//   rel          label
//   {kz} {k}     takes a write mask, and may zero what it masks out;  {er} {sae}  takes a rounding
//                mode; may suppress exceptions
//
// Encoding
//   vex evex     prefix; `both` for VEX and EVEX; neither for the legacy encoding.  See vex.ts, evex.ts
//   np 66 f3 f2  mandatory prefix, a part of the opcode
//   0f 0f38 0f3a opcode map;  then the opcode: 58, or two bytes of it
//   lock         prefix f0
//   /0 … /7      the opcode goes on in ModRM.reg;  +r  register in the opcode's low three bits
//   w1 ew1       W = 1; W = 1 with EVEX only.   l1  L = 1, where no operand says so
//   mr rmv mvr   operand order, where it is not `reg, vvvv, rm, imm[7:4]`: m is ModRM.rm
//   alt29        the same with operands exchanged: opcode 29 (alt66d6: 66 d6) if that saves a byte
//   n4           disp8 counts in units of 4 bytes, where that is not the operand's size
//   no16 nox     without the form for 16 bits; for xmm
//   jump 74 0f84 opcodes of a jump with a displacement of 8 and of 32 bits

import { CLASS } from './classes.js'

/** The three bits per vector length that VEX and EVEX encode as L or L'L: 0, 1, 2. */
export type Length = 0 | 1 | 2

export const IMMEDIATE = { none: 0, i8: 1, u8: 2, i16: 3, i32: 4, i32s: 5, i64: 6, one: 7 } as const

/** What may stand at one place of a form. */
export interface Slot {
  /** Operand classes (CLASS) accepted. */
  readonly accept: number
  /** Bytes, if it is memory; 0 when any size will do. */
  readonly memory: number
  /** Bytes of one element, if it may be broadcast; else 0. */
  readonly broadcast: number
  /** Which numbers, if it is an immediate. */
  readonly immediate: number
  /** The only register number allowed; -1 for all. */
  readonly fixed: number
}

/** One encoding of an instruction for one choice of operand classes. */
export interface Form {
  readonly row: string
  readonly prefix: 'legacy' | 'vex' | 'evex' | 'jump'
  readonly slots: readonly Slot[]
  /** Opcode map: 0 one-byte, 1 `0f`, 2 `0f38`, 3 `0f3a`. */
  readonly map: number
  /** Mandatory prefix: 0 none, 1 `66`, 2 `f3`, 3 `f2`. */
  readonly pp: number
  readonly opcode: number
  /** pp << 8 | opcode, for reg and rm exchanged, or -1. */
  readonly alternative: number
  /** The opcode's extension in ModRM.reg, or -1. */
  readonly digit: number
  /** A second byte of opcode, or -1. */
  readonly suffix: number
  /** Locks the bus: the read and the write are one. */
  readonly lock: boolean
  /** The register is in the opcode. */
  readonly inOpcode: boolean
  readonly w: number
  readonly length: Length
  /** Works on one element, whatever L says. */
  readonly scalar: boolean
  /** Operand size of 16 bits: prefix `66`. */
  readonly size16: boolean
  /** Bits an immediate is sign-extended to, for bringing 0xffffffff to -1. */
  readonly operandBits: number
  /** Which operand goes where; -1 when none does. */
  readonly reg: number
  readonly vvvv: number
  readonly rm: number
  readonly is4: number
  readonly immediate: number
  readonly immediateBytes: number
  /** The unit of disp8 (EVEX), 1 otherwise. */
  readonly dispUnit: number
  readonly masks: boolean
  /** Gathers and scatters: without a mask there is no such instruction. */
  readonly needsMask: boolean
  readonly zeroes: boolean
  readonly rounds: boolean
  readonly suppresses: boolean
  /** Jumps: the opcode of the short form (-1 where there is none), and the bytes of the near one's. */
  readonly short: number
  readonly near: readonly number[]
}

const BYTES: Readonly<Record<string, number>> = { x: 16, y: 32, z: 64 }
const LENGTHS = ['x', 'y', 'z'] as const
const PP: Readonly<Record<string, number>> = { np: 0, '66': 1, f3: 2, f2: 3 }
const MAPS: Readonly<Record<string, number>> = { '0f': 1, '0f38': 2, '0f3a': 3 }
const SHRINK: Readonly<Record<string, number>> = { v: 0, h: 1, q: 2, e: 3 }
const IMMEDIATE_BYTES = [0, 1, 1, 2, 4, 4, 8, 0]

/** Rows with a vector of the form's length stand for one form for each length. */
const SCALABLE = /(^|[^a-z])[vhqe]([^a-z]|$)/

/** The size a row is expanded to: a vector length, or bits of general registers, or neither. */
interface Choice {
  readonly vector: number
  readonly bits: number
}

/** The class of a vector of 1/2^shrink of the form's length, and its bytes (which may be below 16). */
function vectorOf(choice: Choice, shrink: number): { accept: number; bytes: number } {
  const name = LENGTHS[Math.max(0, choice.vector - shrink)]!
  return { accept: CLASS[name], bytes: (16 << choice.vector) >> shrink }
}

const FIXED: Readonly<Record<string, readonly [number, number]>> = {
  al: [CLASS.r8, 0],
  cl: [CLASS.r8, 1],
  ax: [CLASS.r16, 0],
  eax: [CLASS.r32, 0],
  rax: [CLASS.r64, 0],
}

function parseSlot(text: string, choice: Choice): Slot {
  const { bits } = choice
  let accept = 0
  let memory = 0
  let broadcast = 0
  let immediate: number = IMMEDIATE.none
  let fixed = -1
  let bytes = 0
  for (const atom of text.replace(/\{.*/, '').split('/')) {
    const gather = /^m(\d+)\[(.)\]$/.exec(atom)
    const sized = /^m(\d+)$/.exec(atom)
    const wide = /^r(8|16|32|64)$/.exec(atom)
    const shrink = SHRINK[atom]
    if (shrink !== undefined) {
      const vector = vectorOf(choice, shrink)
      accept |= vector.accept
      bytes = vector.bytes
    } else if (BYTES[atom] !== undefined) {
      accept |= CLASS[atom as 'x' | 'y' | 'z']
      bytes = BYTES[atom]
    } else if (atom === 'k') accept |= CLASS.k
    else if (atom === 'r' || atom === 'acc') {
      accept |= CLASS[`r${bits as 16 | 32 | 64}`]
      bytes = bits / 8
      if (atom === 'acc') fixed = 0
    } else if (wide) {
      accept |= CLASS[atom as 'r8' | 'r16' | 'r32' | 'r64']
      bytes = Number(wide[1]) / 8
    } else if (FIXED[atom] !== undefined) {
      accept |= FIXED[atom][0]
      fixed = FIXED[atom][1]
    } else if (gather) {
      const index = gather[2]!
      const name =
        SHRINK[index] === undefined ? index : LENGTHS[Math.max(0, choice.vector - SHRINK[index])]!
      accept |= CLASS[`m${name as 'x' | 'y' | 'z'}`]
      memory = Number(gather[1]) / 8
    } else if (atom === 'mem') accept |= CLASS.m
    else if (atom === 'm') {
      accept |= CLASS.m
      memory = bytes || (bits ? bits / 8 : 16 << choice.vector)
    } else if (sized) {
      accept |= CLASS.m
      memory = Number(sized[1]) / 8
    } else if (/^b\d+$/.test(atom)) broadcast = Number(atom.slice(1)) / 8
    else if (atom === 'rel') accept |= CLASS.label
    else if (atom === '1') {
      accept |= CLASS.immediate
      immediate = IMMEDIATE.one
    } else if (atom in IMMEDIATE || atom === 'i') {
      accept |= CLASS.immediate
      immediate =
        atom !== 'i'
          ? IMMEDIATE[atom as keyof typeof IMMEDIATE]
          : bits === 16
            ? IMMEDIATE.i16
            : bits === 64
              ? IMMEDIATE.i32s
              : IMMEDIATE.i32
    } else throw new TypeError(`x64 table: unknown operand ${atom} in ${text}`)
  }
  return { accept, memory, broadcast, immediate, fixed }
}

/** Which operand is encoded where. Immediates and fixed registers take no place of their own. */
function assignPlaces(slots: readonly Slot[], order: string, digit: number, vector: boolean) {
  const places = { reg: -1, vvvv: -1, rm: -1, is4: -1, immediate: -1 }
  const encoded: number[] = []
  slots.forEach((slot, i) => {
    if (slot.immediate === IMMEDIATE.none) {
      if (slot.fixed < 0) encoded.push(i)
    } else if (slot.immediate !== IMMEDIATE.one) places.immediate = i
  })
  const letters =
    order ||
    (digit >= 0
      ? ['', 'm', vector ? 'vm' : 'm'][encoded.length]
      : ['', 'm', 'rm', 'rvm', 'rvms'][encoded.length])
  encoded.forEach((slot, i) => {
    const letter = letters?.[i]
    if (letter === 'r') places.reg = slot
    else if (letter === 'v') places.vvvv = slot
    else if (letter === 'm') places.rm = slot
    else if (letter === 's') places.is4 = slot
  })
  return places
}

function parseForm(row: string, prefix: 'legacy' | 'vex' | 'evex', choice: Choice): Form {
  const [left = '', right = ''] = row.split('=').map((s) => s.trim())
  let map = 0
  let pp = 0
  let opcode = -1
  let alternative = -1
  let digit = -1
  let inOpcode = false
  let w = choice.bits === 64 ? 1 : 0
  let length = choice.vector
  let unit = 0
  let order = ''
  let suffix = -1
  let lock = false
  for (const token of right.split(' ')) {
    if (token === 'vex' || token === 'evex' || token === 'both' || token.startsWith('no')) continue
    // The same digits may be a prefix, a map or an opcode: they stand in this order.
    if (opcode < 0 && map === 0 && token in PP) pp = PP[token]!
    else if (opcode < 0 && map === 0 && token in MAPS) map = MAPS[token]!
    else if (/^[0-9a-f]{2}$/.test(token)) {
      if (opcode < 0) opcode = Number.parseInt(token, 16)
      else suffix = Number.parseInt(token, 16)
    } else if (token === 'lock') lock = true
    else if (/^\/\d$/.test(token)) digit = Number(token[1])
    else if (token === '+r') inOpcode = true
    else if (token === 'w1') w = 1
    else if (token === 'ew1') w = prefix === 'evex' ? 1 : w
    else if (token === 'l1') length = 1
    else if (token.startsWith('alt')) {
      alternative = (pp << 8) | Number.parseInt(token.slice(-2), 16)
      if (token.length > 5) alternative = (PP[token.slice(3, 5)]! << 8) | (alternative & 0xff)
    } else if (/^n\d+$/.test(token)) unit = Number(token.slice(1))
    else if (/^[rmv]{2,3}$/.test(token)) order = token
    else throw new TypeError(`x64 table: unknown token ${token} in ${row}`)
  }
  const operands = left === '' ? [] : left.split(',').map((s) => s.trim())
  const slots = operands.map((text) => parseSlot(text, choice))
  // Rows that name their vectors (y, z) have the length of the longest.
  if (!SCALABLE.test(left) && prefix !== 'legacy') {
    for (const slot of slots) {
      if (slot.accept & (CLASS.z | CLASS.mz)) length = 2
      else if (slot.accept & (CLASS.y | CLASS.my)) length = Math.max(length, 1)
    }
  }
  const places = assignPlaces(slots, inOpcode ? 'm' : order, digit, prefix !== 'legacy')
  const memory = slots.find((s) => s.accept & (CLASS.m | CLASS.mx | CLASS.my | CLASS.mz))
  const gp8 = slots.some((s) => s.accept & CLASS.r8 && s.fixed !== 1)
  return {
    row,
    prefix,
    slots,
    map,
    pp,
    opcode,
    alternative,
    digit,
    suffix,
    lock,
    inOpcode,
    w,
    length: length as Length,
    scalar: !SCALABLE.test(left) && length === 0,
    size16: choice.bits === 16,
    operandBits: choice.bits || (gp8 ? 8 : 32),
    ...places,
    immediateBytes: places.immediate < 0 ? 0 : IMMEDIATE_BYTES[slots[places.immediate]!.immediate]!,
    dispUnit: prefix === 'evex' ? unit || memory?.memory || 1 : 1,
    masks: left.includes('{k'),
    needsMask: prefix === 'evex' && left.includes('['),
    zeroes: left.includes('{kz}'),
    rounds: left.includes('{er}'),
    suppresses: left.includes('{sae}'),
    short: -1,
    near: [],
  }
}

function parseJump(row: string): Form {
  const [short, near] = row.slice(row.indexOf('jump') + 5).split(' ') as [string, string]
  const form = parseForm('rel = 00', 'legacy', { vector: 0, bits: 0 })
  return {
    ...form,
    row,
    prefix: 'jump',
    short: short === '-' ? -1 : Number.parseInt(short, 16),
    near: near.match(/../g)!.map((byte) => Number.parseInt(byte, 16)),
  }
}

/** All forms of one row, in the order in which they are tried. */
export function parseRow(row: string): Form[] {
  const [left = '', right = ''] = row.split('=').map((s) => s.trim())
  if (right.startsWith('jump')) return [parseJump(row)]
  const tokens = right.split(' ')
  if (/(^|[ /])(r|acc)(?![a-z0-9])/.test(left)) {
    const sizes = tokens.includes('no16') ? [32, 64] : [16, 32, 64]
    const prefix = tokens[0] === 'vex' ? 'vex' : 'legacy'
    return sizes.map((bits) => parseForm(row, prefix, { vector: 0, bits }))
  }
  const prefixes: readonly ('legacy' | 'vex' | 'evex')[] =
    tokens[0] === 'both'
      ? ['vex', 'evex']
      : tokens[0] === 'vex' || tokens[0] === 'evex'
        ? [tokens[0]]
        : ['legacy']
  const scalable = SCALABLE.test(left)
  return prefixes.flatMap((prefix) => {
    if (!scalable) return [parseForm(row, prefix, { vector: 0, bits: 0 })]
    const lengths = [0, 1, 2].filter(
      (n) => !(n === 0 && tokens.includes('nox')) && !(n === 2 && prefix === 'vex'),
    )
    return lengths.map((vector) => parseForm(row, prefix, { vector, bits: 0 }))
  })
}

// The registers of x86-64 as small typed objects.
//
// A register's number has up to five bits. Three of them stand in the instruction's ModRM or SIB
// byte, or in its opcode; the fourth and the fifth stand in a prefix (REX, VEX or EVEX).

import { ValueError } from '../../../base/errors.js'
import { CLASS } from './classes.js'

/** What a register is: its family and its width. */
export type RegisterKind = 'r8' | 'r16' | 'r32' | 'r64' | 'x' | 'y' | 'z' | 'k'

/** One register. `bits` says which operand classes it belongs to (see classes.ts). */
export class Register<K extends RegisterKind = RegisterKind> {
  /** What the choice of an instruction's form can depend on: below 32. Some forms are of registers 0 and 1. */
  readonly shape: number

  constructor(
    readonly kind: K,
    /** 0 to 7 for masks, to 15 for general registers, to 31 for vectors. */
    readonly number: number,
    readonly name: string,
    readonly bits: number,
  ) {
    this.shape = 4 * Math.log2(bits) + (number > 15 ? 3 : Math.min(number, 2))
  }

  toString(): string {
    return this.name
  }
}

/** The lowest 8 bits of a general register. */
export type Gp8 = Register<'r8'>
export type Gp16 = Register<'r16'>
export type Gp32 = Register<'r32'>
/** A general register in its full width; the only one that addresses memory. */
export type Gp64 = Register<'r64'>
/** Registers of the operand size: 16, 32 or 64 bits. */
export type Gp = Gp16 | Gp32 | Gp64
export type Xmm = Register<'x'>
export type Ymm = Register<'y'>
export type Zmm = Register<'z'>
/** A vector register of any length; within one instruction the lengths have to agree. */
export type Vector = Xmm | Ymm | Zmm
/** An opmask register of AVX-512. k0 as a write mask would mean `no mask`, so it is refused there. */
export type Mask = Register<'k'>

const LEGACY = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di']

function generalName(kind: RegisterKind, n: number): string {
  const legacy = LEGACY[n]
  if (legacy === undefined) {
    return `r${n}${{ r8: 'b', r16: 'w', r32: 'd' }[kind as 'r8' | 'r16' | 'r32'] ?? ''}`
  }
  if (kind === 'r8') return legacy.endsWith('x') ? `${legacy[0]}l` : `${legacy}l`
  return kind === 'r16' ? legacy : kind === 'r32' ? `e${legacy}` : `r${legacy}`
}

function file<K extends RegisterKind>(
  kind: K,
  count: number,
  bits: number,
  name: (n: number) => string,
): (n: number) => Register<K> {
  const all = Array.from({ length: count }, (_, n) => new Register(kind, n, name(n), bits))
  return (n) => {
    const found = all[n]
    if (found !== undefined) return found
    throw new ValueError('x64 register', `a number from 0 to ${count - 1} of kind ${kind}`, `${n}`)
  }
}

/** The 8-bit register of this number. `ah` to `bh` are left out: they exclude REX prefixes. */
export const gp8 = file('r8', 16, CLASS.r8, (n) => generalName('r8', n))
export const gp16 = file('r16', 16, CLASS.r16, (n) => generalName('r16', n))
export const gp32 = file('r32', 16, CLASS.r32, (n) => generalName('r32', n))
export const gp64 = file('r64', 16, CLASS.r64, (n) => generalName('r64', n))
export const xmm = file('x', 32, CLASS.x, (n) => `xmm${n}`)
export const ymm = file('y', 32, CLASS.y, (n) => `ymm${n}`)
export const zmm = file('z', 32, CLASS.z, (n) => `zmm${n}`)
export const k = file('k', 8, CLASS.k, (n) => `k${n}`)

export const rax = gp64(0)
export const rcx = gp64(1)
export const rdx = gp64(2)
export const rbx = gp64(3)
export const rsp = gp64(4)
export const rbp = gp64(5)
export const rsi = gp64(6)
export const rdi = gp64(7)
export const r8 = gp64(8)
export const r9 = gp64(9)
export const r10 = gp64(10)
export const r11 = gp64(11)
export const r12 = gp64(12)
export const r13 = gp64(13)
export const r14 = gp64(14)
export const r15 = gp64(15)
export const eax = gp32(0)
export const ecx = gp32(1)
export const edx = gp32(2)
export const ebx = gp32(3)
export const esi = gp32(6)
export const edi = gp32(7)
export const al = gp8(0)
export const cl = gp8(1)
export const bl = gp8(3)

/** The low 16 bits of a general register. */
export const low16 = (r: Gp | Gp8): Gp16 => gp16(r.number)
/** The low 8 bits of a general register. */
export const low8 = (r: Gp | Gp8): Gp8 => gp8(r.number)
/** The whole of a general register. */
export const whole = (r: Gp | Gp8): Gp64 => gp64(r.number)

// The ModRM and SIB bytes: which registers, and which address.
//
//   ModRM  mod(2) reg(3) rm(3)           SIB  scale(2) index(3) base(3)
//
// `mod` 3: rm is a register. 0, 1, 2: rm is the base of an address, followed by no displacement, one
// of 8 bits, one of 32 bits. Two numbers of rm mean something else, whatever the fourth bit in the
// prefix: 4 (rsp, r12) says that a SIB byte follows, and with mod 0, 5 (rbp, r13) says `rip + disp32`.
// In SIB, index 4 says `no index`, and with mod 0, base 5 says `no base, disp32`. So an address based
// on rsp or r12 needs a SIB byte, and one based on rbp or r13 a displacement, if only of zero.
//
// EVEX counts a displacement of 8 bits in units of the memory operand's size N (disp8*N): one byte
// reaches ±8 KiB in a loop over zmm. With broadcast, N is the size of the one element.

import type { Code } from './code.js'
import type { Memory } from './memory.js'

/** ModRM for a register. */
export function registerModRM(code: Code, reg: number, rm: number): void {
  code.byte(0xc0 | ((reg & 7) << 3) | (rm & 7))
}

/**
 * ModRM, SIB and displacement for memory.
 * @param unit bytes that disp8 counts in; 1 but with EVEX
 * @param trailing bytes of immediates that follow, since rip is that of the next instruction
 */
export function memoryModRM(
  code: Code,
  reg: number,
  memory: Memory,
  unit: number,
  trailing: number,
): void {
  const { base, index, disp } = memory
  const field = (reg & 7) << 3
  if (memory.label !== null) {
    code.byte(field | 5)
    code.reference(memory.label, disp, trailing)
    return
  }
  if (base === null) {
    code.byte(field | 4)
    code.byte((SCALE_BITS[memory.scale]! << 6) | ((index === null ? 4 : index.number & 7) << 3) | 5)
    code.integer(disp, 4)
    return
  }
  const number = base.number & 7
  let mod = 2
  let compressed = disp
  if (disp === 0 && number !== 5) mod = 0
  else if (disp % unit === 0) {
    compressed = disp / unit
    if (compressed >= -128 && compressed <= 127) mod = 1
  }
  if (index !== null || number === 4) {
    code.byte((mod << 6) | field | 4)
    const scaled = index === null ? 4 : index.number & 7
    code.byte((SCALE_BITS[memory.scale]! << 6) | (scaled << 3) | number)
  } else {
    code.byte((mod << 6) | field | number)
  }
  if (mod === 1) code.byte(compressed & 0xff)
  else if (mod === 2) code.integer(disp, 4)
}

const SCALE_BITS: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 }

/** The fourth bits of index and base, for the X and B of a prefix. */
export const indexBit = (memory: Memory): number =>
  memory.index === null ? 0 : (memory.index.number >> 3) & 1
export const baseBit = (memory: Memory): number =>
  memory.base === null ? 0 : (memory.base.number >> 3) & 1

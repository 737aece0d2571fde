// The VEX prefix of AVX, AVX2, FMA and BMI: a third operand, and 256 bits.
//
//   c5  R' vvvv' L pp                     two bytes: map 0f, and X, B, W are 0
//   c4  R' X' B' mmmmm   W vvvv' L pp     three bytes
//
// R, X and B are the fourth bits of registers as in REX, vvvv is the second source (or the only
// destination); all four are stored inverted. L is the vector length, 128 or 256 bits. pp replaces
// the mandatory prefix 66, f3 or f2, mmmmm the opcode map 0f, 0f38 or 0f3a. W is a part of the opcode,
// or chooses 64 bits.

import type { Code } from './code.js'
import type { Form } from './forms.js'
import { Memory } from './memory.js'
import { baseBit, indexBit, memoryModRM, registerModRM } from './modrm.js'
import type { Operand } from './operands.js'
import type { Register } from './registers.js'

const numberOf = (operands: readonly Operand[], at: number): number =>
  at < 0 ? 0 : (operands[at] as Register).number

export function encodeVex(code: Code, form: Form, operands: readonly Operand[]): void {
  let { opcode, pp } = form
  let reg = form.reg < 0 ? Math.max(form.digit, 0) : numberOf(operands, form.reg)
  const vvvv = numberOf(operands, form.vvvv)
  const rm = form.rm < 0 ? null : (operands[form.rm] as Register | Memory)
  const memory = rm instanceof Memory ? rm : null
  let number = rm === null || memory ? 0 : (rm as Register).number
  // A move between registers has two opcodes; the one that puts the high register in reg is shorter.
  if (!memory && form.alternative >= 0 && number >= 8 && reg < 8) {
    ;[reg, number] = [number, reg]
    opcode = form.alternative & 0xff
    pp = form.alternative >> 8
  }
  const r = reg >> 3
  const x = memory ? indexBit(memory) : 0
  const b = memory ? baseBit(memory) : number >> 3
  const low = ((~vvvv & 15) << 3) | (form.length << 2) | pp

  if (x === 0 && b === 0 && form.w === 0 && form.map === 1) {
    code.byte(0xc5)
    code.byte(((r ^ 1) << 7) | low)
  } else {
    code.byte(0xc4)
    code.byte(((r ^ 1) << 7) | ((x ^ 1) << 6) | ((b ^ 1) << 5) | form.map)
    code.byte((form.w << 7) | low)
  }
  code.byte(opcode)
  const trailing = form.immediateBytes + (form.is4 < 0 ? 0 : 1)
  if (memory) memoryModRM(code, reg, memory, 1, trailing)
  else if (rm !== null) registerModRM(code, reg, number)
  // A fourth register stands in the upper half of an immediate.
  if (form.is4 >= 0) code.byte(numberOf(operands, form.is4) << 4)
}

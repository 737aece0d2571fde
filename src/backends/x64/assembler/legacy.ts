// The encoding of general-purpose instructions: prefixes, REX, opcode, ModRM, immediate.
//
//   REX  0100 W R X B    W: operands of 64 bits.  R, X, B: the fourth bits of ModRM.reg, of the SIB
//                        index, and of ModRM.rm, the SIB base or the register in the opcode.
//
// Without any REX, the 8-bit registers 4 to 7 would be ah to bh; an empty one (0x40) makes them spl,
// bpl, sil and dil. The prefix 66 stands for operands of 16 bits; on other opcodes, 66, f3 and f2 are
// a part of the opcode.

import { CLASS } from './classes.js'
import type { Code } from './code.js'
import type { Form } from './forms.js'
import { Memory } from './memory.js'
import { baseBit, indexBit, memoryModRM, registerModRM } from './modrm.js'
import type { Operand } from './operands.js'
import { Register } from './registers.js'

/** REX is needed to say that register 4 to 7 of 8 bits is not ah to bh. */
const isUniform8 = (operand: Operand): boolean =>
  operand instanceof Register && operand.bits === CLASS.r8 && operand.number >= 4

export function encodeLegacy(code: Code, form: Form, operands: readonly Operand[]): void {
  const { pp, map, digit } = form
  if (form.size16 || pp === 1) code.byte(0x66)
  if (form.lock) code.byte(0xf0)
  if (pp === 2) code.byte(0xf3)
  if (pp === 3) code.byte(0xf2)

  const rm = form.rm < 0 ? null : (operands[form.rm] as Register | Memory)
  const reg = form.reg < 0 ? Math.max(digit, 0) : (operands[form.reg] as Register).number
  let rex = (form.w << 3) | ((reg & 8) >> 1)
  if (rm instanceof Memory) rex |= (indexBit(rm) << 1) | baseBit(rm)
  else if (rm !== null) rex |= rm.number >> 3
  if (rex !== 0 || operands.some(isUniform8)) code.byte(0x40 | rex)

  if (map > 0) code.byte(0x0f)
  if (map === 2) code.byte(0x38)
  if (map === 3) code.byte(0x3a)
  if (form.inOpcode) code.byte(form.opcode | ((rm as Register).number & 7))
  else {
    code.byte(form.opcode)
    if (form.suffix >= 0) code.byte(form.suffix)
    if (rm instanceof Memory) memoryModRM(code, reg, rm, 1, form.immediateBytes)
    else if (rm !== null) registerModRM(code, reg, rm.number)
  }
}

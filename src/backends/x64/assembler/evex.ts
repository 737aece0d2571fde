// The EVEX prefix of AVX-512: 32 registers, 512 bits, masks, broadcast and rounding.
//
//   62   R' X' B' R2' 0 mmm   W vvvv' 1 pp   z LL b V2' aaa
//
// The fields of VEX are there, and the fifth bits of registers: R2 for ModRM.reg, V2 for vvvv or for
// the index of a gather; for ModRM.rm, when it is a register, X has nothing else to do and serves.
// aaa is the mask register that guards the destination (0: none), z says that elements masked out
// become zero instead of staying. LL is the length: 128, 256, 512 bits. b means broadcast when there is
// memory; without, it means that LL is a rounding mode (the length is then 512, or the operation is
// scalar), and exceptions are suppressed; where there is nothing to round, LL is 0 then. Displacements of 8 bits are in units of N: see modrm.ts.

import type { Code } from './code.js'
import type { Form } from './forms.js'
import { Memory } from './memory.js'
import { baseBit, indexBit, memoryModRM, registerModRM } from './modrm.js'
import type { Operand, Options } from './operands.js'
import type { Register } from './registers.js'

/** Values of LL when it is a rounding mode. */
const ROUNDING = { nearest: 0, down: 1, up: 2, zero: 3 } as const

const numberOf = (operands: readonly Operand[], at: number): number =>
  at < 0 ? 0 : (operands[at] as Register).number

export function encodeEvex(
  code: Code,
  form: Form,
  operands: readonly Operand[],
  options: Options | null,
): void {
  const reg = form.reg < 0 ? Math.max(form.digit, 0) : numberOf(operands, form.reg)
  const rm = operands[form.rm] as Register | Memory
  const memory = rm instanceof Memory ? rm : null
  const number = memory ? 0 : (rm as Register).number
  const gathers = memory?.index != null && memory.index.kind !== 'r64'
  const vvvv = gathers ? memory.index.number & 16 : numberOf(operands, form.vvvv)

  const r = (reg >> 3) & 1
  const x = memory ? indexBit(memory) : (number >> 4) & 1
  const b = memory ? baseBit(memory) : (number >> 3) & 1
  let length: number = form.length
  let flag = memory?.broadcast ? 1 : 0
  if (options?.rounding) {
    length = ROUNDING[options.rounding]
    flag = 1
  } else if (options?.suppress) {
    length = 0
    flag = 1
  }

  const first =
    ((r ^ 1) << 7) | ((x ^ 1) << 6) | ((b ^ 1) << 5) | ((((reg >> 4) & 1) ^ 1) << 4) | form.map
  const second = (form.w << 7) | ((~vvvv & 15) << 3) | 4 | form.pp
  const guard = options === null ? 0 : (options.zero ? 0x80 : 0) | (options.mask?.number ?? 0)
  const third = guard | (length << 5) | (flag << 4) | (((vvvv >> 4) ^ 1) << 3)
  code.four(0x62 | (first << 8) | (second << 16) | (third << 24))
  code.byte(form.opcode)
  if (memory) {
    const unit = memory.broadcast ? form.slots[form.rm]!.broadcast : form.dispUnit
    memoryModRM(code, reg, memory, unit, form.immediateBytes)
  } else {
    registerModRM(code, reg, number)
  }
}

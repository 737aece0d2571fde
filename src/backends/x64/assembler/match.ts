// Finding the form of an instruction that takes the operands at hand.

import { ValueError } from '../../../base/errors.js'
import { formatInstruction } from './format.js'
import { type Form, IMMEDIATE, type Slot } from './forms.js'
import { Memory } from './memory.js'
import type { Operand, Options } from './operands.js'
import { Register } from './registers.js'

/** A mnemonic with its forms, in the order in which they are tried: shortest first. */
export interface Instruction {
  readonly mnemonic: string
  readonly forms: readonly Form[]
  /** Forms found before, by the shapes of the operands. */
  readonly chosen: Map<number, Form>
}

/** Whether an immediate fits, given that a form of 32 bits takes 0xffffffff as -1. */
function immediateFits(value: number | bigint, kind: number, bits: number): boolean {
  if (kind === IMMEDIATE.i64) {
    return typeof value === 'bigint'
      ? value >= -(2n ** 63n) && value < 2n ** 64n
      : Number.isSafeInteger(value)
  }
  if (!Number.isSafeInteger(Number(value))) return false
  const n = Number(value)
  switch (kind) {
    case IMMEDIATE.i8:
      // As many bits as the operand has: 0xffff is -1 to an instruction of 16 bits.
      if (n >= 2 ** (bits - 1) && n < 2 ** bits && bits < 64) return n - 2 ** bits >= -128
      return n >= -128 && n <= 127
    case IMMEDIATE.u8:
      return n >= -128 && n <= 255
    case IMMEDIATE.i16:
      return n >= -0x8000 && n <= 0xffff
    case IMMEDIATE.i32:
      return n >= -0x80000000 && n <= 0xffffffff
    case IMMEDIATE.i32s:
      return n >= -0x80000000 && n <= 0x7fffffff
    default:
      return kind === IMMEDIATE.one && n === 1
  }
}

function slotTakes(slot: Slot, operand: Operand, form: Form): boolean {
  if (typeof operand === 'number' || typeof operand === 'bigint') {
    return slot.immediate !== 0 && immediateFits(operand, slot.immediate, form.operandBits)
  }
  if ((slot.accept & operand.bits) === 0) return false
  if (operand instanceof Memory) {
    if (operand.broadcast && slot.broadcast === 0) return false
    return operand.size === 0 || slot.memory === 0 || operand.size === slot.memory
  }
  return slot.fixed < 0 || (operand as Register).number === slot.fixed
}

/** VEX reaches 16 registers and knows neither masks nor broadcast nor rounding. */
function needsEvex(operands: readonly Operand[], options: Options | null): boolean {
  if (options !== null) return true
  for (const operand of operands) {
    if (operand instanceof Register) {
      if (operand.number > 15) return true
    } else if (operand instanceof Memory) {
      if (operand.broadcast || (operand.index !== null && operand.index.number > 15)) return true
    }
  }
  return false
}

function optionsFit(form: Form, operands: readonly Operand[], options: Options): boolean {
  if (options.mask !== undefined && (!form.masks || options.mask.number === 0)) return false
  if (options.zero && (!form.zeroes || !options.mask || operands[0] instanceof Memory)) return false
  if (!options.rounding && !options.suppress) return true
  if (operands.some((operand) => operand instanceof Memory)) return false
  if (form.length !== 2 && !form.scalar) return false
  return options.rounding ? form.rounds : form.suppresses
}

function takes(form: Form, operands: readonly Operand[], options: Options | null): boolean {
  if (form.slots.length !== operands.length) return false
  if (form.needsMask && !options?.mask) return false
  for (let i = 0; i < operands.length; i++) {
    if (!slotTakes(form.slots[i]!, operands[i]!, form)) return false
  }
  return true
}

/** The size in memory that a form would access, or 0 when it does not care. */
function accessed(form: Form, operands: readonly Operand[]): number {
  const at = operands.findIndex((operand) => operand instanceof Memory)
  return form.slots[at]!.memory
}

/** Shapes are below this, so that those of all operands make one number. */
const SHAPES = 512

/** Bounds between which the same forms take an immediate: 1 has a form of its own, where it is implied. */
const IMMEDIATES = [-0x8000_0000, -0x8000, -0x80, 1, 2, 0x80, 0x100, 0xff80, 0x1_0000, 0x8000_0000]

/** All about an immediate that the choice of a form can depend on, as other operands' `shape`; -1 for rare ones. */
function shapeOf(value: number | bigint): number {
  if (typeof value === 'bigint') return -1
  let range = 0
  while (range < IMMEDIATES.length && value >= IMMEDIATES[range]!) range++
  return Number.isInteger(value) && range > 0 && range < IMMEDIATES.length ? 32 + range : -1
}

/** The shapes of operands and options as one number; -1 where they do not tell the form. */
function shapesOf(operands: readonly Operand[], options: Options | null): number {
  let shapes = 0
  if (options !== null) {
    if (!options.mask || options.mask.number === 0) return -1
    if (options.rounding || options.suppress) return -1
    shapes = options.zero ? 2 : 1
  }
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i]!
    const shape = typeof operand === 'object' ? operand.shape : shapeOf(operand)
    if (shape < 0) return -1
    shapes = shapes * SHAPES + shape
  }
  return shapes
}

/** As `findForm`, which it asks once for each combination of shapes. */
export function formFor(
  instruction: Instruction,
  operands: readonly Operand[],
  options: Options | null,
): Form {
  const shapes = shapesOf(operands, options)
  const known = instruction.chosen.get(shapes)
  if (known !== undefined) return known
  const form = findForm(instruction, operands, options)
  if (shapes >= 0) instruction.chosen.set(shapes, form)
  return form
}

/**
 * The first form that takes these operands.
 * @throws ValueError when none does, or when the size of memory is left open
 */
export function findForm(
  { mnemonic, forms }: Instruction,
  operands: readonly Operand[],
  options: Options | null,
): Form {
  const evex = needsEvex(operands, options)
  let found: Form | null = null
  let open = false
  for (const operand of operands) {
    if (operand instanceof Memory && operand.size === 0) open = true
  }
  for (let n = 0; n < forms.length; n++) {
    const form = forms[n]!
    if (evex ? form.prefix !== 'evex' : false) continue
    if (!takes(form, operands, options)) continue
    if (options !== null && !optionsFit(form, operands, options)) continue
    if (!open) return form
    if (found === null) found = form
    else if (accessed(found, operands) !== accessed(form, operands)) {
      throw new ValueError(
        mnemonic,
        'a size of the memory operand, which nothing else tells (`size: 4`, `dword(…)`)',
        formatInstruction(mnemonic, null, operands, options),
      )
    }
  }
  if (found !== null) return found
  throw new ValueError(
    mnemonic,
    `operands of one of its forms: ${[...new Set(forms.map((f) => `\`${f.row}\``))].join(', ')}`,
    formatInstruction(mnemonic, null, operands, options),
  )
}

// Instructions to try the x64 assembler with: each form of the tables, in registers of every kind,
// addresses of every shape, masks, broadcasts and rounding modes.

import { instructionOf } from '../../src/backends/x64/assembler/assembler.js'
import { CLASS } from '../../src/backends/x64/assembler/classes.js'
import { formatInstruction } from '../../src/backends/x64/assembler/format.js'
import { type Form, IMMEDIATE, type Slot } from '../../src/backends/x64/assembler/forms.js'
import { Assembler, mem } from '../../src/backends/x64/assembler/index.js'
import { Label } from '../../src/backends/x64/assembler/labels.js'
import { findForm } from '../../src/backends/x64/assembler/match.js'
import { Memory } from '../../src/backends/x64/assembler/memory.js'
import type { Operand, Options } from '../../src/backends/x64/assembler/operands.js'
import * as reg from '../../src/backends/x64/assembler/registers.js'
import { TABLE } from '../../src/backends/x64/assembler/tables/index.js'

export interface Case {
  readonly mnemonic: string
  readonly operands: readonly Operand[]
  readonly options: Options | null
}

/** The place after the instruction: `[rip+0+disp]` in the text. */
export const END = '0'

/** The bytes of one instruction; a label named END stands behind it. */
export function assemble({ mnemonic, operands, options }: Case): string {
  const a = new Assembler()
  const method = (a as unknown as Record<string, (...args: unknown[]) => void>)[mnemonic]
  if (method === undefined) throw new Error(`no method ${mnemonic}`)
  const ends = new Set<Label>()
  const fresh = operands.map((operand) => {
    if (!(operand instanceof Memory) || operand.label === null) return operand
    const { disp, size, broadcast } = operand
    const label = new Label(END)
    ends.add(label)
    return mem({ label, disp, size, broadcast })
  })
  method.call(a, ...fresh, ...(options ? [options] : []))
  for (const label of ends) a.bind(label)
  return Buffer.from(a.finish()).toString('hex')
}

/** The text of an instruction as GNU as reads it. */
export function textOf({ mnemonic, operands, options }: Case): string {
  const form = findForm(instructionOf(mnemonic), operands, options)
  return formatInstruction(mnemonic, form, operands, options)
}

const GENERAL_NUMBERS = [0, 4, 5, 7, 8, 12, 13, 15]
const VEX_NUMBERS = [0, 7, 8, 15]
const EVEX_NUMBERS = [0, 15, 16, 23, 31]
const MASKS = [0, 1, 6, 7]

const REGISTERS = [
  [CLASS.r8, 'r8', reg.gp8],
  [CLASS.r16, 'r16', reg.gp16],
  [CLASS.r32, 'r32', reg.gp32],
  [CLASS.r64, 'r64', reg.gp64],
  [CLASS.x, 'x', reg.xmm],
  [CLASS.y, 'y', reg.ymm],
  [CLASS.z, 'z', reg.zmm],
  [CLASS.k, 'k', reg.k],
] as const

type Base = number | null
/** Base, index, scale; null for none. */
const ADDRESSES: readonly (readonly [Base, Base, 1 | 2 | 4 | 8])[] = [
  [0, null, 1],
  [4, null, 1],
  [5, null, 1],
  [12, null, 1],
  [13, null, 1],
  [9, null, 1],
  [3, 1, 4],
  [4, 0, 8],
  [5, 12, 2],
  [12, 5, 1],
  [13, 9, 8],
  [15, 15, 4],
  [5, 13, 1],
  [null, null, 1],
  [null, 2, 4],
  [null, 12, 8],
]

/** Displacements around the limits of 8 bits, counted in bytes and in units of the operand. */
const displacements = (unit: number): number[] => [
  ...new Set([
    0,
    1,
    -1,
    127,
    128,
    -128,
    -129,
    unit,
    -unit,
    127 * unit,
    128 * unit,
    -128 * unit,
    -129 * unit,
    unit >> 1,
    0x12345678,
    -0x7ffffff0,
  ]),
]

const immediates: Readonly<Record<number, readonly (number | bigint)[]>> = {
  [IMMEDIATE.i8]: [1, -1, 127, -128],
  [IMMEDIATE.u8]: [3, 0x7f, 0xff],
  [IMMEDIATE.i16]: [0x1234, -0x8000, 128, 0xffff],
  [IMMEDIATE.i32]: [0x12345678, -0x80000000, 128, 0xffffffff, 0x80000000],
  [IMMEDIATE.i32s]: [0x12345678, -0x80000000, 128, 0x7fffffff],
  [IMMEDIATE.i64]: [0x123456789abcdef0n, -0x8000000000000000n, 0x80000000, 0xffffffff, -1],
  [IMMEDIATE.one]: [1],
}

class Sampler {
  private count = 0

  /** All of `values`, or `n` of them, going round from one call to the next. */
  some<T>(values: readonly T[], n: number): readonly T[] {
    if (n >= values.length) return values
    return Array.from({ length: n }, () => values[this.count++ % values.length]!)
  }

  one<T>(values: readonly T[]): T {
    return values[(this.count++ * 7 + (this.count >> 3)) % values.length]!
  }
}

const vectorClass = CLASS.x | CLASS.y | CLASS.z
const gatherClass = CLASS.mx | CLASS.my | CLASS.mz

function registersOf(slot: Slot, form: Form): readonly reg.Register[] {
  const entry = REGISTERS.find(([bit]) => slot.accept & bit)
  if (entry === undefined) return []
  const [bit, , make] = entry
  const numbers =
    bit === CLASS.k
      ? MASKS
      : bit & vectorClass
        ? form.prefix === 'evex'
          ? EVEX_NUMBERS
          : VEX_NUMBERS
        : GENERAL_NUMBERS
  return slot.fixed >= 0 ? [make(slot.fixed)] : numbers.map((n) => make(n))
}

/** Memory operands for a slot: addresses × displacements, thinned out. */
function memoriesOf(slot: Slot, form: Form, dense: boolean, sampler: Sampler): Memory[] {
  const out: Memory[] = []
  const size = slot.memory
  if (slot.accept & gatherClass) {
    const make = slot.accept & CLASS.mx ? reg.xmm : slot.accept & CLASS.my ? reg.ymm : reg.zmm
    // Away from the destination and the mask, which have to differ.
    const numbers = form.prefix === 'evex' ? [3, 12, 19, 28] : [3, 12]
    for (const n of numbers) {
      for (const base of [0, 4, 5, 12, 13, null]) {
        for (const disp of sampler.some(displacements(form.dispUnit), dense ? 6 : 1)) {
          const scale = sampler.one([1, 2, 4, 8] as const)
          const index = make(n)
          out.push(
            base === null
              ? mem({ index, scale, disp })
              : mem({ base: reg.gp64(base), index, scale, disp }),
          )
        }
      }
    }
    return dense ? out : [...sampler.some(out, 3)]
  }
  if (!(slot.accept & CLASS.m)) return out
  const shapes = sampler.some(ADDRESSES, dense ? ADDRESSES.length : 2)
  for (const [base, index, scale] of shapes) {
    for (const disp of sampler.some(displacements(form.dispUnit), dense ? 8 : 1)) {
      out.push(
        mem({
          ...(base === null ? {} : { base: reg.gp64(base) }),
          ...(index === null ? {} : { index: reg.gp64(index) }),
          scale,
          disp,
          size,
        }),
      )
    }
  }
  if (dense || sampler.one([true, false, false])) {
    out.push(mem({ label: new Label(END), disp: sampler.one([0x10, -0x1000]), size }))
  }
  return out
}

function broadcastsOf(slot: Slot, form: Form, dense: boolean, sampler: Sampler): Memory[] {
  if (form.prefix !== 'evex' || slot.broadcast === 0) return []
  const size = slot.memory
  const out = []
  for (const disp of sampler.some(displacements(slot.broadcast), dense ? 20 : 1)) {
    const base = reg.gp64(sampler.one(GENERAL_NUMBERS))
    out.push(mem({ base, disp, size, broadcast: true }))
  }
  return out
}

function optionsOf(form: Form, dense: boolean, sampler: Sampler): Options[] {
  const mask = reg.k(1 + (form.opcode % 7))
  const out: Options[] = []
  if (form.masks) out.push({ mask })
  if (form.zeroes) out.push({ mask, zero: true })
  const roundable = form.length === 2 || form.scalar
  if (form.rounds && roundable) {
    const modes = ['nearest', 'down', 'up', 'zero'] as const
    for (const rounding of sampler.some(modes, dense ? 4 : 1)) out.push({ rounding })
    if (form.masks && dense) out.push({ rounding: 'down', mask, zero: true })
  } else if (form.suppresses && roundable) out.push({ suppress: true })
  return out
}

/** Whether GNU as and the processor allow it: a gather's registers have to be different ones. */
function sensible(form: Form, operands: readonly Operand[]): boolean {
  if (!form.slots.some((slot) => slot.accept & gatherClass)) return true
  const numbers = operands.map((o) =>
    o instanceof Memory ? o.index!.number : (o as reg.Register).number,
  )
  return new Set(numbers).size === numbers.length
}

/** A vector register that only EVEX can name. */
const raised = (operand: Operand): Operand =>
  operand instanceof reg.Register && operand.bits & vectorClass && operand.number < 16
    ? REGISTERS.find(([, kind]) => kind === operand.kind)![2](operand.number + 16)
    : operand

/** The cases of one form. */
export function* casesOf(mnemonic: string, form: Form, dense: boolean, sampler = new Sampler()) {
  const { slots } = form
  const memoryAt = slots.findIndex((slot) => slot.accept & (CLASS.m | gatherClass))
  const choices: readonly (readonly Operand[])[] = slots.map((slot) =>
    slot.immediate ? immediates[slot.immediate]! : registersOf(slot, form),
  )
  const pick = (): Operand[] => choices.map((values) => sampler.one(values))
  const tuples: Operand[][] = []
  if (choices.every((values) => values.length > 0)) {
    if (dense) {
      // Each register and immediate at each place, the others at random.
      choices.forEach((values, at) => {
        for (const value of values) tuples.push(pick().with(at, value))
      })
      for (let i = 0; i < 24; i++) tuples.push(pick())
    } else {
      const immediate = slots.findIndex((slot) => slot.immediate > 0)
      const values = immediate < 0 ? [0, 0] : choices[immediate]!
      for (const value of values) {
        tuples.push(immediate < 0 ? pick() : pick().with(immediate, value as number))
      }
    }
    if (slots.length === 0) tuples.push([])
  }
  if (memoryAt >= 0) {
    const slot = slots[memoryAt]!
    for (const [i, memory] of memoriesOf(slot, form, dense, sampler).entries()) {
      const operands = i === 0 && form.prefix === 'evex' ? pick().map(raised) : pick()
      operands[memoryAt] = memory
      tuples.push(operands)
    }
  }
  const options = form.prefix === 'evex' ? optionsOf(form, dense, sampler) : []
  const plain = form.needsMask ? { mask: reg.k(3) } : null
  for (const operands of tuples) {
    if (sensible(form, operands)) yield { mnemonic, operands, options: plain }
  }
  for (const option of options) {
    const fitting = tuples.filter((operands) => {
      if (!sensible(form, operands)) return false
      const inMemory = operands.some((o) => o instanceof Memory)
      if (option.rounding || option.suppress) return !inMemory
      return !(option.zero && operands[0] instanceof Memory)
    })
    for (const operands of sampler.some(fitting, fitting.length === 0 ? 0 : dense ? 12 : 1)) {
      yield { mnemonic, operands, options: option }
    }
  }
  if (memoryAt < 0) return
  for (const memory of broadcastsOf(slots[memoryAt]!, form, dense, sampler)) {
    const operands = pick()
    operands[memoryAt] = memory
    const masked = options.find((o) => o.mask) ?? null
    if (dense) yield { mnemonic, operands, options: null }
    yield { mnemonic, operands, options: masked }
  }
}

/** All cases, without jumps to labels, which need a program around them. */
export function* allCases(dense: boolean): Generator<Case> {
  const sampler = new Sampler()
  for (const mnemonic of Object.keys(TABLE)) {
    for (const form of instructionOf(mnemonic).forms) {
      if (form.prefix === 'jump') continue
      yield* casesOf(mnemonic, form, dense, sampler)
    }
  }
}

// The assembler: one method for each mnemonic of the tables, labels, data, and the finished bytes.

import { ValueError } from '../../../base/errors.js'
import { Code } from './code.js'
import { encodeEvex } from './evex.js'
import { formatInstruction } from './format.js'
import { parseRow } from './forms.js'
import { Label } from './labels.js'
import { encodeLegacy } from './legacy.js'
import { findForm, type Instruction } from './match.js'
import type { Arguments, Operand, Options } from './operands.js'
import { TABLE } from './tables/index.js'
import { encodeVex } from './vex.js'

export interface AssemblerOptions {
  /** Keeps the text of each instruction, for `listing`. Slow; for debugging. */
  readonly listing?: boolean
}

interface Line {
  readonly at: number
  readonly piece: number
  readonly text: string
}

/** Everything but the instructions. */
class Core {
  private readonly code = new Code()
  private readonly constants = new Map<string, { label: Label; bytes: Uint8Array; align: number }>()
  private readonly lines: Line[] | null
  private result: Uint8Array<ArrayBuffer> | null = null
  private sums: Uint32Array | null = null
  private labelCount = 0

  constructor(options: AssemblerOptions = {}) {
    this.lines = options.listing ? [] : null
  }

  /** A new label; `bind` says where it is. */
  label(name = 'L'): Label {
    return new Label(`${name}${name === 'L' ? this.labelCount++ : ''}`)
  }

  /** Puts a label here. Returns it: `const loop = a.bind(a.label('loop'))`. */
  bind(label: Label): Label {
    this.code.bind(label)
    return label
  }

  /** Goes on at a multiple of `alignment` bytes (a power of two), over instructions that do nothing. */
  align(alignment: number): void {
    this.code.align(alignment, true)
  }

  /** Bytes as data. */
  db(...values: readonly number[]): void {
    for (const value of values) this.code.integer(value, 1)
  }

  /** Integers of 32 bits as data. */
  dd(...values: readonly number[]): void {
    for (const value of values) this.code.integer(value, 4)
  }

  /** Integers of 64 bits as data. */
  dq(...values: readonly (number | bigint)[]): void {
    for (const value of values) this.code.integer(value, 8)
  }

  /**
   * A label of these bytes in the constant pool, which follows the code. Equal bytes are kept once.
   * @param align a power of two; by default the size, up to 64
   */
  constant(data: ArrayBufferView, align?: number): Label {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    const key = String.fromCharCode(...bytes)
    let alignment = 1
    while (alignment < bytes.length && alignment < 64) alignment *= 2
    const wanted = align ?? alignment
    const known = this.constants.get(key)
    if (known !== undefined && known.align >= wanted) return known.label
    const label = new Label(`const${this.constants.size}`)
    this.constants.set(known ? `${key}@${wanted}` : key, {
      label,
      bytes: bytes.slice(),
      align: wanted,
    })
    return label
  }

  /** A float32 in the constant pool. */
  float32(value: number): Label {
    return this.constant(Float32Array.of(value))
  }

  /** A float64 in the constant pool. */
  float64(value: number): Label {
    return this.constant(Float64Array.of(value))
  }

  /** An integer of 32 bits in the constant pool. */
  int32(value: number): Label {
    return this.constant(Int32Array.of(value))
  }

  /** Encodes one instruction; the methods of the mnemonics come here. */
  protected emit(instruction: Instruction, args: readonly (Operand | Options | undefined)[]): void {
    if (this.result !== null) {
      throw new ValueError(instruction.mnemonic, 'an assembler in the making', 'a finished one')
    }
    const last = args.at(-1)
    const isOptions = args.length > 0 && (last === undefined || isOptionsObject(last))
    const operands = (isOptions ? args.slice(0, -1) : args) as readonly Operand[]
    const options =
      isOptions && last !== undefined && given(last as Options) ? (last as Options) : null
    const { code } = this
    const form = findForm(instruction, operands, options)
    this.lines?.push({
      at: code.length,
      piece: code.pieceCount,
      text: formatInstruction(instruction.mnemonic, form, operands, options),
    })
    switch (form.prefix) {
      case 'jump':
        code.jump(operands[0] as Label, form.short, form.near)
        return
      case 'legacy':
        encodeLegacy(code, form, operands)
        break
      case 'vex':
        encodeVex(code, form, operands)
        break
      case 'evex':
        encodeEvex(code, form, operands, options)
        break
    }
    if (form.immediate >= 0) {
      code.integer(operands[form.immediate] as number | bigint, form.immediateBytes)
    }
  }

  /**
   * The code: position-independent, with its constants behind it. Labels have their `offset` then.
   * The start has to be aligned as the most aligned part is: 64 bytes are always enough.
   * @throws ValueError when a label in use is not bound
   */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.result !== null) return this.result
    const pool = [...this.constants.values()].sort((a, b) => b.align - a.align)
    for (const { label, bytes, align } of pool) {
      this.code.align(align, false)
      this.code.bind(label)
      this.code.bytes(bytes)
    }
    const { code, sums } = this.code.finish()
    this.result = code
    this.sums = sums
    return code
  }

  /** Offset, bytes and text of each instruction, with labels; needs `listing: true`. */
  listing(): string {
    const code = this.finish()
    const { lines, sums } = this
    if (lines === null || sums === null) {
      throw new ValueError('listing', 'an assembler made with `listing: true`', 'one without')
    }
    const rows = lines.map(({ at, piece, text }) => ({ offset: at + sums[piece]!, text }))
    const labels = this.code.bound().map((label) => ({ offset: label.offset, text: `${label}:` }))
    const out: string[] = []
    let next = 0
    for (const [i, { offset, text }] of rows.entries()) {
      while (next < labels.length && labels[next]!.offset <= offset) out.push(labels[next++]!.text)
      const end = rows[i + 1]?.offset ?? offset + 15
      const limit = Math.min(end, labels[next]?.offset ?? code.length, code.length)
      const bytes = [...code.subarray(offset, limit)].map((b) => b.toString(16).padStart(2, '0'))
      out.push(`${offset.toString(16).padStart(6)}  ${bytes.join(' ').padEnd(32)} ${text}`)
    }
    while (next < labels.length) out.push(labels[next++]!.text)
    return out.join('\n')
  }
}

function isOptionsObject(value: Operand | Options): boolean {
  return typeof value === 'object' && !('bits' in value)
}

/** Whether any option is really there: `{ mask: undefined }` asks for nothing. */
const given = (options: Options): boolean =>
  options.mask !== undefined ||
  options.zero === true ||
  options.rounding !== undefined ||
  options.suppress === true

/** The methods of all mnemonics, typed by the rows of the tables. */
export type Instructions = {
  readonly [M in keyof typeof TABLE]: (...args: Arguments<(typeof TABLE)[M]>) => void
}

/** An instruction's name, which is its method's: `lock_xadd` for `lock xadd`. */
export type Mnemonic = keyof typeof TABLE

const instructions = new Map<string, Instruction>()

/** The forms of a mnemonic, read from the table when first asked for. */
export function instructionOf(mnemonic: string): Instruction {
  let instruction = instructions.get(mnemonic)
  if (instruction === undefined) {
    const rows = (TABLE as Readonly<Record<string, string | readonly string[]>>)[mnemonic]
    if (rows === undefined) {
      throw new ValueError('x64', 'a mnemonic of the instruction tables', mnemonic)
    }
    const forms = (typeof rows === 'string' ? [rows] : rows).flatMap(parseRow)
    instruction = { mnemonic, forms }
    instructions.set(mnemonic, instruction)
  }
  return instruction
}

for (const mnemonic of Object.keys(TABLE)) {
  Object.defineProperty(Core.prototype, mnemonic, {
    value(this: { emit(i: Instruction, args: readonly Operand[]): void }, ...args: Operand[]) {
      this.emit(instructionOf(mnemonic), args)
    },
  })
}

/** Assembles x86-64 machine code: `a.vaddps(ymm(0), ymm(1), mem({ base: rax }))`. */
export type Assembler = Core & Instructions
export const Assembler = Core as unknown as new (options?: AssemblerOptions) => Assembler

// The assembler: one method for each mnemonic of the tables, labels, data, and the finished bytes.

import { ValueError } from '../../../base/errors.js'
import { Code } from './code.js'
import { encodeEvex } from './evex.js'
import { formatInstruction } from './format.js'
import { parseRow } from './forms.js'
import { Label } from './labels.js'
import { encodeLegacy } from './legacy.js'
import { formFor, type Instruction } from './match.js'
import type { Arguments, Operand, Options } from './operands.js'
import { TABLE } from './tables/index.js'
import { encodeVex } from './vex.js'

export interface AssemblerOptions {
  /** Keeps the text of each instruction, for `listing`. Slow; for debugging. */
  readonly listing?: boolean
}

/** A place in the code before `finish`: bytes without the pieces of variable length, and those. */
interface Place {
  readonly at: number
  readonly piece: number
}

interface Line {
  readonly start: Place
  readonly end: Place
  readonly text: string
}

interface Constant {
  readonly label: Label
  readonly bytes: Uint8Array
  readonly alignment: number
}

/** Everything but the instructions. */
class Core {
  private readonly code = new Code()
  private readonly constants = new Map<string, Constant>()
  private readonly lines: Line[] | null
  private result: Uint8Array<ArrayBuffer> | null = null
  private sums: Uint32Array | null = null
  private labelCount = 0

  constructor(options: AssemblerOptions = {}) {
    this.lines = options.listing ? [] : null
  }

  private checkOpen(where: string): void {
    if (this.result === null) return
    throw new ValueError(where, 'code that is still in the making', 'an assembler after `finish`')
  }

  /** A new label; `bind` says where it is. */
  label(name = `L${this.labelCount++}`): Label {
    return new Label(name)
  }

  /** New labels of these names: `const [loop, end] = a.labels('loop', 'end')`. */
  labels<N extends readonly string[]>(...names: N): { readonly [K in keyof N]: Label } {
    return names.map((name) => this.label(name)) as { [K in keyof N]: Label }
  }

  /** Puts a label here. Returns it: `const loop = a.bind(a.label('loop'))`. */
  bind(label: Label): Label {
    this.checkOpen('bind')
    this.code.bind(label)
    return label
  }

  /** Goes on at a multiple of `alignment` bytes (a power of two), over instructions that do nothing. */
  align(alignment: number): void {
    this.checkOpen('align')
    this.code.align(alignment, true)
  }

  /** Bytes as data. */
  db(bytes: ArrayLike<number>): void {
    this.checkOpen('db')
    this.code.bytes(bytes)
  }

  /**
   * A label of these bytes in the constant pool, which follows the code. Equal bytes are kept once.
   * @param align a power of two; by default the size, up to 64
   */
  constant(data: ArrayBufferView, align?: number): Label {
    this.checkOpen('constant')
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
    let alignment = align ?? 1
    if (align === undefined) while (alignment < bytes.length && alignment < 64) alignment *= 2
    let key = `${alignment}:`
    for (const value of bytes) key += String.fromCharCode(value)
    const known = this.constants.get(key)
    if (known !== undefined) return known.label
    const label = new Label(`const${this.constants.size}`)
    this.constants.set(key, { label, bytes, alignment })
    return label
  }

  /** A float32 in the constant pool. */
  float32(value: number): Label {
    return this.constant(Float32Array.of(value))
  }

  /** An integer of 32 bits in the constant pool. */
  int32(value: number): Label {
    return this.constant(Int32Array.of(value))
  }

  /** Encodes one instruction. The methods of the mnemonics come here. */
  encode(instruction: Instruction, operands: readonly Operand[], options: Options | null): void {
    if (this.result !== null) this.checkOpen(instruction.mnemonic)
    const { code } = this
    const form = formFor(instruction, operands, options)
    const start = this.lines ? this.here() : null
    switch (form.prefix) {
      case 'jump':
        code.jump(operands[0] as Label, form.short, form.near)
        break
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
    if (start !== null) {
      const text = formatInstruction(instruction.mnemonic, form, operands, options)
      this.lines?.push({ start, end: this.here(), text })
    }
  }

  private here(): Place {
    return { at: this.code.length, piece: this.code.pieceCount }
  }

  /**
   * The code: position-independent, with its constants behind it. Labels have their `offset` then.
   * The start has to be aligned as the most aligned part is: 64 bytes are always enough.
   * @throws ValueError when a label in use is not bound
   */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.result !== null) return this.result
    const pool = [...this.constants.values()].sort((a, b) => b.alignment - a.alignment)
    this.constants.clear()
    for (const { label, bytes, alignment } of pool) {
      this.code.align(alignment, false)
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
    const offsetOf = ({ at, piece }: Place): number => at + sums[piece]!
    const labels = this.code.bound()
    const out: string[] = []
    let next = 0
    for (const { start, end, text } of lines) {
      const offset = offsetOf(start)
      while (next < labels.length && labels[next]!.offset <= offset) out.push(`${labels[next++]}:`)
      const bytes = [...code.subarray(offset, offsetOf(end))]
      const hex = bytes.map((b) => b.toString(16).padStart(2, '0')).join(' ')
      out.push(`${offset.toString(16).padStart(6)}  ${hex.padEnd(32)} ${text}`)
    }
    while (next < labels.length) out.push(`${labels[next++]}:`)
    return out.join('\n')
  }
}

const isOptions = (value: Operand | Options | undefined): value is Options | undefined =>
  value === undefined || (typeof value === 'object' && !('bits' in value))

/** Whether any option is really there: `{ mask: undefined }` asks for nothing. */
const given = (options: Options | undefined): options is Options =>
  options !== undefined &&
  (options.mask !== undefined ||
    options.zero === true ||
    options.rounding !== undefined ||
    options.suppress === true)

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
    instruction = { mnemonic, forms, chosen: new Map() }
    instructions.set(mnemonic, instruction)
  }
  return instruction
}

for (const mnemonic of Object.keys(TABLE)) {
  Object.defineProperty(Core.prototype, mnemonic, {
    value(this: Core, ...args: (Operand | Options | undefined)[]) {
      const last = args.at(-1)
      const options = args.length > 0 && isOptions(last) ? last : undefined
      const operands = args.length > 0 && isOptions(last) ? args.slice(0, -1) : args
      const instruction = instructionOf(mnemonic)
      this.encode(instruction, operands as Operand[], given(options) ? options : null)
    },
  })
}

/** Assembles x86-64 machine code: `a.vaddps(ymm(0), ymm(1), mem({ base: rax }))`. */
export type Assembler = Core & Instructions
export const Assembler = Core as unknown as new (options?: AssemblerOptions) => Assembler

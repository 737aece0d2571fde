// Reads an instruction in Intel's syntax back into operands of the x64 assembler.

import { Label } from '../../src/backends/x64/assembler/labels.js'
import { mem } from '../../src/backends/x64/assembler/memory.js'
import type { Operand, Options } from '../../src/backends/x64/assembler/operands.js'
import * as reg from '../../src/backends/x64/assembler/registers.js'
import { type Case, END } from './x64-cases.js'

const REGISTERS = new Map<string, reg.Register>()
for (const make of [reg.gp8, reg.gp16, reg.gp32, reg.gp64]) {
  for (let n = 0; n < 16; n++) REGISTERS.set(make(n).name, make(n))
}
for (const make of [reg.xmm, reg.ymm, reg.zmm]) {
  for (let n = 0; n < 32; n++) REGISTERS.set(make(n).name, make(n))
}
for (let n = 0; n < 8; n++) REGISTERS.set(`k${n}`, reg.k(n))

const SIZES = {
  byte: 1,
  word: 2,
  dword: 4,
  qword: 8,
  xmmword: 16,
  ymmword: 32,
  zmmword: 64,
} as const
const ROUNDING: Readonly<Record<string, Options['rounding']>> = {
  '{rn-sae}': 'nearest',
  '{rd-sae}': 'down',
  '{ru-sae}': 'up',
  '{rz-sae}': 'zero',
}
const MEMORY = /^(?:(\w+) ptr )?(?:ds:)?\[(.*)\](?:\{1to(\d+)\})?$/

function register(name: string): reg.Register {
  const found = REGISTERS.get(name)
  if (found === undefined) throw new Error(`no register ${name}`)
  return found
}

function parseMemory(
  size: string | undefined,
  address: string,
  times: string | undefined,
): Operand {
  const unit = size === undefined ? 0 : SIZES[size as keyof typeof SIZES]
  const common = { size: unit * Number(times ?? 1), broadcast: times !== undefined }
  let base: reg.Gp64 | undefined
  let index: reg.Gp64 | undefined
  let scale: 1 | 2 | 4 | 8 = 1
  let disp = 0
  let relative = false
  for (const [, sign, part] of address.matchAll(/([+-]?)([^+-]+)/g)) {
    const scaled = /^(\w+)\*([1248])$/.exec(part!)
    if (part === 'rip') relative = true
    else if (scaled) {
      index = register(scaled[1]!) as reg.Gp64
      scale = Number(scaled[2]) as 1 | 2 | 4 | 8
    } else if (/^(0x)?\d/.test(part!)) disp += sign === '-' ? -Number(part) : Number(part)
    else base = register(part!) as reg.Gp64
  }
  if (relative) return mem({ label: new Label(END), disp, ...common })
  return mem({ ...(base ? { base } : {}), ...(index ? { index } : {}), scale, disp, ...common })
}

function parseOperand(text: string): Operand {
  const memory = MEMORY.exec(text)
  if (memory) return parseMemory(memory[1], memory[2]!, memory[3])
  const number = /^(-?)(0x[0-9a-f]+)$/.exec(text)
  if (!number) return register(text)
  const value = BigInt(number[2]!) * (number[1] ? -1n : 1n)
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

/** The instruction that a line of text says. */
export function parseInstruction(text: string): Case {
  const [, prefix = '', name = '', rest = ''] = /^((?:lock|rep) )?(\S+) ?(.*)$/.exec(text)!
  const options: { -readonly [K in keyof Options]: Options[K] } = {}
  const operands: Operand[] = []
  for (const part of rest === '' ? [] : rest.split(', ')) {
    if (part === '{sae}') options.suppress = true
    else if (part in ROUNDING) options.rounding = ROUNDING[part]!
    else {
      const masked = /^(.*)\{(k\d)\}(\{z\})?$/.exec(part)
      if (masked) {
        options.mask = register(masked[2]!) as reg.Mask
        if (masked[3]) options.zero = true
      }
      operands.push(parseOperand(masked ? masked[1]! : part))
    }
  }
  return {
    mnemonic: `${prefix.trim()}${prefix ? '_' : ''}${name}`,
    operands,
    options: Object.keys(options).length > 0 ? options : null,
  }
}

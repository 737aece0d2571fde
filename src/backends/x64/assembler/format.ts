// Instructions as text, in Intel's syntax as GNU as reads it: for listings, errors and tests.

import type { Form } from './forms.js'
import { Memory } from './memory.js'
import type { Operand, Options } from './operands.js'

const SIZES: Readonly<Record<number, string>> = {
  1: 'byte ptr ',
  2: 'word ptr ',
  4: 'dword ptr ',
  8: 'qword ptr ',
  16: 'xmmword ptr ',
  32: 'ymmword ptr ',
  64: 'zmmword ptr ',
}
const ROUNDING = {
  nearest: '{rn-sae}',
  down: '{rd-sae}',
  up: '{ru-sae}',
  zero: '{rz-sae}',
} as const

const hex = (n: number): string => (n < 10 ? `${n}` : `0x${n.toString(16)}`)
const signed = (n: number): string => (n < 0 ? `-${hex(-n)}` : `+${hex(n)}`)

function formatMemory(memory: Memory, form: Form | null, at: number): string {
  const { base, index, scale, disp, label } = memory
  const parts: string[] = []
  if (label !== null) parts.push(`rip+${label}`)
  if (base !== null) parts.push(base.name)
  if (index !== null) parts.push(`${index.name}*${scale}`)
  let address = parts.join('+')
  if (address === '') address = disp < 0 ? signed(disp) : hex(disp)
  else if (disp !== 0) address += signed(disp)
  const absolute = base === null && index === null && label === null
  const place = `${absolute ? 'ds:' : ''}[${address}]`
  const slot = form?.slots[at]
  const bytes = memory.size || (slot?.memory ?? 0)
  if (!memory.broadcast || slot === undefined) return `${SIZES[bytes] ?? ''}${place}`
  return `${SIZES[slot.broadcast]}${place}{1to${bytes / slot.broadcast}}`
}

function formatOperand(operand: Operand, form: Form | null, at: number): string {
  if (operand instanceof Memory) return formatMemory(operand, form, at)
  if (typeof operand === 'number' || typeof operand === 'bigint') {
    const negative = operand < 0
    const digits = (negative ? -operand : operand).toString(16)
    return `${negative ? '-' : ''}0x${digits}`
  }
  return operand.toString()
}

/** The text of an instruction; `form` adds what the operands leave to it, the sizes of memory. */
export function formatInstruction(
  mnemonic: string,
  form: Form | null,
  operands: readonly Operand[],
  options: Options | null,
): string {
  const parts = operands.map((operand, i) => formatOperand(operand, form, i))
  if (options?.mask) parts[0] += `{${options.mask}}${options.zero ? '{z}' : ''}`
  const mode = options?.rounding ? ROUNDING[options.rounding] : options?.suppress ? '{sae}' : ''
  if (mode) {
    const immediate = typeof operands.at(-1) === 'number'
    parts.splice(immediate ? parts.length - 1 : parts.length, 0, mode)
  }
  return `${mnemonic.replace('_', ' ')} ${parts.join(', ')}`.trim()
}

// Machine code as text, for people and tests.

import type { Instruction, Mem, Operand, View, VReg } from './code.js'
import { registerOf } from './encode.js'

const nameOf = (r: VReg, bits: View['bits'], homes: Int8Array | null): string => {
  const n = homes?.[r.id] ?? -1
  return n < 0 ? `${r.cls[0]}${r.id}` : registerOf(r.cls, n, bits).name
}

function formatMem(m: Mem, homes: Int8Array | null): string {
  const parts: string[] = []
  let disp = m.disp
  if (m.base.kind === 'register') parts.push(nameOf(m.base, 64, homes))
  else {
    parts.push(m.base.area)
    disp += m.base.offset
  }
  if (m.index) {
    const index = nameOf(m.index, m.indexBits ?? 64, homes)
    parts.push(m.scale === 1 ? index : `${index}*${m.scale}`)
  }
  if (disp !== 0) parts.push(String(disp))
  return `[${parts.join(' + ').replaceAll('+ -', '- ')}]${m.spread ? '{spread}' : ''}`
}

function formatOperand(o: Operand, homes: Int8Array | null): string {
  switch (o.kind) {
    case 'view':
      return nameOf(o.reg, o.bits, homes)
    case 'mem':
      return formatMem(o, homes)
    case 'imm':
      return String(o.value)
    case 'label':
      return `L${o.id}`
  }
}

/** One instruction a line; registers by name where they have one. */
export function formatCode(code: readonly Instruction[], homes: Int8Array | null = null): string {
  return code
    .map((i) => {
      const operands = i.operands.map((o) => formatOperand(o, homes))
      if (i.op === 'label') return `${operands[0]}:`
      if (i.mask) operands[0] += `{${nameOf(i.mask, 64, homes)}}${i.zero ? '{z}' : ''}`
      return `  ${i.op} ${operands.join(', ')}`.trimEnd()
    })
    .join('\n')
}

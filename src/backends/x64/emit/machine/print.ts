// Machine code as text, for people and tests.

import { type Instruction, type Mem, type Operand, VReg } from './code.js'

const GENERAL = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di']

function nameOf(r: VReg, bits: number, homes: Int8Array | null): string {
  const n = homes?.[r.id] ?? -1
  if (n < 0) return `${r.cls[0]}${r.id}`
  if (r.cls === 'mask') return `k${n}`
  if (r.cls === 'vector') return `${bits === 512 ? 'z' : bits === 256 ? 'y' : 'x'}mm${n}`
  const legacy = GENERAL[n]
  if (bits === 8) return legacy ? `${legacy[0]}l` : `r${n}b`
  if (bits === 32) return legacy ? `e${legacy}` : `r${n}d`
  return legacy ? `r${legacy}` : `r${n}`
}

function formatMem(m: Mem, homes: Int8Array | null): string {
  const parts: string[] = []
  let disp = m.disp
  if (m.base instanceof VReg) parts.push(nameOf(m.base, 64, homes))
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

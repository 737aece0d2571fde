// The machine IR: instructions of the processor on virtual registers, in one list with labels.
//
// Instruction selection writes it as if there were registers without end. Then loads are folded into
// their users, every virtual register gets a real one (allocate.ts) or a place in the stack frame
// (spill.ts), and what remains is encoded as it stands.

import { type Operation, operationOf } from './operations.js'

export type RegClass = 'gp' | 'vector' | 'mask'

/** A virtual register: assigned as often as one likes. */
export class VReg {
  readonly kind = 'register'

  constructor(
    readonly id: number,
    readonly cls: RegClass,
    /** The real register it must be, for arguments and instructions that insist. */
    readonly fixed: number | null,
    /** Carries a spilled value for a single instruction: it must get a register. */
    readonly temporary: boolean,
  ) {}
}

/** A register as an instruction sees it: its lowest bits. */
export interface View {
  readonly kind: 'view'
  readonly reg: VReg
  readonly bits: 8 | 16 | 32 | 64 | 128 | 256 | 512
}

/** What stands in the constant pool behind the code, or in the stack frame, from an offset. */
export interface Place {
  readonly kind: 'place'
  readonly area: 'pool' | 'frame'
  readonly offset: number
}

export interface Mem {
  readonly kind: 'mem'
  readonly base: VReg | Place
  readonly index: VReg | null
  /** Set where the index is a vector register (gathers and scatters): its bits. */
  readonly indexBits: 128 | 256 | 512 | null
  readonly scale: 1 | 2 | 4 | 8
  readonly disp: number
  /** One element, spread over all lanes by the instruction: its bytes. 0: memory as it is. */
  readonly spread: 0 | 4 | 8
}

export interface Imm {
  readonly kind: 'imm'
  readonly value: number | bigint
}

export interface Label {
  readonly kind: 'label'
  readonly id: number
}

export type Operand = View | Mem | Imm | Label

/** Lists in the making: copied when they are full, lest each has room for many more than it holds. */
const reads: VReg[] = []
const writes: VReg[] = []
/** Many instructions read or write no register: one list for all of them. */
const NONE: readonly VReg[] = []

/** One instruction, and which registers it reads and writes, those in addresses included. */
export class Instruction {
  readonly reads: readonly VReg[]
  readonly writes: readonly VReg[]
  /** Whether one of its operands is memory. */
  readonly hasMemory: boolean

  /**
   * @param operands in Intel's order: destination first
   * @param mask lanes that take part (AVX-512)
   * @param zero whether the other lanes become 0, instead of keeping the destination's value
   * @param implied registers it reads or writes without naming them
   * @param depth inside how many loops it stands
   */
  constructor(
    readonly operation: Operation,
    readonly operands: readonly Operand[],
    readonly mask: VReg | null,
    readonly zero: boolean,
    readonly implied: Implied | null,
    readonly depth: number,
  ) {
    const { modifies, blends, clears } = operation
    let r = 0
    let w = 0
    let hasMemory = false
    if (implied !== null) {
      for (const reg of implied.reads ?? []) reads[r++] = reg
      for (const reg of implied.writes ?? []) writes[w++] = reg
    }
    for (let at = 0; at < operands.length; at++) {
      const o = operands[at]!
      if (o.kind === 'mem') {
        hasMemory = true
        if (o.base.kind === 'register') reads[r++] = o.base
        if (o.index !== null) reads[r++] = o.index
      } else if (o.kind === 'view') {
        if (at > 0 || operation.reads) reads[r++] = o.reg
        else {
          // Lanes that a mask leaves out keep what they had.
          const merges = mask !== null && !zero && !blends && o.reg.cls === 'vector'
          if (modifies || merges) reads[r++] = o.reg
          writes[w++] = o.reg
        }
        // A gather's mask is a vector on AVX2.
        if (at === 2 && clears) writes[w++] = o.reg
      }
    }
    if (mask !== null) {
      reads[r++] = mask
      if (clears) writes[w++] = mask
    }
    this.reads = r === 0 ? NONE : reads.slice(0, r)
    this.writes = w === 0 ? NONE : writes.slice(0, w)
    this.hasMemory = hasMemory
  }

  /** The mnemonic. */
  get op(): string {
    return this.operation.name
  }

  /** Whether it is a plain copy between registers of one class. */
  isCopy(): boolean {
    if (!this.operation.copies || this.mask !== null) return false
    const to = this.operands[0]!
    const from = this.operands[1]!
    return to.kind === 'view' && from.kind === 'view' && to.reg.cls === from.reg.cls
  }

  /** The same instruction on other operands. */
  on(operands: readonly Operand[]): Instruction {
    const { operation, mask, zero, implied, depth } = this
    return new Instruction(operation, operands, mask, zero, implied, depth)
  }
}

export type VectorBits = 128 | 256 | 512

export const view = (reg: VReg, bits: View['bits']): View => ({ kind: 'view', reg, bits })
export const imm = (value: number | bigint): Imm => ({ kind: 'imm', value })
/** 64 and 32 bits of a general register. */
export const r64 = (reg: VReg): View => view(reg, 64)
export const r32 = (reg: VReg): View => view(reg, 32)

export function mem(base: VReg | Place, disp = 0, change: Partial<Mem> | null = null): Mem {
  if (change === null) {
    return { kind: 'mem', base, index: null, indexBits: null, scale: 1, disp, spread: 0 }
  }
  const { index = null, indexBits = null, scale = 1, spread = 0 } = change
  return { kind: 'mem', base, index, indexBits, scale, disp, spread }
}

/** Registers that an instruction reads and writes without naming them. */
interface Implied {
  readonly reads?: readonly VReg[]
  readonly writes?: readonly VReg[]
}

interface Extra extends Implied {
  readonly mask?: VReg | null
  readonly zero?: boolean
}

/** Machine code under construction. */
export class Code {
  instructions: Instruction[] = []
  /** Constants behind the code, by what they are, and how far they reach. */
  private readonly pool = new Map<string, { readonly bytes: Uint8Array; readonly place: Place }>()
  private poolEnd = 0
  /** Bytes of the stack frame handed out so far. */
  frameBytes = 0
  private nextLabel = 0
  private depth = 0
  readonly registers: VReg[] = []

  reg(cls: RegClass, fixed: number | null = null, temporary = false): VReg {
    const r = new VReg(this.registers.length, cls, fixed, temporary)
    this.registers.push(r)
    return r
  }

  gp = (): VReg => this.reg('gp')
  vector = (): VReg => this.reg('vector')
  mask = (): VReg => this.reg('mask')

  emit(op: string, operands: readonly Operand[], extra: Extra | null = null): void {
    const operation = operationOf(op)
    if (extra === null) {
      this.instructions.push(new Instruction(operation, operands, null, false, null, this.depth))
      return
    }
    const { mask = null, zero = false, reads, writes } = extra
    const implied = reads || writes ? extra : null
    this.instructions.push(new Instruction(operation, operands, mask, zero, implied, this.depth))
  }

  /** An instruction whose operands are whole vector registers of one width. */
  v(op: string, bits: VectorBits, ...operands: (VReg | Mem | number)[]): void {
    this.emit(op, operandsOf(operands, bits))
  }

  /** The same for lanes of a mask only: others keep what `operands[0]` had. */
  vMasked(op: string, bits: VectorBits, mask: VReg, ...operands: (VReg | Mem | number)[]): void {
    this.emit(op, operandsOf(operands, bits), { mask })
  }

  /** An instruction on 64-bit general registers. */
  g(op: string, ...operands: (VReg | Mem | number)[]): void {
    this.emit(op, operandsOf(operands, 64))
  }

  label(): Label {
    return { kind: 'label', id: this.nextLabel++ }
  }

  bind(label: Label): void {
    this.emit('label', [label])
  }

  jump(op: string, label: Label): void {
    this.emit(op, [label])
  }

  /** What `body` emits is one loop deeper. */
  inLoop(body: () => void): void {
    this.depth++
    body()
    this.depth--
  }

  /** A place in the frame, aligned to its size up to a cache line. */
  frame(bytes: number): Place {
    const align = Math.min(64, bytes)
    const offset = Math.ceil(this.frameBytes / align) * align
    this.frameBytes = offset + bytes
    return { kind: 'place', area: 'frame', offset }
  }

  /** A constant behind the code, aligned to its size; equal ones share a place. */
  constant(bytes: Uint8Array): Place {
    const key = bytes.join()
    const known = this.pool.get(key)
    if (known) return known.place
    const align = Math.min(64, bytes.length)
    const offset = Math.ceil(this.poolEnd / align) * align
    const place: Place = { kind: 'place', area: 'pool', offset }
    this.pool.set(key, { bytes, place })
    this.poolEnd = place.offset + bytes.length
    return place
  }

  poolBytes(): Uint8Array {
    const out = new Uint8Array(this.poolEnd)
    for (const { bytes, place } of this.pool.values()) out.set(bytes, place.offset)
    return out
  }
}

function operandsOf(list: readonly (VReg | Mem | number)[], bits: View['bits']): Operand[] {
  // As long as it will be: a list that grows has room for many more.
  const operands: Operand[] = new Array(list.length)
  for (let n = 0; n < list.length; n++) {
    const o = list[n]!
    if (typeof o === 'number') operands[n] = imm(o)
    else operands[n] = o.kind === 'mem' ? o : view(o, o.cls === 'mask' ? 64 : bits)
  }
  return operands
}

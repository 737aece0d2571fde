// The machine IR: instructions of the processor on virtual registers, in one list with labels.
//
// Instruction selection writes it as if there were registers without end. Then loads are folded into
// their users, every virtual register gets a real one (allocate.ts) or a place in the stack frame
// (spill.ts), and what remains is encoded as it stands.

export type RegClass = 'gp' | 'vector' | 'mask'

/** A virtual register: assigned as often as one likes. */
export interface VReg {
  readonly id: number
  readonly cls: RegClass
  /** The real register it must be, for arguments and instructions that insist. */
  readonly fixed: number | null
}

/** A register as an instruction sees it: its lowest bits. */
export interface View {
  readonly kind: 'view'
  readonly reg: VReg
  readonly bits: 8 | 32 | 64 | 128 | 256 | 512
}

/** What stands in the constant pool behind the code, or in the stack frame, from an offset. */
export interface Place {
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

export interface Instruction {
  /** A mnemonic; or `label`, which binds its operand. */
  readonly op: string
  /** In Intel's order: destination first. */
  readonly operands: readonly Operand[]
  /** Lanes that take part (AVX-512); the others keep the destination's value, or become 0. */
  readonly mask: VReg | null
  readonly zero: boolean
  /** Registers it reads or writes without naming them. */
  readonly reads: readonly VReg[]
  readonly writes: readonly VReg[]
  /** Inside how many loops it stands. */
  readonly depth: number
}

export type VectorBits = 128 | 256 | 512

export const view = (reg: VReg, bits: View['bits']): View => ({ kind: 'view', reg, bits })
export const imm = (value: number | bigint): Imm => ({ kind: 'imm', value })
/** 64 and 32 bits of a general register, and a mask register. */
export const r64 = (reg: VReg): View => view(reg, 64)
export const r32 = (reg: VReg): View => view(reg, 32)
export const k = (reg: VReg): View => view(reg, 64)

export function mem(base: VReg | Place, disp = 0, change: Partial<Mem> = {}): Mem {
  return { kind: 'mem', base, index: null, indexBits: null, scale: 1, disp, spread: 0, ...change }
}

export const isPlace = (base: VReg | Place): base is Place => 'area' in base

interface Extra {
  readonly mask?: VReg | null
  readonly zero?: boolean
  readonly reads?: readonly VReg[]
  readonly writes?: readonly VReg[]
}

/** Machine code under construction. */
export class Code {
  instructions: Instruction[] = []
  /** Constants behind the code. */
  private readonly pool: number[] = []
  private readonly pooled = new Map<string, Place>()
  /** Bytes of the stack frame handed out so far. */
  frameBytes = 0
  private nextReg = 0
  private nextLabel = 0
  private depth = 0
  readonly registers: VReg[] = []

  reg(cls: RegClass, fixed: number | null = null): VReg {
    const r = { id: this.nextReg++, cls, fixed }
    this.registers.push(r)
    return r
  }

  gp = (): VReg => this.reg('gp')
  vector = (): VReg => this.reg('vector')
  mask = (): VReg => this.reg('mask')

  emit(op: string, operands: readonly Operand[], extra: Extra = {}): void {
    this.instructions.push({
      op,
      operands,
      mask: extra.mask ?? null,
      zero: extra.zero ?? false,
      reads: extra.reads ?? [],
      writes: extra.writes ?? [],
      depth: this.depth,
    })
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
    return { area: 'frame', offset }
  }

  /** A constant behind the code, aligned to its size; equal ones share a place. */
  constant(bytes: Uint8Array): Place {
    const key = bytes.join()
    const known = this.pooled.get(key)
    if (known) return known
    while (this.pool.length % Math.min(64, bytes.length) !== 0) this.pool.push(0)
    const place: Place = { area: 'pool', offset: this.pool.length }
    this.pool.push(...bytes)
    this.pooled.set(key, place)
    return place
  }

  poolBytes(): Uint8Array {
    return Uint8Array.from(this.pool)
  }
}

function operandsOf(list: readonly (VReg | Mem | number)[], bits: View['bits']): Operand[] {
  return list.map((o) =>
    typeof o === 'number' ? imm(o) : 'kind' in o ? o : view(o, o.cls === 'mask' ? 64 : bits),
  )
}

// Memory operands: [base + index * scale + disp], [rip + label + disp], and vectors of addresses.

import { ValueError } from '../../../base/errors.js'
import { CLASS } from './classes.js'
import type { Label } from './labels.js'
import type { Gp64, Vector } from './registers.js'

export type Scale = 1 | 2 | 4 | 8

interface Common {
  /** Added to the address: a signed 32-bit number. */
  readonly disp?: number
  /** Bytes in memory. Needed only where the other operands leave it open (`inc`, `mov m, 1`). */
  readonly size?: number
  /** AVX-512: read one element and repeat it over the vector. */
  readonly broadcast?: boolean
}

/** An address made of general registers. Without a base, it is `disp` (± 2 GiB) and the index. */
export interface Address extends Common {
  readonly base?: Gp64
  readonly index?: Gp64
  readonly scale?: Scale
}

/** The address of a label, for constants and jump tables: position-independent. */
export interface LabelAddress extends Common {
  readonly label: Label
}

/** For gathers and scatters: one address for each element of the vector `index`. */
export interface VectorAddress {
  readonly base?: Gp64
  readonly index: Vector
  readonly scale?: Scale
  readonly disp?: number
}

const KINDS = { r64: 0, x: 1, y: 2, z: 3 } as const

/** A memory operand; made by `mem`. */
export class Memory<V extends boolean = boolean> {
  /** Distinguishes `Mem` from `VectorMem` for the type checker. */
  declare readonly vector: V
  readonly bits: number
  /** What the choice of an instruction's form can depend on: from 64, below 320. */
  readonly shape: number

  constructor(
    readonly base: Gp64 | null,
    readonly index: Gp64 | Vector | null,
    readonly scale: Scale,
    readonly disp: number,
    readonly label: Label | null,
    readonly size: number,
    readonly broadcast: boolean,
  ) {
    if ((disp | 0) !== disp) {
      throw new ValueError('mem', 'a displacement of signed 32 bits', `${disp}`)
    }
    const kind = index === null ? 'r64' : index.kind
    this.bits = kind === 'r64' ? CLASS.m : CLASS[`m${kind}`]
    const high = index !== null && index.number > 15 ? 1 : 0
    const flags = (KINDS[kind] << 2) | (broadcast ? 2 : 0) | high
    this.shape = 64 + ((flags << 4) | (size === 0 ? 0 : 1 + Math.log2(size)))
  }

  /** The same address, `bytes` further on. */
  offset(bytes: number): Memory<V> {
    const { base, index, scale, disp, label, size, broadcast } = this
    return new Memory<V>(base, index, scale, disp + bytes, label, size, broadcast)
  }
}

/** One place in memory. */
export type Mem = Memory<false>
/** As many places in memory as its index register has elements. */
export type VectorMem = Memory<true>

const INDEX_KINDS: readonly string[] = ['r64', 'x', 'y', 'z']

/**
 * A memory operand.
 *
 * ```ts no-run
 * mem({ base: rax })
 * mem({ base: rsi, index: rcx, scale: 4, disp: 64 })
 * mem({ base: rsi, disp: 4, broadcast: true }) // one float32 for all lanes
 * mem({ label: table, disp: 8 })
 * mem({ base: rsi, index: zmm(1), scale: 4 }) // vgatherdps
 * ```
 */
export function mem(address: VectorAddress): VectorMem
export function mem(address: Address | LabelAddress): Mem
export function mem(address: Address | LabelAddress | VectorAddress): Memory {
  const { disp = 0, size = 0, broadcast = false } = address as Common
  if ('label' in address) {
    return new Memory(null, null, 1, disp, address.label, size, broadcast)
  }
  const { base, index, scale = 1 } = address
  if (base !== undefined && base.kind !== 'r64') {
    throw new ValueError('mem', 'a base of 64 bits', `${base}`)
  }
  if (index !== undefined && !INDEX_KINDS.includes(index.kind)) {
    throw new ValueError('mem', 'an index of 64 bits, or a vector', `${index}`)
  }
  if (index?.kind === 'r64' && index.number === 4) {
    throw new ValueError('mem', 'an index other than rsp (its number means `no index`)', 'rsp')
  }
  if (scale !== 1 && scale !== 2 && scale !== 4 && scale !== 8) {
    throw new ValueError('mem', 'a scale of 1, 2, 4 or 8', `${scale}`)
  }
  return new Memory(base ?? null, index ?? null, scale, disp, null, size, broadcast)
}

/** Memory of one byte. */
export const byte = (address: Address | LabelAddress): Mem => mem({ ...address, size: 1 })
/** Memory of 16 bits. */
export const word = (address: Address | LabelAddress): Mem => mem({ ...address, size: 2 })
/** Memory of 32 bits. */
export const dword = (address: Address | LabelAddress): Mem => mem({ ...address, size: 4 })
/** Memory of 64 bits. */
export const qword = (address: Address | LabelAddress): Mem => mem({ ...address, size: 8 })

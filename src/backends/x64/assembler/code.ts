// Code in the making: bytes, labels, and the pieces whose length is not known yet.
//
// A jump has a short form (displacement of 8 bits, 2 bytes) and a near one (32 bits, 5 or 6 bytes).
// Which one does depends on the distance, which depends on the jumps in between. So bytes are kept
// without any jumps; `finish` starts with all of them short, lengthens those that do not reach, and
// repeats. Lengthened jumps stay long, so this ends.

import { ValueError } from '../../../base/errors.js'
import type { Label } from './labels.js'

interface Jump {
  readonly at: number
  readonly label: Label
  readonly short: number
  readonly near: readonly number[]
  long: boolean
}
interface Alignment {
  readonly at: number
  readonly alignment: number
  /** Filled with instructions that do nothing, or with zeros. */
  readonly executed: boolean
}
type Piece = Jump | Alignment

/** Four bytes that hold the distance from the end of their instruction to a label. */
interface Reference {
  readonly at: number
  readonly piece: number
  readonly label: Label
  /** Added to the distance. */
  readonly addend: number
}

/** One `nop` of each length from 1 to 9 bytes, as Intel's manual recommends them. */
const NOPS = [
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
] as const

/** Instructions that do nothing, `count` bytes of them, as few as possible. */
export function nops(count: number): number[] {
  const out: number[] = []
  while (out.length < count) out.push(...NOPS[Math.min(count - out.length, 9) - 1]!)
  return out
}

export class Code {
  private data = new Uint8Array(1024)
  private readonly pieces: Piece[] = []
  private readonly references: Reference[] = []
  private readonly labels: Label[] = []
  /** Bytes so far, without jumps and alignments. */
  length = 0

  /** How many jumps and alignments there are so far: with `length`, a place in the code. */
  get pieceCount(): number {
    return this.pieces.length
  }

  private reserve(more: number): void {
    if (this.length + more <= this.data.length) return
    const grown = new Uint8Array(Math.max(this.data.length * 2, this.length + more))
    grown.set(this.data.subarray(0, this.length))
    this.data = grown
  }

  byte(value: number): void {
    if (this.length === this.data.length) this.reserve(1)
    this.data[this.length++] = value
  }

  /** Four bytes, the lowest first. */
  four(bits: number): void {
    if (this.length + 4 > this.data.length) this.reserve(4)
    const { data, length } = this
    data[length] = bits
    data[length + 1] = bits >> 8
    data[length + 2] = bits >> 16
    data[length + 3] = bits >> 24
    this.length = length + 4
  }

  /** A little-endian integer of 1, 2, 4 or 8 bytes. */
  integer(value: number | bigint, bytes: number): void {
    if (bytes === 8) {
      const wide = BigInt.asUintN(64, BigInt(value))
      this.integer(Number(wide & 0xffffffffn), 4)
      this.integer(Number(wide >> 32n), 4)
      return
    }
    const bits = Number(value)
    if (bytes === 4) {
      this.four(bits)
      return
    }
    this.reserve(bytes)
    for (let i = 0; i < bytes; i++) this.data[this.length++] = bits >> (8 * i)
  }

  bytes(values: ArrayLike<number>): void {
    this.reserve(values.length)
    this.data.set(values, this.length)
    this.length += values.length
  }

  bind(label: Label): void {
    if (label.position >= 0) {
      throw new ValueError('x64 label', 'each label to be bound once', `${label} again`)
    }
    label.position = this.length
    label.piece = this.pieces.length
    this.labels.push(label)
  }

  /** The labels bound so far, in order. */
  bound(): readonly Label[] {
    return this.labels
  }

  /** A jump whose opcode is `short` or `near`; `short` is -1 when there is only the near one. */
  jump(label: Label, short: number, near: readonly number[]): void {
    this.pieces.push({ at: this.length, label, short, near, long: short < 0 })
  }

  align(alignment: number, executed: boolean): void {
    this.pieces.push({ at: this.length, alignment, executed })
  }

  /** Four bytes for the distance to a label from `trailing` bytes after them, plus `addend`. */
  reference(label: Label, addend: number, trailing: number): void {
    const at = this.length
    this.references.push({ at, piece: this.pieces.length, label, addend: addend - trailing })
    this.integer(0, 4)
  }

  /** Sizes of pieces as a running sum: `sums[i]` bytes come from the pieces before piece i. */
  private place(): Uint32Array {
    const { pieces } = this
    const sums = new Uint32Array(pieces.length + 1)
    for (;;) {
      for (let i = 0; i < pieces.length; i++) {
        const piece = pieces[i]!
        const start = piece.at + sums[i]!
        const size =
          'label' in piece
            ? piece.long
              ? piece.near.length + 4
              : 2
            : (piece.alignment - (start % piece.alignment)) % piece.alignment
        sums[i + 1] = sums[i]! + size
      }
      let settled = true
      for (let i = 0; i < pieces.length; i++) {
        const piece = pieces[i]!
        if (!('label' in piece) || piece.long) continue
        const distance = offsetOf(piece.label, sums) - (piece.at + sums[i + 1]!)
        if (distance >= -128 && distance <= 127) continue
        piece.long = true
        settled = false
      }
      if (settled) return sums
    }
  }

  /** Decides about jumps, fills in all distances, and gives the bytes. */
  finish(): { readonly code: Uint8Array<ArrayBuffer>; readonly sums: Uint32Array } {
    const { pieces } = this
    const sums = this.place()
    const code = new Uint8Array(this.length + sums[pieces.length]!)
    const view = new DataView(code.buffer)
    let from = 0
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i]!
      code.set(this.data.subarray(from, piece.at), from + sums[i]!)
      from = piece.at
      const start = piece.at + sums[i]!
      const end = piece.at + sums[i + 1]!
      if (!('label' in piece)) {
        if (piece.executed) code.set(nops(end - start), start)
        continue
      }
      const distance = offsetOf(piece.label, sums) - end
      if (piece.long) {
        code.set(piece.near, start)
        view.setInt32(end - 4, distance, true)
      } else {
        code[start] = piece.short
        code[start + 1] = distance
      }
    }
    code.set(this.data.subarray(from, this.length), from + sums[pieces.length]!)
    for (const { at, piece, label, addend } of this.references) {
      const place = at + sums[piece]!
      view.setInt32(place, offsetOf(label, sums) - (place + 4) + addend, true)
    }
    for (const label of this.labels) label.offset = offsetOf(label, sums)
    return { code, sums }
  }
}

function offsetOf(label: Label, sums: Uint32Array): number {
  if (label.position >= 0) return label.position + sums[label.piece]!
  throw new ValueError('x64 label', 'every label in use to be bound', `${label}, which is not`)
}

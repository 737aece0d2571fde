// A growing array of bytes with the integer encodings of the WebAssembly binary format.

const scratch = new DataView(new ArrayBuffer(8))

export class ByteWriter {
  private data = new Uint8Array(256)
  length = 0

  /** What was written, as a copy. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.data.slice(0, this.length)
  }

  private reserve(more: number): void {
    if (this.length + more <= this.data.length) return
    const grown = new Uint8Array(Math.max(this.data.length * 2, this.length + more))
    grown.set(this.data.subarray(0, this.length))
    this.data = grown
  }

  byte(b: number): void {
    if (this.length === this.data.length) this.reserve(1)
    this.data[this.length++] = b
  }

  bytes(b: ArrayLike<number>): void {
    this.reserve(b.length)
    this.data.set(b, this.length)
    this.length += b.length
  }

  append(other: ByteWriter): void {
    this.bytes(other.data.subarray(0, other.length))
  }

  /** Unsigned LEB128, up to 32 bits. */
  unsigned(value: number): void {
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.byte(rest)
  }

  /** Signed LEB128, up to 32 bits. */
  signed(value: number): void {
    let rest = value | 0
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>= 7
    }
    this.byte(rest & 0x7f)
  }

  /** Signed LEB128, up to 64 bits. */
  signed64(value: bigint): void {
    let rest = BigInt.asIntN(64, value)
    while (rest < -64n || rest > 63n) {
      this.byte(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    this.byte(Number(rest & 0x7fn))
  }

  float32(value: number): void {
    scratch.setFloat32(0, value, true)
    for (let i = 0; i < 4; i++) this.byte(scratch.getUint8(i))
  }

  float64(value: number): void {
    scratch.setFloat64(0, value, true)
    for (let i = 0; i < 8; i++) this.byte(scratch.getUint8(i))
  }

  /** A length and then the bytes. */
  vector(b: Uint8Array): void {
    this.unsigned(b.length)
    this.bytes(b)
  }

  name(text: string): void {
    this.vector(new TextEncoder().encode(text))
  }
}

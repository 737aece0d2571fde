// The one linear memory of a device: it grows on demand, and views of it are renewed when it has.

import { OutOfMemoryError } from '../../../base/errors.js'
import { HEAP, MOST_PAGES, PAGE, SLACK } from './layout.js'

const INITIAL_PAGES = 256
/** Pages to grow by at least, so that growing is rare. */
const STEP_PAGES = 256

export class LinearMemory {
  readonly memory: WebAssembly.Memory
  private buffer: ArrayBufferLike
  u8: Uint8Array
  i32: Int32Array
  f32: Float32Array
  f64: Float64Array
  i64: BigInt64Array

  constructor(
    readonly shared: boolean,
    private readonly mostPages = MOST_PAGES,
  ) {
    this.memory = reserve(shared, mostPages)
    this.buffer = this.memory.buffer
    this.u8 = new Uint8Array(this.buffer)
    this.i32 = new Int32Array(this.buffer)
    this.f32 = new Float32Array(this.buffer)
    this.f64 = new Float64Array(this.buffer)
    this.i64 = new BigInt64Array(this.buffer)
  }

  /** First address that blocks must not reach. */
  get end(): number {
    return this.u8.length - SLACK
  }

  /** Grows so that blocks may reach up to `end`. @returns whether they may */
  reach(end: number): boolean {
    const pages = Math.ceil((end + SLACK) / PAGE)
    const now = this.u8.length / PAGE
    if (pages <= now) return true
    for (const wanted of [Math.max(pages, now + STEP_PAGES, Math.ceil(now * 1.25)), pages]) {
      if (wanted > this.mostPages) continue
      try {
        this.memory.grow(wanted - now)
        this.renew()
        return true
      } catch {
        // The engine has no room for this much: try with just enough.
      }
    }
    return false
  }

  private renew(): void {
    this.buffer = this.memory.buffer
    this.u8 = new Uint8Array(this.buffer)
    this.i32 = new Int32Array(this.buffer)
    this.f32 = new Float32Array(this.buffer)
    this.f64 = new Float64Array(this.buffer)
    this.i64 = new BigInt64Array(this.buffer)
  }
}

/** A memory that may grow as far as the engine lets it. */
function reserve(shared: boolean, mostPages: number): WebAssembly.Memory {
  const initial = Math.max(INITIAL_PAGES, (HEAP + SLACK) / PAGE)
  for (let maximum = mostPages; maximum >= initial; maximum >>= 1) {
    try {
      return new WebAssembly.Memory({ initial, maximum, shared })
    } catch {
      // Address space is limited here: be content with half.
    }
  }
  throw new OutOfMemoryError(
    'wasm',
    `${initial * PAGE} bytes of address space`,
    'none from the engine',
  )
}

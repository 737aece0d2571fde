// Where host arrays are in memory, and arrays whose addresses are known from birth.
//
// V8 never moves the elements of an array buffer, so an address holds for as long as the buffer lives and
// is not transferred: whoever keeps an address keeps the array.

import { DTYPES, type DType, type TypedArray } from '../../../base/dtype.js'
import { OutOfMemoryError } from '../../../base/errors.js'
import { freeArraysAtOnce } from './engine.js'
import { koffi } from './koffi.js'
import { libc } from './libc.js'

/** Where vectors like to begin: a cache line. */
export const LINE = 64

/** The address of an array's first element. Costs 0.3 µs and more: keep the answer. */
export const addressOf = (array: ArrayBufferView): number => Number(koffi().address(array))

/** An array that does not move, and where it is. */
export interface Placed<A extends TypedArray = TypedArray> {
  readonly array: A
  readonly address: number
}

/** `bytes` of memory, zero, on a line of its own. */
export function zeroed(bytes: number): Placed<Uint8Array> {
  const buffer = new Uint8Array(bytes + LINE)
  const at = addressOf(buffer)
  const skip = (LINE - (at % LINE)) % LINE
  return { array: new Uint8Array(buffer.buffer, skip, bytes), address: at + skip }
}

/** Arrays up to this many bytes share a buffer, which saves the asking for addresses. */
const PIECE = 4096
const SLAB = 65536

const M_TRIM_THRESHOLD = -1
const M_MMAP_THRESHOLD = -3

/** Uninitialised memory of the engine's allocator, which is the C library's. */
function take(bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer)
  } catch (error) {
    // More than an array of this Node.js may have (4 GiB before 22), or than there is.
    const { message } = error as Error
    throw new OutOfMemoryError('x64', `an array of ${bytes} bytes`, message, { bytes })
  }
}

/**
 * Makes arrays for results: not cleared, on lines of their own.
 *
 * Large ones come from the C library's heap, told to keep what the garbage collector gives back: fresh
 * pages of the system cost more than most kernels that fill them (for 4 MiB 520 µs against 30).
 */
export class Arrays {
  private slab: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  private slabAddress = 0
  private used = 0

  constructor() {
    keepMemory()
  }

  make(dtype: DType, length: number): Placed {
    const { array: Kind, bytes: each } = DTYPES[dtype]
    const bytes = length * each
    if (bytes > PIECE) {
      const whole = take(bytes + LINE)
      const at = addressOf(whole)
      const skip = (LINE - (at % LINE)) % LINE
      return { array: new Kind(whole.buffer, skip, length), address: at + skip }
    }
    if (this.used + bytes > this.slab.length) {
      this.slab = take(SLAB)
      const at = addressOf(this.slab)
      this.used = (LINE - (at % LINE)) % LINE
      this.slabAddress = at
    }
    const { used } = this
    this.used = used + Math.max(LINE, Math.ceil(bytes / LINE) * LINE)
    return { array: new Kind(this.slab.buffer, used, length), address: this.slabAddress + used }
  }
}

/** Memory the heap keeps beyond what is in use. */
const KEEP = 512 << 20
let keeping = false

function keepMemory(): void {
  if (keeping) return
  keeping = true
  freeArraysAtOnce()
  const c = libc()
  // Older C libraries take at most 32 MiB.
  if (c.mallopt(M_MMAP_THRESHOLD, 1 << 30) !== 1) c.mallopt(M_MMAP_THRESHOLD, 32 << 20)
  c.mallopt(M_TRIM_THRESHOLD, KEEP)
}

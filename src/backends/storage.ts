// A stored value: the bytes of one tensor, on the host, on a device, or both.

import { DTYPES, type DType, type TypedArray } from '../base/dtype.js'
import type { Device } from './device.js'

/** A block of device memory that mirrors or replaces a storage's host array. */
export interface Residence {
  readonly device: Device
  /** Address or handle, in the device's own terms. */
  readonly address: number
}

/**
 * The bytes of one computed tensor. Immutable once written, with one exception: a variable's two
 * storages are written in turn by its updates (`version` counts the writes).
 *
 * At least one of `host` and `residence` is set. The engine's garbage collector frees host arrays; a
 * device decides for itself how long it keeps a copy.
 */
export class Storage {
  host: TypedArray | null
  residence: Residence | null = null
  /** Writes since it was made; > 0 only for storages that variables own. */
  version = 0
  /** Owned by a variable: stays resident on the device, is never evicted, and is written in place. */
  pinned = false

  constructor(
    readonly dtype: DType,
    readonly length: number,
    host: TypedArray | null,
  ) {
    this.host = host
  }

  static of(dtype: DType, host: TypedArray): Storage {
    return new Storage(dtype, host.length, host)
  }

  get bytes(): number {
    return this.length * DTYPES[this.dtype].bytes
  }

  /** The elements on the host (not a copy). */
  read(): TypedArray {
    if (this.host === null) {
      this.residence?.device.toHost(this)
      if (this.host === null) throw new Error('a storage has neither a host array nor a residence')
    }
    return this.host
  }
}

// What a plan's first run will write, made while the plan is still being compiled: its pages come from the
// system meanwhile, on another thread.

import { bytesOf, type Port } from '../ports.js'
import type { Arrays, Placed } from './native/arrays.js'
import { populate } from './threads/populate.js'

/** Outputs of fewer bytes are made when they are needed. */
const LARGE = 64 << 10

/** Arrays for the outputs of a plan's first run. Who drops it before gives them up. */
export class Ahead {
  private constructor(private readonly arrays: (Placed | null)[]) {}

  /** @param supplied tells for which outputs there will be arrays anyhow */
  static make(
    outputs: readonly Port[],
    arrays: Arrays,
    supplied: (output: number) => boolean,
  ): Ahead {
    const made = outputs.map((port, j) =>
      bytesOf(port) < LARGE || supplied(j) ? null : arrays.make(port.dtype, port.length),
    )
    populate(made.flatMap((p) => (p ? [{ address: p.address, bytes: p.array.byteLength }] : [])))
    return new Ahead(made)
  }

  /** The array made for an output, if there is one: whoever asks first gets it. */
  take(output: number): Placed | null {
    const placed = this.arrays[output] ?? null
    this.arrays[output] = null
    return placed
  }
}

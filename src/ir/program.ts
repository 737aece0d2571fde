// A program: a graph with its parameters and results in order, ready to be built for a device.

import type { Node } from './node.js'

/** A graph of primitives with known shapes. */
export interface Program {
  /** Parameters in binding order. */
  readonly inputs: readonly Node[]
  /** Results in binding order. A result may be one of the inputs, and may occur twice. */
  readonly outputs: readonly Node[]
}

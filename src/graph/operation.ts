// Operations of a graph: what has a name, a type, inputs and outputs, and can be run.

import type { GraphCore } from './core.js'
import type { GraphTensor } from './tensor.js'

/**
 * A node of a graph as its user sees it: one call, with zero or more tensors in and zero or more out.
 * Running one has its effects and returns `null`; see `Session.run`.
 */
export class Operation {
  /** Tensors that hold its results: `name:0`, `name:1` … */
  readonly outputs: GraphTensor[] = []

  /** @internal Graphs make operations. */
  constructor(
    readonly graph: GraphCore,
    /** Unique in the graph. */
    public name: string,
    /** What it does, as TensorFlow calls it: `MatMul`, `Placeholder` … */
    readonly type: string,
    /** The tensors it was applied to. Plain numbers are part of the operation. */
    readonly inputs: readonly GraphTensor[],
    /** Operations that run whenever this one does. */
    readonly controlInputs: readonly Operation[] = [],
  ) {}

  toString(): string {
    return `Operation(${this.name}, ${this.type})`
  }
}

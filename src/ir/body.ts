// Bodies: graphs with parameters of their own, which operations such as `scan` apply again and again.

import { formatShape } from '../base/shape.js'
import type { Node } from './node.js'

/**
 * A graph with its parameters and results in order. It is closed: every leaf below the results is one of
 * the parameters or a constant. Bodies have identity, and so have their nodes: two bodies with the same
 * parameters are two views of one computation, and a compiler may run them as one.
 */
export class Body {
  constructor(
    readonly inputs: readonly Node[],
    readonly outputs: readonly Node[],
  ) {}

  /** What errors and listings show: `(float32[2], float32[3]) => (float32[2])`. */
  toString(): string {
    const types = (nodes: readonly Node[]): string =>
      nodes.map((n) => `${n.dtype}${n.shape.length === 0 ? '' : formatShape(n.shape)}`).join(', ')
    return `(${types(this.inputs)}) => (${types(this.outputs)})`
  }
}

// New values of parameters and state, as nodes outside of every gradient path.

import type { Node } from '../ir/node.js'
import { recorded } from '../runtime/record.js'

/** A result of an update, recorded: no gradient flows through a step. */
export function updateNode(node: Node): Node {
  for (const source of node.inputs) source.needsGrad = false
  return recorded(node)
}

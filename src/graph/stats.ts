// How large a graph is: as it was written, as primitives, and as the compiler leaves it.

import { isStatic } from '../base/shape.js'
import { simplify } from '../compiler/simplify/simplify.js'
import { type Node, topological } from '../ir/node.js'
import { expandComposites } from '../transforms/expand.js'

export interface NodeCounts {
  /** Nodes as recorded: a softmax, or all gradients of a loss, are one. */
  readonly nodes: number
  /** Nodes after gradients and composites are expanded. */
  readonly primitives: number
  /** Nodes after equal ones were merged, constants folded and what has no effect dropped. */
  readonly simplified: number
}

export interface GraphStats extends NodeCounts {
  readonly operations: number
}

/** Counts the nodes below some nodes. What still has symbolic sizes is counted as it was written. */
export function countNodes(roots: readonly Node[]): NodeCounts {
  const nodes = topological(roots)
  if (!nodes.every((node) => isStatic(node.shape))) {
    return { nodes: nodes.length, primitives: nodes.length, simplified: nodes.length }
  }
  const expanded = expandComposites(roots)
  return {
    nodes: nodes.length,
    primitives: topological(expanded).length,
    simplified: topological(simplify(expanded)).length,
  }
}

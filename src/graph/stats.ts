// How large a graph is: as it was written, as primitives, and as the compiler leaves it.

import { dimSymbols } from '../base/dim.js'
import { simplify } from '../compiler/simplify/simplify.js'
import { type Node, topological } from '../ir/node.js'
import { expandComposites } from '../transforms/expand.js'
import { substituteSizes } from '../transforms/substitute.js'

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

/**
 * Counts the nodes below some nodes, with every open size taken to be `open`. Throws `ShapeError` where
 * that does not go together.
 */
export function countNodes(written: readonly Node[], open: number): NodeCounts {
  const nodes = topological(written)
  const symbols = new Set<string>()
  for (const node of nodes) for (const d of node.shape) dimSymbols(d, symbols)
  const env = new Map([...symbols].map((symbol) => [symbol, open]))
  const roots = written.map(substituteSizes(written, env, () => null))
  const expanded = expandComposites(roots)
  return {
    nodes: nodes.length,
    primitives: topological(expanded).length,
    simplified: topological(simplify(expanded)).length,
  }
}

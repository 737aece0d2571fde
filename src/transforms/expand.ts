// Down to primitives: gradients become graphs, then composites become their bodies.

import { type Node, topological } from '../ir/node.js'
import { expandGradients } from './gradof.js'
import { inheritSite, type Replace, rewrite } from './rewrite.js'

/** The body of a composite, its own composites expanded too. */
const expandBody: Replace = (node, inputs) => {
  if (node.op.expand === undefined) return null
  const body = node.op.expand(inputs, node.attrs)
  const results: readonly Node[] = Array.isArray(body) ? body : [body as Node]
  const isInput = (n: Node): boolean => inputs.includes(n)
  inheritSite(results, node, isInput)
  return rewrite(results, expandBody, isInput)
}

/**
 * The graph below `roots` in primitives alone. Gradients are taken first, while composites that know
 * their own are still whole. Nodes that need no change keep their identity; new ones carry the call
 * site of what they replace. `isLeaf` nodes are left as they are, with all that is below them.
 */
export function expandComposites(roots: readonly Node[], isLeaf?: (node: Node) => boolean): Node[] {
  return rewrite(expandGradients(roots, isLeaf), expandBody, isLeaf)
}

/** Whether anything below `roots` is left to expand. */
export const isExpanded = (roots: readonly Node[]): boolean =>
  topological(roots).every(({ op }) => op.expand === undefined && op.name !== 'gradOf')

// What comes first: small sums over the inputs alone, such as the count of targets that a mean divides by.
//
// A node joins the latest group it depends on. In the order of the graph such a count comes behind the loss
// whose mean it is for, and then everything that needs it (the gradient of every row) is a pass of its own
// behind the loss too. Visited first, it is there before the rows are, and their gradient is part of the
// pass that has them at hand.

import type { Node } from '../../ir/node.js'
import { elementsOf } from '../../ir/sizes.js'
import { kindOf } from '../kinds.js'

/** Elements of a result that may as well be kept from the start until it is needed. */
const SMALL = 64

/** The nodes, numbered in topological order, in another one: with what comes first in front. */
export function earlyFirst(nodes: readonly Node[]): readonly Node[] {
  // Nodes made from inputs without a reduction or a product.
  const plain = new Uint8Array(nodes.length)
  const early = new Set<Node>()
  for (const n of nodes) {
    if (n.inputs.some((x) => plain[x.index] === 0)) continue
    const kind = kindOf(n)
    if (kind === 'reduce') {
      if (elementsOf(n) <= SMALL) early.add(n)
    } else if (kind === 'leaf' || kind === 'free' || kind === 'view' || kind === 'lane') {
      plain[n.index] = 1
    }
  }
  if (early.size === 0) return nodes
  // A set may grow while it is walked: all that is below comes along.
  for (const n of early) for (const x of n.inputs) early.add(x)
  return [...nodes.filter((n) => early.has(n)), ...nodes.filter((n) => !early.has(n))]
}

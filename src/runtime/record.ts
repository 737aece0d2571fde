// Recording: every operation a user calls becomes a node here.

import { apply, type Node } from '../ir/node.js'
import type { Attrs, Op } from '../ir/op.js'
import { realize } from './flush.js'
import { modes } from './modes.js'
import { captureSite, capturing } from './sites.js'

/** Unevaluated operations in a row before they are evaluated unasked: bounds pending work. */
const PENDING_LIMIT = 2000

/** Applies an operation under the current modes. */
export function record<A extends Attrs>(op: Op<A>, inputs: readonly Node[], attrs: A): Node {
  return recorded(apply(op, inputs, attrs))
}

/** Puts a node that was just made under the current modes. */
export function recorded(node: Node): Node {
  if (!modes.gradEnabled) node.needsGrad = false
  if (capturing()) node.site = captureSite(recorded)
  if (modes.trace !== null) {
    node.trace = modes.trace.id
    return node
  }
  if (node.depth > PENDING_LIMIT && node.outputs === null) realize([node])
  return node
}

// Recording: every operation a user calls becomes a node here.

import { TraceError } from '../base/errors.js'
import { apply, type CallSite, type Node } from '../ir/node.js'
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
  if (!modes.gradEnabled) {
    node.needsGrad = false
    node.spent = false
  }
  if (node.graph !== 0) return inGraph(node)
  if (capturing()) locate(node, captureSite(recorded))
  if (modes.trace !== null) return node
  if (node.depth > PENDING_LIMIT && node.outputs === null) realize([node])
  return node
}

/** A node of a static graph: nothing runs before a session asks, and errors then name its line. */
function inGraph(node: Node): Node {
  if (modes.trace !== null && !modes.trace.ofBody) {
    throw new TraceError(
      'compile',
      'tensors of the traced function only',
      'a tensor of a graph (run the graph in a session)',
    )
  }
  if (node.site === null) locate(node, captureSite(recorded))
  return node
}

/** Gives a site to a node and to the unnamed steps a call took on the way to it. */
function locate(node: Node, site: CallSite): void {
  node.site = site
  for (const input of node.inputs) {
    if (input.site === null && input.inputs.length > 0 && input.value === null) locate(input, site)
  }
}

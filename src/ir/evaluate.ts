// Evaluation on the host: every node of a graph of primitives by its own `evaluate`, in order.

import { FailedPreconditionError, FeedError, TesseraError } from '../base/errors.js'
import { formatSite, type Node, topological } from './node.js'
import type { EvalContext, NDArray } from './op.js'

/** All results of the nodes that have been evaluated. */
export type Values = Map<Node, readonly NDArray[]>

/**
 * The values of `roots`, a graph of primitives. `values` holds those that are known, of parameters at
 * least, and receives those that are computed.
 *
 * Throws `FeedError` for a parameter without a value, and what operations throw, with the user's line.
 */
export function evaluateNodes(
  roots: readonly Node[],
  values: Values,
  context: EvalContext,
): NDArray[] {
  const known = (node: Node): boolean => values.has(node)
  for (const node of topological(roots, known)) {
    if (!known(node)) values.set(node, evaluateNode(node, values, context))
  }
  return roots.map((root) => values.get(root)![0]!)
}

function evaluateNode(node: Node, values: Values, context: EvalContext): readonly NDArray[] {
  const { op } = node
  if (op.name === 'param') {
    throw new FeedError(node.name ?? 'param', `a ${node.dtype} value`, 'none')
  }
  if (op.evaluate === undefined) {
    throw new FailedPreconditionError(op.name, 'a primitive that can be evaluated', 'none')
  }
  const inputs =
    op.name === 'output'
      ? values.get(node.inputs[0]!)!
      : node.inputs.map((input) => values.get(input)![0]!)
  try {
    return op.evaluate(inputs, node.attrs, node.outputs ?? [node], context)
  } catch (error) {
    if (error instanceof TesseraError) error.located(formatSite(node.site))
    throw error
  }
}

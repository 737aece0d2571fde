// Reverse-mode differentiation of graphs: the one transform behind every way of asking for a gradient.

import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { checkDifferentiable, expandGradients } from './gradof.js'
import { reverse } from './reverse.js'

export { expandComposites } from './expand.js'
export { expandGradients, gradOf } from './gradof.js'

/**
 * The gradients of `outputs` with respect to each of `wrt`, as nodes: vector-Jacobian products,
 * Σ seedᵢ · ∂outputᵢ/∂wrt, of the shape and dtype of the `wrt` node; `null` where none flows.
 *
 * A seed left out or `null` is 1, for outputs of one element only. The result is an ordinary graph,
 * so gradients of gradients are two calls. Graphs may contain `gradOf` and composites, which are
 * differentiated by their own rule or else through their bodies.
 *
 * Throws GradientError for an operation without a gradient on the way (naming it), for a dtype that
 * is not a float, and for a larger output without a seed.
 */
export function gradients(
  outputs: readonly Node[],
  wrt: readonly Node[],
  seeds: readonly (Node | null)[] = [],
): (Node | null)[] {
  checkDifferentiable('gradients', outputs, seeds, wrt)
  const filled = outputs.map((out, i) => seeds[i] ?? b.fullLike(out, 1))
  const n = outputs.length
  const plain = expandGradients([...outputs, ...filled, ...wrt])
  const by = plain.slice(2 * n)
  const found = reverse(plain.slice(0, n), plain.slice(n, 2 * n), new Set(by))
  return by.map((x) => found.get(x) ?? null)
}

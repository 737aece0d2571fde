// The reverse pass: cotangents from outputs to inputs, one vjp a node, graph to graph.

import { isFloat } from '../base/dtype.js'
import { GradientError } from '../base/errors.js'
import { formatShape, shapeEqual } from '../base/shape.js'
import * as b from '../ir/build.js'
import { type Node, noGradient, type TensorType, topological } from '../ir/node.js'
import type { Attrs } from '../ir/op.js'
import { resultsOf } from '../ir/primitives/structure.js'
import { inheritSite } from './rewrite.js'

/** Gradients of a node's results, as far as they have arrived. */
type Cotangents = (Node | null)[]

const carriesGradient = (node: Node): boolean =>
  node.op.name !== 'stopGradient' && resultsOf(node).some((t) => isFloat(t.dtype))

/** The nodes of `order` through which a change of `wrt` reaches its end. */
function activeNodes(
  order: readonly Node[],
  wrt: ReadonlySet<Node>,
  cut: ReadonlySet<Node> | null,
): Set<Node> {
  const active = new Set<Node>()
  for (const node of order) {
    const reached =
      wrt.has(node) ||
      (!cut?.has(node) && carriesGradient(node) && node.inputs.some((input) => active.has(input)))
    if (reached) active.add(node)
  }
  return active
}

/**
 * The gradients of `outputs`, weighted by `seeds`, with respect to each of `wrt`; no entry where
 * none flows. Nothing below a node of `cut` is entered. The graph must be free of `gradOf`.
 *
 * Contributions to one node are added in the order in which the reverse walk meets its users, which
 * is a function of the graph alone, so that equal programs give equal bits.
 */
export function reverse(
  outputs: readonly Node[],
  seeds: readonly Node[],
  wrt: ReadonlySet<Node>,
  cut: ReadonlySet<Node> | null = null,
): Map<Node, Node> {
  const order = topological(outputs, cut === null ? undefined : (node) => cut.has(node))
  const active = activeNodes(order, wrt, cut)
  const forward = new Set(order)
  const cotangents = new Map<Node, Cotangents>()

  const accumulate = (node: Node, slot: number, grad: Node, from: Node): void => {
    const type = resultsOf(node)[slot]!
    checkCotangent(from, type, grad)
    let list = cotangents.get(node)
    if (list === undefined) {
      list = resultsOf(node).map(() => null)
      cotangents.set(node, list)
    }
    const sum = list[slot] ?? null
    list[slot] = sum === null ? grad : b.add(sum, grad)
    if (sum !== null && from.site !== null) list[slot].site = from.site
  }

  for (const [i, out] of outputs.entries()) {
    if (active.has(out)) accumulate(out, 0, seeds[i]!, out)
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!
    const grads = cotangents.get(node)
    if (grads === undefined || cut?.has(node)) continue
    if (!node.inputs.some((input) => active.has(input))) continue
    if (node.op.name === 'output') {
      const { index } = node.attrs as Attrs & { index: number }
      accumulate(node.inputs[0]!, index, grads[0]!, node)
    } else if (node.op.vjp !== undefined) {
      const flows = applyVjp(node, grads, active)
      inheritSite(
        flows.filter((g) => g !== null),
        node,
        (n) => forward.has(n),
      )
      for (const [k, grad] of flows.entries()) {
        const input = node.inputs[k]!
        if (grad !== null && active.has(input)) accumulate(input, 0, grad, node)
      }
    } else if (node.op.expand !== undefined) {
      for (const [input, grad] of throughBody(node, grads, active)) {
        accumulate(input, 0, grad, node)
      }
    } else noGradient(node)
    if (!wrt.has(node)) cotangents.delete(node)
  }

  const result = new Map<Node, Node>()
  for (const node of wrt) {
    const grad = cotangents.get(node)?.[0] ?? null
    if (grad !== null) result.set(node, grad)
  }
  return result
}

function applyVjp(
  node: Node,
  grads: Cotangents,
  active: ReadonlySet<Node>,
): readonly (Node | null)[] {
  return node.op.vjp!({
    node,
    inputs: node.inputs,
    attrs: node.attrs,
    grad: grads[0] ?? b.full(0, node.shape, node.dtype),
    grads,
    needs: (i) => active.has(node.inputs[i]!),
    reverse,
  })
}

/** The gradients of a composite by way of its body; each different input once. */
function throughBody(node: Node, grads: Cotangents, active: ReadonlySet<Node>): Map<Node, Node> {
  const body = node.op.expand!(node.inputs, node.attrs)
  const results: readonly Node[] = Array.isArray(body) ? body : [body as Node]
  const inputs = new Set(node.inputs)
  inheritSite(results, node, (n) => inputs.has(n))
  const wrt = new Set(node.inputs.filter((input) => active.has(input)))
  const reached = results.map((_, i) => i).filter((i) => (grads[i] ?? null) !== null)
  return reverse(
    reached.map((i) => results[i]!),
    reached.map((i) => grads[i]!),
    wrt,
    inputs,
  )
}

/** A rule that answers with the wrong type is found here, by name, and not in some later operation. */
function checkCotangent(from: Node, type: TensorType, grad: Node): void {
  if (grad.dtype === type.dtype && shapeEqual(grad.shape, type.shape)) return
  throw new GradientError(
    from.op.name,
    `a gradient of type ${type.dtype} ${formatShape(type.shape)}`,
    `${grad.dtype} ${formatShape(grad.shape)}`,
    { op: from.op.name },
  )
}

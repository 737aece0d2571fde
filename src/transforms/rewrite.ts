// Rebuilding a graph: every transform that replaces nodes does it through this one memoised walk.

import { Node, topological } from '../ir/node.js'
import type { Attrs } from '../ir/op.js'

/**
 * What takes the place of `node`, one entry for each of its results; or `null` to keep it (with its
 * inputs replaced). `inputs` are the node's inputs after replacement.
 */
export type Replace = (node: Node, inputs: readonly Node[]) => readonly Node[] | null

/** The same operation on other inputs of the same types; notes that describe the user's call stay. */
export function withInputs(node: Node, inputs: readonly Node[]): Node {
  const { op, attrs, shape, dtype, outputs } = node
  const copy = new Node(op, inputs, attrs, shape, dtype, outputs)
  copy.site = node.site
  copy.name = node.name
  copy.needsGrad = node.needsGrad
  return copy
}

/**
 * The roots with `replace` applied to every node below them, inputs first. Nodes below which nothing
 * was replaced keep their identity. `isLeaf` cuts the walk: such nodes stay, and nothing below them
 * is visited. Iterative, so that depth is limited by memory alone.
 */
export function rewrite(
  roots: readonly Node[],
  replace: Replace,
  isLeaf: (node: Node) => boolean = () => false,
): Node[] {
  const moved = new Map<Node, Node>()
  const replaced = new Map<Node, readonly Node[]>()
  const now = (node: Node): Node => moved.get(node) ?? node

  for (const node of topological(roots, isLeaf)) {
    if (isLeaf(node)) continue
    if (node.op.name === 'output') {
      const results = replaced.get(node.inputs[0]!)
      if (results !== undefined) {
        moved.set(node, results[(node.attrs as Attrs & { index: number }).index]!)
        continue
      }
    }
    const changed = node.inputs.some((input) => moved.has(input))
    const inputs = changed ? node.inputs.map(now) : node.inputs
    const results = replace(node, inputs)
    if (results !== null) {
      replaced.set(node, results)
      // Whoever uses a node with several results directly means the first.
      moved.set(node, results[0]!)
    } else if (changed) moved.set(node, withInputs(node, inputs))
  }
  return roots.map(now)
}

/** Gives new nodes the call site of the node they stand for, down to those that have one. */
export function inheritSite(
  made: readonly Node[],
  from: Node,
  isOld: (node: Node) => boolean = () => false,
): void {
  if (from.site === null) return
  const stop = (node: Node): boolean => node.site !== null || isOld(node)
  for (const node of topological(made, stop)) {
    if (!stop(node)) node.site = from.site
  }
}

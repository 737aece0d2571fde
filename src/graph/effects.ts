// The assignments a run makes: which are reached, and in which order they follow each other.

import { type Node, topological } from '../ir/node.js'
import { rewrite } from '../transforms/rewrite.js'
import type { FetchLeaf } from './fetch.js'
import type { Graph, Update } from './graph.js'
import { Operation } from './operation.js'
import { updateOf } from './update.js'
import type { GraphVariable } from './variable.js'

/** The operation and all it runs besides itself. */
function withControls(operation: Operation, into: Set<Operation>): void {
  if (into.has(operation)) return
  into.add(operation)
  for (const other of operation.controlInputs) withControls(other, into)
}

/** The assignments among what fetches depend on, in the order they were made. A fed one does not run. */
export function updatesBelow(
  graph: Graph,
  fetches: readonly FetchLeaf[],
  isFed: (node: Node) => boolean,
): Update[] {
  const operations = new Set<Operation>()
  for (const f of fetches) withControls(f instanceof Operation ? f : f.op, operations)
  const roots = [...operations].flatMap((op) => op.outputs.map((x) => x.node))
  return topological(roots, (node) => isFed(node) || node.value !== null)
    .filter((node) => graph.updates.has(node) && !isFed(node))
    .sort((a, b) => a.id - b.id)
    .map((node) => graph.updates.get(node) as Update)
}

/**
 * What has to be computed: fetched nodes, then the last value of each variable assigned. Of several
 * assignments to one variable each builds on the one made before it, so adding twice adds twice;
 * everything else reads the variable as it was when the run began.
 */
export function inOrder(
  fetched: readonly Node[],
  updates: readonly Update[],
  isFed: (node: Node) => boolean,
): { readonly roots: readonly Node[]; readonly assigned: readonly GraphVariable[] } {
  const latest = new Map<GraphVariable, Node>()
  const moved = new Map<Node, Node>()
  const now = (nodes: readonly Node[]): readonly Node[] => {
    if (moved.size === 0) return nodes
    const replace = (node: Node): Node[] | null => {
      const other = moved.get(node)
      return other === undefined ? null : [other]
    }
    return rewrite(nodes, replace, isFed)
  }
  for (const { variable, node } of updates) {
    const [start, written] = node.inputs as [Node, Node]
    const value = now([written])[0] as Node
    const before = latest.get(variable) ?? start
    const next = before === start && value === written ? node : updateOf(node, before, value)
    if (next !== node) moved.set(node, next)
    latest.set(variable, next)
  }
  return { roots: [...now(fetched), ...latest.values()], assigned: [...latest.keys()] }
}

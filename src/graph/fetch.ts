// What a session is asked for: tensors and operations, by themselves or by name, in any nesting.

import { ValueError } from '../base/errors.js'
import { flatten, mapTree, type Tree } from '../base/tree.js'
import { Tensor } from '../tensor/tensor.js'
import type { Graph } from './graph.js'
import { Operation } from './operation.js'
import type { GraphTensor } from './tensor.js'

/** A tensor, an operation, a name of either (`add:0`, `add`), or arrays and objects of fetches. */
export type Fetch =
  | Tensor
  | Operation
  | string
  | readonly Fetch[]
  | { readonly [key: string]: Fetch }

/** What `run` returns for a fetch: a tensor with a value, `null` for an operation, in the same nesting. */
export type Fetched<F> = F extends Tensor
  ? Tensor
  : F extends Operation
    ? null
    : F extends `${string}:${number}`
      ? Tensor
      : F extends string
        ? null
        : { -readonly [K in keyof F]: Fetched<F[K]> }

/** A fetch as it is looked up in plans. */
export type FetchLeaf = GraphTensor | Operation

/** The leaves of a fetch, in order. */
export function fetchLeaves(graph: Graph, fetches: Fetch): FetchLeaf[] {
  return flatten(fetches as Tree<Tensor | Operation | string>).map((leaf) => {
    if (typeof leaf === 'string') {
      return leaf.includes(':') ? graph.getTensorByName(leaf) : graph.getOperationByName(leaf)
    }
    if (leaf instanceof Operation && leaf.graph === graph) return leaf
    if (leaf instanceof Tensor) return graph.ownTensor(leaf)
    const received = leaf instanceof Operation ? `'${leaf.name}' of another graph` : String(leaf)
    throw new ValueError('run', 'tensors, operations or names of this graph to fetch', received)
  })
}

/** Results, one for each leaf, in the nesting of the fetch. */
export function packed<F extends Fetch>(
  fetches: F,
  results: readonly (Tensor | null)[],
): Fetched<F> {
  let next = 0
  const tree = mapTree(fetches as Tree<unknown>, (): unknown => results[next++])
  return tree as Fetched<F>
}

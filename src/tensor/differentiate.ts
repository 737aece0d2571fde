// From results to the tensors their gradients are asked by: what every door to gradients goes through.

import { isFloat } from '../base/dtype.js'
import { GradientError } from '../base/errors.js'
import { output } from '../ir/build.js'
import { type Node, nextTraversal } from '../ir/node.js'
import { pendingBackward, realize, setPendingBackward } from '../runtime/flush.js'
import { modes } from '../runtime/modes.js'
import { recorded } from '../runtime/record.js'
import { gradOf } from '../transforms/gradof.js'
import { expose } from './core.js'
import type { Tensor } from './tensor.js'

/** Fails for what a backward pass has gone through already, and for results of compiled functions. */
export function usedUp(where: string): never {
  throw new GradientError(
    where,
    'a graph no backward pass has gone through (pass { retainGraph: true } to the first one)',
    'a graph that was used up, or the result of a compiled function (detach() it to have a constant)',
  )
}

/** Fails unless a result can be differentiated. */
export function requireFloat(where: string, root: Node): void {
  if (isFloat(root.dtype)) return
  throw new GradientError(where, 'a result of a float dtype', root.dtype, { dtype: root.dtype })
}

/**
 * Runs the backward pass that was recorded before, if there is one: one is pending at a time, so that
 * accumulation over many batches stays bounded.
 */
export function settleBackward(): void {
  if (modes.trace !== null) return
  const before = pendingBackward()
  if (before !== null) realize(before.results())
}

interface Paths {
  /** For each tensor asked for, the nodes below the roots that stand for it. */
  readonly places: readonly (readonly Node[])[]
  /** Whether gradients may be asked by something else below the roots too. */
  readonly open: boolean
}

/**
 * Finds tensors below some roots. A variable is known by its owner's name and not by its node: it has
 * another node for each value that is assigned to it.
 */
function pathsTo(
  where: string,
  roots: readonly Node[],
  xs: readonly Tensor[],
  own: ReadonlySet<Node>,
): Paths {
  const found = new Map<unknown, Node[]>()
  const places = xs.map((x) => {
    const key = x.node.owner === x ? x : x.node
    const list = found.get(key) ?? []
    found.set(key, list)
    return list
  })
  let open = false
  const mark = nextTraversal()
  const stack: Node[] = []
  const enter = (node: Node): void => {
    if (node.spent) usedUp(where)
    if (node.mark === mark) return
    node.mark = mark
    stack.push(node)
  }
  for (const root of roots) enter(root)
  while (stack.length > 0) {
    const node = stack.pop() as Node
    const list = found.get(node) ?? (node.owner === null ? undefined : found.get(node.owner))
    list?.push(node)
    const isSource = node.needsGrad && (node.source || node.inputs.length === 0)
    if (isSource && !own.has(node)) open = true
    for (const input of node.inputs) {
      if (input.spent || input.needsGrad || input.graph !== 0) enter(input)
    }
  }
  return { places, open }
}

export interface Differentiation {
  readonly roots: readonly Node[]
  /** Gradients of the roots themselves; `null` stands for 1. */
  readonly seeds: readonly (Node | null)[]
  readonly by: readonly Tensor[]
  /**
   * Whether the graph is used up by this, and the gradients have none themselves. `unshared`: unless
   * something else than `by` could be asked for below the roots.
   */
  readonly frees: 'yes' | 'no' | 'unshared'
}

const NONE: ReadonlySet<Node> = new Set()

/** Gradients of roots by tensors; `null` where the roots do not depend on one. */
export function differentiate(where: string, asked: Differentiation): (Tensor | null)[] {
  const { roots, seeds, by } = asked
  for (const root of roots) requireFloat(where, root)
  settleBackward()
  const own = asked.frees === 'unshared' ? new Set(by.map((x) => x.node)) : NONE
  const { places, open } = pathsTo(where, roots, by, own)
  const wrt = [...new Set(places.flat())]
  if (wrt.length === 0) return by.map(() => null)

  const all = gradOf(roots, wrt, seeds)
  const inTrace = modes.trace !== null || all.graph !== 0
  const frees = !inTrace && (asked.frees === 'yes' || (asked.frees === 'unshared' && !open))
  if (frees) all.needsGrad = false
  recorded(all)
  const results = wrt.map((_, i) => output(all, i))
  if (frees) setPendingBackward({ gradNode: all, results: () => results, retain: false })

  const gradientOf = new Map(wrt.map((node, i) => [node, results[i] as Node]))
  return places.map((nodes) => {
    if (nodes.length === 0) return null
    const parts = nodes.map((node) => expose(gradientOf.get(node) as Node))
    return parts.reduce((sum, part) => sum.add(part))
  })
}

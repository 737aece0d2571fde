// The arguments of a compiled function: what a trace was made for, and whether a call is alike. Every call
// asks, so nothing is made here but the list of the leaves.

import { shapeEqual } from '../base/shape.js'
import { flatten, isBranch, mapTree, type Tree } from '../base/tree.js'
import { Node } from '../ir/node.js'
import { realize } from '../runtime/flush.js'
import { Tensor } from './tensor.js'

/** Arguments with a parameter in the place of each tensor; whatever else is in them stands for itself. */
export type Pattern = Tree<unknown>

/** The pattern of arguments; `parameterOf` gives the parameter of the tensor that is their n-th leaf. */
export function patternOf(
  args: readonly unknown[],
  parameterOf: (x: Tensor, n: number) => Node,
): Pattern {
  let n = 0
  return mapTree(args as Tree<unknown>, (x) => {
    const at = n++
    return x instanceof Tensor ? parameterOf(x, at) : x
  })
}

/** Whether an argument has the structure of a pattern, tensors of its types, and else its values. */
export function fits(pattern: unknown, x: unknown): boolean {
  if (pattern instanceof Node) {
    return x instanceof Tensor && x.dtype === pattern.dtype && shapeEqual(x.shape, pattern.shape)
  }
  if (Array.isArray(pattern)) {
    if (!Array.isArray(x) || x.length !== pattern.length) return false
    for (let i = 0; i < x.length; i++) if (!fits(pattern[i], x[i])) return false
    return true
  }
  if (!isBranch(pattern)) return Object.is(x, pattern)
  if (!isBranch(x) || Array.isArray(x)) return false
  const [expected, received] = [Object.entries(pattern), Object.entries(x)]
  return (
    expected.length === received.length &&
    expected.every(([key, value], i) => key === received[i]?.[0] && fits(value, received[i]?.[1]))
  )
}

/** The leaves of the arguments. */
export function leavesOf(args: readonly unknown[]): readonly unknown[] {
  for (let i = 0; i < args.length; i++) {
    const x = args[i]
    if (!(x instanceof Tensor) && isBranch(x)) return flatten(args as Tree<unknown>)
  }
  return args
}

/** Computes the tensors among the leaves that never were. */
export function settle(leaves: readonly unknown[]): void {
  let pending: Node[] | null = null
  for (let i = 0; i < leaves.length; i++) {
    const x = leaves[i]
    if (!(x instanceof Tensor) || (x.node.value !== null && x.node.graph === 0)) continue
    pending ??= []
    pending.push(x.node)
  }
  if (pending !== null) realize(pending)
}

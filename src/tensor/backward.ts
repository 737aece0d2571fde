// The backward pass: gradients of a result, added to the variables it depends on.

import { GradientError, ShapeError, TraceError } from '../base/errors.js'
import { formatShape, shapeEqual, sizeOf } from '../base/shape.js'
import { output } from '../ir/build.js'
import { type Node, nextTraversal } from '../ir/node.js'
import { setPendingBackward } from '../runtime/flush.js'
import { modes } from '../runtime/modes.js'
import { recorded } from '../runtime/record.js'
import { gradOf } from '../transforms/gradof.js'
import { expose } from './core.js'
import { settleBackward, usedUp } from './differentiate.js'
import type { Tensor } from './tensor.js'

export interface BackwardOptions {
  /** Gradient of the result itself; needed for results with more than one element. */
  readonly gradient?: Tensor
  /** Keep the graph, so that another `backward` may go through it. Default false. */
  readonly retainGraph?: boolean
  /** Record the gradients' own graph, for gradients of gradients. Default false. */
  readonly createGraph?: boolean
}

/** The leaves below `root` that collect gradients, in the order they are met. */
function gradientLeaves(where: string, root: Node): Node[] {
  const leaves: Node[] = []
  const mark = nextTraversal()
  const stack: Node[] = [root]
  root.mark = mark
  while (stack.length > 0) {
    const node = stack.pop() as Node
    if (node.owner !== null) {
      leaves.push(node)
      continue
    }
    for (let i = node.inputs.length - 1; i >= 0; i--) {
      const input = node.inputs[i] as Node
      if (input.spent) usedUp(where)
      if (!input.needsGrad || input.mark === mark) continue
      input.mark = mark
      stack.push(input)
    }
  }
  return leaves
}

/** The node a backward pass starts from; `null` stands for 1. */
export function seedOf(where: string, root: Node, gradient: Tensor | undefined): Node | null {
  if (gradient === undefined) {
    if (sizeOf(root.shape) === 1) return null
    throw new ShapeError(
      where,
      'a scalar, or { gradient } of the same shape',
      formatShape(root.shape),
      { shape: root.shape },
    )
  }
  if (!shapeEqual(gradient.shape, root.shape)) {
    throw new ShapeError(
      where,
      `a gradient of shape ${formatShape(root.shape)}`,
      formatShape(gradient.shape),
    )
  }
  return gradient.node
}

/**
 * Adds the gradients of `root` to `.grad` of every variable (and every tensor made with
 * `requiresGrad`) it depends on. Nothing is computed yet: the next step or read runs forward and
 * backward as one plan. Mirrors `torch.Tensor.backward`.
 *
 * @throws GradientError if nothing it depends on collects gradients, or its graph was used up.
 * @throws ShapeError if it has more than one element and no `gradient` is given.
 */
export function backward(root: Tensor, options: BackwardOptions = {}): void {
  const { node } = root
  if (node.graph !== 0) {
    throw new TraceError(
      'backward',
      "an eager tensor (in a graph: gradients(ys, xs), or an optimizer's minimize)",
      'a tensor of a graph',
    )
  }
  settleBackward()
  if (node.spent) usedUp('backward')
  if (!node.needsGrad) {
    throw new GradientError(
      'backward',
      'a tensor that depends on a variable with requiresGrad',
      'one that does not (it was detached, or made under noGrad, from constants or by a compiled function)',
    )
  }
  const seed = seedOf('backward', node, options.gradient)
  const leaves = gradientLeaves('backward', node)
  const all = gradOf(node, leaves, seed)
  if (options.createGraph !== true) all.needsGrad = false
  recorded(all)
  const owners: Tensor[] = []
  leaves.forEach((leafNode, i) => {
    const owner = leafNode.owner as Tensor
    const fresh = output(all, i)
    const total = owner.grad === null ? expose(fresh) : owner.grad.add(expose(fresh))
    if (options.createGraph !== true) total.node.needsGrad = false
    owner.grad = total
    owners.push(owner)
  })
  if (modes.trace !== null) return
  const results = owners.map((o) => (o.grad as Tensor).node)
  setPendingBackward({
    gradNode: all,
    results: () => results,
    retain: options.retainGraph === true || options.createGraph === true,
  })
}

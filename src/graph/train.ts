// Optimizers of a graph: `minimize(loss)` adds gradients and assignments, and returns an operation.

import { isFloat } from '../base/dtype.js'
import { DTypeError, FailedPreconditionError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import { adamUpdate, sgdUpdate } from '../ir/composites/optimizers.js'
import { type Node, topological } from '../ir/node.js'
import { slotNode } from '../runtime/value.js'
import { gradients } from '../tensor/autograd.js'
import { expose } from '../tensor/core.js'
import { Tensor } from '../tensor/tensor.js'
import { Graph } from './graph.js'
import type { Operation } from './operation.js'
import { GraphTensor } from './tensor.js'
import type { GraphVariable } from './variable.js'

/** A gradient and the variable it is for. */
export type GradientAndVariable = readonly [gradient: Tensor, variable: GraphVariable]

/** A number, or a scalar of the graph: a placeholder that is fed, a variable, a formula of one. */
export type Rate = number | Tensor

export interface MinimizeOptions {
  /** Default: the trainable variables of the graph that the loss depends on. */
  readonly variables?: readonly GraphVariable[]
  readonly name?: string
}

/** See `GradientDescentOptimizer`. */
export abstract class Optimizer {
  protected constructor(private readonly type: string) {}

  /** @returns the operation that computes gradients and takes one step. */
  minimize(loss: Tensor, { variables, name }: MinimizeOptions = {}): Operation {
    return this.applyGradients(this.computeGradients(loss, { variables }), { name })
  }

  /** The gradients `minimize` would follow, to change them before `applyGradients`. */
  computeGradients(
    loss: Tensor,
    { variables }: { readonly variables?: readonly GraphVariable[] | undefined } = {},
  ): GradientAndVariable[] {
    const graph = graphOf('minimize', loss)
    const below = new Set(topological([loss.node]))
    const list = variables ?? graph.trainableVariables.filter((v) => below.has(v.node))
    if (list.length === 0) {
      throw new ValueError('minimize', 'a loss that depends on trainable variables', 'none')
    }
    const found = graph.nameScope('gradients', () => gradients(loss, list))
    return list.map((variable, i) => [found[i] as Tensor, variable])
  }

  /** @returns the operation that takes one step along the gradients. */
  applyGradients(
    pairs: readonly GradientAndVariable[],
    { name = this.type }: { readonly name?: string | undefined } = {},
  ): Operation {
    const first = pairs[0]
    if (first === undefined) {
      throw new FailedPreconditionError('applyGradients', 'at least one gradient', 'none')
    }
    const graph = graphOf('applyGradients', first[1])
    return graph.nameScope(name, (scope) =>
      graph.group(this.updates(graph, pairs), { name: scope }),
    )
  }

  /** The assignments of one step. */
  protected abstract updates(graph: Graph, pairs: readonly GradientAndVariable[]): Tensor[]
}

function graphOf(where: string, x: Tensor): Graph {
  if (x instanceof GraphTensor && x.graph instanceof Graph) return x.graph
  throw new ValueError(where, 'a tensor of a graph', 'an eager tensor (see optim for those)')
}

/** The learning rate as a scalar node; a number in the dtype of what it is for, as in `optim`. */
function rateNode(rate: Rate, { dtype }: Tensor): Node {
  if (!(rate instanceof Tensor)) return slotNode(rate, dtype)
  if (rate.ndim !== 0) throw new ShapeError('learningRate', 'a scalar', formatShape(rate.shape))
  if (!isFloat(rate.dtype)) throw new DTypeError('learningRate', 'a float dtype', rate.dtype)
  return rate.node
}

/** State beside a variable: zeros of its shape, not trained. */
const slot = (graph: Graph, variable: GraphVariable, name: string): GraphVariable =>
  graph.variable(graph.zeros(variable.shape, { dtype: variable.dtype }), {
    name: `/${variable.op.name}/${name}`,
    trainable: false,
  })

export interface GradientDescentOptions {
  readonly learningRate: Rate
}

/** variable −= learningRate · gradient. The same numbers as `optim.SGD`. */
export class GradientDescentOptimizer extends Optimizer {
  constructor(private readonly options: GradientDescentOptions) {
    super('GradientDescent')
  }

  protected override updates(_: Graph, pairs: readonly GradientAndVariable[]): Tensor[] {
    return pairs.map(([grad, variable]) => {
      const lr = rateNode(this.options.learningRate, variable)
      const { param } = sgdUpdate({ param: variable.node, grad: grad.node, lr })
      return variable.assign(expose(param))
    })
  }
}

export interface MomentumOptions extends GradientDescentOptions {
  readonly momentum: number
  readonly useNesterov?: boolean
}

/** A sum of past gradients, each `momentum` times the next, is followed. As `optim.SGD` with momentum. */
export class MomentumOptimizer extends Optimizer {
  constructor(private readonly options: MomentumOptions) {
    super('Momentum')
  }

  protected override updates(graph: Graph, pairs: readonly GradientAndVariable[]): Tensor[] {
    const { learningRate, momentum, useNesterov: nesterov = false } = this.options
    return pairs.flatMap(([grad, variable]) => {
      const lr = rateNode(learningRate, variable)
      const buffer = slot(graph, variable, 'Momentum')
      const state = { param: variable.node, grad: grad.node, lr, momentumBuffer: buffer.node }
      const next = sgdUpdate(state, { momentum, nesterov })
      return [
        variable.assign(expose(next.param)),
        buffer.assign(expose(next.momentumBuffer as Node)),
      ]
    })
  }
}

export interface AdamOptions {
  /** Default 0.001. */
  readonly learningRate?: Rate
  /** Default 0.9. */
  readonly beta1?: number
  /** Default 0.999. */
  readonly beta2?: number
  /** Default 1e-8. */
  readonly epsilon?: number
}

/** Kingma and Ba 2014, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980). As `optim.Adam`. */
export class AdamOptimizer extends Optimizer {
  constructor(private readonly options: AdamOptions = {}) {
    super('Adam')
  }

  protected override updates(graph: Graph, pairs: readonly GradientAndVariable[]): Tensor[] {
    const { learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon: eps = 1e-8 } = this.options
    const count = graph.variable(graph.zeros([]), { name: 'step', trainable: false })
    const step = count.assignAdd(1)
    const moved = pairs.flatMap(([grad, variable]) => {
      const lr = rateNode(learningRate, variable)
      const m = slot(graph, variable, 'Adam')
      const v = slot(graph, variable, 'Adam')
      const next = adamUpdate(
        { param: variable.node, grad: grad.node, m: m.node, v: v.node, step: step.node, lr },
        { beta1, beta2, eps },
      )
      return [
        variable.assign(expose(next.param)),
        m.assign(expose(next.m)),
        v.assign(expose(next.v)),
      ]
    })
    return [step, ...moved]
  }
}

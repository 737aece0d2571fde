// The tensor users hold.

import type { Node } from '../ir/node.js'
import '../ir/primitives/index.js'
import '../runtime/standard.js'
import { type BackwardOptions, backward } from './backward.js'
import { onConstruct } from './core.js'
import { LinearTensor } from './linear.js'

/**
 * An n-dimensional array of one dtype, and the computation that leads to it.
 *
 * Calling an operation checks shapes and dtypes at once and records what is to be done; values are
 * computed when somebody looks: `data()`, `item()`, printing, `optimizer.step()`, `realize()`. Values
 * never change: an operation always makes a new tensor. Nobody frees tensors; the garbage collector
 * does.
 *
 * A value that was never computed and that needs a variable's contents from before its last two
 * updates cannot be computed any more: reading it throws `StaleValueError`. To spare users that, each
 * computation also stores values of up to 16 KiB that they might look at later, losses that were
 * differentiated, and what the outermost module call returned; `keep(x)` asks for any other.
 */
export class Tensor extends LinearTensor {
  /**
   * Adds the gradients of this tensor to `.grad` of every variable (and every tensor made with
   * `requiresGrad`) it depends on. Nothing is computed yet: the next step or read runs forward and
   * backward as one plan. Mirrors `torch.Tensor.backward`.
   *
   * @throws GradientError if nothing it depends on collects gradients, or its graph was used up.
   * @throws ShapeError if it has more than one element and no `gradient` is given.
   */
  backward(options?: BackwardOptions): void {
    backward(this, options)
  }
}

onConstruct((node: Node) => new Tensor(node))

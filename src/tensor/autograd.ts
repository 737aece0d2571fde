// Gradients outside `backward()`: `grad(fn)`, the tape, gradients by given tensors.

import { isFloat } from '../base/dtype.js'
import { ClosedError, GradientError } from '../base/errors.js'
import { sizeOf } from '../base/shape.js'
import { flatten, mapTree, type Tree } from '../base/tree.js'
import { fullLike, output } from '../ir/build.js'
import { apply, type Node, nextTraversal } from '../ir/node.js'
import { OPS } from '../ir/op.js'
import { modes, withGrad } from '../runtime/modes.js'
import { recorded } from '../runtime/record.js'
import { gradOf } from '../transforms/gradof.js'
import { seedOf } from './backward.js'
import { expose } from './core.js'
import { Tensor } from './tensor.js'
import type { Variable } from './variable.js'

/** Runs `fn` without recording for gradients. Mirrors `torch.no_grad`. */
export const noGrad = <T>(fn: () => T): T => withGrad(false, fn)
/** Runs `fn` with gradients recorded, inside `noGrad` too. Mirrors `torch.enable_grad`. */
export const enableGrad = <T>(fn: () => T): T => withGrad(true, fn)
export const isGradEnabled = (): boolean => modes.gradEnabled

/** Computes and stores a value now, so that it stays readable whatever happens to variables. */
export function keep<T extends Tensor>(x: T): T {
  return x.realize()
}

/** A new identity for a value: what `grad(fn)` differentiates by. */
function alias(x: Tensor): Tensor {
  if (!isFloat(x.dtype)) {
    throw new GradientError('grad', 'arguments of a float dtype', x.dtype)
  }
  const node = apply(OPS.get('reshape') as never, [x.node], { shape: x.shape } as never)
  recorded(node)
  node.needsGrad = true
  node.source = true
  return expose(node)
}

/** Gradients of `root` by nodes, zeros where it does not depend on one. */
function gradientsBy(
  where: string,
  root: Tensor,
  wrt: readonly Tensor[],
  gradient?: Tensor,
): Tensor[] {
  const seed = seedOf(where, root.node, gradient)
  const all = recorded(
    gradOf(
      root.node,
      wrt.map((x) => x.node),
      seed,
    ),
  )
  return wrt.map((_, i) => expose(output(all, i)))
}

/**
 * A function that gives the value of `fn` and its gradients with respect to every tensor in the first
 * argument (a tensor, or any tree of arrays and objects of tensors). `fn` must return a scalar.
 * Gradients may be differentiated again. Mirrors `jax.value_and_grad`.
 */
export function valueAndGrad<A extends Tree<Tensor>, R extends unknown[]>(
  fn: (args: A, ...rest: R) => Tensor,
): (args: A, ...rest: R) => { value: Tensor; grads: A } {
  return (args, ...rest) =>
    enableGrad(() => {
      const inner = mapTree(args, alias) as A
      const value = fn(inner, ...rest)
      const leaves = flatten<Tensor>(inner)
      const grads = gradientsBy('grad', value, leaves)
      let next = 0
      return { value, grads: mapTree(args, () => grads[next++] as Tensor) as A }
    })
}

/** As `valueAndGrad`, without the value. Mirrors `jax.grad`. */
export function grad<A extends Tree<Tensor>, R extends unknown[]>(
  fn: (args: A, ...rest: R) => Tensor,
): (args: A, ...rest: R) => A {
  const both = valueAndGrad(fn)
  return (args, ...rest) => both(args, ...rest).grads
}

/**
 * Gradients of `ys` by `xs`, summed over `ys`. Mirrors `tf.gradients` and `torch.autograd.grad`.
 */
export function gradients(ys: Tensor | readonly Tensor[], xs: readonly Tensor[]): Tensor[] {
  const list = ys instanceof Tensor ? [ys] : ys
  const all = recorded(
    gradOf(
      list.map((y) => y.node),
      xs.map((x) => x.node),
      list.map((y) => (sizeOf(y.shape) === 1 ? null : fullLike(y.node, 1))),
    ),
  )
  return xs.map((_, i) => expose(output(all, i)))
}

/**
 * Records what `run` computes, then gives gradients. Mirrors `tf.GradientTape`: a tape may be asked
 * once, unless it is `persistent`.
 */
export class GradientTape {
  private used = false
  private ran = false
  private readonly watched = new Map<Tensor, Tensor>()

  constructor(private readonly options: { readonly persistent?: boolean } = {}) {}

  /** Runs `fn` with gradients on, and gives what it returns. */
  run<T>(fn: () => T): T {
    this.ran = true
    return enableGrad(fn)
  }

  /** A tensor to use inside `run` in place of `x`, by which `gradient` can then be asked. */
  watch(x: Tensor): Tensor {
    const inner = alias(x)
    this.watched.set(x, inner)
    return inner
  }

  /**
   * Gradients of a scalar (or of the sum of a larger tensor) by variables or watched tensors; `null`
   * where it does not depend on one.
   */
  gradient<S extends Tensor | readonly (Tensor | Variable)[]>(
    target: Tensor,
    sources: S,
  ): S extends Tensor ? Tensor | null : (Tensor | null)[] {
    if (!this.ran)
      throw new ClosedError('GradientTape.gradient', 'a tape that has run', 'one that has not')
    if (this.used && this.options.persistent !== true) {
      throw new ClosedError(
        'GradientTape.gradient',
        'a tape that was not asked yet (make it with { persistent: true } to ask again)',
        'a second call',
      )
    }
    this.used = true
    const list = (sources instanceof Tensor ? [sources] : sources) as readonly Tensor[]
    const wrt = list.map((s) => this.watched.get(s) ?? s)
    const reached = reachable(target.node, new Set(wrt.map((s) => s.node)))
    const asked = wrt.filter((s) => reached.has(s.node))
    const scalar = sizeOf(target.shape) === 1 ? target : target.sum()
    const found = asked.length === 0 ? [] : gradientsBy('GradientTape.gradient', scalar, asked)
    const results = wrt.map((s) => found[asked.indexOf(s)] ?? null)
    return (sources instanceof Tensor ? results[0] : results) as never
  }
}

/** Which of `targets` the graph of `root` contains. */
function reachable(root: Node, targets: ReadonlySet<Node>): Set<Node> {
  const found = new Set<Node>()
  const mark = nextTraversal()
  const stack = [root]
  root.mark = mark
  while (stack.length > 0) {
    const node = stack.pop() as Node
    if (targets.has(node)) found.add(node)
    for (const input of node.inputs) {
      if (!input.needsGrad || input.mark === mark) continue
      input.mark = mark
      stack.push(input)
    }
  }
  return found
}

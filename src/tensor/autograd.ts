// Gradients outside `backward()`: `grad(fn)`, the tape, gradients by given tensors.

import { isFloat } from '../base/dtype.js'
import { ClosedError, GradientError } from '../base/errors.js'
import { formatShape, sizeOf } from '../base/shape.js'
import { flatten, mapTree, type Tree } from '../base/tree.js'
import { fullLike } from '../ir/build.js'
import { modes, withGrad } from '../runtime/modes.js'
import { recorded } from '../runtime/record.js'
import { CellRead } from '../runtime/value.js'
import { seedOf } from './backward.js'
import { detached, expose, renamed } from './core.js'
import { differentiate, requireFloat, usedUp } from './differentiate.js'
import { Tensor } from './tensor.js'
import type { Variable } from './variable.js'

/** Runs `fn` without recording for gradients. Mirrors `torch.no_grad`. */
export const noGrad = <T>(fn: () => T): T => withGrad(false, fn)
/** Runs `fn` with gradients recorded, inside `noGrad` too. Mirrors `torch.enable_grad`. */
export const enableGrad = <T>(fn: () => T): T => withGrad(true, fn)
export const isGradEnabled = (): boolean => modes.gradEnabled

/**
 * Computes and stores a value now, so that it stays readable whatever happens to variables: of a
 * variable, the value it has now.
 */
export function keep(x: Tensor): Tensor {
  const follows = 'cell' in x || x.node.value instanceof CellRead
  return (follows ? expose(renamed(x.node)) : x).realize()
}

/** A new identity for a value: what `grad(fn)` differentiates by. */
function alias(x: Tensor): Tensor {
  if (!isFloat(x.dtype)) {
    throw new GradientError('grad', 'arguments of a float dtype', x.dtype)
  }
  const node = renamed(x.node.spent ? detached(x.node) : x.node)
  node.needsGrad = true
  node.source = true
  return expose(node)
}

/** Calls in progress whose results may be differentiated when they are over. */
let recording = 0

function recordingFor<T>(fn: () => T): T {
  recording++
  try {
    return enableGrad(fn)
  } finally {
    recording--
  }
}

const zerosLike = (x: Tensor): Tensor => expose(recorded(fullLike(x.node, 0)))

/**
 * A function that gives the value of `fn` and its gradients with respect to every tensor in the first
 * argument (a tensor, or any tree of arrays and objects of tensors). `fn` must return a scalar.
 * Gradients may be differentiated again, by an outer `grad` or by variables that `fn` uses. Mirrors
 * `jax.value_and_grad`.
 *
 * @throws GradientError for arguments or a value that are not floats, ShapeError for a value with more
 * than one element.
 */
export function valueAndGrad<A extends Tree<Tensor>, R extends unknown[]>(
  fn: (args: A, ...rest: R) => Tensor,
): (args: A, ...rest: R) => { value: Tensor; grads: A } {
  return (args, ...rest) => {
    const inner = mapTree(args, alias) as A
    const value = recordingFor(() => fn(inner, ...rest))
    const by = flatten<Tensor>(inner)
    const seeds = [seedOf('grad', value.node, undefined)]
    const grads = enableGrad(() =>
      differentiate('grad', { roots: [value.node], seeds, by, frees: 'unshared' }),
    )
    let next = 0
    const gradientOf = (x: Tensor): Tensor => grads[next++] ?? zerosLike(x)
    return { value, grads: mapTree(args, gradientOf) as A }
  }
}

/** As `valueAndGrad`, without the value. Mirrors `jax.grad`. */
export function grad<A extends Tree<Tensor>, R extends unknown[]>(
  fn: (args: A, ...rest: R) => Tensor,
): (args: A, ...rest: R) => A {
  const both = valueAndGrad(fn)
  return (args, ...rest) => both(args, ...rest).grads
}

/**
 * Gradients of `ys` by `xs`, summed over `ys`; zeros where no `y` depends on an `x`. They may be
 * differentiated again, and the graph may be asked again. Mirrors `tf.gradients` and
 * `torch.autograd.grad`.
 *
 * @throws GradientError for a `y` that is not a float, an `x` no gradients are recorded for (it is
 * neither a variable, nor made with `requiresGrad`, nor computed from one), or a graph that was used up.
 */
export function gradients(ys: Tensor | readonly Tensor[], xs: readonly Tensor[]): Tensor[] {
  const list = ys instanceof Tensor ? [ys] : ys
  for (const x of xs) {
    if (x.requiresGrad || x.node.graph !== 0) continue
    if (x.node.spent) usedUp('gradients')
    throw new GradientError('gradients', 'tensors that gradients are recorded for', describe(x))
  }
  const found = differentiate('gradients', {
    roots: list.map((y) => y.node),
    seeds: list.map((y) => (sizeOf(y.shape) === 1 ? null : fullLike(y.node, 1))),
    by: xs,
    frees: 'no',
  })
  return found.map((g, i) => g ?? zerosLike(xs[i] as Tensor))
}

const describe = (x: Tensor): string =>
  `${x.dtype} ${formatShape(x.shape)} (make it a variable, or with { requiresGrad: true })`

/** Tapes that are running now, from the outermost in. */
const running: GradientTape[] = []

/**
 * Records what `run` computes, then gives gradients. Mirrors `tf.GradientTape`: a tape may be asked
 * once, unless it is `persistent`. Asking uses the recorded graph up, unless the tape is persistent, ran
 * together with another one, or is asked while another one runs.
 */
export class GradientTape {
  private used = false
  private ran = false
  private shared = false
  private readonly watched = new Map<Tensor, Tensor>()

  constructor(private readonly options: { readonly persistent?: boolean } = {}) {}

  /** Runs `fn` with gradients on, and gives what it returns. */
  run<T>(fn: () => T): T {
    this.ran = true
    if (running.length > 0) this.shared = true
    for (const other of running) other.shared = true
    running.push(this)
    try {
      return recordingFor(fn)
    } finally {
      running.pop()
    }
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
   *
   * @throws ClosedError before `run`, and for a second call. GradientError for a target that is no float.
   */
  gradient<S extends Tensor | readonly (Tensor | Variable)[]>(
    target: Tensor,
    sources: S,
  ): S extends Tensor ? Tensor | null : (Tensor | null)[] {
    const where = 'GradientTape.gradient'
    const { persistent = false } = this.options
    if (!this.ran) throw new ClosedError(where, 'a tape that has run', 'one that has not')
    if (this.used && !persistent) {
      throw new ClosedError(
        where,
        'a tape that was not asked yet (make it with { persistent: true } to ask again)',
        'a second call',
      )
    }
    this.used = true
    const list = (sources instanceof Tensor ? [sources] : sources) as readonly Tensor[]
    const results = enableGrad(() => {
      requireFloat(where, target.node)
      const scalar = sizeOf(target.shape) === 1 ? target : target.sum()
      return differentiate(where, {
        roots: [scalar.node],
        seeds: [null],
        by: list.map((s) => this.watched.get(s) ?? s),
        frees: persistent || this.shared || recording > 0 ? 'no' : 'yes',
      })
    })
    return (sources instanceof Tensor ? results[0] : results) as never
  }
}

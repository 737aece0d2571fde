// The gradient as one node: recorded in a microsecond, differentiated only when a plan is built.

import { isFloat } from '../base/dtype.js'
import { GradientError } from '../base/errors.js'
import { formatShape, sizeOf } from '../base/shape.js'
import * as b from '../ir/build.js'
import { apply, type Node, type TensorType } from '../ir/node.js'
import { type Attrs, define } from '../ir/op.js'
import { reverse } from './reverse.js'
import { inheritSite, rewrite } from './rewrite.js'

export interface GradOfAttrs extends Attrs {
  /** How many of the inputs, from the front, are differentiated. */
  readonly roots: number
  /** Whether one seed for each root follows; else the roots have one element, and seeds are 1. */
  readonly seeded: boolean
}

interface GradOfInputs<T> {
  readonly roots: readonly T[]
  readonly seeds: readonly T[] | null
  readonly wrt: readonly T[]
}

function inputsOf<T>(inputs: readonly T[], { roots: n, seeded }: GradOfAttrs): GradOfInputs<T> {
  const seeds = seeded ? inputs.slice(n, 2 * n) : null
  return { roots: inputs.slice(0, n), seeds, wrt: inputs.slice(seeded ? 2 * n : n) }
}

/** Refuses what cannot be differentiated, and what it cannot be differentiated by. */
export function checkDifferentiable(
  where: string,
  roots: readonly TensorType[],
  seeds: readonly (TensorType | null)[] | null,
  wrt: readonly TensorType[],
): void {
  for (const t of [...roots, ...wrt]) {
    if (!isFloat(t.dtype)) throw new GradientError(where, 'tensors of a float dtype', t.dtype)
  }
  for (const [i, root] of roots.entries()) {
    if ((seeds?.[i] ?? null) === null && sizeOf(root.shape) !== 1) {
      const expected = 'a scalar to differentiate, or the gradient to start from'
      throw new GradientError(where, expected, `shape ${formatShape(root.shape)}`)
    }
  }
}

/**
 * The gradients of `roots` with respect to each of the `wrt` nodes, as one node with a result for each
 * of them (zeros where the roots do not depend on it). What it computes is found in the graph above its
 * inputs, so `expandGradients` replaces it before anything else may take that graph apart.
 */
export const gradOfOp = define<GradOfAttrs>({
  name: 'gradOf',
  attrs: { roots: 'int', seeded: 'flag' },
  infer: (inputs, attrs) => {
    const { roots, seeds, wrt } = inputsOf(inputs, attrs)
    checkDifferentiable('gradOf', roots, seeds, wrt)
    return wrt.map(({ shape, dtype }) => ({ shape, dtype }))
  },
  samples: () => [],
})

/**
 * One node for the gradients of `roots` with respect to every node of `wrt`; read them with
 * `output(node, i)`. Seeds default to 1 for roots of one element; throws GradientError where a larger
 * root has none, or a dtype is not a float.
 */
export function gradOf(
  roots: Node | readonly Node[],
  wrt: readonly Node[],
  seeds: Node | null | readonly (Node | null)[] = null,
): Node {
  const rootList = Array.isArray(roots) ? (roots as readonly Node[]) : [roots as Node]
  const seedList = Array.isArray(seeds)
    ? (seeds as readonly (Node | null)[])
    : [seeds as Node | null]
  const seeded = seedList.some((s) => s !== null)
  checkDifferentiable('gradOf', rootList, seeded ? seedList : null, wrt)
  const filled = seeded ? rootList.map((r, i) => seedList[i] ?? b.fullLike(r, 1)) : []
  return apply(gradOfOp, [...rootList, ...filled, ...wrt], { roots: rootList.length, seeded })
}

/** Replaces every `gradOf` below `roots` by the graph that computes it, innermost first. */
export function expandGradients(roots: readonly Node[], isLeaf?: (node: Node) => boolean): Node[] {
  return rewrite(
    roots,
    (node, inputs) => {
      if (node.op.name !== 'gradOf') return null
      const parts = inputsOf(inputs, node.attrs as GradOfAttrs)
      const seeds = parts.seeds ?? parts.roots.map((root) => b.fullLike(root, 1))
      const found = reverse(parts.roots, seeds, new Set(parts.wrt))
      return parts.wrt.map((x) => {
        const grad = found.get(x)
        if (grad !== undefined) return grad
        const zeros = b.zerosLike(x)
        inheritSite([zeros], node)
        return zeros
      })
    },
    isLeaf,
  )
}

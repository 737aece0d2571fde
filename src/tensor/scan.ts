// Loops over sequences that are one operation: `scan`.

import { type Dim, dimEqual } from '../base/dim.js'
import { DTypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, shapeEqual } from '../base/shape.js'
import { flatten, mapTree, structure, type Tree } from '../base/tree.js'
import { output, scan as scanNode } from '../ir/build.js'
import type { TensorType } from '../ir/node.js'
import { printType } from '../ir/print.js'
import { recordBody } from '../runtime/body.js'
import { recorded } from '../runtime/record.js'
import { expose, wrap } from './core.js'
import { Tensor } from './tensor.js'

export interface ScanOptions {
  /** Number of steps, needed where there is no sequence. */
  readonly length?: number
  /** Whether to go from the last elements to the first. Default false. */
  readonly reverse?: boolean
}

/** The tensors of a tree; none for `null`. */
function tensorsOf(what: string, tree: Tree<Tensor> | null | undefined): Tensor[] {
  if (tree === null || tree === undefined) return []
  const leaves = flatten<unknown>(tree as Tree<unknown>)
  for (const leaf of leaves) {
    if (leaf instanceof Tensor) continue
    const received = leaf === null ? 'null' : typeof leaf
    throw new ValueError('scan', `tensors, or arrays and objects of them, as ${what}`, received)
  }
  return leaves as Tensor[]
}

/** The tree with other tensors in the places of its own; `null` stays `null`. */
function refilled<T>(tree: T, tensors: readonly Tensor[]): T {
  if (tree === null || tree === undefined) return tree
  let next = 0
  return mapTree(tree as Tree<unknown>, () => tensors[next++] as Tensor) as T
}

/** The number of steps: the size all sequences have along their first axis. */
function stepsOf(sequences: readonly Tensor[], { length }: ScanOptions): Dim {
  if (length !== undefined && !(Number.isInteger(length) && length >= 0)) {
    throw new ValueError('scan', 'a length that is a whole number of at least 0', String(length))
  }
  const steps = length ?? sequences[0]?.shape[0]
  if (steps === undefined) {
    if (sequences.length === 0) throw new ValueError('scan', 'a sequence, or a length', 'neither')
    throw new ShapeError('scan', 'sequences with elements along axis 0', 'a scalar')
  }
  for (const { shape } of sequences) {
    if (shape.length > 0 && dimEqual(shape[0]!, steps)) continue
    const expected = `sequences of ${steps} elements along axis 0`
    throw new ShapeError('scan', expected, formatShape(shape), { shape })
  }
  return steps
}

/** The next state has the tensors of the state before, each of its type. */
function checkCarry(before: readonly Tensor[], after: readonly Tensor[]): void {
  before.forEach((was, i) => {
    const is = after[i] as Tensor
    const [expected, received] = [`a next carry of type ${printType(was)}`, printType(is)]
    if (!shapeEqual(was.shape, is.shape)) throw new ShapeError('scan', expected, received)
    if (was.dtype !== is.dtype) throw new DTypeError('scan', expected, received)
  })
}

/**
 * A loop as one operation: `fn` takes a state (`carry`) and one element of each sequence, and returns the
 * next state and one element of each result. Gives the last state and the results, stacked along a new
 * first axis. Mirrors `jax.lax.scan`.
 *
 * `fn` runs once, to be recorded, so the number of steps costs no time to record or compile; tensors and
 * variables it reads are read once, before the first step. Gradients of any order pass through, to the
 * initial state, the sequences, and what `fn` reads.
 *
 * @param init The first state: a tensor, or arrays and objects of tensors.
 * @param xs Sequences along axis 0: a tensor, arrays and objects of tensors, or `null` for none.
 * @throws ShapeError or DTypeError for a next state that is not of the state's type, or sequences of
 * different lengths; ValueError for no length, or where `fn` returns something else than a pair;
 * TraceError where `fn` reads values, assigns variables or draws random numbers.
 *
 * @example
 * // Running sums: [1, 3, 6]
 * const [total, sums] = scan((sum, x) => [sum.add(x), sum.add(x)], scalar(0), tensor([1.0, 2, 3]))
 */
export function scan<
  C extends Tree<Tensor>,
  X extends Tree<Tensor> | null,
  Y extends Tree<Tensor> | null,
>(
  fn: (carry: C, x: X) => readonly [carry: C, y: Y],
  init: C,
  xs: X,
  options: ScanOptions = {},
): [carry: C, ys: Y] {
  const first = tensorsOf('a carry', init)
  const sequences = tensorsOf('sequences', xs)
  const steps = stepsOf(sequences, options)
  const types: TensorType[] = [
    ...first.map(({ shape, dtype }) => ({ shape, dtype })),
    ...sequences.map(({ shape, dtype }) => ({ shape: shape.slice(1), dtype })),
  ]
  let result!: readonly [C, Y]
  const { body, shared } = recordBody('scan', types, (parameters) => {
    const inside = parameters.map(wrap)
    result = fn(refilled(init, inside), refilled(xs, inside.slice(first.length)))
    if (!Array.isArray(result) || result.length !== 2) {
      throw new ValueError('scan', 'a function that returns [carry, y]', typeof result)
    }
    const next = tensorsOf('a next carry', result[0])
    if (structure(result[0]) !== structure(init)) {
      const expected = `a next carry of structure ${structure(init)}`
      throw new ValueError('scan', expected, structure(result[0]))
    }
    checkCarry(first, next)
    return [...next, ...tensorsOf('results', result[1])].map((x) => x.node)
  })
  const loop = recorded(
    scanNode([...shared, ...first.map((x) => x.node), ...sequences.map((x) => x.node)], {
      body,
      shared: shared.length,
      carries: first.length,
      length: [steps],
      reverse: options.reverse ?? false,
    }),
  )
  const results = body.outputs.map((_, i) => expose(output(loop, i)))
  return [refilled(init, results), refilled(result[1], results.slice(first.length))]
}

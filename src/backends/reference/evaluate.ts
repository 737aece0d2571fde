// The reference executor: every node by its own `evaluate`, in order, nothing clever.

import { DTYPES } from '../../base/dtype.js'
import { FeedError } from '../../base/errors.js'
import { formatShape, shapeEqual, sizeOf, staticShape } from '../../base/shape.js'
import { evaluateNodes, type Values } from '../../ir/evaluate.js'
import type { Node, TensorType } from '../../ir/node.js'
import type { EvalContext, NDArray } from '../../ir/op.js'
import { expandComposites } from '../../transforms/expand.js'

export interface EvaluateOptions {
  /** Hold float32 values as doubles, never rounded: what finite differences are taken in. */
  readonly precise?: boolean
}

const contextOf = (precise: boolean): EvalContext => ({
  allocate: ({ shape, dtype }: TensorType): NDArray => {
    const known = staticShape('evaluate', shape)
    const Data = precise && dtype === 'float32' ? Float64Array : DTYPES[dtype].array
    return { shape: known, dtype, data: new Data(sizeOf(known)) }
  },
})

/** The array as the mode holds it: bindings may come in either form. */
function adopt(array: NDArray, precise: boolean): NDArray {
  if (array.dtype !== 'float32') return array
  const Data = precise ? Float64Array : Float32Array
  if (array.data instanceof Data) return array
  return { ...array, data: new Data(array.data as Float32Array | Float64Array) }
}

/**
 * The values of `roots`. `bindings` gives values to parameters, and may give one to any other node,
 * which is then not computed.
 *
 * Composites and `gradOf` are expanded first. Throws `FeedError` for a parameter without a value or
 * with one of another type, and what operations throw (`ArithmeticError`, `IndexError`).
 */
export function evaluateGraph(
  roots: readonly Node[],
  bindings: ReadonlyMap<Node, NDArray> = new Map(),
  { precise = false }: EvaluateOptions = {},
): NDArray[] {
  const context = contextOf(precise)
  const values: Values = new Map()
  for (const [node, array] of bindings) {
    if (array.dtype !== node.dtype || !shapeEqual(array.shape, node.shape)) {
      throw new FeedError(
        node.name ?? node.op.name,
        `${node.dtype} ${formatShape(node.shape)}`,
        `${array.dtype} ${formatShape(array.shape)}`,
      )
    }
    values.set(node, [adopt(array, precise)])
  }
  const bound = (node: Node): boolean => values.has(node)
  return evaluateNodes(expandComposites(roots, bound), values, context)
}

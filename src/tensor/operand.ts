// Operands: tensors, numbers and booleans brought to a common dtype and shape.

import { type DType, promote, promoteScalar } from '../base/dtype.js'
import { DTypeError } from '../base/errors.js'
import { broadcastShapes } from '../base/shape.js'
import { broadcastTo, cast, constant } from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { modes } from '../runtime/modes.js'
import { slotNode } from '../runtime/value.js'
import { TensorCore } from './core.js'

/** What arithmetic takes beside a tensor. */
export type Operand = TensorCore | number | boolean

/** Scalars so common that they are part of a plan; every other one is a slot, so it may vary freely. */
const IN_PLAN: ReadonlySet<number> = new Set([0, 1, -1, 2, 0.5])

/** A scalar of a dtype. */
export function scalarNode(value: number, dtype: DType): Node {
  if (IN_PLAN.has(value) || modes.trace !== null || Number.isNaN(value))
    return constant(value, dtype)
  return slotNode(value, dtype)
}

function nodeOf(where: string, x: Operand, beside: DType): Node {
  if (x instanceof TensorCore) return x.node
  if (typeof x === 'number') return scalarNode(x, promoteScalar(beside, x))
  if (typeof x === 'boolean') return constant(x ? 1 : 0, 'bool')
  throw new DTypeError(where, 'a tensor, a number or a boolean', describe(x))
}

const describe = (x: unknown): string =>
  x === null ? 'null' : Array.isArray(x) ? 'an array (make a tensor of it first)' : typeof x

const isStrict = (x: Node, y: Node): boolean =>
  modes.strictTypes || modes.strictGraphs.has(x.graph) || modes.strictGraphs.has(y.graph)

/** Two operands at one dtype and one shape. `a` decides what a plain number in `b` becomes. */
export function meet(where: string, a: Operand, b: Operand): readonly [Node, Node] {
  const other = a instanceof TensorCore ? a.dtype : b instanceof TensorCore ? b.dtype : 'float32'
  const x = nodeOf(where, a, other)
  const y = nodeOf(where, b, other)
  if (x.dtype !== y.dtype && isStrict(x, y)) {
    throw new DTypeError(
      where,
      `input 1 of dtype ${x.dtype}, as input 0 is`,
      `${y.dtype} (cast one of them)`,
      { dtypes: [x.dtype, y.dtype] },
    )
  }
  const dtype = promote(x.dtype, y.dtype)
  const shape = broadcastShapes(where, x.shape, y.shape)
  return [broadcastTo(cast(x, dtype), shape), broadcastTo(cast(y, dtype), shape)]
}

/** The node of an operand on its own. */
export const operandNode = (where: string, x: Operand): Node => nodeOf(where, x, 'float32')

/** A float node: integers and bool become float32. */
export function asFloat(x: Node): Node {
  return x.dtype === 'float32' || x.dtype === 'float64' ? x : cast(x, 'float32')
}

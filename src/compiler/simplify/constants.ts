// Constants in graphs: finding them below views, making them, and folding exact operations on them.

import { DTYPES, type DType, isFloat } from '../../base/dtype.js'
import { constant, full } from '../../ir/build.js'
import type { Node, TensorType } from '../../ir/node.js'
import type { EvalContext, NDArray } from '../../ir/op.js'

/** Views through which a constant stays the same everywhere. */
const TRANSPARENT: ReadonlySet<string> = new Set([
  'reshape',
  'transpose',
  'broadcast',
  'slice',
  'reverse',
  'unfold',
  'stopGradient',
])

/** The `const` node that every element of `node` is, or null. */
export function constantBelow(node: Node): Node | null {
  let n = node
  while (TRANSPARENT.has(n.op.name)) n = n.inputs[0] as Node
  return n.op.name === 'const' ? n : null
}

/** The number every element of `node` is, or null. */
export function constantNumber(node: Node): number | null {
  const c = constantBelow(node)
  return c === null ? null : (c.attrs.value as number)
}

/** Whether every element of `node` is `value`; tells -0 from 0. */
export function isConstant(node: Node, value: number): boolean {
  const c = constantNumber(node)
  return c !== null && Object.is(c, value)
}

/** `full` with nothing in between: a constant, or one broadcast of one reshape of it. */
export const filled = (value: number, like: TensorType): Node => full(value, like.shape, like.dtype)

/**
 * Operations whose result on constants is the same however it is computed: they are exact, or rounded
 * once. (exp and its kin are not here: only the kernel's own polynomial gives the kernel's own bits.)
 */
const FOLDS: ReadonlySet<string> = new Set([
  'neg',
  'abs',
  'sqrt',
  'floor',
  'round',
  'cast',
  'bitcast',
  'add',
  'sub',
  'mul',
  'div',
  'max',
  'min',
  'and',
  'or',
  'xor',
  'shl',
  'shr',
  'eq',
  'lt',
  'le',
  'select',
])

const context: EvalContext = {
  allocate: ({ dtype }: TensorType): NDArray => ({
    shape: [],
    dtype,
    data: new DTYPES[dtype].array(1),
  }),
}

const scalarType = (dtype: DType): TensorType => ({ shape: [], dtype })

/** The constant an operation on constants is, or null where it is not one or must not be folded. */
export function fold(node: Node): Node | null {
  if (!FOLDS.has(node.op.name) || node.inputs.length === 0) return null
  const inputs: NDArray[] = []
  for (const x of node.inputs) {
    const value = constantNumber(x)
    if (value === null) return null
    const scalar = constant(value, x.dtype)
    inputs.push(
      (scalar.op.evaluate as NonNullable<Node['op']['evaluate']>)(
        [],
        scalar.attrs,
        [scalar],
        context,
      )[0] as NDArray,
    )
  }
  // An integer division by zero stays where it is, to fail when it runs.
  const divides = node.op.name === 'div' && !isFloat(node.dtype)
  if (divides && constantNumber(node.inputs[1] as Node) === 0) return null
  const result = node.op.evaluate?.(inputs, node.attrs, [scalarType(node.dtype)], context)[0]
  if (result === undefined) return null
  const element = result.data[0] as number | bigint
  // A number cannot name every int64.
  if (typeof element === 'bigint' && BigInt(Number(element)) !== element) return null
  return filled(Number(element), node)
}

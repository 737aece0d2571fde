// A program's inputs as the reference takes them: by parameter, on the host.

import { allocate, type TypedArray } from '../../base/dtype.js'
import type { StaticShape } from '../../base/shape.js'
import type { Node } from '../../ir/node.js'
import type { NDArray } from '../../ir/op.js'
import type { Storage } from '../storage.js'

/** The values of parameters, given as a device is given them. */
export const bindingsOf = (
  parameters: readonly Node[],
  inputs: readonly (Storage | number)[],
): Map<Node, NDArray> =>
  new Map(
    parameters.map((node, i) => {
      const { shape, dtype } = node
      const data = hostValue(node, inputs[i] as Storage | number)
      return [node, { shape: shape as StaticShape, dtype, data }]
    }),
  )

function hostValue(node: Node, bound: Storage | number): TypedArray {
  if (typeof bound !== 'number') return bound.read()
  const one = allocate(node.dtype, 1)
  if (one instanceof BigInt64Array) one[0] = BigInt(bound)
  else one[0] = bound
  return one
}

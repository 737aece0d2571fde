// Shorthand that bodies of composites are written with: constants spread to a node's shape.

import type { DType } from '../../base/dtype.js'
import * as b from '../build.js'
import type { Node } from '../node.js'

export const times = (x: Node, factor: number): Node => b.mul(x, b.fullLike(x, factor))
export const plus = (x: Node, term: number): Node => b.add(x, b.fullLike(x, term))
/** `from - x`. */
export const minusFrom = (from: number, x: Node): Node => b.sub(b.fullLike(x, from), x)
export const square = (x: Node): Node => b.mul(x, x)
export const isPositive = (x: Node): Node => b.lt(b.zerosLike(x), x)
/** A scalar in the dtype of `like` and spread to its shape. */
export const spread = (scalar: Node, like: Node): Node =>
  b.broadcastTo(b.cast(scalar, like.dtype), like.shape)
export const allAxes = (x: Node): number[] => x.shape.map((_, i) => i)

const SMALLEST_NORMAL: { readonly [D in DType]?: number } = {
  float32: 2 ** -126,
  float64: 2 ** -1022,
}
/** Whether elements of a float are closer to 0 than its normal numbers are; so is 0 itself. */
export const isSubnormal = (x: Node): Node =>
  b.lt(b.abs(x), b.fullLike(x, SMALLEST_NORMAL[x.dtype]!))

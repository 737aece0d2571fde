// Shorthand that bodies of composites are written with: constants spread to a node's shape.

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

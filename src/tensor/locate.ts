// Where index tensors point: positions checked, counted from the front, and joined into flat ones.

import { type Dim, dimMul, isKnown } from '../base/dim.js'
import { DTYPES, isInteger } from '../base/dtype.js'
import { DTypeError, ShapeError } from '../base/errors.js'
import { formatShape, type Shape, type StaticShape, sizeOf, stridesOf } from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { scalarNode } from './operand.js'

/**
 * An index as the primitives take it: int32. Larger ones become the largest there is, which is outside of
 * every axis, and not what their low bits say.
 */
export function indexNode(where: string, x: Node): Node {
  if (x.dtype === 'int64') {
    const { min, max } = DTYPES.int32
    return b.cast(b.max(b.min(x, b.fullLike(x, max)), b.fullLike(x, min)), 'int32')
  }
  if (isInteger(x.dtype)) return b.cast(x, 'int32')
  throw new DTypeError(where, 'indices of an integer dtype', x.dtype, { dtype: x.dtype })
}

const spreadLike = (value: number, x: Node): Node =>
  b.broadcastTo(scalarNode(value, x.dtype), x.shape)

/** Negative positions counted from the front; those outside stay as they are, an error at run time. */
export function wrapped(index: Node, n: Dim): Node {
  if (!isKnown(n)) return index
  const fromFront = b.add(index, spreadLike(n, index))
  const zero = b.zerosLike(index)
  return b.select(b.and(b.lt(index, zero), b.le(zero, fromFront)), fromFront, index)
}

/** Positions on `axis`, of size `n`, that are known to lie on it: one that does not is a fault of `where`. */
export function checked(where: string, index: Node, n: number, axis: number): Node {
  const counter = b.iota([...Array<number>(axis).fill(1), n], axis, 'int32')
  return b.reshape(b.gather(counter, index, axis, where), index.shape)
}

/**
 * Positions on several axes of sizes `sizes`, all of which lie on them, as positions on those axes flattened
 * into one. All index nodes have one shape.
 */
export function joined(indices: readonly Node[], sizes: StaticShape): Node {
  const strides = stridesOf(sizes)
  return indices
    .map((index, i) => (strides[i] === 1 ? index : b.mul(index, spreadLike(strides[i]!, index))))
    .reduce((sum, part) => b.add(sum, part))
}

/** Sizes that have to be known, because positions are computed with them. */
export function knownShape(where: string, shape: Shape): StaticShape {
  if (shape.every(isKnown)) return shape as StaticShape
  throw new ShapeError(where, 'a tensor whose sizes are known', formatShape(shape))
}

/**
 * For `gather` and `scatter`: the flat positions of x[i₀, …, index[i₀, …], …], where `index` stands at
 * `axis`. Its other axes are at most as long as those of x.
 */
export function alongAxis(where: string, shape: Shape, index: Node, axis: number): Node {
  const sizes = knownShape(where, shape)
  const picks = knownShape(where, index.shape)
  const fits = picks.length === sizes.length && picks.every((d, i) => i === axis || d <= sizes[i]!)
  if (!fits) {
    throw new ShapeError(
      where,
      `an index no larger than the tensor ${formatShape(shape)} on every axis but ${axis}`,
      formatShape(picks),
      { shape, index: picks, axis },
    )
  }
  const own = checked(where, index, sizes[axis]!, axis)
  const coordinates = picks.map((_, i) => (i === axis ? own : b.iota(picks, i, 'int32')))
  return b.reshape(joined(coordinates, sizes), [sizeOf(picks)])
}

/** A node as a vector. */
export const flat = (x: Node): Node => b.reshape(x, [x.shape.reduce<Dim>(dimMul, 1)])

/** Flat positions and coordinates of the elements of a host array that are not zero. */
export function nonzeroCoordinates(
  values: ArrayLike<number | bigint>,
  shape: StaticShape,
): { readonly count: number; readonly columns: readonly Int32Array[] } {
  const found: number[] = []
  for (let i = 0; i < values.length; i++) if (Number(values[i]) !== 0) found.push(i)
  const strides = stridesOf(shape)
  const columns = shape.map((n, axis) =>
    Int32Array.from(found, (at) => Math.floor(at / strides[axis]!) % n),
  )
  return { count: found.length, columns }
}

export const isMask = (x: Node): boolean => DTYPES[x.dtype].kind === 'bool'

// What gradients of reductions need: the product of all other elements, and the first hit of several.

import { sizeOf, staticShape } from '../../base/shape.js'
import * as b from '../build.js'
import type { Node } from '../node.js'

/**
 * For each element the product of all others in its group (the elements that differ only in `axes`).
 *
 * Dividing the product by the element fails at zeros, and formulas that count zeros lose second
 * derivatives. So products are built up in a binary tree, and each half handed the product of the
 * other on the way down: n log n multiplications in n-element strokes, right everywhere, and made of
 * primitives that can be differentiated again.
 */
export function productOfOthers(x: Node, axes: readonly number[]): Node {
  const rank = x.shape.length
  const kept = Array.from({ length: rank }, (_, i) => i).filter((i) => !axes.includes(i))
  const perm = [...kept, ...axes]
  const moved = b.transpose(x, perm)
  const lead = kept.map((i) => x.shape[i]!)
  const n = sizeOf(
    staticShape(
      'gradient of reduceProd',
      axes.map((i) => x.shape[i]!),
    ),
  )
  const others = othersInRow(b.reshape(moved, [...lead, n]), n)
  const back = perm.map((_, i) => perm.indexOf(i))
  return b.transpose(b.reshape(others, moved.shape), back)
}

/** `productOfOthers` over the last axis, of size n. */
function othersInRow(row: Node, n: number): Node {
  if (n <= 1) return b.fullLike(row, 1)
  const axis = row.shape.length - 1
  const half = Math.ceil(n / 2)
  const even = n % 2 === 0 ? row : padEnd(row, 1)
  const left = part(even, axis, 0, half)
  const right = part(even, axis, half, 2 * half)
  const outside = othersInRow(b.mul(left, right), half)
  const both = b.concat([b.mul(outside, right), b.mul(outside, left)], axis)
  return part(both, axis, 0, n)
}

function padEnd(row: Node, fill: number): Node {
  const none = row.shape.map(() => 0)
  const one = none.map((_, i) => (i === none.length - 1 ? 1 : 0))
  return b.pad(row, b.constant(fill, row.dtype), none, one)
}

function part(x: Node, axis: number, start: number, stop: number): Node {
  if (start === 0 && stop === x.shape[axis]) return x
  return b.slice(
    x,
    x.shape.map((_, i) => (i === axis ? start : 0)),
    x.shape.map((d, i) => (i === axis ? stop : d)),
  )
}

/** Leaves only the first `true` of each group, in row-major order of `axes`. */
export function firstHit(hits: Node, axes: readonly number[]): Node {
  const { shape } = hits
  const sorted = [...axes].sort((p, q) => p - q)
  if (sorted.length === 0) return hits
  const sizes = sorted.map((a) => shape[a]!)
  let stride = 1
  let position: Node | null = null
  for (let k = sorted.length - 1; k >= 0; k--) {
    const count = b.iota(shape, sorted[k]!, 'int32')
    const term = stride === 1 ? count : b.mul(count, b.fullLike(count, stride))
    position = position === null ? term : b.add(term, position)
    // The outermost size is never a stride, so it may still be open.
    if (k > 0) stride *= staticShape('gradient of a reduction', [sizes[k]!])[0]!
  }
  const nowhere = b.fullLike(position!, 2 ** 31 - 1)
  const first = b.reduceMin(b.select(hits, position!, nowhere), sorted)
  return b.and(hits, b.eq(position!, b.unreduce(first, sorted, shape)))
}

// Checks that rules of several families make, each with the same words.

import { type Dim, dimFits, dimSub, isKnown } from '../../base/dim.js'
import { type DType, isFloat } from '../../base/dtype.js'
import { DTypeError, IndexError, ShapeError, ValueError } from '../../base/errors.js'
import { formatShape, type Shape } from '../../base/shape.js'
import type { TensorType } from '../node.js'

/** The value is a sum, product …, which bool does not have. */
export function checkNumeric(where: string, { dtype }: TensorType): void {
  if (dtype === 'bool') throw new DTypeError(where, 'a dtype with arithmetic', dtype)
}

export function checkFloat(where: string, { dtype }: TensorType): void {
  if (!isFloat(dtype)) throw new DTypeError(where, 'a float dtype', dtype)
}

export function checkSameDType(where: string, what: string, a: TensorType, b: TensorType): DType {
  if (a.dtype === b.dtype) return a.dtype
  throw new DTypeError(where, `${what} of dtype ${a.dtype}`, b.dtype)
}

/** An axis in a rule is always counted from the front. */
export function checkAxis(where: string, axis: number, shape: Shape): void {
  if (Number.isInteger(axis) && axis >= 0 && axis < shape.length) return
  throw new IndexError(where, `an axis of ${formatShape(shape)}, counted from 0`, String(axis))
}

/** Axes of one shape, each at most once. */
export function checkAxes(where: string, axes: readonly number[], shape: Shape): void {
  for (const axis of axes) checkAxis(where, axis, shape)
  if (new Set(axes).size === axes.length) return
  throw new IndexError(where, 'each axis once', `axes [${axes.join(', ')}]`)
}

/** One entry per axis. */
export function checkPerAxis(
  where: string,
  what: string,
  list: readonly Dim[],
  rank: number,
): void {
  if (list.length === rank) return
  throw new ValueError(where, `${rank} ${what}, one per axis`, formatShape(list))
}

/** Every entry is an integer of at least `least`. */
export function checkAtLeast(
  where: string,
  what: string,
  list: readonly number[],
  least: number,
): void {
  if (list.every((n) => Number.isInteger(n) && n >= least)) return
  throw new ValueError(where, `${what} of at least ${least}`, formatShape(list))
}

/** The shapes agree on every axis. */
export function checkSameShape(where: string, what: string, expected: Shape, actual: Shape): void {
  const same =
    expected.length === actual.length && expected.every((d, i) => dimFits(d, actual[i] as Dim))
  if (same) return
  throw new ShapeError(where, `${what} of shape ${formatShape(expected)}`, formatShape(actual), {
    expected,
    actual,
  })
}

/** Whether `a <= b` may hold: false only where the difference is known and says otherwise. */
export function mayBeAtMost(a: Dim, b: Dim): boolean {
  const room = dimSub(b, a)
  return !isKnown(room) || room >= 0
}

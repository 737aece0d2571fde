// Windows over spatial axes: sizes, strides and padding as users give them.

import { type Dim, isKnown } from '../base/dim.js'
import { ShapeError, ValueError } from '../base/errors.js'
import type { Shape } from '../base/shape.js'

/** One number for every spatial axis, or one each. */
export type PerAxis = number | readonly number[]
/**
 * Zeros around the input: a number for every axis, one for each, or a pair [before, after] for each;
 * `valid` is none, `same` as many as keep ⌈n / stride⌉ positions (the odd one behind, as in TensorFlow).
 */
export type ConvPadding = PerAxis | readonly (readonly [number, number])[] | 'same' | 'valid'

const formatList = (list: readonly unknown[]): string => `[${list.join(', ')}]`

/** One whole number for each of `rank` axes. */
export function perAxis(where: string, what: string, value: PerAxis, rank: number): number[] {
  const list = typeof value === 'number' ? new Array<number>(rank).fill(value) : [...value]
  if (list.length === rank && list.every(Number.isInteger)) return list
  const received = typeof value === 'number' ? String(value) : formatList(value)
  throw new ValueError(where, `${what} as a whole number or ${rank} of them`, received)
}

/** Padding in front of and behind each axis. */
export interface Sides {
  readonly low: readonly number[]
  readonly high: readonly number[]
}

/** Padding for windows of `extents`, `strides` apart, over the spatial axes of `shape`. */
export function sides(
  where: string,
  padding: ConvPadding,
  spatial: Shape,
  extents: readonly Dim[],
  strides: readonly number[],
): Sides {
  const rank = spatial.length
  if (padding === 'valid') return sides(where, 0, spatial, extents, strides)
  if (padding === 'same') {
    const totals = spatial.map((n, i) => sameTotal(where, n, extents[i]!, strides[i]!))
    const low = totals.map((t) => Math.floor(t / 2))
    return { low, high: totals.map((t, i) => t - low[i]!) }
  }
  if (typeof padding === 'object' && padding.some((p) => typeof p === 'object')) {
    const pairs = padding as readonly (readonly [number, number])[]
    if (pairs.length === rank && pairs.every((p) => p.length === 2 && p.every(Number.isInteger))) {
      return { low: pairs.map((p) => p[0]), high: pairs.map((p) => p[1]) }
    }
    throw new ValueError(where, `padding with ${rank} pairs`, JSON.stringify(padding))
  }
  if (typeof padding === 'string') {
    throw new ValueError(where, `padding 'same', 'valid' or numbers`, `'${padding}'`)
  }
  const list = perAxis(where, 'padding', padding as PerAxis, rank)
  return { low: list, high: list }
}

function sameTotal(where: string, n: Dim, extent: Dim, stride: number): number {
  if (!isKnown(extent)) throw new ShapeError(where, 'a kernel of known size', String(extent))
  if (stride === 1) return extent - 1
  if (!isKnown(n)) {
    throw new ShapeError(where, `sizes that are known for padding 'same' with a stride`, String(n))
  }
  return Math.max(0, (Math.ceil(n / stride) - 1) * stride + extent - n)
}

/** Length of `n` elements with gaps between them. */
export const dilated = (n: Dim, by: number): Dim => (isKnown(n) ? (n - 1) * by + 1 : n)

// Python's slices over axes whose sizes may be open.

import { type Dim, dimAdd, isKnown } from '../base/dim.js'
import { IndexError, ShapeError, ValueError } from '../base/errors.js'
import type { Slice } from './indexspec.js'

/** A range that counts up, and whether its elements are wanted in reverse. */
export interface Span {
  readonly start: Dim
  readonly stop: Dim
  readonly step: number
  readonly reversed: boolean
}

/** An integer position counted from the front; throws `IndexError` outside the axis. */
export function position(where: string, index: number, n: Dim, axis: number): Dim {
  const known = isKnown(n) ? n : Number.POSITIVE_INFINITY
  if (!Number.isInteger(index) || index >= known || index < -known) {
    const expected =
      n === 0
        ? `no index on axis ${axis}, which is empty`
        : isKnown(n)
          ? `an index in [${-n}, ${n}) on axis ${axis}`
          : `a whole index on axis ${axis}`
    throw new IndexError(where, expected, String(index), { axis, index })
  }
  return index < 0 ? dimAdd(n, index) : index
}

/** The elements a slice selects from an axis of `n`, as `slice.indices(n)` of Python gives them. */
export function spanOf(where: string, slice: Slice, n: Dim, axis: number): Span {
  const { start, stop, step = 1 } = slice
  for (const bound of [start, stop, step]) {
    if (bound === undefined || Number.isInteger(bound)) continue
    throw new ValueError(where, 'whole numbers in a range', String(bound))
  }
  if (step === 0) throw new ValueError(where, 'a step other than 0', '0')
  if (!isKnown(n)) return openSpan(where, slice, n, axis)
  const [low, high] = step > 0 ? [0, n] : [-1, n - 1]
  const bound = (value: number | undefined, fallback: number): number => {
    if (value === undefined) return fallback
    return Math.min(Math.max(value < 0 ? value + n : value, low), high)
  }
  const first = bound(start, step > 0 ? low : high)
  const end = bound(stop, step > 0 ? high : low)
  const length = Math.max(0, Math.ceil((end - first) / step))
  if (length === 0) return { start: 0, stop: 0, step: 1, reversed: false }
  if (step > 0) return { start: first, stop: end, step, reversed: false }
  return { start: first + (length - 1) * step, stop: first + 1, step: -step, reversed: true }
}

/** Of an axis whose size is open, bounds are taken as they are: they cannot be clamped yet. */
function openSpan(where: string, { start, stop, step = 1 }: Slice, n: Dim, axis: number): Span {
  const counted = (value: number): Dim => (value < 0 ? dimAdd(n, value) : value)
  if (step > 0) {
    const first = start === undefined ? 0 : counted(start)
    const last = stop === undefined ? n : counted(stop)
    return { start: first, stop: last, step, reversed: false }
  }
  if (step === -1 && start === undefined && stop === undefined) {
    return { start: 0, stop: n, step: 1, reversed: true }
  }
  throw new ShapeError(where, `axis ${axis} of a known size for a step of ${step}`, String(n))
}

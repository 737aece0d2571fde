// How operations take axes: bare, or in an options object.

import { normalizeAxes, normalizeAxis } from '../base/shape.js'

/** One axis or several, counted from the front or, when negative, from the back. */
export type Axes = number | readonly number[]

/** An axis given bare (`x.argmax(1)`) or by name (`x.argmax({ axis: 1 })`). */
export type AxisArg = number | { readonly axis?: number | undefined }

export interface ReduceOptions {
  /** Axes to reduce over. Default: all. */
  readonly axis?: Axes | null | undefined
  /** Keep the reduced axes, with size 1. Default false. */
  readonly keepDims?: boolean | undefined
}

/** Axes of a reduction, given bare (`x.sum(0)`, `x.sum([0, 1])`) or in options. */
export type ReduceArg = Axes | null | ReduceOptions

/** What a reduction was asked to do, with axes counted from the front. */
export interface Reduction {
  readonly axes: number[]
  readonly keepDims: boolean
}

const isAxes = (arg: object | Axes): arg is Axes => typeof arg === 'number' || Array.isArray(arg)

/** The options behind either form of the argument. */
export function reduceOptions<O extends ReduceOptions>(arg: Axes | null | O | undefined): O {
  if (arg === undefined || arg === null) return {} as O
  return isAxes(arg) ? ({ axis: arg } as O) : arg
}

export function reduction(
  where: string,
  arg: Axes | null | ReduceOptions | undefined,
  rank: number,
): Reduction {
  const { axis, keepDims = false } = reduceOptions(arg)
  return { axes: normalizeAxes(where, axis, rank), keepDims }
}

/** One axis, counted from the front. */
export function oneAxis(
  where: string,
  arg: AxisArg | undefined,
  rank: number,
  fallback: number,
): number {
  const axis = typeof arg === 'number' ? arg : (arg?.axis ?? fallback)
  return normalizeAxis(where, axis, rank)
}

// Shapes: lists of sizes, and the rules by which shapes meet.

import {
  type Dim,
  type DimEnv,
  dimEqual,
  dimExactDiv,
  dimFits,
  dimMul,
  dimSubstitute,
  isKnown,
} from './dim.js'
import { IndexError, ShapeError } from './errors.js'

/** The sizes of a tensor's axes, outermost first. A scalar's shape is `[]`. */
export type Shape = readonly Dim[]
/** A shape whose sizes are all known. */
export type StaticShape = readonly number[]

export const SCALAR: StaticShape = Object.freeze([]) as StaticShape

export function formatShape(shape: Shape): string {
  return `[${shape.map((d) => (typeof d === 'number' ? d : d.key)).join(', ')}]`
}

export function shapeEqual(a: Shape, b: Shape): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as Dim
    const y = b[i] as Dim
    if (x !== y && !dimEqual(x, y)) return false
  }
  return true
}

export function isStatic(shape: Shape): shape is StaticShape {
  for (let i = 0; i < shape.length; i++) if (typeof shape[i] !== 'number') return false
  return true
}

/** The shape as numbers; throws `ShapeError` where a size is still open. */
export function staticShape(where: string, shape: Shape): StaticShape {
  if (isStatic(shape)) return shape
  throw new ShapeError(where, 'a shape whose sizes are known', formatShape(shape))
}

/** Number of elements, possibly symbolic. */
export function sizeOf(shape: StaticShape): number
export function sizeOf(shape: Shape): Dim
export function sizeOf(shape: Shape): Dim {
  let n: Dim = 1
  for (let i = 0; i < shape.length; i++) {
    const d = shape[i] as Dim
    n = typeof n === 'number' && typeof d === 'number' ? n * d : dimMul(n, d)
  }
  return n
}

/** Row-major strides in elements. */
export function stridesOf(shape: StaticShape): number[] {
  const strides = new Array<number>(shape.length)
  let s = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = s
    s *= shape[i] as number
  }
  return strides
}

/** NumPy's broadcasting rule. A symbolic size meets 1 or an equal size only; an open one is taken to be equal. */
export function broadcastShapes(where: string, a: Shape, b: Shape): Shape {
  if (shapeEqual(a, b)) return a
  const rank = Math.max(a.length, b.length)
  const out = new Array<Dim>(rank)
  for (let i = 0; i < rank; i++) {
    const x = i < rank - a.length ? 1 : (a[i - rank + a.length] as Dim)
    const y = i < rank - b.length ? 1 : (b[i - rank + b.length] as Dim)
    if (x === 1) out[i] = y
    else if (y === 1) out[i] = x
    else if (dimFits(x, y)) out[i] = typeof y === 'number' ? y : x
    else {
      throw new ShapeError(
        where,
        'shapes that broadcast together',
        `${formatShape(a)} and ${formatShape(b)}`,
        { a, b },
      )
    }
  }
  return out
}

/** An axis counted from the front, from one that may count from the back. */
export function normalizeAxis(where: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    const range =
      rank === 0 ? 'no axis (the tensor is a scalar)' : `an axis in [${-rank}, ${rank - 1}]`
    throw new IndexError(where, range, String(axis), { axis, rank })
  }
  return axis < 0 ? axis + rank : axis
}

/** Axes counted from the front, in ascending order, each once; all axes when none are given. */
export function normalizeAxes(
  where: string,
  axes: number | readonly number[] | null | undefined,
  rank: number,
): number[] {
  if (axes === undefined || axes === null) return Array.from({ length: rank }, (_, i) => i)
  const list = typeof axes === 'number' ? [axes] : axes
  const out = list.map((a) => normalizeAxis(where, a, rank)).sort((a, b) => a - b)
  for (let i = 1; i < out.length; i++) {
    if (out[i] === out[i - 1]) {
      throw new IndexError(where, 'each axis once', `axes [${list.join(', ')}]`, { axes: list })
    }
  }
  return out
}

/** A requested shape with one `-1` filled in so that it holds as many elements as `from`. */
export function resolveReshape(where: string, from: Shape, to: Shape): Shape {
  if (!Array.isArray(to as unknown)) throw new ShapeError(where, 'sizes in one array', String(to))
  const open = to.indexOf(-1)
  const bad = (): never => {
    throw new ShapeError(
      where,
      `a shape with ${sizeOf(from)} elements (input is ${formatShape(from)})`,
      formatShape(to),
      { from, to },
    )
  }
  for (let i = 0; i < to.length; i++) {
    const d = to[i] as Dim
    if (isKnown(d) && (!Number.isInteger(d) || d < -1 || (d === -1 && i !== open))) bad()
  }
  if (open < 0) {
    if (!dimEqual(sizeOf(from), sizeOf(to))) bad()
    return to
  }
  const rest = sizeOf(to.filter((_, i) => i !== open))
  const filled = dimExactDiv(sizeOf(from), rest)
  if (filled === null) return bad()
  return to.map((d, i) => (i === open ? filled : d))
}

export function substituteShape(shape: Shape, env: DimEnv): Shape {
  return isStatic(shape) ? shape : shape.map((d) => dimSubstitute(d, env))
}

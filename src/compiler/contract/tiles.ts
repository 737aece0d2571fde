// Loops over the tiles of a chunk: whole ones in a loop, then a narrower one for what is left.

import { affine, plus, times } from '../kernel/affine.js'
import type { KernelAssembly } from '../kernel/assembly.js'
import type { Affine, Bound } from '../kernel/ir.js'
import { constantOf } from './axes.js'

/** One axis of the result as a chunk sees it. */
export interface Span {
  readonly total: number
  /** Elements of a chunk (a multiple of `unit`, or a part of `total`), and the number of chunks. */
  readonly chunk: number
  readonly chunks: number
  /** Elements of a tile. */
  readonly unit: number
  /** Which chunk. */
  readonly at: Affine
}

/** Where the chunk begins. */
export const spanStart = (s: Span): Affine => times(s.at, s.chunk)

/** Elements in the chunk. */
export const spanLength = (s: Span): Bound =>
  s.chunks === 1
    ? affine(s.total)
    : s.total % s.chunk === 0
      ? affine(s.chunk)
      : { min: [affine(s.chunk), plus(times(s.at, -s.chunk), s.total)] }

/**
 * Runs `body` for the tiles of the chunk, with the tile's number in the chunk, where it begins along
 * the axis, and its size.
 */
export function forTiles(
  k: KernelAssembly,
  name: string,
  s: Span,
  body: (tile: Affine, start: Affine, size: number) => void,
): void {
  if (s.chunks > 1 && s.chunk % s.unit !== 0) {
    const alone = { ...s, total: s.chunk, chunks: 1, at: affine(0) }
    forTiles(k, name, alone, (tile, at, size) => body(tile, plus(spanStart(s), at), size))
    return
  }
  const whole = Math.floor(s.total / s.unit)
  const perChunk = s.chunk / s.unit
  const start = spanStart(s)
  const left = plus(times(s.at, -perChunk), whole)
  const count: Bound =
    s.chunks === 1
      ? affine(whole)
      : whole % perChunk === 0 && s.total % s.chunk === 0
        ? affine(perChunk)
        : { min: [affine(perChunk), left] }
  const one = (i: Affine): void => body(i, plus(start, times(i, s.unit)), s.unit)
  repeat(k, name, count, one)
  const rest = s.total % s.unit
  if (rest === 0) return
  const tail = (): void => body(left, affine(whole * s.unit), rest)
  if (s.chunks === 1) tail()
  else k.when(s.at, 'eq', affine(s.chunks - 1), tail)
}

/** A loop, or just its body where it runs once. */
export function repeat(
  k: KernelAssembly,
  name: string,
  count: Bound,
  body: (i: Affine) => void,
): void {
  const known = constantOf(count)
  if (known === 1) body(affine(0))
  else if (known !== 0) k.loop(name, count, body)
}

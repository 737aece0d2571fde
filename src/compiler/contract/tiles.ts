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

/** What is done for a tile: its number in the chunk, where it begins along the axis, and its size. */
export type TileBody = (tile: Affine, start: Affine, size: number) => void

/**
 * Runs `body` for the tiles of the chunk; `first`, if there is one, instead of it for a tile that comes before
 * all others. That is what is left over, where there is but one chunk: it has code of its own anyway.
 */
export function forTiles(
  k: KernelAssembly,
  name: string,
  s: Span,
  body: TileBody,
  first: TileBody | null = null,
): void {
  if (s.chunks > 1 && s.chunk % s.unit !== 0) {
    const alone = { ...s, total: s.chunk, chunks: 1, at: affine(0) }
    const moved =
      (run: TileBody): TileBody =>
      (tile, at, size) =>
        run(tile, plus(spanStart(s), at), size)
    forTiles(k, name, alone, moved(body), first && moved(first))
    return
  }
  const whole = Math.floor(s.total / s.unit)
  const rest = s.total % s.unit
  const perChunk = s.chunk / s.unit
  const left = plus(times(s.at, -perChunk), whole)
  const count: Bound =
    s.chunks === 1
      ? affine(whole)
      : whole % perChunk === 0 && s.total % s.chunk === 0
        ? affine(perChunk)
        : { min: [affine(perChunk), left] }
  const tail = (run: TileBody): void => run(left, affine(whole * s.unit), rest)
  const wholes = (before: TileBody | null): void => {
    const one = (run: TileBody, i: Affine): void =>
      run(i, plus(spanStart(s), times(i, s.unit)), s.unit)
    if (before !== null) one(before, affine(0))
    repeat(k, name, count, (i) => one(body, i), before === null ? 0 : 1)
  }
  if (rest === 0) wholes(first)
  else if (s.chunks === 1) {
    if (first !== null) tail(first)
    wholes(null)
    if (first === null) tail(body)
  } else {
    const last = affine(s.chunks - 1)
    if (first !== null && s.total % s.chunk < s.unit) {
      k.when(
        s.at,
        'eq',
        last,
        () => tail(first),
        () => wholes(first),
      )
    } else {
      wholes(first)
      k.when(s.at, 'eq', last, () => tail(body))
    }
  }
}

/** A loop, or just its body where it runs once. */
export function repeat(
  k: KernelAssembly,
  name: string,
  count: Bound,
  body: (i: Affine) => void,
  from = 0,
): void {
  const known = constantOf(count)
  if (known === from + 1) body(affine(from))
  else if (known === null || known > from) k.loop(name, count, body, { from: affine(from) })
}

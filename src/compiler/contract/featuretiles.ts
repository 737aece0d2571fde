// How a convolution is cut with features across the lanes.
//
// The kernel is packed once, [k][feature], and loaded as vectors; the input's elements, one for each
// position of a tile, are spread over the lanes from where they lie. So nothing of the input is copied,
// whatever its strides, and lines of any width fill the lanes: it suits the gradient of a kernel, whose
// positions are but the window's nine, as well as a layer. What it costs is the packing, paid by the number
// of positions, and turning the results round, paid by the length of the sums.

import { sizeOf } from '../../base/shape.js'
import { REGISTER_TYPE } from '../kernel/assembly.js'
import type { Target } from '../kernel/ir.js'
import { nativeLanes } from './choose.js'
import type { Patches } from './patches.js'
import { crowding, mostRows, stepCost } from './steps.js'
import { columnsOf, linesOf, type Unit } from './windows.js'

export interface FeatureTiling {
  readonly mode: 'features'
  readonly unit: Unit
  /** Positions of a tile: a box in the unit. */
  readonly box: Unit
  /** Features of a tile. */
  readonly lanes: number
  /** How many of the innermost axes of K are written out. */
  readonly unrolled: number
}

/** Positions of a unit: many for each time its part of the kernel comes to the first-level cache. */
const UNIT_POSITIONS = 256
/** Units that a convolution of many images is cut into. */
const FEW_UNITS = 4
/** Features that make enough chunks by themselves. */
const FEATURES_TO_SHARE = 256
/** Cycles of packing one element of the kernel, and of turning one result round and handing it on. */
const PACK_COST = 0.6
const TURN_COST = 0.6
/** Longest inner axis of K that is written out, and statements up to which it is. */
const MOST_UNROLLED = 5
const MOST_STATEMENTS = 160
/** How much better a tile must be for each other shape of tile that is left over at the end of an axis. */
const LEFT_OVER = 0.02

/** The tiling, and its cost in cycles a step of K, for all positions; null where it does not suit. */
export function featureTiling(
  c: Patches,
  target: Target,
): { readonly cost: number; readonly tiling: FeatureTiling } | null {
  const type = REGISTER_TYPE[c.dtype]
  const native = nativeLanes(target, type)
  // Results are turned in squares of four bytes each, which pays with registers of more than four.
  if (target.nativeLanes <= 4 || (type !== 'f32' && type !== 'i32')) return null
  // Without positions there is nothing to spread but images: a matrix product.
  if (sizeOf(c.output) === 1) return null
  const unit = unitOf(c, target)
  const units = (c.images * linesOf(c) * columnsOf(c)) / (unit.images * unit.lines * unit.columns)
  const widest = Math.min(4, Math.ceil(c.features / native))
  let best: { cost: number; box: Unit; vectors: number } | null = null
  for (let vectors = 1; vectors <= widest; vectors++) {
    let most = mostRows(vectors)
    while (crowding(target, most, vectors) === null) most--
    for (const box of boxesIn(unit, most, c.output.length <= 2)) {
      const { cost, shapes } = unitCost(c.features, unit, box, vectors, native, target)
      const weighted = cost * (1 + LEFT_OVER * (shapes - 1))
      if (best === null || weighted < best.cost) best = { cost: weighted, box, vectors }
    }
  }
  if (best === null) return null
  const { box, vectors } = best
  const results = (c.features * c.images * sizeOf(c.output)) / sizeOf(c.contract)
  const inner = c.contract.at(-1)!
  const statements = inner * sizeOf([box.images, box.lines, box.columns]) * (vectors + 1)
  const unrolled = inner <= MOST_UNROLLED && statements <= MOST_STATEMENTS ? 1 : 0
  return {
    cost: units * best.cost + PACK_COST * c.features + TURN_COST * results,
    tiling: { mode: 'features', unit, box, lanes: vectors * native, unrolled },
  }
}

/** The largest divisor of `n` that is at most `most`. */
function divisor(n: number, most: number): number {
  let d = Math.max(1, Math.min(n, Math.floor(most)))
  while (n % d !== 0) d--
  return d
}

/** Several images if they are small, else an image or an even share of its lines, or of a long line. */
function unitOf(c: Patches, target: Target): Unit {
  const [lines, columns] = [linesOf(c), columnsOf(c)]
  if (columns > UNIT_POSITIONS) {
    const cuts = Math.ceil(columns / UNIT_POSITIONS)
    return { images: 1, lines: 1, columns: Math.ceil(columns / cuts) }
  }
  const fitting = Math.max(1, Math.floor(UNIT_POSITIONS / columns))
  if (fitting < lines) {
    const even = divisor(lines, fitting)
    const share = 2 * even > fitting ? even : Math.ceil(lines / Math.ceil(lines / fitting))
    return { images: 1, lines: share, columns }
  }
  // All images in one unit, where there are features to share among threads: each part of the kernel is
  // then packed where it is used, once, and never goes to memory.
  const all = c.images * lines * columns
  if (c.numerics.parts === 1 && all <= UNIT_POSITIONS && c.features >= FEATURES_TO_SHARE) {
    return { images: c.images, lines, columns }
  }
  // What is staged for a unit shares the second-level cache with the kernel.
  const staged = c.staging === null ? 0 : 4 * c.staging.elements
  const room = staged === 0 ? c.images : target.cache.l2 / 2 / staged
  // A few units at least, for threads to share.
  const share = c.numerics.parts > 1 ? c.images : Math.ceil(c.images / FEW_UNITS)
  const most = Math.min(UNIT_POSITIONS / (lines * columns), room, share)
  return { images: divisor(c.images, most), lines, columns }
}

/** Boxes of at most so many positions: parts of a line, whole lines, whole images. */
function* boxesIn(unit: Unit, most: number, lines: boolean): Generator<Unit> {
  for (let n = Math.min(unit.columns, most); n >= 1; n--) {
    yield { images: 1, lines: 1, columns: n }
  }
  if (!lines) return
  for (let n = 2; n <= unit.lines && n * unit.columns <= most; n++) {
    yield { images: 1, lines: n, columns: unit.columns }
  }
  const image = unit.lines * unit.columns
  for (let n = 2; n <= unit.images && n * image <= most; n++) {
    yield { images: n, lines: unit.lines, columns: unit.columns }
  }
}

/** Cycles a step of K costs a unit, and how many different tiles that takes. */
function unitCost(
  features: number,
  unit: Unit,
  box: Unit,
  vectors: number,
  native: number,
  target: Target,
) {
  // Each axis is so many pieces of one size and perhaps one of another.
  const cut = (size: number, of: number): readonly (readonly [number, number])[] => {
    const whole = Math.floor(size / of)
    const rest = size % of
    if (rest === 0) return [[whole, of]]
    return whole === 0
      ? [[1, rest]]
      : [
          [whole, of],
          [1, rest],
        ]
  }
  const lanes = cut(Math.ceil(features / native), vectors)
  const [allImages, allLines] = [cut(unit.images, box.images), cut(unit.lines, box.lines)]
  const allColumns = cut(unit.columns, box.columns)
  let cost = 0
  let shapes = 0
  for (const [ni, images] of allImages) {
    for (const [nl, lines] of allLines) {
      for (const [nc, columns] of allColumns) {
        for (const [nv, v] of lanes) {
          cost += ni * nl * nc * nv * stepCost(target, images * lines * columns, v, 0.5)
          shapes++
        }
      }
    }
  }
  return { cost, shapes }
}

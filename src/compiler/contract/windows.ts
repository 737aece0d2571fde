// How a convolution is cut into tiles, for the two ways of feeding the micro-kernel with windows.
//
// `packed`: the windows of a unit of positions are copied to scratch memory, [k][position], and all
// features pass over the copy. A unit's positions are one axis there, whatever the width of an image, so no
// lanes are wasted at the ends of lines; the copy is paid by the number of features.
//
// `direct`: lanes are neighbouring columns of one line and are loaded where they lie in the input; a tile
// takes several lines, which see the same kernel elements. Nothing is copied, which suits few features
// (one, in a depthwise convolution), and lines that fill their lanes.

import { DTYPES } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import { REGISTER_TYPE } from '../kernel/assembly.js'
import type { Target } from '../kernel/ir.js'
import { blockLength } from './blocks.js'
import { chooseTile, nativeLanes, roundUp, type Tile, tiledCost } from './choose.js'
import type { Patches } from './patches.js'
import { crowding, mostRows, stepCost } from './steps.js'

/** Positions that are worked on together: images × lines × columns. */
export interface Unit {
  readonly images: number
  readonly lines: number
  readonly columns: number
}

export type WindowTiling =
  | { readonly mode: 'packed'; readonly unit: Unit; readonly tile: Tile }
  | {
      readonly mode: 'direct'
      /** One image, a tile's lines, all columns. */
      readonly unit: Unit
      readonly tile: Tile
      /** How many of the innermost axes of K are written out. */
      readonly unrolled: number
    }

/** The output's positions as lines of columns. */
export const linesOf = (c: Patches): number => sizeOf(c.output.slice(0, -1))
export const columnsOf = (c: Patches): number => c.output.at(-1) ?? 1

/** Positions of a packed unit: a block of K of so many takes some hundred kilobytes. */
const UNIT_POSITIONS = 192

/** Cycles of copying one register's worth of patches, loops included. */
const COPY_COST = 1.7
/** How much longer it takes to load lanes that lie apart: every other element, or any. */
const apart = (step: number): number => (step === 1 ? 1 : step === 2 ? 4 : 8)
/** Cycles of laying out one element of the kernel, where its K does not lie contiguous. */
const LAY_OUT_COST = 1.5
/** What packing keeps from the micro-kernel by filling the caches, and lanes that are not all in use. */
const PACKED = 1.1
const RAGGED = 1.15
/** What each row of a direct tile adds to its cost, as its kernel's elements come from lines of their own. */
const APART = 0.006
/** Cycles of clearing, adding to, and handing on one register's worth of sums. */
const WAIT_COST = 8
/**
 * Elements of the kernel's window up to which a tile writes them out, and statements up to which. Only
 * for targets whose registers this compiler allocates: V8 spills what is written out (a third of the
 * speed, measured on Node 20), and its 128-bit registers are the mark by which to know it.
 */
const MOST_UNROLLED = 27
const MOST_STATEMENTS = 400

export interface Costed {
  /** Cycles a step of K, for all positions of all images. */
  readonly cost: number
  readonly tiling: WindowTiling
}

/** `plain`: whether the kernel's K lies contiguous. */
export function tileWindows(c: Patches, target: Target, plain: boolean): Costed {
  const packed = packedTiling(c, target, plain)
  const direct = directTiling(c, target)
  return direct.cost <= packed.cost ? direct : packed
}

export function packedTiling(c: Patches, target: Target, plain: boolean): Costed {
  const type = REGISTER_TYPE[c.dtype]
  const native = nativeLanes(target, type)
  let best: Costed | null = null
  for (const unit of packedUnits(c, target)) {
    const positions = unit.images * unit.lines * unit.columns
    const tile = chooseTile(c.features, positions, target, type)
    const units = (c.images * linesOf(c) * columnsOf(c)) / positions
    const copied = unit.images * unit.lines * Math.ceil(unit.columns / native)
    // Across images a tile's lanes are not neighbours in the output: its sums wait in memory.
    const waiting = unit.images > 1 ? (WAIT_COST * c.features * positions) / native : 0
    const cost =
      units *
        (PACKED * tiledCost(c.features, positions, tile, native, target) +
          COPY_COST * apart(c.step) * copied +
          waiting / sizeOf(c.contract)) +
      (plain ? 0 : LAY_OUT_COST * c.features)
    if (best === null || cost < best.cost) best = { cost, tiling: { mode: 'packed', unit, tile } }
  }
  return best!
}

/** Even shares of a long line or of an image's lines; else one image, or several small ones. */
function packedUnits(c: Patches, target: Target): Unit[] {
  const [lines, columns] = [linesOf(c), columnsOf(c)]
  const bytes = DTYPES[c.dtype].bytes
  const room = Math.floor(target.cache.l2 / 3 / (bytes * blockLength(c.numerics, c.contract)))
  const most = Math.max(16, Math.min(UNIT_POSITIONS, room))
  if (columns > most) {
    const cuts = Math.ceil(columns / most)
    const share = roundUp(Math.ceil(columns / cuts), target.tile.lanes)
    return [{ images: 1, lines: 1, columns: share }]
  }
  const fitting = Math.max(1, Math.floor(most / columns))
  if (fitting < lines) {
    return [{ images: 1, lines: Math.ceil(lines / Math.ceil(lines / fitting)), columns }]
  }
  const images = Math.max(1, Math.min(c.images, Math.floor(most / (lines * columns))))
  return [1, images].map((n) => ({ images: n, lines, columns }))
}

function directTiling(c: Patches, target: Target): Costed {
  const native = nativeLanes(target, REGISTER_TYPE[c.dtype])
  const [lines, columns] = [linesOf(c), columnsOf(c)]
  const window = sizeOf(c.contract.slice(1))
  const unrolls = target.nativeLanes > 4 && window > 1 && window <= MOST_UNROLLED
  const loop = unrolls ? 0.3 : 1
  const ragged = columns % native === 0 ? 1 : RAGGED
  const load = apart(c.step)
  let best: Costed | null = null
  for (let v = 1; v <= Math.min(4, Math.ceil(columns / native)); v++) {
    for (let together = 1; together <= Math.min(lines, 8); together++) {
      const width = together * v
      for (let rows = Math.min(c.features, 16, mostRows(width)); rows >= 1; rows--) {
        const crowded = crowding(target, rows, width)
        if (crowded === null) continue
        // What is left of features, lines or columns costs a tile as if it were whole.
        const cost =
          crowded *
          ragged *
          (1 + APART * rows) *
          c.images *
          Math.ceil(lines / together) *
          Math.ceil(c.features / rows) *
          (Math.floor(columns / (v * native)) * stepCost(target, rows, width, loop, load) +
            (columns % (v * native) > 0
              ? stepCost(
                  target,
                  rows,
                  together * Math.ceil((columns % (v * native)) / native),
                  loop,
                  load,
                )
              : 0))
        if (best !== null && cost >= best.cost) continue
        const body = window * (rows * width + rows + width)
        const unrolled = unrolls && body <= MOST_STATEMENTS ? c.contract.length - 1 : 0
        const unit = { images: 1, lines: together, columns }
        const tile = { rows, lanes: v * native }
        best = { cost, tiling: { mode: 'direct', unit, tile, unrolled } }
      }
    }
  }
  return best!
}

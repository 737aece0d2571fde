// Which tile, which operand along the lanes, what to copy first: choices that change the speed of a
// product and never its bits.

import { DTYPES, isFloat } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import { REGISTER_TYPE } from '../kernel/assembly.js'
import type { RegType, Target } from '../kernel/ir.js'
import { CACHE_LINE } from '../kernel/scratch.js'
import { blockLength } from './blocks.js'
import { type Product, probeFactor, probeWrite } from './factors.js'
import type { Probe } from './probe.js'
import { crowding, mostRows, stepCost } from './steps.js'

export interface Tile {
  readonly rows: number
  /** A multiple of the native lanes. */
  readonly lanes: number
}

/** Fewest lanes a vector loop has: emitters cut vectors into parts of this many. */
const LEAST_LANES = 4

/** Lanes of one register for a type, as far as vector loops can be that narrow. */
export const nativeLanes = (target: Target, type: RegType): number =>
  type === 'f64' || type === 'i64'
    ? Math.max(Math.min(LEAST_LANES, target.nativeLanes), target.nativeLanes / 2)
    : target.nativeLanes

export const roundUp = (n: number, unit: number): number => Math.ceil(n / unit) * unit

/** Cycles a step of K costs all tiles together. */
export function tiledCost(
  rows: number,
  columns: number,
  tile: Tile,
  native: number,
  target: Target,
): number {
  const v = tile.lanes / native
  const tail = Math.ceil((columns % tile.lanes) / native)
  const row = (r: number): number =>
    Math.floor(columns / tile.lanes) * stepCost(target, r, v) +
    (tail > 0 ? stepCost(target, r, tail) : 0)
  const rest = rows % tile.rows
  return Math.floor(rows / tile.rows) * row(tile.rows) + (rest > 0 ? row(rest) : 0)
}

/** The target's tile, or another that uses no more registers and wastes less of small or odd shapes. */
export function chooseTile(rows: number, columns: number, target: Target, type: RegType): Tile {
  const native = nativeLanes(target, type)
  const v0 = Math.max(1, target.tile.lanes / target.nativeLanes)
  const evened = (r: number): number => Math.ceil(rows / Math.ceil(rows / r))
  let best: Tile = { rows: evened(target.tile.rows), lanes: v0 * native }
  // Another shape must promise something for its worse balance of loads.
  let cost = tiledCost(rows, columns, best, native, target) * 0.92
  const widest = Math.ceil(columns / native)
  for (let v = 1; v <= Math.min(widest, target.tile.rows * v0); v++) {
    for (let r = Math.min(rows, mostRows(v)); r >= 1; r--) {
      const crowded = crowding(target, r, v)
      if (crowded === null) continue
      const tile = { rows: r, lanes: v * native }
      const c = crowded * tiledCost(rows, columns, tile, native, target)
      if (c < cost) [best, cost] = [tile, c]
    }
  }
  return best
}

/** Tiles each way from which on a product is large. */
const LARGE = 4

/** How much more the target's tile for large products may cost by count, for what its few loads save. */
const FEW_LOADS = 1.05

/** The target's tile for large products, where this is one that packs its panels apart; else the tile given. */
function enlarged(
  p: Product,
  lanes: FactorShape,
  rows: number,
  columns: number,
  tile: Tile,
  target: Target,
  native: number,
): Tile {
  const { largeTile, nativeLanes } = target
  if (largeTile === undefined || !isFloat(p.dtype)) return tile
  const large = { rows: largeTile.rows, lanes: (largeTile.lanes / nativeLanes) * native }
  if (rows < LARGE * large.rows || columns < LARGE * large.lanes) return tile
  if (packLanes(p, lanes, rows, columns, tile, target) !== 'apart') return tile
  const cost = (t: Tile): number => tiledCost(rows, columns, t, native, target)
  return cost(large) < FEW_LOADS * cost(tile) ? large : tile
}

/** Along which of its axes a factor lies contiguous in memory. */
export type Contiguous = 'free' | 'contract' | 'neither'

export interface FactorShape {
  readonly probe: Probe
  readonly contiguous: Contiguous
  /** Whether axis i of K and the one before it have one stride, so that a loop may take both. */
  readonly follows: readonly boolean[]
  /** Elements of the innermost run of K with one stride. */
  readonly run: number
  /** A single load an element. */
  readonly plain: boolean
}

/** What the tilings want to know about a factor. */
export function shapeOf(p: Product, side: 'left' | 'right'): FactorShape {
  const factor = p[side]
  const probe = probeFactor(p, factor)
  const free = p.batch.length + factor.free.length
  // Along an axis of size 1 nothing has a neighbour: what counts is the last longer one.
  const last = (end: number, sizes: readonly number[]): boolean => {
    if (sizes.length === 0) return false
    let axis = sizes.length - 1
    while (axis > 0 && sizes[axis] === 1) axis--
    const stride = probe.stride(end - sizes.length + axis)
    return sizes[axis] === 1 || Math.abs(stride ?? 0) === 1
  }
  const contract = free + p.contract.length
  const { axis } = p.numerics
  const follows = p.contract.map((size, i) => i === 0 || probe.merges(free + i - 1, free + i, size))
  let from = p.contract.length - 1
  let run = p.contract.at(-1) ?? 1
  while (from > axis && follows[from]) run *= p.contract[--from]!
  const contiguous = last(contract, p.contract)
    ? 'contract'
    : last(free, factor.free)
      ? 'free'
      : 'neither'
  return { probe, contiguous, follows, run, plain: probe.plain }
}

/** Cycles that a tile waits for a cache line that no other step of K is in, and none of its neighbours. */
const SCATTERED_COST = 16

/** Rows that lie in so few cache lines that a tile or two may take them all. */
const FEW_ROWS = 64

/** Cycles that computing a register's worth of a tile's rows takes, and writing it down. */
const STAGE_COST = 2

/** Cycles an element takes that is packed against the grain of memory. */
const TURN_COST = 0.75

export interface Orientation {
  /** Whether the right factor gives the rows. */
  readonly swap: boolean
  readonly tile: Tile
}

/** Chooses which factor is spread over lanes as splats (rows) and which is loaded as vectors. */
export function chooseOrientation(p: Product, given: Target, type: RegType): Orientation {
  const native = nativeLanes(given, type)
  const write = probeWrite(p)
  const b = p.batch.length
  const depth = sizeOf(p.contract)
  const consider = (swap: boolean): { cost: number; tile: Tile } => {
    const [rowSide, laneSide] = swap ? (['right', 'left'] as const) : (['left', 'right'] as const)
    const rows = sizeOf(p[rowSide].free)
    const columns = sizeOf(p[laneSide].free)
    const lanes = shapeOf(p, laneSide)
    const splat = shapeOf(p, rowSide)
    // Spreading by themselves pays with tall tiles. But the rows of a product's tile have to stay in the
    // first-level cache while panels pass by, and those of tall tiles do not. Of few rows that are
    // neighbours in memory no tile's do, as each step of K has lines of its own; a tall tile uses all of
    // those at once.
    const few = rows <= FEW_ROWS && splat.contiguous === 'free'
    const target = { ...given, spreads: given.spreads === true && few }
    const usual = chooseTile(rows, columns, target, type)
    const tile = few ? usual : enlarged(p, lanes, rows, columns, usual, target, native)
    let cost = depth * tiledCost(rows, columns, tile, native, target)
    // Copying for lanes: whole registers, or element by element where K is what is contiguous.
    const copied = depth * columns
    if (lanes.contiguous !== 'free') cost += copied * TURN_COST
    else if (!lanes.plain || rows > 4 * tile.rows) cost += copied / native
    if (layOutRows(p, splat, columns, tile)) cost += depth * rows
    else if (stagesRows(splat)) cost += (STAGE_COST * depth * rows) / native
    else if (isScattered(p, splat)) {
      cost += SCATTERED_COST * depth * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.lanes)
    }
    const end = swap ? b + p.left.free.length : b + p.left.free.length + p.right.free.length
    const stride = end > 0 ? write.stride(end - 1) : 0
    cost += (rows * columns) / (stride === 1 ? native : 0.75)
    return { cost, tile }
  }
  const straight = consider(false)
  const swapped = consider(true)
  return swapped.cost < straight.cost
    ? { swap: true, tile: swapped.tile }
    : { swap: false, tile: straight.tile }
}

/** Elements along K below which an inner loop over them is mostly overhead. */
const SHORT_RUN = 32

/** Elements from one step of K to the next that a tile of rows may jump without a copy. */
const NEAR = 128

/**
 * Whether the rows' factor is first copied to a matrix with K contiguous. Splats can be loaded at any
 * stride, so it pays only where K runs in short pieces, or where a block's elements, each in a
 * cache line of its own, would throw each other out of the cache.
 */
export function layOutRows(p: Product, f: FactorShape, columns: number, tile: Tile): boolean {
  const panels = Math.ceil(columns / tile.lanes)
  if (f.run < SHORT_RUN) return panels > 1
  return panels >= 4 && isScattered(p, f)
}

/** Whether the rows' factor, if it is not laid out, is computed tile by tile: elements take more than a load. */
export const stagesRows = (f: FactorShape): boolean => !f.plain

/** Whether a block's elements for a tile of rows are each in a cache line of its own, far from the next. */
function isScattered(p: Product, f: FactorShape): boolean {
  if (f.contiguous === 'contract') return false
  if (f.contiguous === 'free' && stepOf(f) <= NEAR) return false
  return blockLength(p.numerics, p.contract) > 128
}

/** Elements from one step of K to the next. */
const stepOf = (f: FactorShape): number => Math.abs(f.probe.stride(f.probe.coords.length - 1) ?? 0)

/** Elements of a page of memory: processors do not fetch ahead beyond one. */
const PAGE = 1024

/** Tiles of rows from which on packing pays that does no more than begin panels' rows on cache lines. */
const MANY_TILES = 10

/**
 * How the lanes' factor gets into panels, if it does: by the first tile of rows, whose micro-kernel writes down
 * what it loads anyway; or apart from the multiply-adds, before them.
 */
export type Packing = 'none' | 'first' | 'apart'

/**
 * Packs always where lanes are not neighbours in memory; else where enough tiles of rows use a panel that is
 * spread over many cache lines or pages, or whose registers lie across two lines each.
 */
export function packLanes(
  p: Product,
  f: FactorShape,
  rows: number,
  columns: number,
  tile: Tile,
  target: Target,
): Packing {
  const tiles = Math.ceil(rows / tile.rows)
  if (f.contiguous !== 'free') return 'apart'
  const length = blockLength(p.numerics, p.contract)
  const stride = stepOf(f)
  if (!f.plain || f.run < SHORT_RUN || (length > 256 && stride >= PAGE)) {
    return tiles > 1 ? 'apart' : 'none'
  }
  const spread = tiles >= 4 && (length > 256 || (stride % PAGE === 0 && length > 8))
  const near = stride < PAGE && p.numerics.blocks === 1 && p.right.free.length === 1
  if (near && hasPanelsOfLines(p, length, tile, target)) {
    const bytes = DTYPES[p.dtype].bytes
    const askew = tiles >= MANY_TILES && columns > tile.lanes && (bytes * stride) % CACHE_LINE !== 0
    if (spread || askew) return 'first'
  }
  return spread ? 'apart' : 'none'
}

/**
 * Whether registers are whole lines, so that few multiply-adds stand beside each, and panels stay in the
 * first-level cache. (Those that do not are better wide, and fetched ahead.)
 */
function hasPanelsOfLines(p: Product, length: number, tile: Tile, target: Target): boolean {
  const bytes = DTYPES[p.dtype].bytes
  const lines = bytes * nativeLanes(target, REGISTER_TYPE[p.dtype]) === CACHE_LINE
  return lines && bytes * length * tile.lanes <= target.cache.l1
}

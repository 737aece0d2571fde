// Products of a matrix and a vector, in the order of additions that suits them: sixteen lanes.
//
// There is nothing to keep in registers here, as every element of the matrix is used once: the matrix is
// read at the speed of memory, and the sum must not be slower. One chain of additions would be. So lane l
// sums elements l, l + 16, l + 32 … of K, and the lanes are added in halves: l to l + 8, then l + 4 …

import { DTYPES } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import {
  KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
  REGISTER_TYPE,
} from '../kernel/assembly.js'
import type { Affine, Bound, Reg } from '../kernel/ir.js'
import { constantOf, unflatten } from './axes.js'
import { shapeOf } from './choose.js'
import { mergeProduct, type Product, swapProduct } from './factors.js'
import { multiplyAdd } from './micro.js'
import { TREE_LANES } from './numerics.js'
import { amid, type Readings } from './readings.js'
import { Parts } from './sums.js'
import { forTiles, type Span } from './tiles.js'

/** Rows of the matrix that share what is loaded of the vector. */
const ROWS = 2
/** Multiply-adds of a chunk. */
const CHUNK_WORK = 1 << 16

/** Kernels for a product in which one factor is a vector and K one axis. */
export function lowerTree(unmerged: Product, ctx: LoweringContext): KernelCall[] {
  const merged = mergeProduct(unmerged)
  // The vector goes left.
  const p = sizeOf(merged.left.free) === 1 ? merged : swapProduct(merged)
  const rows = sizeOf(p.right.free)
  const depth = sizeOf(p.contract)
  const { parts, step } = p.numerics
  const partial = parts > 1 ? new Parts(p, ctx) : null
  const across = shapeOf(p, 'right').contiguous === 'free' && rows > 1
  const unit = across ? ctx.target.tile.lanes : ROWS
  const chunk = Math.max(1, Math.ceil(CHUNK_WORK / (Math.min(step, depth) * unit))) * unit
  const chunks = Math.ceil(rows / chunk)
  const batches = sizeOf(p.batch)
  const k = new KernelAssembly(p.name, parts * batches * chunks)
  k.flops = 2 * batches * rows * depth
  k.bytes = DTYPES[p.dtype].bytes * batches * (rows + 1) * depth
  const [part, b, at] = unflatten(k, ofVar(k.chunk), [parts, batches, chunks]) as [
    Affine,
    Affine,
    Affine,
  ]
  const first = times(part, step)
  const count: Bound =
    parts === 1
      ? affine(depth)
      : depth % step === 0
        ? affine(step)
        : { min: [affine(step), plus(times(first, -1), depth)] }
  const batch = unflatten(k, b, p.batch)
  const done = (row: Affine, sum: Reg): void => {
    if (partial !== null) partial.store(k, [part, b, affine(0), row], sum)
    else p.write(k, batch, origin(p.left.free), unflatten(k, row, p.right.free), sum)
  }
  const work: Work = { k, p, ctx, batch, first, count, done }
  const span: Span = { total: rows, chunk, chunks, unit, at }
  forTiles(k, 'row', span, (_, row, size) => (across ? acrossRows : alongK)(work, row, size))
  const calls = [k.call()]
  if (partial !== null) calls.push(partial.combine())
  return calls
}

/** How `lowerTree` reads the factors: the matrix once, the vector for every few rows of it. */
export function readingsOfTree({ left, right }: Product): Readings {
  const [rows, columns] = [sizeOf(left.free), sizeOf(right.free)]
  return [amid(Math.ceil(columns / ROWS)), amid(Math.ceil(rows / ROWS))]
}

const origin = (axes: readonly number[]): Affine[] => axes.map(() => affine(0))

interface Work {
  readonly k: KernelAssembly
  readonly p: Product
  readonly ctx: LoweringContext
  readonly batch: Affine[]
  /** The part of K to sum. */
  readonly first: Affine
  readonly count: Bound
  done(row: Affine, sum: Reg): void
}

/** K is contiguous: the tree's lanes are a vector's. */
function alongK({ k, p, batch, first, count, done }: Work, row: Affine, size: number): void {
  const type = REGISTER_TYPE[p.dtype]
  const rows = Array.from({ length: size }, (_, i) => unflatten(k, plus(row, i), p.right.free))
  const sums = rows.map(() => k.accumulator(type, 0, TREE_LANES))
  k.vector('k', count, TREE_LANES, (i) => {
    const at = [plus(first, i)]
    const x = p.left.read(k, batch, origin(p.left.free), at)
    for (const [r, sum] of sums.entries()) {
      multiplyAdd(k, sum, x, p.right.read(k, batch, rows[r]!, at))
    }
  })
  for (const [r, sum] of sums.entries()) done(plus(row, r), k.combine(sum, 'add'))
}

/** Tree lanes that are summed together when rows are what is contiguous. */
const TOGETHER = 4

/** Rows are contiguous: a vector's lanes are rows, and the tree's lanes are summed a few at a time. */
function acrossRows(work: Work, row: Affine, size: number): void {
  const { k, p, batch, first, count, done, ctx } = work
  const type = REGISTER_TYPE[p.dtype]
  const lanes = ctx.target.tile.lanes
  const sums = k.scratch('lanes', MEMORY_TYPE[p.dtype], TREE_LANES * lanes)
  const known = constantOf(count)
  for (let lane = 0; lane < TREE_LANES; lane += TOGETHER) {
    k.vector('row', size, lanes, (n) => {
      const accumulators = Array.from({ length: TOGETHER }, () => k.accumulator(type, 0))
      const add = (i: number, from: Affine): void => {
        const at = [plus(first, plus(from, lane + i))]
        const x = p.left.read(k, batch, origin(p.left.free), at)
        const matrix = p.right.read(k, batch, unflatten(k, plus(row, n), p.right.free), at)
        multiplyAdd(k, accumulators[i]!, matrix, x)
      }
      const all = (from: Affine): void => {
        for (let i = 0; i < TOGETHER; i++) add(i, from)
      }
      // Rounds in which all of these lanes have an element, then the last, in which some have.
      const reach = lane + TOGETHER - 1
      const whole = plusBound(count, -reach)
      k.loop('k', whole, all, { step: TREE_LANES })
      if (known !== null) {
        const rounds = Math.max(0, Math.ceil((known - reach) / TREE_LANES))
        for (let i = 0; i < TOGETHER; i++) {
          if (rounds * TREE_LANES + lane + i < known) add(i, affine(rounds * TREE_LANES))
        }
      } else {
        lastRound(work, lane, add)
      }
      for (const [i, sum] of accumulators.entries()) {
        k.store(sums, plus(n, (lane + i) * lanes), sum)
      }
    })
  }
  k.vector('row', size, lanes, (n) => {
    let level = Array.from({ length: TREE_LANES }, (_, l) => k.load(sums, plus(n, l * lanes)))
    while (level.length > 1) {
      const half = level.length / 2
      level = level.slice(0, half).map((x, l) => k.set('add', x, level[l + half]!))
    }
    done(plus(row, n), level[0]!)
  })
}

/** Elements beyond the whole rounds of a part whose length only the chunk knows: the last part's. */
function lastRound({ k, p, first }: Work, lane: number, add: (i: number, from: Affine) => void) {
  const depth = sizeOf(p.contract)
  const { step, parts } = p.numerics
  const length = depth - step * (parts - 1)
  const rounds = Math.max(0, Math.ceil((length - (lane + TOGETHER - 1)) / TREE_LANES))
  k.when(first, 'eq', affine(step * (parts - 1)), () => {
    for (let i = 0; i < TOGETHER; i++) {
      if (rounds * TREE_LANES + lane + i < length) add(i, affine(rounds * TREE_LANES))
    }
  })
}

const plusBound = (b: Bound, n: number): Bound =>
  'min' in b ? { min: [plus(b.min[0], n), plus(b.min[1], n)] } : plus(b, n)

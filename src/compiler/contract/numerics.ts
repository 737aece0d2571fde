// The order in which a contraction adds: part of what `dot` and `conv` mean, so it follows from shapes
// alone and is the same for every target, tiling, layout and number of threads.
//
// A sum over K is cut into blocks. Inside a block runs one chain acc = fma(a, b, acc) from 0, in
// ascending order of K; blocks are added in order. Long sums with few results are cut further, into parts
// that are summed on their own and then added in order, because otherwise there would be nothing to
// share among threads.

import { isFloat } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import { K_BLOCK } from '../numerics.js'
import { type ConvSpec, convSizes, type DotSpec, dotAxes } from './spec.js'

/** Lanes of the sums of matrix-vector products, and K from which on they are summed so. */
export const TREE_LANES = 16
const SHORTEST_TREE = 64
/** Elements below which a part of such a sum is not worth a thread. */
const PART_ROUNDS = 1 << 14

export interface Numerics {
  /**
   * `chain`: blocks of ascending chains. `tree`: 16 lanes that each take every sixteenth element, then
   * halved together; for matrix-vector products, which have one long contiguous sum a result.
   */
  readonly order: 'chain' | 'tree'
  /** The K axis that is cut, `step` indices at a time; axes before it count blocks, axes after it are whole. */
  readonly axis: number
  readonly step: number
  /** Number of blocks a part sums. */
  readonly blocksPerPart: number
  readonly blocks: number
  readonly parts: number
}

/** Cuts the axes of a sum, last fastest, into blocks of at most K_BLOCK elements along axis boundaries. */
function blocking(contract: readonly number[], results: number): Numerics {
  let axis = contract.length
  let inner = 1
  while (axis > 0 && inner * contract[axis - 1]! <= K_BLOCK) inner *= contract[--axis]!
  // All of K fits: one block. Else the axis before what fits is cut.
  if (axis > 0) axis--
  const size = contract[axis] ?? 1
  const step = Math.max(1, Math.min(size, Math.floor(K_BLOCK / sizeOf(contract.slice(axis + 1)))))
  const outer = sizeOf(contract.slice(0, axis))
  const blocks = Math.max(1, outer * Math.ceil(size / step))
  const { blocksPerPart, parts } = partition(blocks, results, sizeOf(contract))
  return { order: 'chain', axis, step, blocks, blocksPerPart, parts }
}

/** Terms a result must have, for every result there is, before its sum is cut into parts. */
const LONG = 16
/** Multiply-adds a part must have, and most parts. */
const PART_WORK = 1 << 17
const MOST_PARTS = 16

function partition(blocks: number, results: number, k: number) {
  const wanted = k > LONG * results ? Math.floor((results * k) / PART_WORK) : 1
  const parts = Math.max(1, Math.min(wanted, MOST_PARTS, blocks))
  const blocksPerPart = Math.ceil(blocks / parts)
  return { blocksPerPart, parts: Math.ceil(blocks / blocksPerPart) }
}

/** How a `dot` of these shapes adds. */
export function dotNumerics(spec: DotSpec): Numerics {
  const { batch, rows, columns, contract } = dotAxes(spec)
  const results = sizeOf(batch) * sizeOf(rows) * sizeOf(columns)
  const axis = contract.findIndex((n) => n > 1)
  const alone = contract.every((n, i) => n === 1 || i === axis)
  const vector = sizeOf(rows) === 1 || sizeOf(columns) === 1
  const depth = sizeOf(contract)
  if (!vector || !alone || !isFloat(spec.dtype) || depth < SHORTEST_TREE) {
    return blocking(contract, results)
  }
  // A part is a whole number of rounds over the lanes.
  const { parts } = partition(Math.ceil(depth / PART_ROUNDS), results, depth)
  const step = Math.ceil(depth / parts / TREE_LANES) * TREE_LANES
  const blocks = Math.ceil(depth / step)
  return { order: 'tree', axis, step, blocks, blocksPerPart: 1, parts: blocks }
}

/**
 * How a `conv` of these shapes adds: K runs over channels, then the kernel's spatial axes. (For a dilated
 * input, ask for each of its phases.)
 */
export function convNumerics(spec: ConvSpec): Numerics {
  const { groups, batch, channels, features, kernel, output } = convSizes(spec)
  const results = groups * batch * features * sizeOf(output)
  return blocking([channels, ...kernel], results)
}

// The contraction every matrix product is: batch axes pair up, contracted axes are summed away.

import { type Dim, dimFits } from '../../base/dim.js'
import { ShapeError } from '../../base/errors.js'
import { formatShape, stridesOf } from '../../base/shape.js'
import { type DotAttrs, dot, transpose } from '../build.js'
import type { Node, TensorType } from '../node.js'
import { define, type NDArray } from '../op.js'
import { checkAxes, checkNumeric, checkSameDType } from './check.js'
import { innerProduct, offsets, store } from './host.js'
import { inversePermutation } from './movement.js'

/** The axes of `x` that are in neither list, in order. */
const freeAxes = (x: TensorType, batch: readonly number[], contract: readonly number[]): number[] =>
  x.shape.map((_, i) => i).filter((i) => !batch.includes(i) && !contract.includes(i))

const range = (start: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => start + i)

/** Axes that are paired have equal sizes; the lists name them, left and right. */
function checkPairs(
  what: string,
  left: TensorType,
  right: TensorType,
  leftAxes: readonly number[],
  rightAxes: readonly number[],
): void {
  const pairs =
    leftAxes.length === rightAxes.length &&
    leftAxes.every((l, i) => dimFits(left.shape[l]!, right.shape[rightAxes[i]!]!))
  if (pairs) return
  throw new ShapeError(
    'dot',
    `${what} axes of equal sizes (axes [${leftAxes.join(', ')}] and [${rightAxes.join(', ')}])`,
    `${formatShape(left.shape)} and ${formatShape(right.shape)}`,
    { left: left.shape, right: right.shape },
  )
}

/**
 * out[b…, m…, n…] = Σ_k left[b…, m…, k…] · right[b…, n…, k…], after
 * [XLA's DotGeneral](https://openxla.org/xla/operation_semantics#dotgeneral).
 */
export const dotOp = define<DotAttrs>({
  name: 'dot',
  attrs: { leftBatch: 'ints', rightBatch: 'ints', leftContract: 'ints', rightContract: 'ints' },
  infer: ([left, right], { leftBatch, rightBatch, leftContract, rightContract }) => {
    checkNumeric('dot', left!)
    const dtype = checkSameDType('dot', 'operands', left!, right!)
    checkAxes('dot', [...leftBatch, ...leftContract], left!.shape)
    checkAxes('dot', [...rightBatch, ...rightContract], right!.shape)
    checkPairs('batch', left!, right!, leftBatch, rightBatch)
    checkPairs('contracted', left!, right!, leftContract, rightContract)
    const shape: Dim[] = [
      ...leftBatch.map((i) => left!.shape[i]!),
      ...freeAxes(left!, leftBatch, leftContract).map((i) => left!.shape[i]!),
      ...freeAxes(right!, rightBatch, rightContract).map((i) => right!.shape[i]!),
    ]
    return { shape, dtype }
  },
  vjp: ({ inputs, attrs, grad, needs }) => {
    const left = inputs[0]!
    const right = inputs[1]!
    const { leftBatch, rightBatch, leftContract, rightContract } = attrs
    const leftFree = freeAxes(left, leftBatch, leftContract)
    const rightFree = freeAxes(right, rightBatch, rightContract)
    const batch = range(0, leftBatch.length)
    const ofLeft = range(batch.length, leftFree.length)
    const ofRight = range(batch.length + leftFree.length, rightFree.length)
    const gradOfLeft = (): Node =>
      operandGradient(
        { x: grad, batch, contract: ofRight },
        { x: right, batch: rightBatch, contract: rightFree },
        { batch: leftBatch, free: leftFree, contract: alongside(leftContract, rightContract) },
      )
    const gradOfRight = (): Node =>
      operandGradient(
        { x: grad, batch, contract: ofLeft },
        { x: left, batch: leftBatch, contract: leftFree },
        { batch: rightBatch, free: rightFree, contract: alongside(rightContract, leftContract) },
      )
    return [needs(0) ? gradOfLeft() : null, needs(1) ? gradOfRight() : null]
  },
  evaluate: ([left, right], attrs, types, ctx) => {
    const { leftBatch, rightBatch, leftContract, rightContract } = attrs
    const out = ctx.allocate(types[0]!)
    const batches = [walk(left!, leftBatch), walk(right!, rightBatch)] as const
    const free = [
      walk(left!, freeAxes(left!, leftBatch, leftContract)),
      walk(right!, freeAxes(right!, rightBatch, rightContract)),
    ] as const
    const leftSteps = walk(left!, leftContract)
    const rightSteps = walk(right!, rightContract)
    const inner = innerProduct(left!.dtype)
    let at = 0
    for (let b = 0; b < batches[0].length; b++) {
      for (const m of free[0]) {
        for (const n of free[1]) {
          const l = batches[0][b]! + m
          const r = batches[1][b]! + n
          const sum = inner(left!.data, l, leftSteps, right!.data, r, rightSteps, leftSteps.length)
          store(out.data, at++, sum)
        }
      }
    }
    return [out]
  },
  samples: () => [
    { inputs: [{ shape: [3, 4] }, { shape: [4, 5] }], attrs: MATMUL },
    {
      inputs: [{ shape: [3, 4] }, { shape: [5, 4] }],
      attrs: { ...MATMUL, rightContract: [1] },
      note: 'A·Bᵀ',
    },
    {
      inputs: [{ shape: [4, 3] }, { shape: [4, 5] }],
      attrs: { ...MATMUL, leftContract: [0] },
      note: 'Aᵀ·B',
    },
    {
      inputs: [{ shape: [4, 3] }, { shape: [5, 4] }],
      attrs: { ...MATMUL, leftContract: [0], rightContract: [1] },
      note: 'Aᵀ·Bᵀ',
    },
    { inputs: [{ shape: [1, 1] }, { shape: [1, 1] }], attrs: MATMUL, note: 'size 1' },
    { inputs: [{ shape: [17, 33] }, { shape: [33, 7] }], attrs: MATMUL, note: 'odd' },
    {
      inputs: [{ shape: [5] }, { shape: [5] }],
      attrs: { ...MATMUL, leftContract: [0] },
      note: 'vectors',
    },
    {
      inputs: [{ shape: [3] }, { shape: [4] }],
      attrs: { ...MATMUL, leftContract: [], rightContract: [] },
      note: 'outer',
    },
    { inputs: [{ shape: [3, 4] }, { shape: [4] }], attrs: MATMUL, note: 'matrix times vector' },
    {
      inputs: [{ shape: [2, 3, 4] }, { shape: [2, 4, 5] }],
      attrs: { leftBatch: [0], rightBatch: [0], leftContract: [2], rightContract: [1] },
      note: 'batched',
    },
    {
      inputs: [{ shape: [3, 2, 4, 5] }, { shape: [6, 4, 3, 2] }],
      attrs: { leftBatch: [1, 0], rightBatch: [3, 2], leftContract: [2], rightContract: [1] },
      note: 'two batch axes, out of order',
    },
    {
      inputs: [{ shape: [2, 3, 4] }, { shape: [4, 5, 2] }],
      attrs: { ...MATMUL, leftContract: [0, 2], rightContract: [2, 0] },
      note: 'two contracted axes',
    },
    { inputs: [{ shape: [3, 0] }, { shape: [0, 2] }], attrs: MATMUL, note: 'empty sum' },
    { inputs: [{ shape: [0, 3] }, { shape: [3, 2] }], attrs: MATMUL, note: 'empty' },
    {
      inputs: [
        { shape: [3, 4], dtype: 'float64' },
        { shape: [4, 2], dtype: 'float64' },
      ],
      attrs: MATMUL,
    },
    {
      inputs: [
        { shape: [3, 4], dtype: 'int32' },
        { shape: [4, 2], dtype: 'int32' },
      ],
      attrs: MATMUL,
    },
    {
      inputs: [
        { shape: [1, 2], dtype: 'int32', values: [2147483647, 3] },
        { shape: [2, 1], dtype: 'int32', values: [2147483647, 5] },
      ],
      attrs: MATMUL,
      note: 'wraps',
    },
    {
      inputs: [
        { shape: [2, 3], dtype: 'int64' },
        { shape: [3, 2], dtype: 'int64' },
      ],
      attrs: MATMUL,
    },
    {
      inputs: [
        { shape: [2, 3], dtype: 'uint8', range: [0, 255] },
        { shape: [3, 2], dtype: 'uint8', range: [0, 255] },
      ],
      attrs: MATMUL,
    },
  ],
})

const MATMUL: DotAttrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }

/** Offsets of all positions along some axes of an array. */
function walk(x: NDArray, axes: readonly number[]): Int32Array {
  const strides = stridesOf(x.shape)
  const shape = axes.map((i) => x.shape[i]!)
  return offsets(shape, { start: 0, strides: axes.map((i) => strides[i]!) })
}

/** One factor of a gradient, and which of its axes pair and contract. */
interface Factor {
  readonly x: Node
  readonly batch: readonly number[]
  readonly contract: readonly number[]
}

/** An operand's axes, in the order in which a gradient's product has them. */
interface OperandAxes {
  readonly batch: readonly number[]
  /** They come from the gradient. */
  readonly free: readonly number[]
  /** They come from the other operand. */
  readonly contract: readonly number[]
}

/** `axes` in the ascending order of their partners: the order in which a dot lists free partners. */
function alongside(axes: readonly number[], partners: readonly number[]): number[] {
  const order = partners.map((_, i) => i).sort((i, j) => partners[i]! - partners[j]!)
  return order.map((i) => axes[i]!)
}

/**
 * The gradient of one operand: the result's gradient times the other operand, summed over the other's
 * free axes. The factors come in whichever order needs no transpose afterwards, if one of the two does.
 */
function operandGradient(grad: Factor, other: Factor, axes: OperandAxes): Node {
  const otherFirst = [...axes.batch, ...axes.contract, ...axes.free]
  if (otherFirst.every((axis, i) => axis === i)) return product(other, grad)
  const gradFirst = [...axes.batch, ...axes.free, ...axes.contract]
  return transpose(product(grad, other), inversePermutation(gradFirst))
}

const product = (left: Factor, right: Factor): Node =>
  dot([left.x, right.x], {
    leftBatch: left.batch,
    rightBatch: right.batch,
    leftContract: left.contract,
    rightContract: right.contract,
  })

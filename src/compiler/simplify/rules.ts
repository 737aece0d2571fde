// Rewrite rules: a table from operation to the simplifications that may apply to it.
//
// Every rule keeps every bit, for every input. That excludes more than it seems: x + 0 is not x (it turns
// -0 into 0), x·0 is not 0, -(a - b) is not b - a. It allows x + (-0), x - 0, x·1, x / 1, -(-x), x + (-y)
// as x - y, and all movement of data.

import { DTYPES, type DType, isFloat } from '../../base/dtype.js'
import { shapeEqual } from '../../base/shape.js'
import * as b from '../../ir/build.js'
import type { Node } from '../../ir/node.js'
import { shapeOf } from '../../ir/sizes.js'
import { constantBelow, filled, isConstant } from './constants.js'

/** Gives a node in place of `node`, or null. Inputs are simplified already. */
export type Rule = (node: Node) => Node | null

const input = (node: Node, i = 0): Node => node.inputs[i] as Node
const isOp = (node: Node, name: string): boolean => node.op.name === name
const notFloat = (node: Node): boolean => !isFloat(node.dtype)

// ---- arithmetic --------------------------------------------------------------------------------

/** f(f(x)) is x. */
const involution: Rule = (n) => (isOp(input(n), n.op.name) ? input(input(n)) : null)

/** `x op c` is x, for the constant that is neutral; `when` limits it to dtypes. */
const neutralRight =
  (value: number, when: (n: Node) => boolean = () => true): Rule =>
  (n) =>
    when(n) && isConstant(input(n, 1), value) ? input(n) : null
const neutralLeft =
  (value: number, when: (n: Node) => boolean = () => true): Rule =>
  (n) =>
    when(n) && isConstant(input(n), value) ? input(n, 1) : null

const addNegated: Rule = (n) => {
  const [x, y] = [input(n), input(n, 1)]
  if (isOp(y, 'neg')) return b.sub(x, input(y))
  return isOp(x, 'neg') ? b.sub(y, input(x)) : null
}
const subNegated: Rule = (n) =>
  isOp(input(n, 1), 'neg') ? b.add(input(n), input(input(n, 1))) : null
const timesMinusOne: Rule = (n) => {
  if (n.dtype === 'uint8') return null
  if (isConstant(input(n, 1), -1)) return b.neg(input(n))
  return isConstant(input(n), -1) ? b.neg(input(n, 1)) : null
}
const timesBothNegated: Rule = (n) => {
  const [x, y] = [input(n), input(n, 1)]
  return isOp(x, 'neg') && isOp(y, 'neg') ? b.mul(input(x), input(y)) : null
}
/** A power of two divides as exactly as its reciprocal multiplies. */
const divideByPowerOfTwo: Rule = (n) => {
  const c = constantBelow(input(n, 1))
  if (c === null || !isFloat(n.dtype)) return null
  const value = c.attrs.value as number
  const exponent = Math.log2(Math.abs(value))
  if (!Number.isInteger(exponent) || Math.abs(exponent) > 100) return null
  return b.mul(input(n), filled(1 / value, n))
}
/** Exactly what the power kernel itself does for these exponents. */
const knownPower: Rule = (n) => {
  const x = input(n)
  const exponent = constantBelow(input(n, 1))?.attrs.value
  if (exponent === 2) return b.mul(x, x)
  if (exponent === 1) return x
  if (exponent === -1) return b.div(filled(1, n), x)
  if (exponent !== 0.5 || n.dtype !== 'float32') return null
  const root = b.add(b.sqrt(x), filled(0, n))
  const lowest = filled(Number.NEGATIVE_INFINITY, n)
  return b.select(b.eq(x, lowest), filled(Number.POSITIVE_INFINITY, n), root)
}
const sameBranches: Rule = (n) => (input(n, 1) === input(n, 2) ? input(n, 1) : null)
const constantCondition: Rule = (n) => {
  const c = constantBelow(input(n))
  return c === null ? null : c.attrs.value !== 0 ? input(n, 1) : input(n, 2)
}
const selectNegated: Rule = (n) => {
  const cond = input(n)
  const isNot = isOp(cond, 'xor') && isConstant(input(cond, 1), 1)
  return isNot ? b.select(input(cond), input(n, 2), input(n, 1)) : null
}
/** not(not(x)). */
const doubleNot: Rule = (n) => {
  const x = input(n)
  if (n.dtype !== 'bool' || !isConstant(input(n, 1), 1) || !isOp(x, 'xor')) return null
  return isConstant(input(x, 1), 1) ? input(x) : null
}
const absOfSign: Rule = (n) =>
  isOp(input(n), 'neg') || isOp(input(n), 'abs') ? b.abs(input(input(n))) : null

/** Dtypes that hold every value of the key's exactly. */
const HOLDS: Readonly<Record<DType, readonly DType[]>> = {
  bool: ['uint8', 'int32', 'int64', 'float32', 'float64'],
  uint8: ['int32', 'int64', 'float32', 'float64'],
  int32: ['int64', 'float64'],
  int64: [],
  float32: ['float64'],
  float64: [],
}
/** A cast by way of a wider dtype, where going there directly rounds, wraps and saturates alike. */
const castChain: Rule = (n) => {
  const middle = input(n)
  if (!isOp(middle, 'cast')) return null
  const x = input(middle)
  if (!HOLDS[x.dtype].includes(middle.dtype)) return null
  if (x.dtype === n.dtype) return x
  const alike = DTYPES[x.dtype].kind === DTYPES[middle.dtype].kind || x.dtype === 'bool'
  return alike ? b.cast(x, n.dtype) : null
}
const sameDType: Rule = (n) => (input(n).dtype === n.dtype ? input(n) : null)

// ---- movement ----------------------------------------------------------------------------------

const drop: Rule = (n) => input(n)
const sameShape: Rule = (n) => (shapeEqual(n.shape, input(n).shape) ? input(n) : null)
/** A view of a constant is that constant in another shape. */
const viewOfConstant: Rule = (n) => {
  const c = constantBelow(input(n))
  if (c === null) return null
  const canonical =
    isOp(n, 'broadcast') && isOp(input(n), 'reshape') && isOp(input(input(n)), 'const')
  if (canonical || (isOp(n, 'reshape') && isOp(input(n), 'const'))) return null
  return filled(c.attrs.value as number, n)
}
const reshapeOfReshape: Rule = (n) =>
  isOp(input(n), 'reshape') ? b.reshape(input(input(n)), n.shape) : null
const broadcastOfBroadcast: Rule = (n) =>
  isOp(input(n), 'broadcast') ? b.broadcast(input(input(n)), n.shape) : null
const transposeOfTranspose: Rule = (n) => {
  const x = input(n)
  if (!isOp(x, 'transpose')) return null
  const outer = n.attrs.perm as readonly number[]
  const inner = x.attrs.perm as readonly number[]
  return b.transpose(
    input(x),
    outer.map((p) => inner[p] as number),
  )
}
const identityTranspose: Rule = (n) =>
  (n.attrs.perm as readonly number[]).every((p, i) => p === i) ? input(n) : null
/** A transpose that only moves axes of size 1 moves no data. */
const transposeOfOnes: Rule = (n) => {
  const perm = n.attrs.perm as readonly number[]
  const shape = shapeOf(input(n))
  const moved = perm.filter((p) => shape[p] !== 1)
  return moved.every((p, i) => i === 0 || p > (moved[i - 1] as number))
    ? b.reshape(input(n), n.shape)
    : null
}
/** The transpose of a product is the product of the operands in the other order. */
const transposeOfDot: Rule = (n) => {
  const x = input(n)
  if (!isOp(x, 'dot')) return null
  const a = x.attrs as b.DotAttrs
  const [left, right] = [input(x), input(x, 1)]
  const batch = a.leftBatch.length
  const rows = left.shape.length - batch - a.leftContract.length
  const columns = right.shape.length - batch - a.rightContract.length
  const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)
  const swapped = [...range(0, batch), ...range(batch + rows, columns), ...range(batch, rows)]
  const perm = n.attrs.perm as readonly number[]
  if (!swapped.every((p, i) => p === perm[i])) return null
  return b.dot([right, left], {
    leftBatch: a.rightBatch,
    rightBatch: a.leftBatch,
    leftContract: a.rightContract,
    rightContract: a.leftContract,
  })
}
const reverseOfReverse: Rule = (n) => {
  const x = input(n)
  if (!isOp(x, 'reverse')) return null
  const outer = n.attrs.axes as readonly number[]
  const inner = x.attrs.axes as readonly number[]
  const axes = [
    ...outer.filter((a) => !inner.includes(a)),
    ...inner.filter((a) => !outer.includes(a)),
  ]
  return b.reverse(
    input(x),
    axes.sort((p, q) => p - q),
  )
}
interface SliceAttrs {
  readonly starts: readonly number[]
  readonly stops: readonly number[]
  readonly steps: readonly number[]
}
const sliceOf = (n: Node): SliceAttrs => n.attrs as unknown as SliceAttrs
const sliceOfSlice: Rule = (n) => {
  const x = input(n)
  if (!isOp(x, 'slice')) return null
  const outer = sliceOf(n)
  const inner = sliceOf(x)
  const steps = outer.steps.map((s, i) => s * (inner.steps[i] as number))
  const starts = outer.starts.map(
    (s, i) => (inner.starts[i] as number) + s * (inner.steps[i] as number),
  )
  const stops = starts.map((s, i) => {
    const count = shapeOf(n)[i] as number
    return count === 0 ? s : s + (count - 1) * (steps[i] as number) + 1
  })
  const within = stops.every((s, i) => s <= (shapeOf(input(x))[i] as number))
  return within ? b.slice(input(x), starts, stops, steps) : null
}
/** A slice that lies in one part of a concatenation is a slice of that part. */
const sliceOfConcat: Rule = (n) => {
  const x = input(n)
  if (!isOp(x, 'concat')) return null
  const axis = x.attrs.axis as number
  const { starts, stops, steps } = sliceOf(n)
  let from = 0
  for (const part of x.inputs) {
    const size = shapeOf(part)[axis] as number
    const first = starts[axis] as number
    if (first >= from && (stops[axis] as number) <= from + size && size > 0) {
      const shift = (values: readonly number[]): number[] =>
        values.map((v, i) => (i === axis ? v - from : v))
      return b.slice(part, shift(starts), shift(stops), steps)
    }
    from += size
  }
  return null
}
const concatOfOne: Rule = (n) => {
  const axis = n.attrs.axis as number
  const parts = n.inputs.filter((p) => (shapeOf(p)[axis] as number) > 0)
  if (parts.length === n.inputs.length && parts.length > 1) return null
  return parts.length === 0 ? input(n) : b.concat(parts, axis)
}
interface PadAttrs {
  readonly low: readonly number[]
  readonly high: readonly number[]
  readonly interior: readonly number[]
}
/** Padding that only crops is a slice. */
const padThatCrops: Rule = (n) => {
  const { low, high, interior } = n.attrs as unknown as PadAttrs
  const shape = shapeOf(input(n))
  const plain = interior.every((i, a) => i === 0 || (shape[a] as number) <= 1)
  if (!plain || low.some((v) => v > 0) || high.some((v) => v > 0)) return null
  const starts = low.map((v) => -v)
  const stops = high.map((v, i) => (shape[i] as number) + v)
  return stops.every((s, i) => s >= (starts[i] as number)) ? b.slice(input(n), starts, stops) : null
}
/** Zeros around zeros: a second pad of the same fill joins the first. */
const padOfPad: Rule = (n) => {
  const x = input(n)
  if (!isOp(x, 'pad')) return null
  const fill = constantBelow(input(n, 1))
  const innerFill = constantBelow(input(x, 1))
  if (fill === null || innerFill === null || !Object.is(fill.attrs.value, innerFill.attrs.value)) {
    return null
  }
  const outer = n.attrs as unknown as PadAttrs
  const inner = x.attrs as unknown as PadAttrs
  const grows = [...outer.low, ...outer.high, ...inner.low, ...inner.high].every((v) => v >= 0)
  if (!grows || outer.interior.some((v) => v !== 0)) return null
  const sum = (p: readonly number[], q: readonly number[]) => p.map((v, i) => v + (q[i] as number))
  return b.pad(
    input(x),
    input(n, 1),
    sum(outer.low, inner.low),
    sum(outer.high, inner.high),
    inner.interior,
  )
}

// ---- reductions --------------------------------------------------------------------------------

/** Reducing axes of size 1 only reshapes; a sum still adds to 0, which a lone -0 shows. */
const reduceOfOnes: Rule = (n) => {
  const axes = n.attrs.axes as readonly number[]
  if (axes.some((a) => shapeOf(input(n))[a] !== 1)) return null
  const x = b.reshape(input(n), n.shape)
  return isOp(n, 'reduceSum') && isFloat(n.dtype) ? b.add(x, filled(0, x)) : x
}

/** Windows that tile their array without overlap: folding them back is a transposition. */
const foldOfTiles: Rule = (n) => {
  const { size, strides, dilation, spatial } = n.attrs as unknown as b.WindowAttrs & {
    spatial: readonly number[]
  }
  if (!size.every((s, i) => strides[i] === s && (dilation[i] === 1 || s === 1))) return null
  const shape = shapeOf(input(n))
  const lead = shape.length - 2 * size.length
  const positions = shape.slice(lead, lead + size.length)
  const perm = [
    ...Array.from({ length: lead }, (_, i) => i),
    ...size.flatMap((_, i) => [lead + i, lead + size.length + i]),
  ]
  const covered = positions.map((p, i) => p * (size[i] as number))
  const tiled = b.reshape(b.transpose(input(n), perm), [...shape.slice(0, lead), ...covered])
  // The reference adds each element to a zero; only a sum shows that a lone -0 becomes 0 by it.
  const summed = notFloat(n) ? tiled : b.add(tiled, filled(0, tiled))
  const high = [
    ...new Array<number>(lead).fill(0),
    ...spatial.map((s, i) => s - (covered[i] as number)),
  ]
  return high.every((h) => h === 0)
    ? summed
    : b.pad(
        summed,
        b.constant(0, n.dtype),
        high.map(() => 0),
        high,
      )
}

const reduction: readonly Rule[] = [reduceOfOnes]
const view: readonly Rule[] = [sameShape, viewOfConstant]

/** All rules, by the operation at whose node they apply. */
export const RULES: Readonly<Record<string, readonly Rule[]>> = {
  stopGradient: [drop],
  assign: [drop],
  output: [(n) => (n.attrs.index === 0 && input(n).outputs === null ? input(n) : null)],
  neg: [involution],
  abs: [absOfSign],
  add: [
    neutralRight(-0),
    neutralLeft(-0),
    neutralRight(0, notFloat),
    neutralLeft(0, notFloat),
    addNegated,
  ],
  sub: [neutralRight(0), subNegated],
  mul: [neutralRight(1), neutralLeft(1), timesMinusOne, timesBothNegated],
  div: [neutralRight(1), divideByPowerOfTwo],
  pow: [knownPower],
  xor: [doubleNot],
  select: [sameBranches, constantCondition, selectNegated],
  cast: [sameDType, castChain],
  reshape: [sameShape, reshapeOfReshape, viewOfConstant],
  transpose: [
    viewOfConstant,
    identityTranspose,
    transposeOfTranspose,
    transposeOfOnes,
    transposeOfDot,
  ],
  broadcast: [...view, broadcastOfBroadcast],
  slice: [...view, sliceOfSlice, sliceOfConcat],
  reverse: [viewOfConstant, reverseOfReverse],
  unfold: [viewOfConstant],
  pad: [padThatCrops, padOfPad],
  concat: [concatOfOne],
  reduceSum: reduction,
  reduceProd: reduction,
  reduceMax: reduction,
  reduceMin: reduction,
  fold: [foldOfTiles],
}

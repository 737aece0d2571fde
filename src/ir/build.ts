// Builders for primitives: one thin function each. Rules (vjp, composites, rewrites) are written with these.
//
// Operations are found in the table by name when first used, so a family of primitives may use any
// other in its gradients without importing it.

import type { Dim } from '../base/dim.js'
import type { DType } from '../base/dtype.js'
import { type Shape, shapeEqual } from '../base/shape.js'
import type { Body } from './body.js'
import { apply, type Node } from './node.js'
import { type Attrs, NO_ATTRS, OPS, type Op } from './op.js'

function lookup(name: string): () => Op {
  let found: Op | undefined
  return () => {
    found ??= OPS.get(name)
    if (found === undefined) throw new Error(`operation ${name} is not in the table`)
    return found
  }
}

const unary = (name: string) => {
  const op = lookup(name)
  return (x: Node): Node => apply(op(), [x], NO_ATTRS)
}
const binary = (name: string) => {
  const op = lookup(name)
  return (a: Node, b: Node): Node => apply(op(), [a, b], NO_ATTRS)
}
const withAttrs = <A extends Attrs>(name: string) => {
  const op = lookup(name)
  return (inputs: readonly Node[], attrs: A): Node => apply(op(), inputs, attrs)
}

// ---- source ------------------------------------------------------------------------------------
const constOp = withAttrs<{ value: number; dtype: DType }>('const')
/** A scalar that is part of the program. */
export const constant = (value: number, dtype: DType): Node => constOp([], { value, dtype })
const iotaOp = withAttrs<{ shape: Shape; axis: number; dtype: DType }>('iota')
export const iota = (shape: Shape, axis: number, dtype: DType): Node =>
  iotaOp([], { shape, axis, dtype })
const randomBitsOp = withAttrs<{ shape: Shape }>('randomBits')
/** 32 random bits an element (as int32), a pure function of two int32 scalars and the position. */
export const randomBits = (seed: Node, draw: Node, shape: Shape): Node =>
  randomBitsOp([seed, draw], { shape })

// ---- elementwise: one input --------------------------------------------------------------------
export const neg = unary('neg')
export const abs = unary('abs')
export const exp = unary('exp')
export const expm1 = unary('expm1')
export const log = unary('log')
export const log1p = unary('log1p')
export const sqrt = unary('sqrt')
export const sin = unary('sin')
export const cos = unary('cos')
export const tanh = unary('tanh')
export const erf = unary('erf')
export const floor = unary('floor')
/** To the nearest integer, halves to even. */
export const round = unary('round')
const castOp = withAttrs<{ dtype: DType }>('cast')
export const cast = (x: Node, dtype: DType): Node =>
  x.dtype === dtype ? x : castOp([x], { dtype })
const bitcastOp = withAttrs<{ dtype: DType }>('bitcast')
export const bitcast = (x: Node, dtype: DType): Node =>
  x.dtype === dtype ? x : bitcastOp([x], { dtype })

// ---- elementwise: two and three inputs of equal shape and dtype ---------------------------------
export const add = binary('add')
export const sub = binary('sub')
export const mul = binary('mul')
/** True division for floats; for integers rounds towards zero (x / 0 sets the plan's fault). */
export const div = binary('div')
/** Remainder with the sign of the dividend (C, JavaScript); integers: x rem 0 sets the plan's fault. */
export const rem = binary('rem')
export const pow = binary('pow')
/** NaN wins. */
export const max = binary('max')
export const min = binary('min')
/** Bitwise on integers, logical on bool. */
export const and = binary('and')
export const or = binary('or')
export const xor = binary('xor')
/** Shifts by 32 (64) or more give 0 (`shl`) or the sign (`shr`); negative counts count as large ones. */
export const shl = binary('shl')
/** Arithmetic for signed integers, logical for unsigned. */
export const shr = binary('shr')
export const eq = binary('eq')
export const lt = binary('lt')
export const le = binary('le')
const selectOp = withAttrs<Attrs>('select')
/** `cond ? a : b`, with cond of dtype bool; all three of equal shape. */
export const select = (cond: Node, a: Node, b: Node): Node => selectOp([cond, a, b], NO_ATTRS)
const threefryOp = withAttrs<Attrs>('threefry')
/** A word of the cipher behind random numbers, for each int32 counter under two words of key. */
export const threefry = (key0: Node, key1: Node, counter: Node): Node =>
  threefryOp([key0, key1, counter], NO_ATTRS)

// ---- movement ----------------------------------------------------------------------------------
const reshapeOp = withAttrs<{ shape: Shape }>('reshape')
export const reshape = (x: Node, shape: Shape): Node =>
  shapeEqual(x.shape, shape) ? x : reshapeOp([x], { shape })
const transposeOp = withAttrs<{ perm: readonly number[] }>('transpose')
/** Output axis i is input axis perm[i]. */
export const transpose = (x: Node, perm: readonly number[]): Node =>
  perm.every((p, i) => p === i) ? x : transposeOp([x], { perm })
const reverseOp = withAttrs<{ axes: readonly number[] }>('reverse')
export const reverse = (x: Node, axes: readonly number[]): Node =>
  axes.length === 0 ? x : reverseOp([x], { axes })
const broadcastOp = withAttrs<{ shape: Shape }>('broadcast')
/** Axes of size 1 grow; the rank stays (lift it with reshape first, or use `broadcastTo`). */
export const broadcast = (x: Node, shape: Shape): Node =>
  shapeEqual(x.shape, shape) ? x : broadcastOp([x], { shape })
const sliceOp = withAttrs<{
  starts: readonly Dim[]
  stops: readonly Dim[]
  steps: readonly number[]
}>('slice')
/** Elements starts, starts + steps, … below stops, an entry per axis; steps are positive. */
export const slice = (
  x: Node,
  starts: readonly Dim[],
  stops: readonly Dim[],
  steps: readonly number[] = starts.map(() => 1),
): Node => sliceOp([x], { starts, stops, steps })
const padOp = withAttrs<{ low: readonly Dim[]; high: readonly Dim[]; interior: readonly number[] }>(
  'pad',
)
/** `interior` fills go between neighbours, then `low` and `high` go around; negative ones crop. */
export const pad = (
  x: Node,
  fill: Node,
  low: readonly Dim[],
  high: readonly Dim[],
  interior: readonly number[] = low.map(() => 0),
): Node => padOp([x, fill], { low, high, interior })
const concatOp = withAttrs<{ axis: number }>('concat')
export const concat = (parts: readonly Node[], axis: number): Node =>
  parts.length === 1 ? (parts[0] as Node) : concatOp(parts, { axis })

// ---- reductions: the axes disappear ---------------------------------------------------------------
const reducer = (name: string) => {
  const op = withAttrs<{ axes: readonly number[] }>(name)
  return (x: Node, axes: readonly number[]): Node => (axes.length === 0 ? x : op([x], { axes }))
}
export const reduceSum = reducer('reduceSum')
export const reduceProd = reducer('reduceProd')
const reduceMaxOp = withAttrs<{ axes: readonly number[]; ties: string }>('reduceMax')
const reduceMinOp = withAttrs<{ axes: readonly number[]; ties: string }>('reduceMin')
/** `ties`: whether the gradient goes to the `first` of equal elements or is `split` among them. */
export type Ties = 'first' | 'split'
export const reduceMax = (x: Node, axes: readonly number[], ties: Ties = 'split'): Node =>
  axes.length === 0 ? x : reduceMaxOp([x], { axes, ties })
export const reduceMin = (x: Node, axes: readonly number[], ties: Ties = 'split'): Node =>
  axes.length === 0 ? x : reduceMinOp([x], { axes, ties })
const argMaxOp = withAttrs<{ axis: number }>('argMax')
const argMinOp = withAttrs<{ axis: number }>('argMin')
/** Index (int32) of the first largest element; the first NaN wins. The axis disappears. */
export const argMax = (x: Node, axis: number): Node => argMaxOp([x], { axis })
export const argMin = (x: Node, axis: number): Node => argMinOp([x], { axis })

// ---- contractions ------------------------------------------------------------------------------
export interface DotAttrs extends Attrs {
  readonly leftBatch: readonly number[]
  readonly rightBatch: readonly number[]
  readonly leftContract: readonly number[]
  readonly rightContract: readonly number[]
}
/** Result axes: batch, then the left operand's free axes, then the right's. */
export const dot = withAttrs<DotAttrs>('dot') as (i: readonly [Node, Node], a: DotAttrs) => Node
export interface ConvAttrs extends Attrs {
  readonly strides: readonly number[]
  readonly low: readonly number[]
  readonly high: readonly number[]
  /** Dilation of the input (a transposed convolution's stride) and of the kernel; 1 is none. */
  readonly inputDilation: readonly number[]
  readonly kernelDilation: readonly number[]
  /** Channel groups, and groups of the batch axis (which the kernel's gradient of a grouped one needs). */
  readonly groups: number
  readonly batchGroups: number
}
/** Cross-correlation of [batch, channels, …spatial] with [out, channels / groups, …spatial]. */
export const conv = withAttrs<ConvAttrs>('conv') as (i: readonly [Node, Node], a: ConvAttrs) => Node
export interface WindowAttrs extends Attrs {
  readonly size: readonly number[]
  readonly strides: readonly number[]
  readonly dilation: readonly number[]
}
/** [...lead, …spatial] to [...lead, …positions, …size]: all windows over the last axes, no padding. */
const unfoldOp = withAttrs<WindowAttrs>('unfold')
export const unfold = (x: Node, a: WindowAttrs): Node => unfoldOp([x], a)
/** Adds windows back into an array of `spatial` sizes: the transpose of `unfold`. */
const foldOp = withAttrs<WindowAttrs & { spatial: readonly Dim[] }>('fold')
export const fold = (x: Node, a: WindowAttrs & { spatial: readonly Dim[] }): Node => foldOp([x], a)

// ---- indexing ----------------------------------------------------------------------------------
const gatherOp = withAttrs<{ axis: number; call: string }>('gather')
/**
 * x with `axis` replaced by the axes of `indices` (int32); an index outside [0, n) is a fault, told by the
 * name of what the user called.
 */
export const gather = (x: Node, indices: Node, axis: number, call = 'gather'): Node =>
  gatherOp([x, indices], { axis, call })
const scatter = (name: 'scatterAdd' | 'scatterSet') => {
  const op = withAttrs<{ axis: number; call: string }>(name)
  return (base: Node, indices: Node, updates: Node, axis: number, call: string = name): Node =>
    op([base, indices, updates], { axis, call })
}
/** `base` with `updates` (shaped as gather's result) added at `indices`, duplicates in index order. */
export const scatterAdd = scatter('scatterAdd')
/** As `scatterAdd`, but updates replace; of duplicates the last wins. */
export const scatterSet = scatter('scatterSet')
const dynamicSliceOp = withAttrs<{ sizes: readonly Dim[] }>('dynamicSlice')
/** A block of `sizes` at int32 scalar starts, one per axis, clamped so that the block fits. */
export const dynamicSlice = (x: Node, starts: readonly Node[], sizes: readonly Dim[]): Node =>
  dynamicSliceOp([x, ...starts], { sizes })
const dynamicUpdateOp = withAttrs<Attrs>('dynamicUpdate')
export const dynamicUpdate = (x: Node, update: Node, starts: readonly Node[]): Node =>
  dynamicUpdateOp([x, update, ...starts], NO_ATTRS)

// ---- structure ---------------------------------------------------------------------------------
export const stopGradient = unary('stopGradient')
const outputOp = withAttrs<{ index: number }>('output')
/** Result `index` of an operation with several. */
export const output = (node: Node, index: number): Node => outputOp([node], { index })
export interface ScanAttrs extends Attrs {
  /** (…shared, …carry, …one of each sequence) to (…carry, …one of each result). */
  readonly body: Body
  /** How many of the inputs are the same in every step, and how many after them are carried. */
  readonly shared: number
  readonly carries: number
  /** One entry: the number of steps, which is the first size of every sequence. */
  readonly length: readonly Dim[]
  /** From the last element of the sequences to the first. */
  readonly reverse: boolean
}
/** Inputs: …shared, …initial carry, …sequences. Results: …last carry, …stacked results of each step. */
export const scan = withAttrs<ScanAttrs>('scan')

// ---- small helpers rules share --------------------------------------------------------------------
/** A scalar constant spread to a shape. */
export function full(value: number, shape: Shape, dtype: DType): Node {
  const c = constant(value, dtype)
  if (shape.length === 0) return c
  return broadcast(
    reshape(
      c,
      shape.map(() => 1),
    ),
    shape,
  )
}
export const fullLike = (x: Node, value: number): Node => full(value, x.shape, x.dtype)
export const zerosLike = (x: Node): Node => fullLike(x, 0)

/** NumPy broadcasting of a node to a shape it is known to fit. */
export function broadcastTo(x: Node, shape: Shape): Node {
  if (shapeEqual(x.shape, shape)) return x
  const lift = shape.length - x.shape.length
  const lifted = lift > 0 ? reshape(x, [...new Array<number>(lift).fill(1), ...x.shape]) : x
  return broadcast(lifted, shape)
}

/** A reduced value put back beside what it was reduced from: axes come back as 1, then spread. */
export function unreduce(reduced: Node, axes: readonly number[], like: Shape): Node {
  return broadcast(
    reshape(
      reduced,
      like.map((d, i) => (axes.includes(i) ? 1 : d)),
    ),
    like,
  )
}

export const not = (x: Node): Node => xor(x, full(1, x.shape, 'bool'))
export const ne = (a: Node, b: Node): Node => not(eq(a, b))

// Pooling. The gradients are loops over outputs, like the pools themselves: nothing is scattered.

import { type Dim, dimAdd, dimMul, dimSub } from '../../base/dim.js'
import { DTYPES, type DType, isFloat } from '../../base/dtype.js'
import { ShapeError } from '../../base/errors.js'
import { formatShape, type Shape } from '../../base/shape.js'
import * as b from '../build.js'
import { apply, type Node, type TensorType } from '../node.js'
import { type Attrs, define, type Op, type Sample } from '../op.js'
import { checkAtLeast, checkFloat, checkNumeric, mayBeAtMost } from '../primitives/check.js'
import { dilated, windowCount } from '../primitives/conv.js'

/** The window, an entry per spatial axis. Padding, `low` in front and `high` behind, is not negative. */
export interface PoolAttrs extends Attrs {
  readonly size: readonly number[]
  readonly strides: readonly number[]
  readonly low: readonly number[]
  readonly high: readonly number[]
  readonly dilation: readonly number[]
}

export interface AveragePoolAttrs extends PoolAttrs {
  /** Whether a window that reaches into the padding is divided by its whole size. */
  readonly countIncludePad: boolean
}

/** What a user gives beside the size; `padding` stands for equal `low` and `high`. */
export interface PoolOptions {
  /** Default: the window's size, so that windows lie side by side. */
  readonly strides?: readonly number[]
  readonly padding?: readonly number[]
  readonly low?: readonly number[]
  readonly high?: readonly number[]
  readonly dilation?: readonly number[]
}

/** Every attribute of a pool, with what was left out filled in. */
export function poolAttrs(size: readonly number[], options: PoolOptions = {}): PoolAttrs {
  const padding = options.padding ?? size.map(() => 0)
  return {
    size,
    strides: options.strides ?? size,
    low: options.low ?? padding,
    high: options.high ?? padding,
    dilation: options.dilation ?? size.map(() => 1),
  }
}

const POOL_KINDS = {
  size: 'ints',
  strides: 'ints',
  low: 'ints',
  high: 'ints',
  dilation: 'ints',
} as const

function inferPool(where: string, x: TensorType, attrs: PoolAttrs): TensorType {
  const { size, strides, low, high, dilation } = attrs
  const rank = size.length
  if (x.shape.length !== rank + 2) {
    const expected = `input [batch, channels, ...spatial] of rank ${rank + 2}`
    throw new ShapeError(where, expected, formatShape(x.shape))
  }
  for (const list of [strides, low, high, dilation]) {
    if (list.length === rank) continue
    throw new ShapeError(where, `${rank} entries for each attribute`, formatShape(list))
  }
  checkAtLeast(where, 'sizes', size, 1)
  checkAtLeast(where, 'strides', strides, 1)
  checkAtLeast(where, 'dilation', dilation, 1)
  checkAtLeast(where, 'paddings', [...low, ...high], 0)
  const positions = size.map((k, i) => {
    const room = dimAdd(x.shape[i + 2]!, low[i]! + high[i]!)
    const extent = dilated(k, dilation[i]!)
    if (mayBeAtMost(extent, room)) return windowCount(room, extent, strides[i]!)
    throw new ShapeError(
      where,
      `a padded input at least as large as the window on spatial axis ${i} (${extent})`,
      `${room} (input is ${formatShape(x.shape)})`,
      { input: x.shape },
    )
  })
  return { shape: [...x.shape.slice(0, 2), ...positions], dtype: x.dtype }
}

/** `x` with its padding in place. */
function surrounded(x: Node, fill: number, { low, high }: PoolAttrs): Node {
  if ([...low, ...high].every((n) => n === 0)) return x
  return b.pad(x, b.constant(fill, x.dtype), [0, 0, ...low], [0, 0, ...high])
}

/** The size of each spatial axis with its padding. */
const roomOf = (x: TensorType, { low, high }: PoolAttrs): Dim[] =>
  low.map((n, i) => dimAdd(x.shape[i + 2]!, n + high[i]!))

const windowsOf = (padded: Node, { size, strides, dilation }: PoolAttrs): Node =>
  b.unfold(padded, { size, strides, dilation })

const windowAxes = ({ size }: PoolAttrs): number[] => size.map((_, i) => 2 + size.length + i)

const volume = ({ size }: PoolAttrs): number => size.reduce((product, k) => product * k, 1)

/** Windows lie side by side: each element of the input is in one of them at most. */
const isTiling = ({ size, strides, dilation }: PoolAttrs): boolean =>
  size.every((k, i) => strides[i] === k && dilation[i] === 1)

/**
 * How the elements of all windows are laid out while a gradient is spread over them, and how that layout
 * becomes the gradient of the input. Windows side by side keep each tap next to its position,
 * [N, C, P₀, K₀, P₁, K₁, …], which is the input itself after a reshape. Others keep all taps last,
 * [N, C, P₀, P₁, …, K₀, K₁, …], and are folded.
 */
interface Spread {
  readonly shape: Shape
  /** The value of every position, repeated over its window. */
  positions(x: Node): Node
  /** The number of every tap of a window in row-major order, repeated over all positions (int32). */
  taps(): Node
  /** The sum of what windows say about each element, the padding cut off. */
  collect(x: Node): Node
}

function spreadOver(input: TensorType, positions: Shape, attrs: PoolAttrs): Spread {
  const { size, strides, dilation, low, high } = attrs
  const lead = positions.slice(0, 2)
  const places = positions.slice(2)
  const tiling = isTiling(attrs)
  const layout = <T>(ofPosition: (p: Dim) => T, ofTap: (k: number) => T): T[] =>
    tiling
      ? places.flatMap((p, i) => [ofPosition(p), ofTap(size[i]!)])
      : [...places.map(ofPosition), ...size.map(ofTap)]
  const self = (d: Dim): Dim => d
  const one = (): Dim => 1
  const shape = [...lead, ...layout<Dim>(self, self)]
  const room = roomOf(input, attrs)
  const crop = (x: Node, spare: readonly Dim[]): Node => {
    const before = low.map((n) => -n)
    const after = high.map((n, i) => dimSub(spare[i]!, n))
    if ([...before, ...after].every((n) => n === 0)) return x
    return b.pad(x, b.constant(0, x.dtype), [0, 0, ...before], [0, 0, ...after])
  }
  return {
    shape,
    positions: (x) => b.broadcast(b.reshape(x, [...lead, ...layout<Dim>(self, one)]), shape),
    taps: () => {
      const numbers = b.iota([volume(attrs)], 0, 'int32')
      return b.broadcast(b.reshape(numbers, [1, 1, ...layout<Dim>(one, self)]), shape)
    },
    collect: (x) => {
      if (!tiling)
        return crop(
          b.fold(x, { size, strides, dilation, spatial: room }),
          size.map(() => 0),
        )
      const covered = places.map((p, i) => dimMul(p, size[i]!))
      const spare = room.map((n, i) => dimSub(n, covered[i]!))
      return crop(b.reshape(x, [...lead, ...covered]), spare)
    },
  }
}

const lowest = (dtype: DType): number =>
  isFloat(dtype) ? Number.NEGATIVE_INFINITY : DTYPES[dtype].min

const maxPoolOp: Op<PoolAttrs> = define<PoolAttrs>({
  name: 'maxPool',
  attrs: POOL_KINDS as Op<PoolAttrs>['attrs'],
  infer: ([x], attrs) => {
    checkNumeric('maxPool', x!)
    return inferPool('maxPool', x!, attrs)
  },
  expand: ([x], attrs) => {
    const padded = surrounded(x!, lowest(x!.dtype), attrs)
    return b.reduceMax(windowsOf(padded, attrs), windowAxes(attrs), 'first')
  },
  vjp: ({ node, inputs, attrs, grad }) => {
    const x = inputs[0]!
    const windows = windowsOf(surrounded(x, lowest(x.dtype), attrs), attrs)
    const rank = node.shape.length
    const winner = b.argMax(b.reshape(windows, [...node.shape, volume(attrs)]), rank)
    const spread = spreadOver(x, node.shape, attrs)
    const isWinner = b.eq(spread.taps(), spread.positions(winner))
    const won = b.select(isWinner, spread.positions(grad), b.full(0, spread.shape, grad.dtype))
    return [spread.collect(won)]
  },
  samples: () => [
    ...poolSamples(),
    {
      inputs: [{ shape: [1, 1, 4, 4], values: [1, 1, 2, 0, 1, 1, 0, 2, 5, 5, 7, 7, 5, 5, 7, 7] }],
      attrs: poolAttrs([2, 2]),
      note: 'ties',
      smooth: false,
    },
    { inputs: [{ shape: [1, 2, 5], dtype: 'int32' }], attrs: poolAttrs([2], { padding: [1] }) },
  ],
})

/**
 * The maximum of each window of x [N, C, …spatial], with one to three spatial axes (or any number).
 * Padding is −∞; NaN wins. The gradient goes to the first maximum of a window in row-major order.
 *
 * Positions on an axis: ⌊(n + low + high − dilation·(size − 1) − 1) / stride⌋ + 1.
 */
export const maxPool = (x: Node, size: readonly number[], options?: PoolOptions): Node =>
  apply(maxPoolOp, [x], poolAttrs(size, options))

/** What the sum of each window is divided by, of the shape of the result. */
function divisor(x: TensorType, shape: Shape, attrs: AveragePoolAttrs): Node {
  const padded = [...attrs.low, ...attrs.high].some((n) => n > 0)
  if (attrs.countIncludePad || !padded) return b.full(volume(attrs), shape, x.dtype)
  const ones = b.full(1, [1, 1, ...x.shape.slice(2)], x.dtype)
  const counts = b.reduceSum(windowsOf(surrounded(ones, 0, attrs), attrs), windowAxes(attrs))
  return b.broadcast(counts, shape)
}

const averagePoolOp: Op<AveragePoolAttrs> = define<AveragePoolAttrs>({
  name: 'avgPool',
  attrs: { ...POOL_KINDS, countIncludePad: 'flag' },
  infer: ([x], attrs) => {
    checkFloat('avgPool', x!)
    return inferPool('avgPool', x!, attrs)
  },
  expand: ([x], attrs) => {
    const sums = b.reduceSum(windowsOf(surrounded(x!, 0, attrs), attrs), windowAxes(attrs))
    return b.div(sums, divisor(x!, sums.shape, attrs))
  },
  vjp: ({ node, inputs, attrs, grad }) => {
    const x = inputs[0]!
    const spread = spreadOver(x, node.shape, attrs)
    const share = b.div(grad, divisor(x, node.shape, attrs))
    return [spread.collect(spread.positions(share))]
  },
  samples: () =>
    poolSamples().flatMap(({ attrs, note, ...rest }) =>
      [true, false].map((countIncludePad) => ({
        ...rest,
        attrs: { ...attrs, countIncludePad },
        note: `${note}${countIncludePad ? ', padding counts' : ''}`,
      })),
    ),
})

/**
 * The mean of each window of x [N, C, …spatial]. Padding is 0; windows that reach into it are divided by
 * their whole size, or, without `countIncludePad`, by how many of their elements belong to the input.
 */
export const avgPool = (
  x: Node,
  size: readonly number[],
  { countIncludePad = true, ...options }: PoolOptions & { countIncludePad?: boolean } = {},
): Node => apply(averagePoolOp, [x], { ...poolAttrs(size, options), countIncludePad })

const poolSamples = (): Sample<PoolAttrs>[] => [
  { inputs: [{ shape: [2, 3, 6] }], attrs: poolAttrs([2]), note: '1-D' },
  { inputs: [{ shape: [2, 2, 4, 6] }], attrs: poolAttrs([2, 3]), note: '2-D' },
  { inputs: [{ shape: [1, 2, 5, 7] }], attrs: poolAttrs([2, 2]), note: 'a rest' },
  {
    inputs: [{ shape: [1, 2, 5, 4] }],
    attrs: poolAttrs([3, 2], { padding: [1, 1] }),
    note: 'padding',
  },
  {
    inputs: [{ shape: [1, 2, 7, 6] }],
    attrs: poolAttrs([3, 3], { strides: [2, 2], padding: [1, 1] }),
    note: 'overlap, padding',
  },
  {
    inputs: [{ shape: [1, 1, 5, 6] }],
    attrs: poolAttrs([2, 3], { strides: [1, 2], low: [0, 1], high: [1, 2] }),
    note: 'overlap, uneven padding',
  },
  {
    inputs: [{ shape: [1, 2, 7, 8] }],
    attrs: poolAttrs([2, 3], { strides: [2, 1], dilation: [3, 2] }),
    note: 'dilation',
  },
  { inputs: [{ shape: [1, 2, 6] }], attrs: poolAttrs([2], { strides: [3] }), note: 'gaps' },
  { inputs: [{ shape: [1, 2, 3, 4, 5] }], attrs: poolAttrs([2, 2, 2]), note: '3-D' },
  {
    inputs: [{ shape: [1, 1, 3, 4, 3] }],
    attrs: poolAttrs([2, 2, 2], { strides: [1, 2, 1] }),
    note: '3-D, overlap',
  },
  { inputs: [{ shape: [1, 3, 3, 3] }], attrs: poolAttrs([3, 3]), note: 'all of it' },
  { inputs: [{ shape: [2, 1, 3] }], attrs: poolAttrs([1]), note: 'size 1' },
  { inputs: [{ shape: [0, 2, 4] }], attrs: poolAttrs([2]), note: 'empty batch' },
]

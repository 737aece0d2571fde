// Pooling as functions of tensors.

import { type Dim, isKnown } from '../base/dim.js'
import { ShapeError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import * as b from '../ir/build.js'
import * as composites from '../ir/composites/pool.js'
import type { Node } from '../ir/node.js'
import { expose, type TensorCore } from './core.js'
import { asFloat } from './operand.js'
import { cut } from './pad.js'
import type { Tensor } from './tensor.js'
import { type ConvPadding, dilated, type PerAxis, perAxis, sides } from './windows.js'

export interface PoolOptions {
  /** Default: the window's size. */
  readonly stride?: PerAxis | undefined
  /** Default 0. */
  readonly padding?: ConvPadding | undefined
  /** Default 1. */
  readonly dilation?: PerAxis | undefined
}

export interface AveragePoolOptions extends Omit<PoolOptions, 'dilation'> {
  /** Whether windows that reach into the padding are divided by their whole size. Default true. */
  readonly countIncludePad?: boolean | undefined
}

const LAYOUT = ['length', 'height, width', 'depth, height, width']

/** The input as a batch, and the way back for one that came without a batch axis. */
function batched(where: string, rank: number, x: TensorCore): readonly [Node, (y: Node) => Tensor] {
  if (x.ndim === rank + 2) return [x.node, (y) => expose(y)]
  if (x.ndim === rank + 1) {
    return [b.reshape(x.node, [1, ...x.shape]), (y) => expose(b.reshape(y, y.shape.slice(1)))]
  }
  const expected = `input [batch, channels, ${LAYOUT[rank - 1]}]`
  throw new ShapeError(where, expected, formatShape(x.shape), { shape: x.shape })
}

function geometry(where: string, rank: number, x: Node, size: PerAxis, options: PoolOptions) {
  const window = perAxis(where, 'a size', size, rank)
  const strides = perAxis(where, 'stride', options.stride ?? window, rank)
  const dilation = perAxis(where, 'dilation', options.dilation ?? 1, rank)
  const spatial = x.shape.slice(2)
  const extents: Dim[] = window.map((n, i) => dilated(n, dilation[i]!))
  const around = sides(where, options.padding ?? 0, spatial, extents, strides)
  return { window, strides, dilation, ...around }
}

function largest(where: string, rank: number, x: TensorCore, size: PerAxis, options: PoolOptions) {
  const [input, back] = batched(where, rank, x)
  const { window, ...rest } = geometry(where, rank, input, size, options)
  return back(composites.maxPool(input, window, rest))
}

function average(
  where: string,
  rank: number,
  x: TensorCore,
  size: PerAxis,
  options: AveragePoolOptions,
) {
  const [input, back] = batched(where, rank, x)
  const { window, ...rest } = geometry(where, rank, input, size, options)
  const { countIncludePad = true } = options
  return back(composites.avgPool(asFloat(input), window, { ...rest, countIncludePad }))
}

/** The maximum of each window of an input [batch, channels, length]. Mirrors `torch.nn.functional.max_pool1d`. */
export function maxPool1d(x: TensorCore, size: PerAxis, options: PoolOptions = {}): Tensor {
  return largest('maxPool1d', 1, x, size, options)
}

/**
 * The maximum of each window of an input [batch, channels, height, width]; the batch axis may be
 * missing. Windows lie side by side unless a stride is given; padding never is the maximum. The
 * gradient goes to the first maximum. Mirrors `torch.nn.functional.max_pool2d`.
 */
export function maxPool2d(x: TensorCore, size: PerAxis, options: PoolOptions = {}): Tensor {
  return largest('maxPool2d', 2, x, size, options)
}

/** As `maxPool2d`, with three spatial axes. Mirrors `torch.nn.functional.max_pool3d`. */
export function maxPool3d(x: TensorCore, size: PerAxis, options: PoolOptions = {}): Tensor {
  return largest('maxPool3d', 3, x, size, options)
}

/** The mean of each window of an input [batch, channels, length]. Mirrors `torch.nn.functional.avg_pool1d`. */
export function avgPool1d(x: TensorCore, size: PerAxis, options: AveragePoolOptions = {}): Tensor {
  return average('avgPool1d', 1, x, size, options)
}

/**
 * The mean of each window of an input [batch, channels, height, width]; the batch axis may be missing.
 * Windows lie side by side unless a stride is given. Mirrors `torch.nn.functional.avg_pool2d`.
 */
export function avgPool2d(x: TensorCore, size: PerAxis, options: AveragePoolOptions = {}): Tensor {
  return average('avgPool2d', 2, x, size, options)
}

/** As `avgPool2d`, with three spatial axes. Mirrors `torch.nn.functional.avg_pool3d`. */
export function avgPool3d(x: TensorCore, size: PerAxis, options: AveragePoolOptions = {}): Tensor {
  return average('avgPool3d', 3, x, size, options)
}

/** The means of `count` neighbouring parts of one axis, as equal in size as they can be. */
function partMeans(x: Node, axis: number, count: number): Node {
  const n = x.shape[axis] as number
  const kept = x.shape.map((d, i) => (i === axis ? 1 : d))
  const parts = Array.from({ length: count }, (_, i) => {
    const start = Math.floor((i * n) / count)
    const stop = Math.ceil(((i + 1) * n) / count)
    const sum = b.reduceSum(cut(x, axis, start, stop), [axis])
    return b.reshape(b.div(sum, b.fullLike(sum, stop - start)), kept)
  })
  return b.concat(parts, axis)
}

function adaptive(where: string, rank: number, x: TensorCore, size: PerAxis): Tensor {
  const [input, back] = batched(where, rank, x)
  const counts = perAxis(where, 'a size', size, rank)
  const spatial = input.shape.slice(2)
  if (!spatial.every(isKnown) || counts.some((c) => c < 1)) {
    const expected = 'spatial sizes that are known, and results of at least 1'
    throw new ShapeError(where, expected, `${formatShape(x.shape)} to [${counts.join(', ')}]`)
  }
  const node = asFloat(input)
  if (spatial.every((n, i) => n % counts[i]! === 0 && n > 0)) {
    return back(
      composites.avgPool(
        node,
        spatial.map((n, i) => n / counts[i]!),
      ),
    )
  }
  return back(counts.reduce((y, count, i) => partMeans(y, i + 2, count), node))
}

/** Means over as many neighbouring parts of the length as `size` says. Mirrors `torch.nn.functional.adaptive_avg_pool1d`. */
export function adaptiveAvgPool1d(x: TensorCore, size: PerAxis): Tensor {
  return adaptive('adaptiveAvgPool1d', 1, x, size)
}

/** Means over parts of each image, [height, width] of them (1: one mean). Mirrors `torch.nn.functional.adaptive_avg_pool2d`. */
export function adaptiveAvgPool2d(x: TensorCore, size: PerAxis): Tensor {
  return adaptive('adaptiveAvgPool2d', 2, x, size)
}

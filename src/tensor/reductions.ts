// Reductions: values along axes become one.

import { checkDType, type DType } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { formatShape, isStatic, type Shape, sizeOf } from '../base/shape.js'
import * as b from '../ir/build.js'
import { logSumExp } from '../ir/composites/softmax.js'
import type { Node } from '../ir/node.js'
import { ArithmeticTensor } from './arithmetic.js'
import {
  type Axes,
  oneAxis,
  type ReduceArg,
  type ReduceOptions,
  type Reduction,
  reduceOptions,
  reduction,
} from './axes.js'
import { expose } from './core.js'
import { asFloat } from './operand.js'
import type { Tensor } from './tensor.js'

export interface SumOptions extends ReduceOptions {
  /** The dtype to compute in. Default: the tensor's, or int32 for bool and uint8. */
  readonly dtype?: DType | undefined
}

export interface VarianceOptions extends ReduceOptions {
  /** What is subtracted from the number of values before dividing by it. Default 1. */
  readonly correction?: number | undefined
}

export interface NormOptions extends ReduceOptions {
  /** The p of the p-norm, 0 and the infinities included. Default 2. */
  readonly p?: number | undefined
}

export interface ArgOptions {
  readonly axis?: number | undefined
  readonly keepDims?: boolean | undefined
}

/** The shape with reduced axes as 1. */
const keptShape = (shape: Shape, axes: readonly number[]): Shape =>
  shape.map((d, i) => (axes.includes(i) ? 1 : d))

/** Gives a reduced node its axes back where that was asked for. */
function kept(reduced: Node, of: Node, { axes, keepDims }: Reduction): Node {
  return keepDims ? b.reshape(reduced, keptShape(of.shape, axes)) : reduced
}

/** Number of elements reduced into one, as a node of the dtype: sizes may be open until they are fed. */
function countNode(shape: Shape, axes: readonly number[], dtype: DType): Node {
  const sizes = axes.map((i) => shape[i]!)
  if (isStatic(sizes)) return b.constant(sizeOf(sizes), dtype)
  return b.reduceSum(
    b.full(1, sizes, dtype),
    sizes.map((_, i) => i),
  )
}

const like = (scalar: Node, x: Node): Node => b.broadcastTo(scalar, x.shape)

/** What sums of a dtype are computed in: truth values and bytes would overflow at once. */
function summable(where: string, x: Node, dtype: DType | undefined): Node {
  if (dtype !== undefined) return b.cast(x, checkDType(where, dtype))
  return x.dtype === 'bool' || x.dtype === 'uint8' ? b.cast(x, 'int32') : x
}

/** See `Tensor`. */
export abstract class ReductionTensor extends ArithmeticTensor {
  /**
   * Sum over axes (default: all). Integers stay int32 or int64 and wrap; bool and uint8 are summed as
   * int32. Mirrors `torch.sum`.
   *
   * @param arg Axes, bare or as `{ axis, keepDims, dtype }`.
   */
  sum(arg?: Axes | null | SumOptions): Tensor {
    const how = reduction('sum', arg, this.ndim)
    const x = summable('sum', this.node, reduceOptions<SumOptions>(arg).dtype)
    return expose(kept(b.reduceSum(x, how.axes), x, how))
  }

  /** Product over axes (default: all); dtypes as in `sum`. Mirrors `torch.prod`. */
  prod(arg?: Axes | null | SumOptions): Tensor {
    const how = reduction('prod', arg, this.ndim)
    const x = summable('prod', this.node, reduceOptions<SumOptions>(arg).dtype)
    return expose(kept(b.reduceProd(x, how.axes), x, how))
  }

  /**
   * Arithmetic mean over axes (default: all); of integers, a float32. NaN where there is nothing to
   * average. Mirrors `torch.mean`.
   */
  mean(arg?: ReduceArg): Tensor {
    const how = reduction('mean', arg, this.ndim)
    const x = asFloat(this.node)
    return expose(kept(meanNode(x, how.axes), x, how))
  }

  /**
   * The largest value over axes (default: all); NaN wins. The gradient is shared equally among equal
   * largest values. Mirrors `torch.amax`; see `maxWithIndices` for where it is.
   *
   * @throws ShapeError when there is nothing to choose from.
   */
  max(arg?: ReduceArg): Tensor {
    return extremum('max', this.node, arg, b.reduceMax)
  }

  /** The smallest value over axes (default: all); otherwise as `max`. Mirrors `torch.amin`. */
  min(arg?: ReduceArg): Tensor {
    return extremum('min', this.node, arg, b.reduceMin)
  }

  /**
   * The largest values along one axis and where (first) they are. Gradients flow to exactly those.
   * Mirrors `torch.max(input, dim)`.
   */
  maxWithIndices(arg: number | ArgOptions): { values: Tensor; indices: Tensor } {
    return withIndices('maxWithIndices', this.node, arg, b.reduceMax, b.argMax)
  }

  /** The smallest values along one axis and where (first) they are. Mirrors `torch.min(input, dim)`. */
  minWithIndices(arg: number | ArgOptions): { values: Tensor; indices: Tensor } {
    return withIndices('minWithIndices', this.node, arg, b.reduceMin, b.argMin)
  }

  /**
   * Index (int32) of the first largest value along an axis, or in the flattened tensor when no axis is
   * given; the first NaN wins. Mirrors `torch.argmax`.
   */
  argmax(arg?: number | ArgOptions): Tensor {
    return argReduce('argmax', this.node, arg, b.argMax)
  }

  /** Index (int32) of the first smallest value; otherwise as `argmax`. Mirrors `torch.argmin`. */
  argmin(arg?: number | ArgOptions): Tensor {
    return argReduce('argmin', this.node, arg, b.argMin)
  }

  /** Whether every value over axes (default: all) is non-zero; true of none. Mirrors `torch.all`. */
  all(arg?: ReduceArg): Tensor {
    const how = reduction('all', arg, this.ndim)
    const x = b.cast(this.node, 'bool')
    return expose(kept(b.reduceMin(x, how.axes), x, how))
  }

  /** Whether some value over axes (default: all) is non-zero; false of none. Mirrors `torch.any`. */
  any(arg?: ReduceArg): Tensor {
    const how = reduction('any', arg, this.ndim)
    const x = b.cast(this.node, 'bool')
    return expose(kept(b.reduceMax(x, how.axes), x, how))
  }

  /**
   * Variance over axes (default: all): the mean squared deviation, over `n - correction`. The default
   * correction of 1 is PyTorch's, for samples; NumPy's is 0. Mirrors `torch.var`.
   */
  var(arg?: Axes | null | VarianceOptions): Tensor {
    const how = reduction('var', arg, this.ndim)
    const x = asFloat(this.node)
    const { correction = 1 } = reduceOptions<VarianceOptions>(arg)
    return expose(kept(varianceNode(x, how.axes, correction), x, how))
  }

  /** Standard deviation: the root of `var`, with a gradient of 0 where it is 0. Mirrors `torch.std`. */
  std(arg?: Axes | null | VarianceOptions): Tensor {
    const how = reduction('std', arg, this.ndim)
    const x = asFloat(this.node)
    const { correction = 1 } = reduceOptions<VarianceOptions>(arg)
    return expose(kept(root(varianceNode(x, how.axes, correction)), x, how))
  }

  /**
   * The p-norm of the values over axes (default: all), taken as one vector; p = 2 by default. Where a
   * norm is zero its gradient is zero. Mirrors `torch.linalg.vector_norm`.
   */
  norm(arg?: Axes | null | NormOptions): Tensor {
    const how = reduction('norm', arg, this.ndim)
    const x = asFloat(this.node)
    const { p = 2 } = reduceOptions<NormOptions>(arg)
    return expose(kept(normNode(x, how.axes, p), x, how))
  }

  /** log Σ exp(x) over axes (default: all), computed so that it does not overflow. Mirrors `torch.logsumexp`. */
  logSumExp(arg?: ReduceArg): Tensor {
    const how = reduction('logSumExp', arg, this.ndim)
    const x = asFloat(this.node)
    return expose(kept(logSumExp(x, how.axes), x, how))
  }
}

function meanNode(x: Node, axes: readonly number[]): Node {
  const sum = b.reduceSum(x, axes)
  return b.div(sum, like(countNode(x.shape, axes, x.dtype), sum))
}

function varianceNode(x: Node, axes: readonly number[], correction: number): Node {
  const deviation = b.sub(x, b.unreduce(meanNode(x, axes), axes, x.shape))
  const sum = b.reduceSum(b.mul(deviation, deviation), axes)
  const count = countNode(x.shape, axes, x.dtype)
  const degrees = b.max(b.sub(count, b.constant(correction, x.dtype)), b.constant(0, x.dtype))
  return b.div(sum, like(degrees, sum))
}

function normNode(x: Node, axes: readonly number[], p: number): Node {
  const size = b.abs(x)
  if (p === Number.POSITIVE_INFINITY) return b.reduceMax(size, axes)
  if (p === Number.NEGATIVE_INFINITY) return b.reduceMin(size, axes)
  if (p === 0) return b.reduceSum(b.cast(b.ne(x, b.zerosLike(x)), x.dtype), axes)
  if (p === 1) return b.reduceSum(size, axes)
  if (p !== 2) {
    const sum = b.reduceSum(b.pow(size, b.fullLike(x, p)), axes)
    return b.pow(sum, b.fullLike(sum, 1 / p))
  }
  return root(b.reduceSum(b.mul(x, x), axes))
}

/** The square root, with a gradient of 0 at 0, where it has no slope: it is taken of 1 and replaced. */
function root(x: Node): Node {
  const zero = b.eq(x, b.zerosLike(x))
  return b.select(zero, b.zerosLike(x), b.sqrt(b.select(zero, b.fullLike(x, 1), x)))
}

type Reduce = (x: Node, axes: readonly number[], ties?: b.Ties) => Node

/** There has to be something to choose from. */
function checkChoice(where: string, x: Node, axes: readonly number[]): void {
  if (axes.every((i) => x.shape[i] !== 0)) return
  throw new ShapeError(where, 'at least one value to choose from', formatShape(x.shape), {
    shape: x.shape,
  })
}

function extremum(where: string, x: Node, arg: ReduceArg | undefined, reduce: Reduce): Tensor {
  const how = reduction(where, arg, x.shape.length)
  checkChoice(where, x, how.axes)
  return expose(kept(reduce(x, how.axes), x, how))
}

function withIndices(
  where: string,
  x: Node,
  arg: number | ArgOptions,
  reduce: Reduce,
  find: (x: Node, axis: number) => Node,
): { values: Tensor; indices: Tensor } {
  const axis = oneAxis(where, arg, x.shape.length, -1)
  checkChoice(where, x, [axis])
  const keepDims = typeof arg === 'object' && arg.keepDims === true
  const how = { axes: [axis], keepDims }
  return {
    values: expose(kept(reduce(x, [axis], 'first'), x, how)),
    indices: expose(kept(find(x, axis), x, how)),
  }
}

function argReduce(
  where: string,
  x: Node,
  arg: number | ArgOptions | undefined,
  find: (x: Node, axis: number) => Node,
): Tensor {
  const { axis, keepDims = false } = typeof arg === 'number' ? { axis: arg } : (arg ?? {})
  if (axis === undefined) {
    const axes = x.shape.map((_, i) => i)
    checkChoice(where, x, axes)
    const found = find(b.reshape(x, [sizeOf(x.shape)]), 0)
    return expose(kept(found, x, { axes, keepDims }))
  }
  const own = oneAxis(where, axis, x.shape.length, -1)
  checkChoice(where, x, [own])
  return expose(kept(find(x, own), x, { axes: [own], keepDims }))
}

// Random tensors. Every draw has a number, and its bits are a function of seed, number and position:
// the same on every device, in every order, and when they are computed again.

import { checkDType, type DType, isFloat, isInteger } from '../base/dtype.js'
import { DTypeError, ValueError } from '../base/errors.js'
import { type Shape, staticShape } from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { nextDraw } from '../runtime/random.js'
import { type AxisArg, oneAxis } from './axes.js'
import { expose } from './core.js'
import { type CreateOptions, finish, type ShapeArg, shapeFrom } from './create.js'
import { storedOf } from './literals.js'
import { asFloat, scalarNode } from './operand.js'
import type { Tensor } from './tensor.js'

export interface UniformOptions extends CreateOptions {
  /** Default 0. */
  readonly low?: number | undefined
  /** Default 1. */
  readonly high?: number | undefined
}

export interface NormalOptions extends CreateOptions {
  /** Default 0. */
  readonly mean?: number | undefined
  /** Standard deviation. Default 1. */
  readonly std?: number | undefined
}

/** `beside`: the tensor a draw is made for, where there is one. */
const draw = (shape: Shape, beside: Node | null = null): Node =>
  b.randomBits(...nextDraw(beside), shape)

const spread = (value: number, like: Node): Node =>
  b.broadcastTo(scalarNode(value, like.dtype), like.shape)

/** The upper `count` of 32 bits, as a number that is not negative. */
const upper = (bits: Node, count: number): Node =>
  b.and(b.shr(bits, b.fullLike(bits, 32 - count)), b.fullLike(bits, 2 ** count - 1))

/** Uniform in [0, 1): as many bits as the dtype's significand has. */
function unit(shape: Shape, dtype: DType, beside: Node | null = null): Node {
  if (dtype !== 'float64') {
    const whole = b.cast(upper(draw(shape, beside), 24), 'float32')
    return b.mul(whole, b.fullLike(whole, 2 ** -24))
  }
  const high = b.cast(upper(draw(shape, beside), 27), 'float64')
  const low = b.cast(upper(draw(shape, beside), 26), 'float64')
  const whole = b.add(b.mul(high, b.fullLike(high, 2 ** 26)), low)
  return b.mul(whole, b.fullLike(whole, 2 ** -53))
}

/** Standard normal numbers from two uniform ones: Box and Muller, Ann. Math. Statist. 29 (1958). */
function gaussian(shape: Shape, dtype: DType, beside: Node | null = null): Node {
  const first = unit(shape, dtype, beside)
  // 1 - u lies in (0, 1], where the logarithm is finite.
  const radius = b.sqrt(b.mul(b.log(b.sub(b.fullLike(first, 1), first)), b.fullLike(first, -2)))
  const second = unit(shape, dtype, beside)
  return b.mul(radius, b.cos(b.mul(second, b.fullLike(second, 2 * Math.PI))))
}

function floatDType(where: string, dtype: DType | undefined): DType {
  const known = checkDType(where, dtype ?? 'float32')
  if (isFloat(known)) return known
  throw new DTypeError(where, 'a float dtype', known)
}

/** A drawn tensor is kept once it is computed: who draws a large one means to use it again. */
function drawn(where: string, node: Node, options: CreateOptions): Tensor {
  const out = finish(where, node, options)
  out.node.kept = true
  return out
}

/**
 * Numbers uniform in [low, high), default [0, 1) and float32. Mirrors `numpy.random.uniform`.
 * (As everywhere, `low + (high - low) * u` may round to `high`.)
 */
export function uniform(shape: ShapeArg, options: UniformOptions = {}): Tensor {
  const { low = 0, high = 1 } = options
  if (!(high >= low)) throw new ValueError('uniform', 'low <= high', `${low} and ${high}`)
  const u = unit(shapeFrom('uniform', shape), floatDType('uniform', options.dtype))
  const scaled = high - low === 1 ? u : b.mul(u, spread(high - low, u))
  return drawn('uniform', low === 0 ? scaled : b.add(scaled, spread(low, scaled)), options)
}

/** Numbers uniform in [0, 1), default float32. Mirrors `torch.rand`. */
export function rand(shape: ShapeArg, options: CreateOptions = {}): Tensor {
  return drawn('rand', unit(shapeFrom('rand', shape), floatDType('rand', options.dtype)), options)
}

/** Normal numbers, default mean 0 and standard deviation 1, float32. Mirrors `torch.normal`. */
export function normal(shape: ShapeArg, options: NormalOptions = {}): Tensor {
  const { mean = 0, std = 1 } = options
  if (!(std >= 0)) throw new ValueError('normal', 'a standard deviation of at least 0', String(std))
  const z = gaussian(shapeFrom('normal', shape), floatDType('normal', options.dtype))
  const scaled = std === 1 ? z : b.mul(z, spread(std, z))
  return drawn('normal', mean === 0 ? scaled : b.add(scaled, spread(mean, scaled)), options)
}

/** Standard normal numbers, default float32. Mirrors `torch.randn`. */
export function randn(shape: ShapeArg, options: CreateOptions = {}): Tensor {
  const dtype = floatDType('randn', options.dtype)
  return drawn('randn', gaussian(shapeFrom('randn', shape), dtype), options)
}

const floatLike = (x: Tensor): DType => (isFloat(x.dtype) ? x.dtype : 'float32')

/** `rand` in the shape (and float dtype) of `x`. Mirrors `torch.rand_like`. */
export function randLike(x: Tensor, options: CreateOptions = {}): Tensor {
  const dtype = floatDType('randLike', options.dtype ?? floatLike(x))
  return drawn('randLike', unit(x.shape, dtype, x.node), options)
}

/** `randn` in the shape (and float dtype) of `x`. Mirrors `torch.randn_like`. */
export function randnLike(x: Tensor, options: CreateOptions = {}): Tensor {
  const dtype = floatDType('randnLike', options.dtype ?? floatLike(x))
  return drawn('randnLike', gaussian(x.shape, dtype, x.node), options)
}

/**
 * The upper 32 bits of the 64-bit product of random bits and `count` (up to 2^32), both unsigned: a
 * number below `count`, after Lemire, ACM TOMACS 29 (2019). No value is favoured by more than
 * count / 2^32. In 16-bit halves, because products wrap.
 */
function below(bits: Node, count: number): Node {
  const like = (value: number): Node => spread(value | 0, bits)
  const upperHalf = (x: Node): Node => upper(x, 16)
  const lowerHalf = (x: Node): Node => b.and(x, like(0xffff))
  const [high, low] = [upperHalf(bits), lowerHalf(bits)]
  const [countHigh, countLow] = [like(Math.floor(count / 2 ** 16)), like(count % 2 ** 16)]
  const cross = b.mul(high, countLow)
  const other = b.mul(low, countHigh)
  const middle = b.add(upperHalf(b.mul(low, countLow)), b.add(lowerHalf(cross), lowerHalf(other)))
  const top = b.add(b.mul(high, countHigh), b.add(upperHalf(cross), upperHalf(other)))
  return b.add(top, upperHalf(middle))
}

/**
 * Whole numbers uniform in [low, high), low 0 by default; int32 by default. Mirrors `torch.randint`.
 *
 * @throws ValueError unless low < high and both fit into int32 (high may be 2^31).
 */
export function randint(high: number, shape: ShapeArg, options?: CreateOptions): Tensor
export function randint(low: number, high: number, shape: ShapeArg, options?: CreateOptions): Tensor
export function randint(
  first: number,
  second: number | Shape,
  third?: ShapeArg | CreateOptions,
  fourth?: CreateOptions,
): Tensor {
  const short = typeof third !== 'number' && !Array.isArray(third)
  const [low, high] = short ? [0, first] : [first, second as number]
  const shape = shapeFrom('randint', (short ? second : third) as ShapeArg)
  const options = (short ? (third as CreateOptions | undefined) : fourth) ?? {}
  const dtype = checkDType('randint', options.dtype ?? 'int32')
  const whole = Number.isInteger(low) && Number.isInteger(high)
  if (!whole || low >= high || low < -(2 ** 31) || high > 2 ** 31) {
    throw new ValueError('randint', 'whole bounds low < high within int32', `${low} and ${high}`)
  }
  if (!isInteger(dtype) && !isFloat(dtype)) {
    throw new DTypeError('randint', 'a numeric dtype', dtype)
  }
  const picked = below(draw(shape), high - low)
  const moved = low === 0 ? picked : b.add(picked, spread(low, picked))
  return drawn('randint', b.cast(moved, dtype), options)
}

/**
 * The numbers 0 to count - 1 in random order, int32 by default. Computed at the call. Mirrors
 * `torch.randperm`.
 */
export function randperm(count: number, options: CreateOptions = {}): Tensor {
  const shape = staticShape('randperm', shapeFrom('randperm', count))
  const dtype = checkDType('randperm', options.dtype ?? 'int32')
  const bits = expose(draw(shape)).values()
  const order = Int32Array.from({ length: count }, (_, i) => i)
  // Fisher and Yates, from the end.
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(((Number(bits[i]) >>> 0) / 2 ** 32) * (i + 1))
    const other = order[j]!
    order[j] = order[i]!
    order[i] = other
  }
  const node = storedOf({ values: order, shape, dtype: 'int32' })
  return finish('randperm', b.cast(node, dtype), options)
}

/**
 * 1 with probability `p`, else 0: independently for each element of a tensor of probabilities, or in a
 * `shape` for one probability. Default dtype: that of `p`, float32 for a number. Mirrors
 * `torch.bernoulli`.
 */
export function bernoulli(
  p: Tensor | number,
  options: CreateOptions & { readonly shape?: ShapeArg | undefined } = {},
): Tensor {
  if (typeof p === 'number') {
    if (!(p >= 0 && p <= 1)) throw new ValueError('bernoulli', 'a p in [0, 1]', String(p))
    const u = unit(shapeFrom('bernoulli', options.shape ?? []), 'float32')
    const dtype = checkDType('bernoulli', options.dtype ?? 'float32')
    return drawn('bernoulli', b.cast(b.lt(u, spread(p, u)), dtype), options)
  }
  const node = asFloat(p.node)
  const dtype = checkDType('bernoulli', options.dtype ?? node.dtype)
  return drawn('bernoulli', b.cast(b.lt(unit(node.shape, node.dtype, node), node), dtype), options)
}

/**
 * An index (int32) drawn along an axis (default: the last) with probabilities softmax(logits): the
 * largest of the logits after each got Gumbel noise. Mirrors `jax.random.categorical`.
 */
export function categorical(logits: Tensor, arg?: AxisArg): Tensor {
  const axis = oneAxis('categorical', arg, logits.ndim, -1)
  const x = asFloat(logits.node)
  // Both logarithms stay finite: u is neither 0 nor 1.
  const bits = b.cast(upper(draw(x.shape, x), 23), x.dtype)
  const u = b.mul(b.add(bits, b.fullLike(bits, 0.5)), b.fullLike(bits, 2 ** -23))
  const noise = b.neg(b.log(b.neg(b.log(u))))
  return drawn('categorical', b.argMax(b.add(x, noise), axis), {})
}

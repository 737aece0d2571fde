// Functions that make tensors: from JavaScript values, filled, counted. (Random ones are in random.ts.)

import type { Storage } from '../backends/storage.js'
import { checkDType, type DType, isFloat } from '../base/dtype.js'
import { DTypeError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape, staticShape } from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { realize } from '../runtime/flush.js'
import { recorded } from '../runtime/record.js'
import { storedNode } from '../runtime/value.js'
import { wrap } from './core.js'
import { type Contents, readContents, reshapeRead, storedOf } from './literals.js'
import { scalarNode } from './operand.js'
import { Tensor } from './tensor.js'

export type { Contents, Literal, NestedNumbers, NumericArray } from './literals.js'

/** What functions take where a tensor is wanted: one, or contents to make one of. */
export type TensorLike = Tensor | Contents

/** A shape, or the length of a vector. */
export type ShapeArg = number | Shape

export interface CreateOptions {
  /** Default `float32`, or as the contents say. */
  readonly dtype?: DType | undefined
  /** Whether gradients are collected for the new tensor. Default false. */
  readonly requiresGrad?: boolean | undefined
  readonly name?: string | undefined
}

export interface TensorOptions extends CreateOptions {
  /** The shape of flat contents; one size may be -1. Default: as the arrays are nested. */
  readonly shape?: readonly number[] | undefined
}

/** A checked shape. */
export function shapeFrom(where: string, shape: ShapeArg): Shape {
  const list = typeof shape === 'number' ? [shape] : shape
  if (list.every((d) => typeof d !== 'number' || (Number.isInteger(d) && d >= 0))) return list
  throw new ShapeError(where, 'a shape of whole sizes, none negative', formatShape(list))
}

/** Makes a node the user's, with the options every function here takes. */
export function finish(where: string, node: Node, options: CreateOptions): Tensor {
  const { requiresGrad = false, name } = options
  if (!requiresGrad) {
    const out = wrap(recorded(node))
    if (name !== undefined) out.node.name = name
    return out
  }
  if (!isFloat(node.dtype)) {
    throw new DTypeError(where, 'a float dtype for a tensor with gradients', node.dtype)
  }
  // Gradients are collected at leaves: what is to be one is computed now.
  let own = node
  if (node.inputs.length > 0 || node.value === null) {
    realize([node])
    own = storedNode(node.value as Storage, staticShape(where, node.shape))
  }
  own.needsGrad = true
  const out = wrap(own)
  own.owner = out
  if (name !== undefined) own.name = name
  return out
}

/**
 * A tensor from JavaScript values, which are copied. Mirrors `torch.tensor`.
 *
 * The dtype of literals: whole numbers are int32 (int64 where they do not fit), any fraction makes
 * float32, booleans are bool and bigints int64; typed arrays keep theirs. Say `dtype` where whole
 * numbers stand for real ones.
 *
 * @param data A value, nested arrays, a typed array, or a tensor (whose value is taken, without its
 * gradient path).
 * @throws ShapeError for ragged arrays, DTypeError for what is no number, ValueError for a number that
 * `dtype` cannot hold.
 * @example
 * tensor([[1, 2], [3, 4]])                                  // int32 [2, 2]
 * tensor(new Float32Array(6), { shape: [2, 3] })
 */
export function tensor(data: TensorLike, options: TensorOptions = {}): Tensor {
  const dtype = options.dtype === undefined ? undefined : checkDType('tensor', options.dtype)
  if (data instanceof Tensor) {
    const shaped = options.shape === undefined ? data : data.reshape(options.shape)
    return finish('tensor', shaped.cast(dtype ?? data.dtype).detach().node, options)
  }
  const read = readContents('tensor', data, dtype)
  const { shape } = options
  return finish('tensor', storedOf(shape ? reshapeRead('tensor', read, shape) : read), options)
}

/** The tensor itself, or one of the contents; cast where a dtype is given. Mirrors `torch.as_tensor`. */
export function asTensor(x: TensorLike, dtype?: DType): Tensor {
  if (!(x instanceof Tensor)) return tensor(x, { dtype })
  return dtype === undefined || dtype === x.dtype ? x : x.cast(dtype)
}

/** A 0-d tensor (default float32). Another value of it needs no new plan. */
export function scalar(value: number, options: CreateOptions = {}): Tensor {
  const dtype = checkDType('scalar', options.dtype ?? 'float32')
  if (options.requiresGrad) return tensor(value, { ...options, dtype })
  return finish('scalar', scalarNode(value, dtype), options)
}

function filled(where: string, shape: ShapeArg, value: number, options: CreateOptions): Tensor {
  const dtype = checkDType(where, options.dtype ?? 'float32')
  const node = b.broadcastTo(scalarNode(value, dtype), shapeFrom(where, shape))
  return finish(where, node, options)
}

/** Zeros (default float32). */
export function zeros(shape: ShapeArg, options: CreateOptions = {}): Tensor {
  return filled('zeros', shape, 0, options)
}

/** Ones (default float32). */
export function ones(shape: ShapeArg, options: CreateOptions = {}): Tensor {
  return filled('ones', shape, 1, options)
}

/**
 * `value` everywhere. The dtype defaults to float32 for numbers and bool for booleans. Mirrors
 * `torch.full`.
 */
export function full(
  shape: ShapeArg,
  value: number | boolean,
  options: CreateOptions = {},
): Tensor {
  const dtype = options.dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32')
  return filled('full', shape, Number(value), { ...options, dtype })
}

/** A tensor whose values do not matter: zeros, in fact. Mirrors `torch.empty`. */
export function empty(shape: ShapeArg, options: CreateOptions = {}): Tensor {
  return filled('empty', shape, 0, options)
}

/** Zeros in the shape and dtype of `x`. */
export function zerosLike(x: Tensor, options: CreateOptions = {}): Tensor {
  return filled('zerosLike', x.shape, 0, { dtype: x.dtype, ...options })
}

/** Ones in the shape and dtype of `x`. */
export function onesLike(x: Tensor, options: CreateOptions = {}): Tensor {
  return filled('onesLike', x.shape, 1, { dtype: x.dtype, ...options })
}

/** `value` in the shape and dtype of `x`. */
export function fullLike(x: Tensor, value: number | boolean, options: CreateOptions = {}): Tensor {
  return filled('fullLike', x.shape, Number(value), { dtype: x.dtype, ...options })
}

/** Values the host computes in double precision, rounded once to the dtype. */
function counted(
  where: string,
  count: number,
  value: (i: number) => number,
  dtype: DType,
  options: CreateOptions,
): Tensor {
  const values = Array.from({ length: count }, (_, i) => value(i))
  return finish(where, storedOf(readContents(where, values, dtype)), options)
}

/** Whole numbers of at most this size are exact in every dtype that `arange` counts in. */
const EXACT = 2 ** 24

/**
 * Numbers from `start` (default 0) up to, not including, `stop`, `step` (default 1) apart. int32 where
 * all three are whole, else float32. Mirrors `torch.arange`.
 *
 * @throws ValueError when `step` is 0 or leads away from `stop`.
 */
export function arange(stop: number, options?: CreateOptions): Tensor
export function arange(start: number, stop: number, options?: CreateOptions): Tensor
export function arange(start: number, stop: number, step: number, options?: CreateOptions): Tensor
export function arange(...args: (number | CreateOptions | undefined)[]): Tensor {
  const numbers = args.filter((a) => typeof a === 'number')
  const options = args.find((a) => typeof a === 'object') ?? {}
  const [start, stop] = numbers.length === 1 ? [0, numbers[0]!] : [numbers[0]!, numbers[1]!]
  const step = numbers[2] ?? 1
  const count = Math.ceil((stop - start) / step)
  if (step === 0 || !Number.isFinite(count) || count < 0) {
    throw new ValueError(
      'arange',
      'a step that leads from start to stop',
      `${start}, ${stop}, ${step}`,
    )
  }
  const whole = [start, stop, step].every(Number.isInteger)
  const dtype = checkDType('arange', options.dtype ?? (whole ? 'int32' : 'float32'))
  const exact = whole && Math.abs(start) <= EXACT && Math.abs(stop) + Math.abs(step) <= EXACT
  if (!exact || dtype === 'bool' || dtype === 'uint8') {
    return counted('arange', count, (i) => start + i * step, dtype, options)
  }
  const counts = b.iota([count], 0, dtype)
  const spread = (value: number): Node => b.broadcastTo(scalarNode(value, dtype), [count])
  const scaled = step === 1 ? counts : b.mul(counts, spread(step))
  return finish('arange', start === 0 ? scaled : b.add(scaled, spread(start)), options)
}

/**
 * `count` numbers from `start` to `stop`, both included, at equal distances (default float32). Mirrors
 * `torch.linspace`.
 */
export function linspace(
  start: number,
  stop: number,
  count: number,
  options: CreateOptions = {},
): Tensor {
  if (!Number.isInteger(count) || count < 0) {
    throw new ValueError('linspace', 'a whole count of at least 0', String(count))
  }
  const dtype = checkDType('linspace', options.dtype ?? 'float32')
  const step = count > 1 ? (stop - start) / (count - 1) : 0
  // Each half counts from its own end, so that both ends are met exactly.
  const at = (i: number): number =>
    i < count / 2 ? start + i * step : stop - (count - 1 - i) * step
  const first = (i: number): number => (count === 1 ? start : at(i))
  return counted('linspace', count, first, dtype, options)
}

/** Ones on a diagonal, zeros elsewhere: a matrix [rows, columns = rows], default float32. */
export function eye(
  rows: number,
  columns?: number | CreateOptions,
  options?: CreateOptions,
): Tensor {
  const wide = typeof columns === 'number' ? columns : rows
  const rest = typeof columns === 'object' ? columns : (options ?? {})
  const shape = shapeFrom('eye', [rows, wide])
  const dtype = checkDType('eye', rest.dtype ?? 'float32')
  const diagonal = b.eq(b.iota(shape, 0, 'int32'), b.iota(shape, 1, 'int32'))
  return finish('eye', b.cast(diagonal, dtype), rest)
}

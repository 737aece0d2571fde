// Starting values of parameters. Each function assigns new values to a variable and returns it.

import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import { noGrad } from '../tensor/autograd.js'
import { full } from '../tensor/create.js'
import { normal, uniform } from '../tensor/random.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Variable } from '../tensor/variable.js'

/** How many inputs an output of a weight [out, in, …kernel] depends on, and the other way round. */
export function fans(where: string, shape: readonly number[]): { fanIn: number; fanOut: number } {
  const [outputs, inputs, ...kernel] = shape
  if (outputs === undefined || inputs === undefined) {
    throw new ShapeError(where, 'a weight of two axes or more', formatShape(shape))
  }
  const field = kernel.reduce((product, k) => product * k, 1)
  return { fanIn: inputs * field, fanOut: outputs * field }
}

const GAINS: Readonly<Record<string, (slope: number) => number>> = {
  linear: () => 1,
  sigmoid: () => 1,
  tanh: () => 5 / 3,
  relu: () => Math.SQRT2,
  leakyRelu: (slope) => Math.sqrt(2 / (1 + slope ** 2)),
  selu: () => 3 / 4,
}

export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu'

/** The factor that keeps the variance of what goes through a nonlinearity. */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  const gain = GAINS[nonlinearity]
  if (gain !== undefined) return gain(slope)
  const names = Object.keys(GAINS).join(', ')
  throw new ValueError('calculateGain', `a nonlinearity among ${names}`, String(nonlinearity))
}

const shapeOf = (x: Variable): number[] => [...x.shape] as number[]

const set = (x: Variable, make: () => Tensor): Variable => {
  noGrad(() => x.assign(make()))
  return x
}

/** Values drawn evenly from [low, high). */
export function uniform_(x: Variable, low = 0, high = 1): Variable {
  return set(x, () => uniform(x.shape, { low, high, dtype: x.dtype }))
}

/** Values drawn from a normal distribution. */
export function normal_(x: Variable, mean = 0, std = 1): Variable {
  return set(x, () => normal(x.shape, { mean, std, dtype: x.dtype }))
}

export function constant_(x: Variable, value: number): Variable {
  return set(x, () => full(x.shape, value, { dtype: x.dtype }))
}

export const zeros_ = (x: Variable): Variable => constant_(x, 0)
export const ones_ = (x: Variable): Variable => constant_(x, 1)

export interface KaimingOptions {
  /** Slope of the leaky ReLU that follows. Default 0. */
  readonly a?: number
  /** Keep the variance of the forward pass (`fanIn`, the default) or of the gradients. */
  readonly mode?: 'fanIn' | 'fanOut'
  /** Default `leakyRelu`. */
  readonly nonlinearity?: Nonlinearity
}

function kaimingStd(where: string, x: Variable, options: KaimingOptions): number {
  const { a = 0, mode = 'fanIn', nonlinearity = 'leakyRelu' } = options
  return calculateGain(nonlinearity, a) / Math.sqrt(fans(where, shapeOf(x))[mode])
}

/** U(-b, b) with b = gain √(3 / fan): He et al. 2015, [arXiv:1502.01852](https://arxiv.org/abs/1502.01852). */
export function kaimingUniform_(x: Variable, options: KaimingOptions = {}): Variable {
  const bound = Math.sqrt(3) * kaimingStd('kaimingUniform_', x, options)
  return uniform_(x, -bound, bound)
}

/** N(0, gain² / fan): He et al. 2015, [arXiv:1502.01852](https://arxiv.org/abs/1502.01852). */
export function kaimingNormal_(x: Variable, options: KaimingOptions = {}): Variable {
  return normal_(x, 0, kaimingStd('kaimingNormal_', x, options))
}

function xavierStd(where: string, x: Variable, gain: number): number {
  const { fanIn, fanOut } = fans(where, shapeOf(x))
  return gain * Math.sqrt(2 / (fanIn + fanOut))
}

/** U(-b, b) with b = gain √(6 / (fanIn + fanOut)): Glorot and Bengio 2010. */
export function xavierUniform_(x: Variable, gain = 1): Variable {
  const bound = Math.sqrt(3) * xavierStd('xavierUniform_', x, gain)
  return uniform_(x, -bound, bound)
}

/** N(0, 2 gain² / (fanIn + fanOut)): Glorot and Bengio 2010. */
export function xavierNormal_(x: Variable, gain = 1): Variable {
  return normal_(x, 0, xavierStd('xavierNormal_', x, gain))
}

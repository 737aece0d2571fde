// Normalization layers.

import type { DType } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import { noGrad } from '../tensor/autograd.js'
import { full } from '../tensor/create.js'
import type { Tensor } from '../tensor/tensor.js'
import { type Parameter, Variable } from '../tensor/variable.js'
import { batchNorm, layerNorm } from './functional/layers.js'
import { MEMBERS } from './members.js'
import { Module } from './module.js'
import { checkSizes, filledParameter } from './parameters.js'
import { optionsRepr } from './repr.js'

export interface LayerNormOptions {
  /** Added to variances. Default 1e-5. */
  readonly eps?: number
  /** Whether there are a weight (ones at first) and a bias (zeros). Default true. */
  readonly affine?: boolean
  /** Whether there is a bias, beside a weight. Default true. */
  readonly bias?: boolean
  readonly dtype?: DType
}

/**
 * Values brought to mean 0 and variance 1 over the last axes, then scaled and shifted. Mirrors
 * `torch.nn.LayerNorm`; see `F.layerNorm`.
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[]
  readonly eps: number
  readonly weight: Parameter | null
  readonly bias: Parameter | null

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super()
    const { eps = 1e-5, affine = true, bias = true, dtype = 'float32' } = options
    const shape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape]
    checkSizes('LayerNorm', Object.fromEntries(shape.map((n, i) => [`normalizedShape[${i}]`, n])))
    this.normalizedShape = shape
    this.eps = eps
    this.weight = affine ? filledParameter(shape, 1, dtype) : null
    this.bias = affine && bias ? filledParameter(shape, 0, dtype) : null
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, eps } = this
    return layerNorm(x, this.normalizedShape, { weight, bias, eps })
  }

  override extraRepr(): string {
    return `${formatShape(this.normalizedShape)}, ${optionsRepr({ eps: this.eps, affine: this.weight !== null })}`
  }
}

export interface BatchNormLayerOptions {
  /** Added to variances. Default 1e-5. */
  readonly eps?: number
  /** How far running averages move to each batch's; `null`: averages over all batches. Default 0.1. */
  readonly momentum?: number | null
  /** Whether there are a weight (ones at first) and a bias (zeros). Default true. */
  readonly affine?: boolean
  /** Whether running averages are kept, for evaluation. Default true. */
  readonly trackRunningStats?: boolean
  readonly dtype?: DType
}

/** What batch normalization over different numbers of axes has in common. */
abstract class BatchNorm extends Module {
  readonly eps: number
  readonly momentum: number | null
  readonly weight: Parameter | null
  readonly bias: Parameter | null
  readonly runningMean: Variable | null
  readonly runningVar: Variable | null
  /** Batches seen in training. */
  readonly numBatchesTracked: Variable | null

  constructor(
    readonly numFeatures: number,
    options: BatchNormLayerOptions,
  ) {
    super()
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options
    const { dtype = 'float32' } = options
    checkSizes(new.target.name, { numFeatures })
    this.eps = eps
    this.momentum = momentum
    const shape = [numFeatures]
    this.weight = affine ? filledParameter(shape, 1, dtype) : null
    this.bias = affine ? filledParameter(shape, 0, dtype) : null
    const buffer = (of: number[], value: number, type: DType): Variable | null =>
      trackRunningStats
        ? new Variable(full(of, value, { dtype: type }), { requiresGrad: false })
        : null
    this.runningMean = buffer(shape, 0, dtype)
    this.runningVar = buffer(shape, 1, dtype)
    this.numBatchesTracked = buffer([], 0, 'int32')
  }

  /** PyTorch's names for the buffers, so that state dicts fit. */
  override [MEMBERS](): Iterable<readonly [string, unknown]> {
    return [
      ['weight', this.weight],
      ['bias', this.bias],
      ['running_mean', this.runningMean],
      ['running_var', this.runningVar],
      ['num_batches_tracked', this.numBatchesTracked],
    ]
  }

  protected abstract checkRank(rank: number): string | null

  forward(x: Tensor): Tensor {
    const expected = this.checkRank(x.ndim)
    if (expected !== null) {
      throw new ShapeError(this.constructor.name, expected, formatShape(x.shape))
    }
    const { weight, bias, eps, runningMean, runningVar } = this
    const training = this.training || runningMean === null
    return batchNorm(x, runningMean, runningVar, {
      ...{ weight, bias, eps, training },
      momentum: training ? this.countBatch() : 0,
    })
  }

  /** Counts a batch; answers how far the averages move to it. */
  private countBatch(): number | Tensor {
    const counter = this.numBatchesTracked
    if (counter === null) return 0
    return noGrad(() => {
      counter.assignAdd(1)
      return this.momentum ?? counter.detach().cast('float32').reciprocal()
    })
  }

  override extraRepr(): string {
    const { eps, momentum } = this
    const affine = this.weight !== null
    const trackRunningStats = this.runningMean !== null
    return `${this.numFeatures}, ${optionsRepr({ eps, momentum, affine, trackRunningStats })}`
  }
}

/**
 * Normalizes each channel of [batch, channels] or [batch, channels, length]: in training by the batch,
 * in evaluation by running averages. Mirrors `torch.nn.BatchNorm1d`; see `F.batchNorm`.
 */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormLayerOptions = {}) {
    super(numFeatures, options)
  }

  protected checkRank(rank: number): string | null {
    return rank === 2 || rank === 3 ? null : 'input [batch, channels] or [batch, channels, length]'
  }
}

/** As `BatchNorm1d`, for [batch, channels, height, width]. Mirrors `torch.nn.BatchNorm2d`. */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormLayerOptions = {}) {
    super(numFeatures, options)
  }

  protected checkRank(rank: number): string | null {
    return rank === 4 ? null : 'input [batch, channels, height, width]'
  }
}

// The fully connected layer, and the layer that does nothing.

import { dimEqual } from '../base/dim.js'
import type { DType } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Parameter } from '../tensor/variable.js'
import { linear } from './functional/layers.js'
import { Module } from './module.js'
import { checkSizes, uniformParameter } from './parameters.js'

export interface LinearOptions {
  /** Whether a bias is added. Default true. */
  readonly bias?: boolean
  /** Dtype of the parameters. Default float32. */
  readonly dtype?: DType
}

/**
 * x · weightᵀ + bias over the last axis: [..., inFeatures] to [..., outFeatures]. Mirrors
 * `torch.nn.Linear`: weight [outFeatures, inFeatures] and bias [outFeatures] start as
 * U(-1/√inFeatures, 1/√inFeatures).
 */
export class Linear extends Module {
  readonly weight: Parameter
  readonly bias: Parameter | null

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    { bias = true, dtype = 'float32' }: LinearOptions = {},
  ) {
    super()
    checkSizes('Linear', { inFeatures, outFeatures })
    const bound = 1 / Math.sqrt(inFeatures)
    this.weight = uniformParameter([outFeatures, inFeatures], bound, dtype)
    this.bias = bias ? uniformParameter([outFeatures], bound, dtype) : null
  }

  forward(x: Tensor): Tensor {
    const features = x.shape.at(-1)
    if (features === undefined || !dimEqual(features, this.inFeatures)) {
      throw new ShapeError(
        'Linear',
        `input with ${this.inFeatures} features in the last axis (weight is ${formatShape(this.weight.shape)})`,
        formatShape(x.shape),
        { input: x.shape, weight: this.weight.shape },
      )
    }
    return linear(x, this.weight, this.bias)
  }

  override extraRepr(): string {
    return `${this.inFeatures}, ${this.outFeatures}${this.bias === null ? ', bias=false' : ''}`
  }
}

/** Gives back its input: a place holder for a layer that is not wanted. */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x
  }
}

// Pooling layers.

import {
  type AveragePoolOptions,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  maxPool1d,
  maxPool2d,
  type PoolOptions,
} from '../tensor/pooling.js'
import type { Tensor } from '../tensor/tensor.js'
import type { PerAxis } from '../tensor/windows.js'
import { Module } from './module.js'
import { optionsRepr } from './repr.js'

abstract class Pool<O extends object> extends Module {
  constructor(
    readonly kernelSize: PerAxis,
    readonly options: O,
  ) {
    super()
  }

  abstract override forward(x: Tensor): Tensor

  override extraRepr(): string {
    return optionsRepr({ kernelSize: this.kernelSize, ...this.options })
  }
}

/** The maximum of each window of [batch, channels, length]. Mirrors `torch.nn.MaxPool1d`. */
export class MaxPool1d extends Pool<PoolOptions> {
  constructor(kernelSize: PerAxis, options: PoolOptions = {}) {
    super(kernelSize, options)
  }

  forward(x: Tensor): Tensor {
    return maxPool1d(x, this.kernelSize, this.options)
  }
}

/**
 * The maximum of each window of [batch, channels, height, width]. Windows lie side by side unless a
 * stride is given; what is left over at the edges is dropped. Mirrors `torch.nn.MaxPool2d`.
 */
export class MaxPool2d extends Pool<PoolOptions> {
  constructor(kernelSize: PerAxis, options: PoolOptions = {}) {
    super(kernelSize, options)
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options)
  }
}

/** The mean of each window of [batch, channels, length]. Mirrors `torch.nn.AvgPool1d`. */
export class AvgPool1d extends Pool<AveragePoolOptions> {
  constructor(kernelSize: PerAxis, options: AveragePoolOptions = {}) {
    super(kernelSize, options)
  }

  forward(x: Tensor): Tensor {
    return avgPool1d(x, this.kernelSize, this.options)
  }
}

/** The mean of each window of [batch, channels, height, width]. Mirrors `torch.nn.AvgPool2d`. */
export class AvgPool2d extends Pool<AveragePoolOptions> {
  constructor(kernelSize: PerAxis, options: AveragePoolOptions = {}) {
    super(kernelSize, options)
  }

  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options)
  }
}

/** Means over windows chosen so that the output has the given sizes; see `F.adaptiveAvgPool2d`. */
export class AdaptiveAvgPool2d extends Module {
  constructor(readonly outputSize: PerAxis) {
    super()
  }

  forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.outputSize)
  }

  override extraRepr(): string {
    return optionsRepr({ outputSize: this.outputSize })
  }
}

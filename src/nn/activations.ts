// Activation functions as layers.

import type { Tensor } from '../tensor/tensor.js'
import * as F from './functional/activations.js'
import { Module } from './module.js'
import { optionsRepr } from './repr.js'

/** max(x, 0). */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return F.relu(x)
  }
}

/** x where positive, `negativeSlope` · x elsewhere. */
export class LeakyReLU extends Module {
  /** @param negativeSlope Default 0.01. */
  constructor(readonly negativeSlope = 0.01) {
    super()
  }

  forward(x: Tensor): Tensor {
    return F.leakyRelu(x, { negativeSlope: this.negativeSlope })
  }

  override extraRepr(): string {
    return optionsRepr({ negativeSlope: this.negativeSlope })
  }
}

/** x where positive, `alpha` (exp(x) - 1) elsewhere. */
export class ELU extends Module {
  /** @param alpha Default 1. */
  constructor(readonly alpha = 1) {
    super()
  }

  forward(x: Tensor): Tensor {
    return F.elu(x, { alpha: this.alpha })
  }

  override extraRepr(): string {
    return optionsRepr({ alpha: this.alpha })
  }
}

/** x · Φ(x), exactly or by its approximation with a tanh. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh'

  constructor(options: F.GeluOptions = {}) {
    super()
    this.approximate = options.approximate ?? 'none'
  }

  forward(x: Tensor): Tensor {
    return F.gelu(x, { approximate: this.approximate })
  }

  override extraRepr(): string {
    return optionsRepr({ approximate: this.approximate })
  }
}

/** x · sigmoid(x). */
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return F.silu(x)
  }
}

/** 1 / (1 + exp(-x)). */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return F.sigmoid(x)
  }
}

/** log(1 + exp(x)). */
export class Softplus extends Module {
  forward(x: Tensor): Tensor {
    return F.softplus(x)
  }
}

/** The hyperbolic tangent. */
export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return F.tanh(x)
  }
}

/** exp(x) / Σ exp(x) along an axis. */
export class Softmax extends Module {
  readonly axis: number

  constructor(options: { readonly axis?: number } = {}) {
    super()
    this.axis = options.axis ?? -1
  }

  forward(x: Tensor): Tensor {
    return F.softmax(x, this.axis)
  }

  override extraRepr(): string {
    return optionsRepr({ axis: this.axis })
  }
}

/** The logarithm of `Softmax`, without its underflow. */
export class LogSoftmax extends Module {
  readonly axis: number

  constructor(options: { readonly axis?: number } = {}) {
    super()
    this.axis = options.axis ?? -1
  }

  forward(x: Tensor): Tensor {
    return F.logSoftmax(x, this.axis)
  }

  override extraRepr(): string {
    return optionsRepr({ axis: this.axis })
  }
}

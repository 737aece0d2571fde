// Layers that change the shape of values, or drop some: flatten and dropout.

import { ValueError } from '../base/errors.js'
import type { Tensor } from '../tensor/tensor.js'
import { dropout } from './functional/layers.js'
import { Module } from './module.js'
import { optionsRepr } from './repr.js'

/** Axes `start` to `end`, both included, as one; by default all but the batch's. */
export class Flatten extends Module {
  constructor(
    readonly start = 1,
    readonly end = -1,
  ) {
    super()
  }

  forward(x: Tensor): Tensor {
    return x.flatten(this.start, this.end)
  }

  override extraRepr(): string {
    return optionsRepr({ start: this.start, end: this.end })
  }
}

/**
 * While training, elements become zero at random with probability `p` and the others are divided by
 * 1 - p. In evaluation it does nothing. Mirrors `torch.nn.Dropout`.
 */
export class Dropout extends Module {
  /** @param p Default 0.5. */
  constructor(readonly p = 0.5) {
    super()
    if (!(p >= 0 && p <= 1)) throw new ValueError('Dropout', 'p in [0, 1]', String(p))
  }

  forward(x: Tensor): Tensor {
    return dropout(x, { p: this.p, training: this.training })
  }

  override extraRepr(): string {
    return optionsRepr({ p: this.p })
  }
}

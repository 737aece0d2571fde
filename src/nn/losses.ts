// Losses as modules, with their options kept.

import type { Tensor } from '../tensor/tensor.js'
import * as F from './functional/losses.js'
import { Module } from './module.js'
import { optionsRepr } from './repr.js'

abstract class Loss<O extends F.LossOptions> extends Module {
  readonly options: O

  constructor(options: O = {} as O) {
    super()
    this.options = options
  }

  abstract override forward(prediction: Tensor, target: Tensor): Tensor

  override extraRepr(): string {
    const plain = Object.entries(this.options).filter(([, v]) => typeof v !== 'object')
    return optionsRepr(Object.fromEntries(plain))
  }
}

/** Cross entropy of logits [batch, classes, …] with classes [batch, …]; see `F.crossEntropy`. */
export class CrossEntropyLoss extends Loss<F.CrossEntropyOptions> {
  forward(logits: Tensor, target: Tensor): Tensor {
    return F.crossEntropy(logits, target, this.options)
  }
}

/** Negative log likelihood of log probabilities [batch, classes, …]; see `F.nllLoss`. */
export class NLLLoss extends Loss<F.ClassLossOptions> {
  forward(logProbabilities: Tensor, target: Tensor): Tensor {
    return F.nllLoss(logProbabilities, target, this.options)
  }
}

/** (prediction - target)². */
export class MSELoss extends Loss<F.LossOptions> {
  forward(prediction: Tensor, target: Tensor): Tensor {
    return F.mseLoss(prediction, target, this.options)
  }
}

/** |prediction - target|. */
export class L1Loss extends Loss<F.LossOptions> {
  forward(prediction: Tensor, target: Tensor): Tensor {
    return F.l1Loss(prediction, target, this.options)
  }
}

/** Square near zero, linear from `beta` on; see `F.smoothL1Loss`. */
export class SmoothL1Loss extends Loss<F.SmoothL1Options> {
  forward(prediction: Tensor, target: Tensor): Tensor {
    return F.smoothL1Loss(prediction, target, this.options)
  }
}

/** Square near zero, linear from `delta` on; see `F.huberLoss`. */
export class HuberLoss extends Loss<F.HuberOptions> {
  forward(prediction: Tensor, target: Tensor): Tensor {
    return F.huberLoss(prediction, target, this.options)
  }
}

/** Binary cross entropy of probabilities; see `F.binaryCrossEntropy`. */
export class BCELoss extends Loss<F.BinaryLossOptions> {
  forward(probability: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropy(probability, target, this.options)
  }
}

/** Binary cross entropy of logits; see `F.binaryCrossEntropyWithLogits`. */
export class BCEWithLogitsLoss extends Loss<F.BinaryLogitsOptions> {
  forward(logit: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropyWithLogits(logit, target, this.options)
  }
}

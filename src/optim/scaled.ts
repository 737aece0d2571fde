// Optimizers that divide by a running size of the gradient: RMSprop and Adagrad.

import { ValueError } from '../base/errors.js'
import type { Node } from '../ir/node.js'
import { expose } from '../tensor/core.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Variable } from '../tensor/variable.js'
import {
  type Hyperparameters,
  Optimizer,
  type ParamGroup,
  type Params,
  type Slots,
} from './optimizer.js'

interface Descent {
  readonly weightDecay: number
  readonly maximize: boolean
}

/** The direction to descend along: the gradient, turned when maximizing, with the decay added. */
function descent(param: Tensor, grad: Node, { weightDecay, maximize }: Descent): Tensor {
  const down = maximize ? expose(grad).neg() : expose(grad).detach()
  return weightDecay === 0 ? down : down.add(param.mul(weightDecay))
}

export interface RMSpropSettings extends Hyperparameters {
  /** Decay of the average of squares. Default 0.99. */
  alpha: number
  /** Added to the denominator. Default 1e-8. */
  eps: number
  /** Adds weightDecay · parameter to the gradient. Default 0. */
  weightDecay: number
  /** How much of the last move goes into the next. Default 0. */
  momentum: number
  /** Divides by the standard deviation in place of the root mean square. Default false. */
  centered: boolean
  /** Climbs instead of descending. Default false. */
  maximize: boolean
}

const RMSPROP: RMSpropSettings = {
  lr: 0.01,
  alpha: 0.99,
  eps: 1e-8,
  weightDecay: 0,
  momentum: 0,
  centered: false,
  maximize: false,
}

/**
 * Gradients divided by a running average of their size: Tieleman and Hinton 2012. Mirrors
 * `torch.optim.RMSprop`. Default learning rate: 0.01.
 */
export class RMSprop extends Optimizer<RMSpropSettings> {
  constructor(params: Params<RMSpropSettings>, options?: Partial<RMSpropSettings>)
  constructor(options?: Partial<RMSpropSettings>)
  constructor(
    first?: Params<RMSpropSettings> | Partial<RMSpropSettings>,
    second?: Partial<RMSpropSettings>,
  ) {
    super(first, second, RMSPROP)
  }

  protected override check(settings: RMSpropSettings): void {
    super.check(settings)
    for (const name of ['alpha', 'eps', 'weightDecay', 'momentum'] as const) {
      this.atLeastZero(name, settings[name])
    }
  }

  protected update(
    param: Variable,
    grad: Node,
    settings: ParamGroup<RMSpropSettings>,
    lr: Node,
    slots: Slots,
  ): void {
    const { alpha, eps, momentum, centered } = settings
    const value = param.detach()
    const g = descent(value, grad, settings)
    const average = (name: string, x: Tensor): Tensor => {
      const slot = this.slot(slots, name, param)
      slot.assign(slot.mul(alpha).add(x.mul(1 - alpha)))
      return slot
    }
    let size = average('squareAvg', g.square())
    if (centered) size = size.sub(average('gradAvg', g).square())
    let move = g.div(size.sqrt().add(eps))
    if (momentum > 0) {
      const buffer = this.slot(slots, 'momentumBuffer', param)
      move = buffer.assign(buffer.mul(momentum).add(move))
    }
    param.assign(value.sub(move.mul(expose(lr))))
  }
}

export interface AdagradSettings extends Hyperparameters {
  /** The learning rate is divided by 1 + (step - 1) · lrDecay. Default 0. */
  lrDecay: number
  /** Adds weightDecay · parameter to the gradient. Default 0. */
  weightDecay: number
  /** Added to the denominator. Default 1e-10. */
  eps: number
  /** Climbs instead of descending. Default false. */
  maximize: boolean
}

const ADAGRAD: AdagradSettings = {
  lr: 0.01,
  lrDecay: 0,
  weightDecay: 0,
  eps: 1e-10,
  maximize: false,
}

/**
 * Gradients divided by the root of the sum of all their squares so far: Duchi, Hazan and Singer, JMLR 12
 * (2011). Mirrors `torch.optim.Adagrad`. Default learning rate: 0.01.
 */
export class Adagrad extends Optimizer<AdagradSettings> {
  constructor(params: Params<AdagradSettings>, options?: Partial<AdagradSettings>)
  constructor(options?: Partial<AdagradSettings>)
  constructor(
    first?: Params<AdagradSettings> | Partial<AdagradSettings>,
    second?: Partial<AdagradSettings>,
  ) {
    super(first, second, ADAGRAD)
  }

  protected override check(settings: AdagradSettings): void {
    super.check(settings)
    if (settings.eps < 0) throw new ValueError(this.name, 'eps of at least 0', String(settings.eps))
    this.atLeastZero('lrDecay', settings.lrDecay)
    this.atLeastZero('weightDecay', settings.weightDecay)
  }

  protected override countsSteps({ lrDecay }: AdagradSettings): boolean {
    return lrDecay !== 0
  }

  protected update(
    param: Variable,
    grad: Node,
    settings: ParamGroup<AdagradSettings>,
    lr: Node,
    slots: Slots,
  ): void {
    const { lrDecay, eps } = settings
    const value = param.detach()
    const g = descent(value, grad, settings)
    const sum = this.slot(slots, 'sum', param)
    sum.assign(sum.add(g.square()))
    let rate = expose(lr)
    if (lrDecay !== 0) {
      const before = (slots.step as Variable).cast(param.dtype).sub(1)
      rate = rate.div(before.mul(lrDecay).add(1))
    }
    param.assign(value.sub(g.mul(rate).div(sum.sqrt().add(eps))))
  }
}

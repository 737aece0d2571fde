// Stochastic gradient descent.

import { ValueError } from '../base/errors.js'
import { type SgdState, sgdUpdate } from '../ir/composites/optimizers.js'
import type { Node } from '../ir/node.js'
import type { Variable } from '../tensor/variable.js'
import {
  type Hyperparameters,
  Optimizer,
  type ParamGroup,
  type Params,
  type Slots,
} from './optimizer.js'
import { updateNode } from './update.js'

export interface SGDSettings extends Hyperparameters {
  /** How much of the last move goes into the next. Default 0. */
  momentum: number
  /** How much less the gradient counts with momentum. Default 0. */
  dampening: number
  /** Nesterov's momentum. Default false. */
  nesterov: boolean
  /** Adds weightDecay · parameter to the gradient. Default 0. */
  weightDecay: number
  /** Climbs instead of descending. Default false. */
  maximize: boolean
}

const DEFAULTS: SGDSettings = {
  lr: 1e-3,
  momentum: 0,
  dampening: 0,
  nesterov: false,
  weightDecay: 0,
  maximize: false,
}

/**
 * Stochastic gradient descent, optionally with momentum. Mirrors `torch.optim.SGD`:
 * g = ±grad + weightDecay · p; buffer = momentum · buffer + (1 - dampening) g; p -= lr · buffer (with
 * Nesterov: lr · (g + momentum · buffer)). The first buffer is g. Default learning rate: 0.001.
 */
export class SGD extends Optimizer<SGDSettings> {
  constructor(params: Params<SGDSettings>, options?: Partial<SGDSettings>)
  constructor(options?: Partial<SGDSettings>)
  constructor(first?: Params<SGDSettings> | Partial<SGDSettings>, second?: Partial<SGDSettings>) {
    super(first, second, DEFAULTS)
  }

  protected override check(settings: SGDSettings): void {
    super.check(settings)
    this.atLeastZero('momentum', settings.momentum)
    this.atLeastZero('weightDecay', settings.weightDecay)
    if (settings.nesterov && (settings.momentum === 0 || settings.dampening !== 0)) {
      throw new ValueError(
        this.name,
        'a momentum, and no dampening, with nesterov',
        `momentum ${settings.momentum} and dampening ${settings.dampening}`,
      )
    }
  }

  protected override countsSteps({ momentum, dampening }: SGDSettings): boolean {
    return momentum !== 0 && dampening !== 0
  }

  protected update(
    param: Variable,
    grad: Node,
    settings: ParamGroup<SGDSettings>,
    lr: Node,
    slots: Slots,
  ): void {
    const { momentum, dampening, nesterov, weightDecay, maximize } = settings
    const buffer = momentum === 0 ? null : this.slot(slots, 'momentumBuffer', param)
    const state: SgdState = {
      ...{ param: param.node, grad, lr },
      momentumBuffer: buffer?.node ?? null,
      step: this.countsSteps(settings) ? (slots.step as Variable).node : null,
    }
    const next = sgdUpdate(state, { momentum, dampening, nesterov, weightDecay, maximize })
    param.replace(updateNode(next.param))
    if (buffer !== null) buffer.replace(updateNode(next.momentumBuffer as Node))
  }
}

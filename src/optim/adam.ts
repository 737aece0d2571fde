// Adam and AdamW.

import { ValueError } from '../base/errors.js'
import { adamUpdate, adamwUpdate } from '../ir/composites/optimizers.js'
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

export interface AdamSettings extends Hyperparameters {
  /** Decay of the averages of the gradient and of its square. Default [0.9, 0.999]. */
  betas: readonly [number, number]
  /** Added to the denominator. Default 1e-8. */
  eps: number
  /** Adam: adds weightDecay · parameter to the gradient, default 0. AdamW: shrinks it, default 0.01. */
  weightDecay: number
  /** Climbs instead of descending. Default false. */
  maximize: boolean
}

const DEFAULTS: AdamSettings = {
  lr: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  maximize: false,
}

abstract class AdamFamily extends Optimizer<AdamSettings> {
  protected abstract readonly updateParameter: typeof adamUpdate

  protected override check(settings: AdamSettings): void {
    super.check(settings)
    this.atLeastZero('eps', settings.eps)
    this.atLeastZero('weightDecay', settings.weightDecay)
    const { betas } = settings
    if (betas.length !== 2 || !betas.every((b) => b >= 0 && b < 1)) {
      throw new ValueError(this.name, 'two betas in [0, 1)', `[${betas.join(', ')}]`)
    }
  }

  protected override countsSteps(): boolean {
    return true
  }

  protected update(
    param: Variable,
    grad: Node,
    { betas, eps, weightDecay, maximize }: ParamGroup<AdamSettings>,
    lr: Node,
    slots: Slots,
  ): void {
    const m = this.slot(slots, 'expAvg', param)
    const v = this.slot(slots, 'expAvgSq', param)
    const step = (slots.step as Variable).node
    const next = this.updateParameter(
      { param: param.node, grad, m: m.node, v: v.node, step, lr },
      { beta1: betas[0], beta2: betas[1], eps, weightDecay, maximize },
    )
    param.replace(updateNode(next.param))
    m.replace(updateNode(next.m))
    v.replace(updateNode(next.v))
  }
}

type Options = Partial<AdamSettings>

/**
 * Adam: Kingma and Ba, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980). Mirrors `torch.optim.Adam`.
 * Default learning rate: 0.001.
 */
export class Adam extends AdamFamily {
  protected readonly updateParameter = adamUpdate

  constructor(params: Params<AdamSettings>, options?: Options)
  constructor(options?: Options)
  constructor(first?: Params<AdamSettings> | Options, second?: Options) {
    super(first, second, DEFAULTS)
  }
}

/**
 * Adam with weights that decay on their own: Loshchilov and Hutter,
 * [arXiv:1711.05101](https://arxiv.org/abs/1711.05101). Mirrors `torch.optim.AdamW`.
 */
export class AdamW extends AdamFamily {
  protected readonly updateParameter = adamwUpdate

  constructor(params: Params<AdamSettings>, options?: Options)
  constructor(options?: Options)
  constructor(first?: Params<AdamSettings> | Options, second?: Options) {
    super(first, second, { ...DEFAULTS, weightDecay: 0.01 })
  }
}

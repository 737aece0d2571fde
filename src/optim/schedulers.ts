// Learning-rate schedules: the rate of each group as a function of the number of epochs.

import { ValueError } from '../base/errors.js'
import type { Hyperparameters, Optimizer } from './optimizer.js'

/**
 * The base class of schedules. Mirrors `torch.optim.lr_scheduler.LRScheduler`: making one notes the
 * rates the groups have, and `step`, called after each epoch, sets new ones. Changing rates makes no new
 * plan.
 */
export abstract class LRScheduler {
  readonly baseLrs: readonly number[]
  private epoch = 0

  constructor(readonly optimizer: Optimizer<Hyperparameters>) {
    this.baseLrs = optimizer.paramGroups.map((g) => g.lr)
  }

  /** The rate of a group after `epoch` epochs, from the one it began with. */
  protected abstract rate(base: number, epoch: number, group: number): number

  /** Epochs so far. */
  get lastEpoch(): number {
    return this.epoch
  }

  /** Goes on to the next epoch, or to a given one. */
  step(epoch = this.epoch + 1): void {
    this.epoch = epoch
    this.set()
  }

  /** The rates now, one a group. */
  getLastLr(): number[] {
    return this.optimizer.paramGroups.map((g) => g.lr)
  }

  stateDict(): { epoch: number; baseLrs: readonly number[] } {
    return { epoch: this.epoch, baseLrs: this.baseLrs }
  }

  loadStateDict(dict: { readonly epoch: number; readonly baseLrs: readonly number[] }): void {
    const { length } = this.optimizer.paramGroups
    if (dict.baseLrs.length !== length) {
      const where = `${this.constructor.name}.loadStateDict`
      throw new ValueError(where, `rates of ${length} groups`, String(dict.baseLrs.length))
    }
    ;(this as { baseLrs: readonly number[] }).baseLrs = [...dict.baseLrs]
    this.epoch = dict.epoch
    this.set()
  }

  /** Sets the rates for the epoch there is. */
  protected set(): void {
    this.optimizer.paramGroups.forEach((group, i) => {
      group.lr = this.rate(this.baseLrs[i] ?? group.lr, this.epoch, i)
    })
  }
}

type AnyOptimizer = Optimizer<Hyperparameters>

/** The rate times `gamma` every `stepSize` epochs. */
export class StepLR extends LRScheduler {
  private readonly stepSize: number
  private readonly gamma: number

  /** `gamma` is 0.1 by default. */
  constructor(
    optimizer: AnyOptimizer,
    options: { readonly stepSize: number; readonly gamma?: number },
  ) {
    super(optimizer)
    this.stepSize = positive('StepLR', 'stepSize', options.stepSize)
    this.gamma = options.gamma ?? 0.1
  }

  protected rate(base: number, epoch: number): number {
    return base * this.gamma ** Math.floor(epoch / this.stepSize)
  }
}

/** The rate times `gamma` at each of some epochs. */
export class MultiStepLR extends LRScheduler {
  private readonly milestones: readonly number[]
  private readonly gamma: number

  /** `gamma` is 0.1 by default. */
  constructor(
    optimizer: AnyOptimizer,
    options: { readonly milestones: readonly number[]; readonly gamma?: number },
  ) {
    super(optimizer)
    this.milestones = options.milestones
    this.gamma = options.gamma ?? 0.1
  }

  protected rate(base: number, epoch: number): number {
    return base * this.gamma ** this.milestones.filter((m) => m <= epoch).length
  }
}

/** The rate times `gamma` every epoch. */
export class ExponentialLR extends LRScheduler {
  private readonly gamma: number

  constructor(optimizer: AnyOptimizer, options: { readonly gamma: number }) {
    super(optimizer)
    this.gamma = options.gamma
  }

  protected rate(base: number, epoch: number): number {
    return base * this.gamma ** epoch
  }
}

/**
 * The rate along half a cosine from where it began down to `etaMin` (default 0) in `tMax` epochs:
 * [arXiv:1608.03983](https://arxiv.org/abs/1608.03983), without restarts.
 */
export class CosineAnnealingLR extends LRScheduler {
  private readonly tMax: number
  private readonly etaMin: number

  constructor(
    optimizer: AnyOptimizer,
    options: { readonly tMax: number; readonly etaMin?: number },
  ) {
    super(optimizer)
    this.tMax = positive('CosineAnnealingLR', 'tMax', options.tMax)
    this.etaMin = options.etaMin ?? 0
  }

  protected rate(base: number, epoch: number): number {
    const { tMax, etaMin } = this
    return etaMin + ((base - etaMin) * (1 + Math.cos((Math.PI * epoch) / tMax))) / 2
  }
}

export type LrLambda = (epoch: number) => number

/** The rate it began with times a function of the epoch; one function for all groups, or one each. */
export class LambdaLR extends LRScheduler {
  private readonly lambdas: readonly LrLambda[]

  constructor(optimizer: AnyOptimizer, lambda: LrLambda | readonly LrLambda[]) {
    super(optimizer)
    const { length } = optimizer.paramGroups
    this.lambdas = typeof lambda === 'function' ? new Array(length).fill(lambda) : lambda
    if (this.lambdas.length !== length) {
      const expected = `a function for each of ${length} groups`
      throw new ValueError('LambdaLR', expected, `${this.lambdas.length} functions`)
    }
    // Unlike the others it may begin elsewhere than at the rate given, as warm-ups do.
    this.set()
  }

  protected rate(base: number, epoch: number, group: number): number {
    return base * (this.lambdas[group] as LrLambda)(epoch)
  }
}

function positive(where: string, what: string, value: number): number {
  if (value > 0) return value
  throw new ValueError(where, `${what} above 0`, String(value))
}

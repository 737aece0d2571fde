// Optimizers and learning-rate schedules. Mirrors `torch.optim`.

export { Adam, type AdamSettings, AdamW } from './adam.js'
export {
  type Hyperparameters,
  Optimizer,
  type ParamGroup,
  type Params,
  type Slots,
} from './optimizer.js'
export { Adagrad, type AdagradSettings, RMSprop, type RMSpropSettings } from './scaled.js'
export {
  CosineAnnealingLR,
  ExponentialLR,
  LambdaLR,
  LRScheduler,
  type LrLambda,
  MultiStepLR,
  StepLR,
} from './schedulers.js'
export { SGD, type SGDSettings } from './sgd.js'
export type { OptimizerState } from './state.js'

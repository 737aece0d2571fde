// Layers, losses and models. Mirrors `torch.nn`.

export { Parameter } from '../tensor/variable.js'
export * from './activations.js'
export { ModuleDict, ModuleList, Sequential } from './containers.js'
export { Conv1d, Conv2d, Conv3d, type ConvLayerOptions } from './conv.js'
export { Dropout, Flatten } from './dropout.js'
export { Embedding, type EmbeddingLayerOptions } from './embedding.js'
export * as functional from './functional/index.js'
export * as init from './init.js'
export { Identity, Linear, type LinearOptions } from './linear.js'
export * from './losses.js'
export {
  type ForwardHook,
  type ForwardPreHook,
  type HookHandle,
  type Inputs,
  Module,
  type Output,
} from './module.js'
export {
  BatchNorm1d,
  BatchNorm2d,
  type BatchNormLayerOptions,
  LayerNorm,
  type LayerNormOptions,
} from './norm.js'
export {
  AdaptiveAvgPool2d,
  AvgPool1d,
  AvgPool2d,
  MaxPool1d,
  MaxPool2d,
} from './pool.js'
export { GRU, LSTM, type RecurrentOptions, RNN, type RNNOptions } from './recurrent.js'
export {
  type CellOptions,
  GRUCell,
  LSTMCell,
  RNNCell,
  type RNNCellOptions,
} from './recurrentcell.js'
export type { LoadOptions, StateDict } from './state.js'

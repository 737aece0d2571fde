// `F`: the functions behind the layers. Mirrors `torch.nn.functional`.

export { type ConvOptions, conv1d, conv2d, conv3d } from '../../tensor/convolve.js'
export {
  type ConvTransposeOptions,
  convTranspose1d,
  convTranspose2d,
} from '../../tensor/convtranspose.js'
export {
  type AveragePoolOptions,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  type PoolOptions,
} from '../../tensor/pooling.js'
export type { ConvPadding, PerAxis } from '../../tensor/windows.js'
export {
  elu,
  type GeluOptions,
  gelu,
  leakyRelu,
  logSoftmax,
  relu,
  sigmoid,
  silu,
  softmax,
  softplus,
  tanh,
} from './activations.js'
export { type AttentionOptions, scaledDotProductAttention } from './attention.js'
export {
  type BatchNormOptions,
  batchNorm,
  type DropoutOptions,
  dropout,
  type EmbeddingOptions,
  embedding,
  layerNorm,
  linear,
  type NormOptions,
} from './layers.js'
export {
  type BinaryLogitsOptions,
  type BinaryLossOptions,
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  type ClassLossOptions,
  type CrossEntropyOptions,
  crossEntropy,
  type HuberOptions,
  huberLoss,
  type LossOptions,
  l1Loss,
  mseLoss,
  nllLoss,
  type SmoothL1Options,
  smoothL1Loss,
} from './losses.js'

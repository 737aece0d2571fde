// The public core: tensors, functions that make and combine them, variables.

export { where } from './arithmetic.js'
export {
  enableGrad,
  GradientTape,
  grad,
  gradients,
  isGradEnabled,
  keep,
  noGrad,
  valueAndGrad,
} from './autograd.js'
export type { Axes, AxisArg, ReduceArg, ReduceOptions } from './axes.js'
export { type BackwardOptions, backward } from './backward.js'
export { type CompiledFunction, compile } from './compile.js'
export {
  type ConvOptions,
  conv1d,
  conv2d,
  conv3d,
} from './convolve.js'
export * from './convtranspose.js'
export type { NestedArray } from './core.js'
export {
  arange,
  asTensor,
  type Contents,
  type CreateOptions,
  empty,
  eye,
  full,
  fullLike,
  type Literal,
  linspace,
  type NestedNumbers,
  type NumericArray,
  ones,
  onesLike,
  type ShapeArg,
  scalar,
  type TensorLike,
  type TensorOptions,
  tensor,
  zeros,
  zerosLike,
} from './create.js'
export { einsum } from './einsum.js'
export * from './functions.js'
export type { Indices, OneHotOptions } from './indexing.js'
export type { Index, IndexEntry, Slice } from './indexspec.js'
export * from './join.js'
export type { Operand } from './operand.js'
export type { PadMode } from './pad.js'
export * from './pooling.js'
export { formatTensor, type PrintOptions, printOptions } from './print.js'
export * from './random.js'
export type { ArgOptions, NormOptions, SumOptions, VarianceOptions } from './reductions.js'
export { type ScanOptions, scan } from './scan.js'
export type { Padding, PadOptions } from './shaping.js'
export { Tensor } from './tensor.js'
export { Parameter, Variable, type VariableOptions, variable } from './variable.js'
export type { ConvPadding, PerAxis } from './windows.js'

// The public core: tensors, functions that make and combine them, variables.

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
export type { NestedArray } from './core.js'
export * from './create.js'
export type { Indices, OneHotOptions } from './indexing.js'
export type { Index, IndexEntry, Slice } from './indexspec.js'
export type { Operand } from './operand.js'
export type { PadMode } from './pad.js'
export { formatTensor, type PrintOptions, printOptions } from './print.js'
export type { ArgOptions, NormOptions, SumOptions, VarianceOptions } from './reductions.js'
export type { Padding, PadOptions } from './shaping.js'
export { Tensor } from './tensor.js'
export { Parameter, Variable, type VariableOptions, variable } from './variable.js'

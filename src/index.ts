// The public face of tessera.

export { DTYPE_NAMES, DTYPES, type DType, type TypedArray } from './base/dtype.js'
export * from './base/errors.js'
export { formatShape, type Shape } from './base/shape.js'
export type { Tree } from './base/tree.js'
export * as data from './data/index.js'
export * as datasets from './datasets/index.js'
export * as graph from './graph/index.js'
export * as io from './io/index.js'
export * as F from './nn/functional/index.js'
export * as nn from './nn/index.js'
export * as optim from './optim/index.js'
export {
  currentDeviceName,
  deviceInfo,
  getNumThreads,
  setDevice,
  setNumThreads,
} from './runtime/devices.js'
export { planStatistics } from './runtime/flush.js'
export {
  type KernelProfile,
  type ProfileOptions,
  Profiler,
  profile,
} from './runtime/profile.js'
export {
  manualSeed,
  type RandomState,
  randomState,
  setRandomState,
} from './runtime/random.js'
export * from './tensor/index.js'

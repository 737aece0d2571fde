// Data sets that can be had by name.

export type { LocateOptions } from './files.js'
export { type IdxArray, parseIdx } from './idx.js'
export {
  fashionMnist,
  type ImageClasses,
  type MnistOptions,
  mnist,
  type Normalization,
  type RawSplit,
  type Split,
} from './mnist.js'

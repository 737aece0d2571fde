// Files of tensors: the safetensors format.

export { inspectSafetensorsFile, loadSafetensors, saveSafetensors } from './files.js'
export {
  type Contents,
  decodeSafetensors,
  encodeSafetensors,
  inspectSafetensors,
  type Metadata,
  type TensorDict,
} from './safetensors.js'

// TensorFlow 1's way: build a static graph, then run it in a session.

export type { FeedKey, Feeds } from './feed.js'
export type { Fetch, Fetched } from './fetch.js'
export * from './functions.js'
export {
  defaultGraph,
  Graph,
  type RandomNormalOptions,
  type RandomUniformOptions,
  resetDefaultGraph,
  type SourceOptions,
} from './graph.js'
export { Operation } from './operation.js'
export type { NameOptions, ReduceNameOptions } from './ops.js'
export { type RunOptions, Session } from './session.js'
export type { GraphStats } from './stats.js'
export { GraphTensor } from './tensor.js'
export * as train from './train.js'
export { GraphVariable, type GraphVariableOptions } from './variable.js'

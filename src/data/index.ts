// Data sets and loaders. Mirrors `torch.utils.data`.

export { type Collated, defaultCollate } from './collate.js'
export { type Dataset, MappedDataset, randomSplit, Subset, TensorDataset } from './dataset.js'
export { DataLoader, type DataLoaderOptions } from './loader.js'
export type { ShuffleOptions } from './permutation.js'

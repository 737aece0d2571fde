// The data loader: batches of a data set, in order or shuffled.

import { ValueError } from '../base/errors.js'
import { type Collated, defaultCollate } from './collate.js'
import type { Dataset } from './dataset.js'
import { permutation, type ShuffleOptions } from './permutation.js'

export interface DataLoaderOptions<T, B = Collated<T>> extends ShuffleOptions {
  /** Examples in a batch. Default 1. */
  readonly batchSize?: number | undefined
  /** A new random order each time the loader is read. Default false. */
  readonly shuffle?: boolean | undefined
  /** Leave out the last batch if it is smaller. Default false. */
  readonly dropLast?: boolean | undefined
  /** The numbers of the examples, in the order wanted; in place of `shuffle`. */
  readonly sampler?: Iterable<number> & { readonly length?: number }
  /** Makes a batch of examples. Default: tensors are stacked, arrays and objects entry by entry. */
  readonly collate?: ((examples: T[]) => B) | undefined
}

/** How long `for await` may run, in milliseconds, before timers and signals get a turn. */
const BREATH_MS = 50

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else setTimeout(resolve, 0)
  })

/**
 * Batches of a data set. Mirrors `torch.utils.data.DataLoader`.
 *
 * Read it with `for await`, which now and then lets timers, signals and other work have their turn, or
 * with plain `for` where the examples are not promises. Each reading of a shuffled loader is another
 * random order; the same `manualSeed`, or the same `seed` of the loader, gives the same orders.
 *
 * @example
 * for await (const [x, y] of new DataLoader(train, { batchSize: 32, shuffle: true })) { … }
 */
export class DataLoader<T, B = Collated<T>> implements Iterable<B>, AsyncIterable<B> {
  readonly batchSize: number
  private readonly shuffle: boolean
  private readonly dropLast: boolean
  private epoch = 0

  constructor(
    readonly dataset: Dataset<T>,
    private readonly options: DataLoaderOptions<T, B> = {},
  ) {
    const { batchSize = 1, shuffle = false, dropLast = false, sampler } = options
    if (!(Number.isInteger(batchSize) && batchSize >= 1)) {
      throw new ValueError('DataLoader', 'a batchSize of at least 1', String(batchSize))
    }
    if (shuffle && sampler !== undefined) {
      throw new ValueError('DataLoader', 'shuffle or a sampler', 'both')
    }
    this.batchSize = batchSize
    this.shuffle = shuffle
    this.dropLast = dropLast
  }

  /** The number of batches. */
  get length(): number {
    const { sampler } = this.options
    const examples = sampler === undefined ? this.dataset.length : (sampler.length ?? Number.NaN)
    return this.dropLast
      ? Math.floor(examples / this.batchSize)
      : Math.ceil(examples / this.batchSize)
  }

  *[Symbol.iterator](): Iterator<B> {
    for (const indices of this.indexBatches()) yield this.load(indices)
  }

  async *[Symbol.asyncIterator](): AsyncIterator<B> {
    let since = performance.now()
    for (const indices of this.indexBatches()) {
      const fast = this.fast(indices)
      if (fast !== undefined) yield fast
      else yield this.collated(await Promise.all(indices.map((i) => this.dataset.get(i))))
      if (performance.now() - since < BREATH_MS) continue
      await turn()
      since = performance.now()
    }
  }

  private load(indices: readonly number[]): B {
    const fast = this.fast(indices)
    if (fast !== undefined) return fast
    const examples = indices.map((i) => this.dataset.get(i))
    if (examples.some((x) => x instanceof Promise)) {
      throw new ValueError('DataLoader', 'for await, as examples are promises', 'a plain for')
    }
    return this.collated(examples as T[])
  }

  /** A batch the data set puts together itself. */
  private fast(indices: readonly number[]): B | undefined {
    if (this.options.collate !== undefined) return undefined
    return this.dataset.batch?.(indices) as B | undefined
  }

  private collated(examples: T[]): B {
    const { collate = defaultCollate as unknown as (examples: T[]) => B } = this.options
    return collate(examples)
  }

  private order(): Iterable<number> {
    const { sampler, seed } = this.options
    if (sampler !== undefined) return sampler
    const { length } = this.dataset
    if (this.shuffle) return permutation(length, { seed }, this.epoch++)
    return { [Symbol.iterator]: () => countTo(length) }
  }

  private *indexBatches(): Generator<number[]> {
    let batch: number[] = []
    for (const index of this.order()) {
      batch.push(index)
      if (batch.length < this.batchSize) continue
      yield batch
      batch = []
    }
    if (batch.length > 0 && !this.dropLast) yield batch
  }
}

function* countTo(length: number): Generator<number> {
  for (let i = 0; i < length; i++) yield i
}

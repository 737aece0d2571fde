// Data sets: examples by number.

import { IndexError, ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type StaticShape, staticShape } from '../base/shape.js'
import type { Tensor } from '../tensor/tensor.js'
import { permutation, type ShuffleOptions } from './permutation.js'
import { gatherRows, row } from './rows.js'

/** Examples by number, from 0 to `length - 1`. Mirrors `torch.utils.data.Dataset`. */
export interface Dataset<T = unknown> {
  readonly length: number
  /** One example. A promise of one is fine for loaders that are read with `for await`. */
  get(index: number): T | Promise<T>
  /** Several examples collated into one batch, where that can be had faster than one by one. */
  batch?(indices: readonly number[]): T
}

/** Throws unless an index is in range; answers it counted from the front. */
export function checkIndex(where: string, index: number, length: number): number {
  const at = index < 0 ? index + length : index
  if (Number.isInteger(at) && at >= 0 && at < length) return at
  const range = length === 0 ? 'no index (it is empty)' : `an index in [${-length}, ${length - 1}]`
  throw new IndexError(where, range, String(index), { index, length })
}

/**
 * Tensors whose first axes are the examples. Mirrors `torch.utils.data.TensorDataset`.
 *
 * @example
 * new TensorDataset(images, labels)   // examples [image, label]
 */
export class TensorDataset<T extends readonly Tensor[] = Tensor[]> implements Dataset<T> {
  readonly tensors: T
  readonly length: number

  constructor(...tensors: T) {
    const sizes = tensors.map((t) => staticShape('TensorDataset', t.shape)[0])
    const [first] = sizes
    if (first === undefined || sizes.some((n) => n !== first)) {
      const shapes = tensors.map((t) => formatShape(t.shape)).join(', ')
      throw new ShapeError(
        'TensorDataset',
        'tensors with as many examples each, on their first axes',
        shapes === '' ? 'none' : shapes,
      )
    }
    this.tensors = tensors
    this.length = first
  }

  get(index: number): T {
    const at = checkIndex('TensorDataset.get', index, this.length)
    return this.tensors.map((t) => row(t, at)) as unknown as T
  }

  batch(indices: readonly number[]): T {
    const at = indices.map((i) => checkIndex('TensorDataset.batch', i, this.length))
    return this.tensors.map((t) => gatherRows(t, at)) as unknown as T
  }

  /** Shape of an example's parts. */
  get shapes(): StaticShape[] {
    return this.tensors.map((t) => t.shape.slice(1) as number[])
  }
}

/** Some examples of another data set. Mirrors `torch.utils.data.Subset`. */
export class Subset<T> implements Dataset<T> {
  readonly batch?: (indices: readonly number[]) => T

  constructor(
    readonly dataset: Dataset<T>,
    readonly indices: ArrayLike<number>,
  ) {
    for (let i = 0; i < indices.length; i++) {
      checkIndex('Subset', indices[i] as number, dataset.length)
    }
    if (dataset.batch !== undefined) {
      this.batch = (list) =>
        (dataset.batch as Required<Dataset<T>>['batch'])(list.map((i) => this.at(i)))
    }
  }

  get length(): number {
    return this.indices.length
  }

  get(index: number): T | Promise<T> {
    return this.dataset.get(this.at(index))
  }

  private at(index: number): number {
    return this.indices[checkIndex('Subset.get', index, this.length)] as number
  }
}

/** A data set with a function applied to each example when it is asked for. */
export class MappedDataset<T, U> implements Dataset<U> {
  constructor(
    readonly dataset: Dataset<T>,
    private readonly fn: (example: T, index: number) => U,
  ) {}

  get length(): number {
    return this.dataset.length
  }

  get(index: number): U | Promise<U> {
    const example = this.dataset.get(index)
    return example instanceof Promise
      ? example.then((x) => this.fn(x, index))
      : this.fn(example, index)
  }
}

/**
 * Splits a data set at random into parts that do not overlap. Mirrors `torch.utils.data.random_split`.
 *
 * @param lengths Numbers of examples that add up to all of them, or fractions that add up to 1 (what
 * rounding leaves over goes to the first parts).
 */
export function randomSplit<T>(
  dataset: Dataset<T>,
  lengths: readonly number[],
  options: ShuffleOptions = {},
): Subset<T>[] {
  const counts = splitCounts(dataset.length, lengths)
  const order = permutation(dataset.length, options)
  let start = 0
  return counts.map((count) => {
    start += count
    return new Subset(dataset, order.subarray(start - count, start))
  })
}

function splitCounts(total: number, lengths: readonly number[]): number[] {
  const sum = lengths.reduce((a, b) => a + b, 0)
  const valid = lengths.length > 0 && lengths.every((n) => n >= 0)
  if (valid && sum === total && lengths.every(Number.isInteger)) return [...lengths]
  if (!valid || Math.abs(sum - 1) > 1e-9) {
    throw new ValueError(
      'randomSplit',
      `numbers that add up to ${total}, or fractions that add up to 1`,
      `[${lengths.join(', ')}]`,
    )
  }
  const counts = lengths.map((f) => Math.floor(f * total + 1e-9))
  const left = total - counts.reduce((a, b) => a + b, 0)
  for (let i = 0; i < left; i++) (counts[i % counts.length] as number)++
  return counts
}

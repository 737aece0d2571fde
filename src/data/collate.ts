// Examples put together into a batch.

import { ValueError } from '../base/errors.js'
import { isBranch } from '../base/tree.js'
import { tensor } from '../tensor/create.js'
import { Tensor } from '../tensor/tensor.js'
import { stackRows } from './rows.js'

/** What a batch of examples of a type looks like. */
export type Collated<T> = T extends Tensor | number | boolean | bigint
  ? Tensor
  : T extends string
    ? string[]
    : T extends readonly unknown[] | Record<string, unknown>
      ? { -readonly [K in keyof T]: Collated<T[K]> }
      : T[]

/**
 * A batch from examples: tensors are stacked, numbers become one tensor, arrays and objects are collated
 * entry by entry, and anything else is left in an array. Mirrors `default_collate` of PyTorch.
 */
export function defaultCollate<T>(examples: readonly T[]): Collated<T> {
  return collate(examples) as Collated<T>
}

function collate(examples: readonly unknown[]): unknown {
  const [first] = examples
  if (first instanceof Tensor) return stackRows(examples as Tensor[])
  if (typeof first === 'number' || typeof first === 'boolean' || typeof first === 'bigint') {
    return tensor(examples as number[])
  }
  if (!isBranch(first)) return [...examples]
  const keys = Object.keys(first)
  for (const example of examples) {
    const own = isBranch(example) ? Object.keys(example) : []
    if (own.length === keys.length && keys.every((k) => Object.hasOwn(example as object, k)))
      continue
    throw new ValueError(
      'collate',
      `examples with the entries ${keys.join(', ')}, as the first has`,
      isBranch(example) ? `one with ${own.join(', ')}` : `a ${typeof example}`,
    )
  }
  const of = (key: string): unknown =>
    collate(examples.map((x) => (x as Record<string, unknown>)[key]))
  return Array.isArray(first)
    ? keys.map(of)
    : Object.fromEntries(keys.map((key): [string, unknown] => [key, of(key)]))
}

// Random orders, keyed as all random numbers are.

import { randomState, setRandomState } from '../runtime/random.js'
import { randperm } from '../tensor/random.js'

export interface ShuffleOptions {
  /** A seed of its own for the order. Default: the random state that `manualSeed` starts. */
  readonly seed?: number | undefined
}

/** The numbers from 0 to count - 1 in random order: with a seed, a function of it and of `draw`. */
export function permutation(count: number, { seed }: ShuffleOptions, draw = 0): Int32Array {
  if (seed === undefined) return randperm(count).values() as Int32Array
  const before = randomState()
  setRandomState({ seed, draws: draw })
  try {
    return randperm(count).values() as Int32Array
  } finally {
    setRandomState(before)
  }
}

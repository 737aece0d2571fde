// What was measured of one workload, and what follows from it.

import { inOrder, median } from '../timing.js'

/** One peer's figures: of each round its median, and what it said when it prepared. */
export interface Figures {
  readonly version: string
  /** Microseconds of one step: the median of each round. */
  readonly rounds: readonly number[]
  readonly first_s: number
  readonly losses?: readonly number[]
}

export interface Result {
  readonly workload: string
  readonly date: string
  readonly machine: string
  readonly threads: number
  readonly seconds: number
  readonly peers: Readonly<Record<string, Figures | { readonly error: string }>>
}

export interface Spread {
  readonly middle: number
  readonly low: number
  readonly high: number
}

export const measuredBy = (result: Result, peer: string): Figures | null => {
  const figures = result.peers[peer]
  return figures === undefined || 'error' in figures ? null : figures
}

export function spread(values: readonly number[]): Spread {
  const sorted = inOrder(values)
  return { middle: median(sorted), low: sorted[0] as number, high: sorted.at(-1) as number }
}

export interface Ratio extends Spread {
  readonly fastest: string
}

/** tessera's modes are no peers of tessera. */
const isPeer = (name: string): boolean => !name.startsWith('tessera')

/**
 * How many times as fast tessera is as the fastest peer (the one with the least median): by the medians of
 * all rounds, and from the least to the most that any one round shows. `null` where there is none.
 */
export function ratio(result: Result): Ratio | null {
  const own = measuredBy(result, 'tessera')
  if (own === null) return null
  const others = Object.keys(result.peers)
    .filter(isPeer)
    .flatMap((name) => {
      const figures = measuredBy(result, name)
      return figures === null ? [] : [{ name, figures, time: spread(figures.rounds).middle }]
    })
    .sort((a, b) => a.time - b.time)
  const [best] = others
  if (best === undefined) return null
  const each = best.figures.rounds.map((time, i) => time / (own.rounds[i] as number))
  return { ...spread(each), middle: best.time / spread(own.rounds).middle, fastest: best.name }
}

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length)

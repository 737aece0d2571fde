// What the bench and its peers tell each other: lines of JSON, one answer to each request. `serve.py` is
// the same in Python.

import type { Measurement } from '../timing.js'

/** Makes a workload's step and runs it a first time; the one before is forgotten. */
export interface Prepare {
  readonly do: 'prepare'
  readonly workload: string
}

/** Times the step at hand. */
export interface Time {
  readonly do: 'time'
  readonly seconds: number
}

/** What a peer says once it is ready, before any request. */
export interface Greeting {
  readonly version: string
  readonly workloads: readonly string[]
}

export interface Prepared {
  /** Seconds of the first run, with whatever is traced and compiled in it. */
  readonly first_s: number
  /** Losses of the first steps of a training. */
  readonly losses?: readonly number[]
}

export interface Failure {
  readonly error: string
}

export type Answer<R extends Prepare | Time> =
  | Failure
  | (R extends Prepare ? Prepared : Measurement)

/** How many losses a peer reports: enough to see them fall, few enough for steps of a third of a second. */
export const STEPS_TO_CHECK = 10

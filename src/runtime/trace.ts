// Traces: a function run once, with its calls recorded and nothing computed.

import type { Node } from '../ir/node.js'
import type { Cell } from './value.js'

let nextId = 0

/** The state of one trace. */
export class Trace {
  readonly id = ++nextId
  /** Random draws made so far. */
  draws = 0
  /** Facts the recorded graph depends on, checked before each replay. */
  readonly guards: { readonly read: () => unknown; readonly value: unknown }[] = []
  /** Variables assigned in the trace, with the value each had before (`null`: none pending). */
  readonly assigned = new Map<Cell, TracedState>()

  constructor(
    /** Whether variables may be made: only the first trace of a function may. */
    readonly mayCreate: boolean,
  ) {}

  /** Makes the trace valid only as long as `read` answers the same. */
  guard<T>(read: () => T): T {
    const value = read()
    this.guards.push({ read, value })
    return value
  }
}

/** A variable as a trace sees it. */
export interface TracedState {
  readonly cell: Cell
  /** The value the trace has assigned last. */
  current(): Node
  /** Puts back the state from before the trace. */
  restore(): void
}

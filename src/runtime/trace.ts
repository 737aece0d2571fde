// Traces: a function run once, with its calls recorded and nothing computed.

import { lastNodeId, type Node } from '../ir/node.js'
import type { Cell } from './value.js'

/** A variable as a trace sees it. */
export interface TracedState {
  readonly cell: Cell
  /** The value the trace has assigned last. */
  current(): Node
  /** Puts back the state from before the trace. */
  restore(): void
  /** Reads the cell anew: a replay has changed it. */
  refresh(): void
}

/** Something with a gradient slot: a tensor. */
export interface GradientOwner<G> {
  grad: G | null
}

/** The state of one trace. */
export class Trace {
  /** Nodes made later than this one are the trace's. */
  private readonly start = lastNodeId()
  /** Random draws made so far. */
  draws = 0
  /** Facts the recorded graph depends on, checked before each replay. */
  readonly guards: { readonly read: () => unknown; readonly value: unknown }[] = []
  /** Variables assigned in the trace. */
  readonly assigned = new Map<Cell, TracedState>()
  private readonly gradsBefore = new Map<GradientOwner<unknown>, unknown>()

  constructor(
    /** Whether variables may be made: only the first trace of a function may. */
    readonly mayCreate: boolean,
    /** Whether it is of a body, which may read tensors of a static graph: the graph is its surroundings. */
    readonly ofBody = false,
  ) {}

  /** Whether a node was recorded in this trace. */
  owns(node: Node): boolean {
    return node.id > this.start
  }

  /** Makes the trace valid only as long as `read` answers the same. */
  guard<T>(read: () => T): T {
    const value = read()
    this.guards.push({ read, value })
    return value
  }

  /** Notes what `.grad` was before the trace wrote it for the first time. */
  touchGradient(owner: GradientOwner<unknown>, before: unknown): void {
    if (!this.gradsBefore.has(owner)) this.gradsBefore.set(owner, before)
  }

  /** Whether the trace has its own idea of this gradient already. */
  hasGradientOf(owner: GradientOwner<unknown>): boolean {
    return this.gradsBefore.has(owner)
  }

  /** Everything whose `.grad` the trace has read or written. */
  gradientOwners<G>(): GradientOwner<G>[] {
    return [...this.gradsBefore.keys()] as GradientOwner<G>[]
  }

  /**
   * Puts gradients back as they were, and forgets them: guards may keep a trace alive, and a gradient the
   * plan that was to compute it. Call it when the trace is over.
   */
  restoreGradients(): void {
    for (const [owner, before] of this.gradsBefore) owner.grad = before
    this.gradsBefore.clear()
  }
}

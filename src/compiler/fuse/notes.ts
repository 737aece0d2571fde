// What fusion knows about single nodes: how often they are used, and what computing them again costs.

import type { Node } from '../../ir/node.js'
import { isView } from '../coordinates/views.js'
import { laneCost } from '../costs.js'
import { kindOf } from '../kinds.js'

/** What is made of constants and counters alone is never stored up to this cost. */
const ALMOST_FREE = 4
const MOST_USES = 1 << 20

/** The node below views whose data a view shows. */
export function baseOf(node: Node): Node {
  let n = node
  while (isView(n)) n = n.inputs[0] as Node
  return n
}

/** Numbers for every node, by its place in the topological order. */
export class Notes {
  private readonly uses: Int32Array
  private readonly pending: Int32Array
  private readonly reads: Int32Array
  private readonly costs: Float64Array
  private readonly free: Uint8Array

  constructor(nodes: readonly Node[], outputs: ReadonlySet<Node>) {
    this.uses = new Int32Array(nodes.length)
    this.pending = new Int32Array(nodes.length)
    this.reads = new Int32Array(nodes.length)
    this.costs = new Float64Array(nodes.length)
    this.free = new Uint8Array(nodes.length)
    for (const o of outputs) this.uses[o.index]!++
    // Users first: a use of a view is a use of what it shows.
    for (let i = nodes.length - 1; i >= 0; i--) {
      const n = nodes[i] as Node
      const times = isView(n) ? Math.min(this.uses[i] as number, MOST_USES) : 1
      for (const x of n.inputs) this.uses[x.index]! += times
    }
  }

  usesOf(node: Node): number {
    return this.uses[node.index] as number
  }

  /** Pending nodes that computing this one in place would compute, itself included. */
  pendingBelow(node: Node): number {
    return this.pending[node.index] as number
  }

  /** Values in memory that computing this one in place would read, counted once a use. */
  readsBelow(node: Node): number {
    return this.reads[node.index] as number
  }

  /** Additions, roughly, an element of this one takes with all that is pending below it. */
  costOf(node: Node): number {
    return this.costs[node.index] as number
  }

  /** Whether a node is computed wherever it is used, and never stored for others. */
  isFree(node: Node): boolean {
    return this.free[node.index] === 1
  }

  noteFree(node: Node): void {
    this.free[node.index] = 1
  }

  /** A view costs what its base does. */
  noteView(view: Node): void {
    const { index } = view.inputs[0] as Node
    this.pending[view.index] = this.pending[index] as number
    this.reads[view.index] = this.reads[index] as number
    this.costs[view.index] = this.costs[index] as number
    this.free[view.index] = this.free[index] as number
  }

  /** An elementwise node that waits to be placed; `isPlaced` tells which of its operands do not. */
  notePending(node: Node, isPlaced: (base: Node) => boolean): void {
    let pending = 1
    let reads = 0
    let cost = laneCost(node)
    let fromNothing = true
    for (const x of node.inputs) {
      if (!this.isFree(x)) fromNothing = false
      const base = baseOf(x)
      const inMemory = isPlaced(base) || kindOf(base) === 'leaf'
      reads += inMemory ? 1 : this.readsBelow(base)
      if (inMemory) continue
      pending += this.pendingBelow(base)
      cost += this.costOf(base)
    }
    this.pending[node.index] = pending
    this.reads[node.index] = reads
    this.costs[node.index] = cost
    // A mask made of counters, say: cheaper to make again than to load.
    if (fromNothing && cost <= ALMOST_FREE) this.noteFree(node)
  }
}

// A group: the nodes one kernel computes, over one domain.

import { sizeOf, stridesOf } from '../../base/shape.js'
import type { Node } from '../../ir/node.js'
import { elementsOf, shapeOf } from '../../ir/sizes.js'
import { coordsEqual, IndexSpace, reshapeCoords } from '../coordinates/space.js'
import { ofVar, ZERO } from '../kernel/affine.js'
import type { Affine } from '../kernel/ir.js'
import { reductionOrder } from '../numerics.js'

/**
 * `map`: elementwise over the domain. `reduce`: reductions over some of its axes, with elementwise work on
 * the whole domain and on what is kept of it. `contract`: a dot or conv, and elementwise work on its
 * result. `single`, `loop`, `host`: one node, and its results if it has several.
 */
export type GroupKind = 'map' | 'reduce' | 'contract' | 'single' | 'loop' | 'host'

/** Groups of one operation, which reads its operands from memory; nothing else joins. */
export const ALONE: ReadonlySet<GroupKind> = new Set(['single', 'loop', 'host'])

/** Whether a value has an element for the whole domain, or for what a reduction keeps of it. */
export type Level = 'full' | 'kept'

export class Group {
  readonly members = new Map<Node, Level>()
  /** Members that must be in memory after the kernel. Filled once all groups are known. */
  readonly stored = new Set<Node>()
  /** Nodes from outside that members read. */
  readonly reads = new Set<Node>()
  /** Members that are results of the program, so have buffers of their own. */
  results = 0
  /** Nodes that members compute in place, at places of their own. They cannot become members. */
  readonly inPlace = new Set<Node>()
  /** The reduction that gave a `reduce` group its axes, or the contraction, or the single node. */
  anchor: Node | null = null
  domain: readonly number[]
  /** Reduced axes of the domain, and the block the first of them is cut into (0: none). */
  axes: readonly number[] = []
  block = 0

  private readonly space = new IndexSpace()
  private full: readonly Affine[]
  private kept: readonly Affine[] = []
  /** The index along the rows of a reduction whose vectors run along rows. */
  private row: Affine | null = null
  keptShape: readonly number[] = []
  private size: number
  private keptSize = -1
  private readonly canonical = new Map<string, readonly Affine[]>()

  constructor(
    public kind: GroupKind,
    domain: readonly number[],
    /** Groups run in ascending order. */
    readonly order: number,
  ) {
    this.domain = domain
    this.size = sizeOf(domain)
    this.full = this.variables()
  }

  private variables(): Affine[] {
    return this.domain.map((n, i) => (n === 1 ? ZERO : ofVar(this.space.variable(`x${i}`, n))))
  }

  /** Turns a map group, or one without members, into a reduction over `axes` of a domain of equal size. */
  reduceOver(domain: readonly number[], axes: readonly number[], block: number): void {
    this.kind = 'reduce'
    this.domain = domain
    this.size = sizeOf(domain)
    this.axes = axes
    this.block = block
    this.full = this.variables()
    const keeps = domain.map((_, i) => i).filter((i) => !axes.includes(i))
    this.kept = keeps.map((i) => this.full[i] as Affine)
    this.keptShape = keeps.map((i) => domain[i] as number)
    const segments = domain.map((n, i) => ({ size: n, reduced: axes.includes(i) }))
    const lanes = reductionOrder(segments).kind === 'lanes'
    this.row = lanes ? (this.full[domain.length - 1] as Affine) : null
    // Partial results are not on the kept domain alone: nothing else may join at that level.
    this.keptSize = block === 0 ? sizeOf(this.keptShape) : -1
    this.canonical.clear()
  }

  /** The levels at which a value of this shape could be a member. */
  levelsOf(node: Node): Level[] {
    const n = elementsOf(node)
    const levels: Level[] = []
    if (n === this.size) levels.push('full')
    if (this.kind === 'reduce' && n === this.keptSize) levels.push('kept')
    return levels
  }

  /** Where a member's element belongs to the domain's: its coordinates in terms of the group's own. */
  coordsOf(node: Node, level: Level): readonly Affine[] {
    const shape = shapeOf(node)
    const key = `${level}${shape}`
    let coords = this.canonical.get(key)
    if (coords === undefined) {
      coords =
        level === 'full'
          ? reshapeCoords(this.space, this.full, this.domain, shape)
          : reshapeCoords(this.space, this.kept, this.keptShape, shape)
      this.canonical.set(key, coords)
    }
    return coords
  }

  /** The level at which an element at `coords` is the one a member of this shape holds there. */
  levelAt(node: Node, coords: readonly Affine[]): Level | null {
    for (const level of this.levelsOf(node)) {
      if (coordsEqual(coords, this.coordsOf(node, level))) return level
    }
    return null
  }

  /**
   * Whether neighbours in a vector lie at a fixed distance in an array read at `coords`. Where they do
   * not (a quotient or remainder of the row's index is needed), each lane would be read by itself, in
   * every pass.
   */
  isSmooth(node: Node, coords: readonly Affine[]): boolean {
    const row = this.row?.terms[0]?.variable
    if (row === undefined) return true
    return !this.space.hidden(this.space.linear(coords, stridesOf(shapeOf(node)))).has(row.id)
  }

  get indexSpace(): IndexSpace {
    return this.space
  }

  get elements(): number {
    return this.size
  }
}

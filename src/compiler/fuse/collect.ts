// What a node would bring along into a group: which pending nodes become members with it, which are
// computed in place, and which have to be in memory before.

import type { Node } from '../../ir/node.js'
import { elementsOf } from '../../ir/sizes.js'
import { isView, viewCoords } from '../coordinates/views.js'
import type { Affine } from '../kernel/ir.js'
import { kindOf, needsMemory } from '../kinds.js'
import { constantBelow } from '../simplify/constants.js'
import type { Group, Level } from './group.js'
import type { Notes } from './notes.js'

/** Most nodes of one kernel: longer ones gain nothing, and emitters work harder than linearly. */
export const MOST_MEMBERS = 320
/** What may be computed again rather than stored and loaded, in additions an element. */
const CHEAP = 2
/** Pending nodes computed in place at once, for a single user. */
const MOST_IN_PLACE = 32

export interface Collected {
  /** Pending nodes that become members, operands first, with their levels. */
  readonly absorb: Map<Node, Level>
  /** Nodes in memory that are read. */
  readonly reads: Set<Node>
  /** Pending nodes that are computed where they are used. */
  readonly inPlace: Set<Node>
  /** Pending nodes that an earlier group has to compute. */
  readonly materialise: Set<Node>
  /** False if the node cannot be a member: it reads others of the group at places of its own. */
  ok: boolean
}

/** What collecting needs to know of the placement so far. */
export interface Placement {
  readonly notes: Notes
  readonly groupOf: ReadonlyMap<Node, Group>
  /** Nothing is computed in place: every node is a kernel. */
  readonly separate: boolean
  /** The node whose memory a value in memory is read from. */
  homeOf(node: Node): Node
}

const input = (node: Node, i = 0): Node => node.inputs[i] as Node

/** Coordinates at which an elementwise node reads operand `i`; null where they are not a plain map. */
const OPERAND_COORDS: Readonly<
  Record<string, (node: Node, i: number, coords: readonly Affine[]) => readonly Affine[] | null>
> = {
  gather: (node, _, coords) => {
    const axis = node.attrs.axis as number
    return coords.slice(axis, axis + input(node, 1).shape.length)
  },
  pad: (_, i) => (i === 1 ? [] : null),
  dynamicSlice: () => [],
  concat: () => null,
}

class Collector implements Collected {
  readonly absorb = new Map<Node, Level>()
  readonly reads = new Set<Node>()
  readonly inPlace = new Set<Node>()
  readonly materialise = new Set<Node>()
  ok = true

  constructor(
    private readonly placement: Placement,
    /** Gives coordinates; `self` is the group members belong to (another while a change is tried). */
    private readonly group: Group,
    private readonly self: Group,
  ) {}

  start(node: Node, level: Level): void {
    const { group } = this
    const kind = kindOf(node)
    if (kind === 'reduce') {
      const x = input(node)
      // A view that jumps along the row is laid out in memory first.
      if (!this.visit(x, group.coordsOf(x, 'full'))) this.materialise.add(x)
      return
    }
    const coords = group.coordsOf(node, level)
    const smooth =
      kind === 'view'
        ? this.visit(input(node), viewCoords(group.indexSpace, node, coords))
        : this.operands(node, coords)
    if (!smooth) this.ok = false
  }

  /** Visits operands; false if one of them jumps along the rows of a reduction. */
  private operands(node: Node, coords: readonly Affine[] | null): boolean {
    const place = OPERAND_COORDS[node.op.name]
    let smooth = true
    for (let i = 0; i < node.inputs.length; i++) {
      const x = input(node, i)
      if (needsMemory(node, i)) this.fromMemory(x)
      else {
        const at = place === undefined || coords === null ? coords : place(node, i, coords)
        if (!this.visit(x, at)) smooth = false
      }
    }
    return smooth
  }

  private fromMemory(x: Node): void {
    const home = this.placement.homeOf(x)
    if (this.placement.groupOf.get(home) === this.self) this.ok = false
    else this.reads.add(home)
  }

  /** `coords` is null where the place is not known: under masks, or data-dependent. */
  private visit(node: Node, at: readonly Affine[] | null): boolean {
    const { group, placement } = this
    if (constantBelow(node) !== null) return true
    let n = node
    let coords = at
    while (isView(n) && !placement.groupOf.has(n)) {
      coords = coords && viewCoords(group.indexSpace, n, coords)
      n = input(n)
    }
    const home = placement.groupOf.get(n)
    if (home === this.self) {
      if (coords === null || group.levelAt(n, coords) === null) this.ok = false
      return true
    }
    if (home !== undefined || kindOf(n) === 'leaf') {
      this.reads.add(n)
      return coords === null || group.isSmooth(n, coords)
    }
    if (placement.notes.isFree(n)) {
      this.everywhere(n)
      return true
    }
    return this.materialise.has(n) || this.pending(n, coords)
  }

  /** What is free is computed where it is used, with all that it is made of: none of it is a member. */
  private everywhere(node: Node): void {
    const cone = new Set([node])
    for (const n of cone) {
      if (this.placement.groupOf.get(n) === this.self) this.ok = false
      this.inPlace.add(n)
      for (const x of n.inputs) cone.add(x)
    }
  }

  private pending(n: Node, coords: readonly Affine[] | null): boolean {
    const { group } = this
    const level = coords && group.levelAt(n, coords)
    if (this.absorb.has(n)) {
      // A member is read at its own place only; used elsewhere too, it has to be in memory.
      if (level === null) this.materialise.add(n)
      return true
    }
    if (level !== null) {
      const elsewhere = this.inPlace.has(n) || group.inPlace.has(n)
      const crowded = group.members.size + this.absorb.size > MOST_MEMBERS
      if (elsewhere || crowded || !this.operands(n, coords)) this.materialise.add(n)
      else this.absorb.set(n, level)
      return true
    }
    if (this.mayRepeat(n)) {
      this.inPlace.add(n)
      return this.operands(n, coords)
    }
    this.materialise.add(n)
    return coords === null || group.isSmooth(n, coords)
  }

  /** Whether a pending node used at other places than its own may be computed there, each time. */
  private mayRepeat(n: Node): boolean {
    const { notes, separate } = this.placement
    if (separate) return false
    const size = elementsOf(n)
    const once = notes.usesOf(n) === 1
    if ((size === 1 && once) || notes.costOf(n) <= CHEAP) return true
    return once && size >= this.group.elements && notes.pendingBelow(n) < MOST_IN_PLACE
  }
}

/**
 * What `node` would bring along as a member of `group`. While a change to a group is tried on a copy,
 * `self` is the group itself.
 */
export function collect(
  placement: Placement,
  group: Group,
  node: Node,
  level: Level,
  self: Group = group,
): Collected {
  const collector = new Collector(placement, group, self)
  collector.start(node, level)
  return collector
}

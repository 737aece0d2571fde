// Fusion: assigns every node that has to be computed to a group, and every group becomes a kernel.
//
// Nodes are visited inputs first. Elementwise nodes wait ("pending") until something needs them, and then
// go with it; reductions, contractions and results are placed at once. A node joins the group of the
// LATEST of the groups it depends on: everything else it reads is then computed before, so no cycle can
// come of it. A pending node becomes part of a group when it is used there element for element; used
// otherwise it is computed in place (if that is cheap) or placed on its own first.

import { type Node, topological } from '../../ir/node.js'
import { elementsOf, shapeOf } from '../../ir/sizes.js'
import { isView, stridesOfView } from '../coordinates/views.js'
import type { Target } from '../kernel/ir.js'
import { kindOf, needsMemory } from '../kinds.js'
import { type Collected, collect, MOST_MEMBERS, type Placement } from './collect.js'
import { earlyFirst } from './early.js'
import { ALONE, Group, type GroupKind, type Level } from './group.js'
import { baseOf, Notes } from './notes.js'
import { type Prologue, Prologues } from './prologue.js'
import { recompute } from './recompute.js'

/** Pending nodes below one node before they are placed. */
const MOST_PENDING = 256

/** Buffers of a kernel that are not for what pending nodes read. */
const SPARE_BUFFERS = 4

export interface FuseOptions {
  /** Every node becomes a kernel of its own: for tests that fused and unfused programs agree. */
  readonly separate?: boolean
  /** Whether contractions may compute their operands; true if it is not said. */
  readonly prologues?: boolean
}

export interface Fusion {
  /** In execution order. */
  readonly groups: readonly Group[]
  readonly groupOf: ReadonlyMap<Node, Group>
}

const input = (node: Node, i = 0): Node => node.inputs[i] as Node
interface ReduceShape {
  readonly axes: readonly number[]
  readonly block?: number
}
const reduceShape = (node: Node): ReduceShape => node.attrs as unknown as ReduceShape

class Fuser implements Placement {
  readonly groups: Group[] = []
  readonly groupOf = new Map<Node, Group>()
  readonly notes: Notes
  readonly separate: boolean
  private readonly prologues: Prologues | null
  private nextOrder = 0
  private golden = 0
  /** The last group that could take an independent node of the same kind: by domain and axes. */
  private readonly siblings = new Map<string, Group>()

  constructor(
    private readonly nodes: readonly Node[],
    private readonly outputs: ReadonlySet<Node>,
    private readonly target: Target,
    options: FuseOptions,
  ) {
    this.notes = new Notes(nodes, outputs)
    this.separate = options.separate ?? false
    this.prologues =
      !this.separate && options.prologues !== false
        ? new Prologues(nodes, outputs, target, this.notes, this.groupOf)
        : null
  }

  run(): void {
    for (const node of earlyFirst(this.nodes)) {
      const kind = kindOf(node)
      if (kind === 'free') this.notes.noteFree(node)
      else if (kind === 'view') this.notes.noteView(node)
      else if (kind === 'lane') this.postpone(node)
      else if (kind === 'reduce') this.place(node)
      else if (kind === 'result') this.enterResult(node)
      else if (kind !== 'leaf') this.placeAlone(node, kind)
      if (this.outputs.has(node) && kind !== 'leaf') this.materialise(node)
    }
    this.groups.sort((a, b) => a.order - b.order)
  }

  private postpone(node: Node): void {
    node.inputs.forEach((x, i) => {
      if (needsMemory(node, i)) this.materialise(x)
    })
    const isPlaced = (base: Node): boolean => this.groupOf.has(base)
    this.notes.notePending(node, isPlaced)
    if (this.notes.readsBelow(node) > this.target.maxBuffers - SPARE_BUFFERS) {
      // More than a kernel can read: operands become kernels of their own first.
      for (const x of node.inputs) this.placeBase(x)
      this.notes.notePending(node, isPlaced)
    }
    if (this.separate || this.notes.pendingBelow(node) > MOST_PENDING) this.place(node)
  }

  // ---- values in memory ------------------------------------------------------------------------

  /** Sees to it that a value will be in memory: as a member of some group, or as a view of one. */
  private materialise(node: Node): void {
    this.placeBase(node)
    // A view that is not its base's memory in another shape, or a constant, needs a copy.
    if (!this.groupOf.has(node) && !this.isAlias(node)) this.place(node)
  }

  private placeBase(node: Node): void {
    const base = baseOf(node)
    if (this.isPending(base)) this.place(base)
  }

  private isPending(node: Node): boolean {
    return kindOf(node) === 'lane' && !this.notes.isFree(node) && !this.groupOf.has(node)
  }

  /** Whether a view is the very memory of what it views. */
  private isAlias(node: Node): boolean {
    let n = node
    while (n.op.name === 'reshape' && !this.groupOf.has(n)) n = input(n)
    return this.groupOf.has(n) || kindOf(n) === 'leaf'
  }

  homeOf(node: Node): Node {
    let n = node
    while (isView(n) && !this.groupOf.has(n)) n = input(n)
    return n
  }

  // ---- order -----------------------------------------------------------------------------------

  private newGroup(
    kind: GroupKind,
    domain: readonly number[],
    before: Group | null,
    after: number,
  ): Group {
    const order = before === null ? this.nextOrder++ : this.between(after, before.order)
    const group = new Group(kind, domain, order)
    this.groups.push(group)
    return group
  }

  /** A number between two orders that no group has. */
  private between(after: number, before: number): number {
    // Steps of the golden ratio never meet, so groups that go to the same place stay in a definite order.
    this.golden = (this.golden + 0.6180339887498949) % 1
    return after + (before - after) * (0.25 + 0.5 * this.golden)
  }

  /** The last group a node depends on, through pending nodes; null if on none. */
  private latest(node: Node): Group | null {
    let latest: Group | null = null
    const seen = new Set<Node>()
    const stack = [...node.inputs]
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (seen.has(n)) continue
      seen.add(n)
      const g = this.groupOf.get(n)
      if (g === undefined) stack.push(...n.inputs)
      else if (latest === null || g.order > latest.order) latest = g
    }
    return latest
  }

  // ---- placing ---------------------------------------------------------------------------------

  /** Puts a node into a group: an existing one if it fits, else a new one (before a given one). */
  private place(node: Node, before: Group | null = null): void {
    if (!this.separate) {
      if (this.joinLatest(node)) return
      if (this.joinSibling(node, before)) return
      this.settleShared(node)
    }
    const after = this.latest(node)?.order ?? -1
    const group = this.newGroup('map', shapeOf(node), before, after)
    if (kindOf(node) === 'reduce') this.shape(group, node)
    const level = kindOf(node) === 'reduce' ? 'kept' : (group.levelsOf(node)[0] as Level)
    let c = collect(this, group, node, level)
    while (c.materialise.size > 0) {
      this.placeAll(c, group)
      c = collect(this, group, node, level)
    }
    this.commit(group, node, level, c)
    this.siblings.set(siblingKey(node), group)
  }

  /** Puts a pending node into the latest group it depends on; false if it depends on none, or does not fit. */
  private joinLatest(node: Node): boolean {
    const latest = this.latest(node)
    return latest !== null && this.join(latest, node)
  }

  /** An independent node goes with one of the same shape that reads the same things. */
  private joinSibling(node: Node, before: Group | null): boolean {
    const sibling = this.siblings.get(siblingKey(node))
    if (sibling === undefined) return false
    const latest = this.latest(node)
    if (latest !== null && sibling.order <= latest.order) return false
    if (before !== null && sibling.order >= before.order) return false
    return this.sharesReads(sibling, node) && this.join(sibling, node)
  }

  private sharesReads(group: Group, node: Node): boolean {
    const stack = [...node.inputs]
    const seen = new Set<Node>()
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (seen.has(n)) continue
      seen.add(n)
      if (group.reads.has(n)) return true
      if (!this.groupOf.has(n)) stack.push(...n.inputs)
    }
    return false
  }

  /**
   * Before `node` opens a group of its own: a shared pending value that can be the last step of the
   * group that made its operand, and spare that operand's storage, goes there.
   */
  private settleShared(node: Node): void {
    for (const x of node.inputs) {
      const p = baseOf(x)
      if (kindOf(p) !== 'lane' || this.groupOf.has(p)) continue
      const group = this.latest(p)
      if (group === null || ALONE.has(group.kind)) continue
      if (this.notes.usesOf(p) === 1) this.settleShared(p)
      else if (this.replacesMember(p, group)) this.join(group, p)
    }
  }

  private replacesMember(p: Node, group: Group): boolean {
    return p.inputs.some((y) => {
      const base = baseOf(y)
      return this.groupOf.get(base) === group && this.notes.usesOf(base) === 1
    })
  }

  /** Gives a group the axes of a reduction. */
  private shape(group: Group, reduce: Node): void {
    const { axes, block } = reduceShape(reduce)
    group.reduceOver(shapeOf(input(reduce)), axes, block ?? 0)
    group.anchor ??= reduce
  }

  private fits(group: Group, node: Node): boolean {
    if (ALONE.has(group.kind)) return false
    if (group.members.size >= MOST_MEMBERS || group.inPlace.has(node)) return false
    const kind = kindOf(node)
    if (kind === 'lane') return group.levelsOf(node).length > 0
    if (kind !== 'reduce' || group.kind === 'contract') return false
    if (group.kind === 'map') return elementsOf(input(node)) === group.elements
    const { axes, block } = reduceShape(node)
    const sameDomain = String(group.domain) === String(input(node).shape)
    return sameDomain && group.block === (block ?? 0) && String(group.axes) === String(axes)
  }

  /** Adds a node, and the pending nodes it uses, to an existing group; false if it does not fit there. */
  private join(group: Group, node: Node): boolean {
    if (!this.fits(group, node)) return false
    const isReduce = kindOf(node) === 'reduce'
    if (isReduce && group.kind === 'map') return this.joinReduce(group, node)
    for (const level of isReduce ? (['kept'] as const) : group.levelsOf(node)) {
      const c = collect(this, group, node, level)
      if (!this.complete(group, c)) continue
      const settled = c.materialise.size === 0 ? c : collect(this, group, node, level)
      this.commit(group, node, level, settled)
      return true
    }
    return false
  }

  /** A map group becomes a reduction's: its members keep their elements, on the merged domain. */
  private joinReduce(group: Group, node: Node): boolean {
    // Tried on a copy, because a group cannot turn back.
    const trial = new Group('map', group.domain, group.order)
    for (const n of group.inPlace) trial.inPlace.add(n)
    this.shape(trial, node)
    const c = collect(this, trial, node, 'kept', group)
    if (!c.ok || c.materialise.size > 0) return false
    this.shape(group, node)
    this.commit(group, node, 'kept', c)
    return true
  }

  /** Places what has to be computed before `group`; false if that is impossible. */
  private complete(group: Group, c: Collected): boolean {
    if (!c.ok) return false
    const buffers = group.reads.size + c.reads.size + group.results + 2
    if (buffers > this.target.maxBuffers) return false
    for (const m of c.materialise) {
      const latest = this.latest(m)
      if (latest !== null && latest.order >= group.order) return false
    }
    this.placeAll(c, group)
    return true
  }

  /** Users first: what one of them absorbs need not be placed by itself. */
  private placeAll(c: Collected, before: Group): void {
    for (const m of [...c.materialise].reverse()) if (!this.groupOf.has(m)) this.place(m, before)
  }

  private commit(group: Group, node: Node, level: Level, c: Collected): void {
    for (const [m, l] of c.absorb) this.enter(group, m, l)
    this.enter(group, node, level)
    for (const r of c.reads) group.reads.add(r)
    for (const n of c.inPlace) group.inPlace.add(n)
  }

  private enter(group: Group, node: Node, level: Level): void {
    group.members.set(node, level)
    if (this.outputs.has(node)) group.results++
    this.groupOf.set(node, group)
  }

  /** Contractions, and operations with kernels of their own: operands in memory, a new group. */
  private placeAlone(node: Node, kind: 'contract' | 'single' | 'loop' | 'host'): void {
    const prologues: Prologue[] = []
    for (const x of node.inputs) {
      if (kind === 'host' || kind === 'loop') this.materialise(x)
      else if (kind === 'single') this.placeBase(x)
      else {
        const prologue = this.placeOperand(x)
        if (prologue !== null) prologues.push(prologue)
      }
    }
    const group = this.newGroup(kind, shapeOf(node), null, -1)
    group.anchor = node
    this.enter(group, node, 'full')
    for (const { inPlace, sources } of prologues) {
      for (const n of inPlace) group.inPlace.add(n)
      for (const s of sources) group.reads.add(s)
    }
    for (const x of node.inputs) {
      const home = this.homeOf(x)
      if (!group.inPlace.has(home)) group.reads.add(home)
    }
  }

  /** One of several results is in memory as soon as what computes them has run. */
  private enterResult(node: Node): void {
    this.enter(this.groupOf.get(input(node)) as Group, node, 'full')
  }

  /**
   * Sees to it that a contraction finds an operand in memory, or returns what it computes of it where it reads
   * it. Micro-kernels step through operands by strides: a view of memory that has none is copied first.
   */
  private placeOperand(x: Node): Prologue | null {
    const base = baseOf(x)
    if (this.isPending(base)) {
      const prologue = this.prologues?.of(base, () => this.joinLatest(base)) ?? null
      if (prologue !== null) {
        for (const n of prologue.before) this.placeBase(n)
        return prologue
      }
      this.placeBase(base)
    }
    if (this.groupOf.has(x) || !isView(x) || this.notes.isFree(x)) return null
    const inMemory = (n: Node): boolean => this.groupOf.has(n) || kindOf(n) === 'leaf'
    if (stridesOfView(x, inMemory) === null) this.place(x)
    return null
  }
}

function siblingKey(node: Node): string {
  if (kindOf(node) !== 'reduce') return `map ${elementsOf(node)}`
  const { axes, block } = reduceShape(node)
  return `reduce ${shapeOf(input(node))} over ${axes} by ${block ?? 0}`
}

/**
 * Whether a value is in memory for the members of `group`. One that only a later group stores is not:
 * it was still pending, and computed in place, when this group was formed.
 */
export const isBefore = (home: Group | undefined, group: Group): home is Group =>
  home !== undefined && home.order < group.order

/** Groups for everything `outputs` need, in execution order. */
export function fuse(outputs: readonly Node[], target: Target, options: FuseOptions = {}): Fusion {
  const wanted = new Set(outputs)
  const fuser = new Fuser(topological(outputs), wanted, target, options)
  fuser.run()
  markStored(fuser, wanted)
  if (!fuser.separate) recompute(fuser, wanted)
  return fuser
}

/** Finds the members that are read outside their group: those have to be stored. */
function markStored({ groups, groupOf }: Fusion, outputs: ReadonlySet<Node>): void {
  for (const group of groups) {
    const seen = new Set<Node>()
    const stack: Node[] = []
    for (const m of group.members.keys()) for (const x of m.inputs) stack.push(x)
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (seen.has(n)) continue
      seen.add(n)
      const home = groupOf.get(n)
      if (home === group) continue
      if (isBefore(home, group)) home.stored.add(n)
      else for (const x of n.inputs) stack.push(x)
    }
  }
  for (const o of outputs) {
    let n = o
    while (!groupOf.has(n) && n.inputs.length > 0) n = input(n)
    groupOf.get(n)?.stored.add(n)
  }
}

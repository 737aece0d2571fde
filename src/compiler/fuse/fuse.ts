// Fusion: assigns every node that has to be computed to a group, and every group becomes a kernel.
//
// Nodes are visited inputs first. Elementwise nodes wait ("pending") until something needs them, and then
// go with it; reductions, contractions and results are placed at once. A node joins the group of the
// LATEST of the groups it depends on: everything else it reads is then computed before, so no cycle can
// come of it. A pending node becomes part of a group when it is used there element for element; used
// otherwise it is computed in place (if that is cheap) or placed on its own first.

import { sizeOf } from '../../base/shape.js'
import { type Node, topological } from '../../ir/node.js'
import type { Affine } from '../kernel/ir.js'
import type { Target } from '../kernel/ir.js'
import { isView, stridesOfView, viewCoords } from '../lower/views.js'
import { kindOf, laneCost, needsMemory } from './classify.js'
import { Group, type GroupKind, type Level } from './group.js'

/** Most nodes of one kernel: longer ones gain nothing, and emitters work harder than linearly. */
const MOST_MEMBERS = 320
/** Pending nodes below one node before they are placed. */
const MOST_PENDING = 256
/** What may be computed again rather than stored and loaded, in additions an element. */
const CHEAP = 2

/** What is made of constants and counters alone is never stored up to this cost. */
const ALMOST_FREE = 4

/** Use every node alone, for tests that fused and unfused programs agree. */
export interface FuseOptions {
  readonly separate?: boolean
}

export interface Fusion {
  /** In execution order. */
  readonly groups: readonly Group[]
  readonly groupOf: ReadonlyMap<Node, Group>
}

const shapeOf = (node: Node): readonly number[] => node.shape as readonly number[]
const input = (node: Node, i = 0): Node => node.inputs[i] as Node

/** The node below views whose data a view shows. */
export function baseOf(node: Node): Node {
  let n = node
  while (isView(n)) n = input(n)
  return n
}

interface Collected {
  /** Pending nodes that become members, with their levels, and outside nodes that are read. */
  readonly absorb: Map<Node, Level>
  readonly reads: Set<Node>
  /** Pending nodes that are computed again where they are used. */
  readonly inPlace: Set<Node>
  /** Pending nodes that have to be computed by an earlier group. */
  readonly materialise: Set<Node>
  ok: boolean
}

class Fuser {
  readonly groups: Group[] = []
  readonly groupOf = new Map<Node, Group>()
  private readonly uses: Int32Array
  /** Pending nodes below each node, and what they cost an element. */
  private readonly pending: Int32Array
  private readonly cost: Float64Array
  /** Nodes that are computed wherever they are used, and never placed. */
  private readonly free: Uint8Array
  private nextOrder = 0
  /** The last group that could take an independent node of the same kind: by domain and axes. */
  private readonly siblings = new Map<string, Group>()

  constructor(
    private readonly nodes: readonly Node[],
    private readonly outputs: ReadonlySet<Node>,
    private readonly target: Target,
    private readonly options: FuseOptions,
  ) {
    this.uses = new Int32Array(nodes.length)
    this.pending = new Int32Array(nodes.length)
    this.cost = new Float64Array(nodes.length)
    this.free = new Uint8Array(nodes.length)
    for (const o of outputs) this.uses[o.index]!++
    // Users first: a use of a view is a use of what it shows.
    for (let i = nodes.length - 1; i >= 0; i--) {
      const n = nodes[i] as Node
      const times = isView(n) ? Math.min(this.uses[i] as number, 1 << 20) : 1
      for (const x of n.inputs) this.uses[x.index]! += times
    }
  }

  run(): void {
    for (const node of this.nodes) {
      const kind = kindOf(node)
      switch (kind) {
        case 'leaf':
          break
        case 'free':
          this.free[node.index] = 1
          break
        case 'view':
          this.free[node.index] = this.free[input(node).index] as number
          this.pending[node.index] = this.pending[input(node).index] as number
          this.cost[node.index] = this.cost[input(node).index] as number
          break
        case 'lane':
          this.postpone(node)
          break
        case 'reduce':
          this.place(node)
          break
        case 'contract':
        case 'single':
        case 'host':
          this.placeAlone(node, kind)
          break
      }
      if (this.outputs.has(node) && kind !== 'leaf') this.materialise(node)
    }
    this.groups.sort((a, b) => a.order - b.order)
  }

  private postpone(node: Node): void {
    let pending = 1
    let cost = laneCost(node)
    for (let i = 0; i < node.inputs.length; i++) {
      const x = input(node, i)
      if (needsMemory(node, i)) this.materialise(x)
      const base = baseOf(x)
      if (this.groupOf.has(base)) continue
      pending += this.pending[base.index] as number
      cost += this.cost[base.index] as number
    }
    this.pending[node.index] = pending
    this.cost[node.index] = cost
    // A mask made of counters, say: cheaper to make again than to load.
    const fromNothing = node.inputs.every((x) => this.free[x.index] === 1)
    if (fromNothing && cost <= ALMOST_FREE && !this.options.separate) this.free[node.index] = 1
    if (pending > MOST_PENDING || this.options.separate) this.place(node)
  }

  /** Sees to it that a value will be in memory: as a member of some group, or as a view of one. */
  materialise(node: Node): void {
    const base = baseOf(node)
    const isLane = kindOf(base) === 'lane' && this.free[base.index] === 0
    if (isLane && !this.groupOf.has(base)) this.place(base)
    // A view that is not its base's memory in another shape, or a constant, needs a copy.
    if (!this.groupOf.has(node) && !this.isAlias(node)) this.place(node)
  }

  /** Whether a view is the very memory of what it views. */
  private isAlias(node: Node): boolean {
    let n = node
    while (n.op.name === 'reshape' && !this.groupOf.has(n)) n = input(n)
    return this.groupOf.has(n) || kindOf(n) === 'leaf'
  }

  /** The node whose memory a value in memory is read from. */
  private homeOf(node: Node): Node {
    let n = node
    while (isView(n) && !this.groupOf.has(n)) n = input(n)
    return n
  }

  private newGroup(kind: GroupKind, domain: readonly number[], before: Group | null, after: number): Group {
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
  private golden = 0

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

  /** Puts a node into a group: an existing one if it fits, else a new one. */
  private place(node: Node, before: Group | null = null): void {
    const latest = this.latest(node)
    if (!this.options.separate) {
      if (latest !== null && this.join(latest, node)) return
      const sibling = this.siblings.get(this.siblingKey(node))
      const reachable =
        sibling !== undefined &&
        (latest === null || sibling.order > latest.order) &&
        (before === null || sibling.order < before.order)
      if (reachable && this.sharesReads(sibling, node) && this.join(sibling, node)) return
    }
    this.settleShared(node)
    const settled = this.latest(node)
    const group = this.newGroup('map', shapeOf(node), before, settled?.order ?? -1)
    if (kindOf(node) === 'reduce') this.shape(group, node)
    for (let round = 0; ; round++) {
      const c = this.collect(group, node, this.levelOf(group, node) ?? 'full')
      if (c.materialise.size === 0) {
        this.commit(group, node, this.levelOf(group, node) ?? 'full', c)
        break
      }
      if (round > 64) throw new Error('fusion does not settle')
      this.placeAll(c, group)
    }
    this.siblings.set(this.siblingKey(node), group)
  }

  private siblingKey(node: Node): string {
    if (kindOf(node) !== 'reduce') return `map ${sizeOf(shapeOf(node))}`
    const { axes, block } = node.attrs
    return `reduce ${shapeOf(input(node))} over ${axes} by ${block ?? 0}`
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
    if (this.options.separate) return
    for (const x of node.inputs) {
      const p = baseOf(x)
      if (kindOf(p) !== 'lane' || this.groupOf.has(p)) continue
      const group = this.latest(p)
      if (group === null || group.kind === 'single' || group.kind === 'host') continue
      const shared = (this.uses[p.index] as number) > 1
      const replaces = p.inputs.some((y) => {
        const base = baseOf(y)
        return this.groupOf.get(base) === group && (this.uses[base.index] as number) === 1
      })
      if (shared && replaces && this.join(group, p)) continue
      if (!shared) this.settleShared(p)
    }
  }

  /** Gives a group the axes of a reduction. */
  private shape(group: Group, reduce: Node): void {
    const { axes, block } = reduce.attrs as { axes: readonly number[]; block?: number }
    group.reduceOver(shapeOf(input(reduce)), axes, block ?? 0)
    group.anchor ??= reduce
  }

  private levelOf(group: Group, node: Node): Level | null {
    if (kindOf(node) === 'reduce') return 'kept'
    return group.levelsOf(node)[0] ?? null
  }

  private fits(group: Group, node: Node): boolean {
    if (group.kind === 'single' || group.kind === 'host') return false
    if (group.members.size >= MOST_MEMBERS) return false
    const kind = kindOf(node)
    if (kind === 'reduce') {
      if (group.kind === 'contract') return false
      const same = sizeOf(shapeOf(input(node))) === group.elements
      if (group.kind === 'map') return same
      const { axes, block } = node.attrs as { axes: readonly number[]; block?: number }
      return (
        group.block === (block ?? 0) &&
        String(group.domain) === String(input(node).shape) &&
        String(group.axes) === String(axes)
      )
    }
    if (kind === 'view' || kind === 'free') return false
    return group.levelsOf(node).length > 0
  }

  /** Adds a node, and the pending nodes it uses, to an existing group; false if it does not fit there. */
  private join(group: Group, node: Node): boolean {
    if (!this.fits(group, node) || group.inPlace.has(node)) return false
    if (kindOf(node) === 'reduce' && group.kind === 'map') return this.joinReduce(group, node)
    for (const level of kindOf(node) === 'reduce' ? (['kept'] as const) : group.levelsOf(node)) {
      const c = this.collect(group, node, level)
      if (this.complete(group, c)) {
        const again = c.materialise.size === 0 ? c : this.collect(group, node, level)
        this.commit(group, node, level, again)
        return true
      }
    }
    return false
  }

  /** A map group becomes a reduction's: its members keep their elements, on the merged domain. */
  private joinReduce(group: Group, node: Node): boolean {
    const { axes, block } = node.attrs as { axes: readonly number[]; block?: number }
    // Tried on a copy first: a group cannot turn back.
    const trial = new Group('map', group.domain, group.order)
    for (const [m, level] of group.members) trial.members.set(m, level)
    trial.reduceOver(shapeOf(input(node)), axes, block ?? 0)
    const before = this.trialOf
    this.trialOf = { group, trial }
    const c = this.collect(trial, node, 'kept')
    this.trialOf = before
    if (!c.ok || c.materialise.size > 0) return false
    this.shape(group, node)
    this.commit(group, node, 'kept', c)
    return true
  }
  private trialOf: { group: Group; trial: Group } | null = null

  /** Places what has to be computed before `group`; false if that is impossible. */
  private complete(group: Group, c: Collected): boolean {
    if (!c.ok) return false
    if (group.reads.size + c.reads.size + 2 > this.target.maxBuffers) return false
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
    this.groupOf.set(node, group)
  }

  /** What `node` would bring along as a member of `group`. */
  private collect(group: Group, node: Node, level: Level): Collected {
    const c: Collected = { absorb: new Map(), reads: new Set(), inPlace: new Set(), materialise: new Set(), ok: true }
    let smooth: boolean
    if (kindOf(node) === 'reduce') {
      const x = input(node)
      smooth = this.visit(group, c, x, group.coordsOf(x, 'full'))
      // A view that jumps along the row is laid out in memory first.
      if (!smooth) c.materialise.add(x)
    } else {
      const coords = group.coordsOf(node, level)
      smooth =
        kindOf(node) === 'view'
          ? this.visit(group, c, input(node), viewCoords(group.indexSpace, node, coords))
          : this.visitInputs(group, c, node, coords)
      if (!smooth) c.ok = false
    }
    return c
  }

  /** Visits operands; false if one of them jumps along the rows of a reduction. */
  private visitInputs(
    group: Group,
    c: Collected,
    node: Node,
    coords: readonly Affine[] | null,
  ): boolean {
    let smooth = true
    for (let i = 0; i < node.inputs.length; i++) {
      const x = input(node, i)
      if (needsMemory(node, i)) {
        const home = this.homeOf(x)
        const inGroup = this.groupOf.get(home)
        if (inGroup !== undefined && this.same(inGroup, group)) c.ok = false
        else c.reads.add(home)
      } else if (!this.visit(group, c, x, coords && operandCoords(node, i, coords))) smooth = false
    }
    return smooth
  }

  private same(a: Group, b: Group): boolean {
    return a === b || (this.trialOf !== null && a === this.trialOf.group && b === this.trialOf.trial)
  }

  /** `coords` is null where the place is not known: under masks, or data-dependent. */
  private visit(group: Group, c: Collected, node: Node, at: readonly Affine[] | null): boolean {
    let n = node
    let coords = at
    while (isView(n) && !this.groupOf.has(n)) {
      coords = coords && viewCoords(group.indexSpace, n, coords)
      n = input(n)
    }
    const kind = kindOf(n)
    const own = this.groupOf.get(n)
    if (own === undefined && this.free[n.index] === 1) {
      c.inPlace.add(n)
      return true
    }
    if (own !== undefined || kind === 'leaf') {
      const member = own !== undefined && this.same(own, group)
      if (!member) c.reads.add(n)
      else if (coords === null || !this.isCanonical(group, n, coords)) c.ok = false
      return member || coords === null || group.isSmooth(n, coords)
    }
    if (c.materialise.has(n)) return true
    const level = coords && group.levelAt(n, coords)
    if (c.absorb.has(n)) {
      // A member is read at its own place only; used elsewhere too, it has to be in memory.
      if (level === null) c.materialise.add(n)
      return true
    }
    if (level !== null) {
      const elsewhere = c.inPlace.has(n) || group.inPlace.has(n)
      const crowded = group.members.size + c.absorb.size > MOST_MEMBERS
      if (elsewhere || crowded || !this.visitInputs(group, c, n, coords)) c.materialise.add(n)
      else c.absorb.set(n, level)
      return true
    }
    if (this.inPlace(group, n)) {
      c.inPlace.add(n)
      return this.visitInputs(group, c, n, coords)
    }
    c.materialise.add(n)
    return coords === null || group.isSmooth(n, coords)
  }

  private isCanonical(group: Group, n: Node, coords: readonly Affine[]): boolean {
    return group.levelAt(n, coords) !== null
  }

  /** Whether a pending node used at other places than its own may be computed there, each time. */
  private inPlace(group: Group, n: Node): boolean {
    if (this.options.separate) return false
    const size = sizeOf(shapeOf(n))
    const cost = this.cost[n.index] as number
    const once = (this.uses[n.index] as number) === 1
    if (size === 1 && once) return true
    if (cost <= CHEAP) return true
    return once && size >= group.elements && (this.pending[n.index] as number) < 32
  }

  /** Contractions, and operations with kernels of their own: operands in memory, a new group. */
  private placeAlone(node: Node, kind: 'contract' | 'single' | 'host'): void {
    for (const x of node.inputs) {
      if (kind === 'host') this.materialise(x)
      else this.materialiseBase(x)
      // Micro-kernels step through operands by strides: a view that has none is copied first.
      if (kind === 'contract' && !this.groupOf.has(x) && isView(x) && !isStrided(x, this.groupOf)) {
        this.place(x)
      }
    }
    const group = this.newGroup(kind, shapeOf(node), null, -1)
    group.anchor = node
    this.enter(group, node, 'full')
    for (const x of node.inputs) group.reads.add(this.homeOf(x))
  }

  private materialiseBase(x: Node): void {
    const base = baseOf(x)
    const isLane = kindOf(base) === 'lane' && this.free[base.index] === 0
    if (isLane && !this.groupOf.has(base)) this.place(base)
  }
}

/** Whether a view steps through the memory below it by one stride an axis. */
function isStrided(view: Node, groupOf: ReadonlyMap<Node, Group>): boolean {
  return stridesOfView(view, (n) => groupOf.has(n) || kindOf(n) === 'leaf') !== null
}

/** Coordinates at which an elementwise node reads operand `i`; null where they are not a plain map. */
function operandCoords(node: Node, i: number, coords: readonly Affine[]): readonly Affine[] | null {
  switch (node.op.name) {
    case 'gather': {
      const axis = node.attrs.axis as number
      return coords.slice(axis, axis + input(node, 1).shape.length)
    }
    case 'pad':
      return i === 1 ? [] : null
    case 'dynamicSlice':
      return []
    case 'concat':
      return null
    default:
      return coords
  }
}

/**
 * Whether a value is in memory for the members of `group`. One that only a later group stores is not:
 * it was still pending, and computed in place, when this group was formed.
 */
export const isBefore = (home: Group | undefined, group: Group): home is Group =>
  home !== undefined && home.order < group.order

/** Groups for everything `outputs` need, in execution order. */
export function fuse(outputs: readonly Node[], target: Target, options: FuseOptions = {}): Fusion {
  const nodes = topological(outputs)
  const wanted = new Set(outputs)
  const fuser = new Fuser(nodes, wanted, target, options)
  fuser.run()
  markStored(fuser.groups, fuser.groupOf, wanted)
  return fuser
}

/** Finds the members that are read outside their group: those have to be stored. */
function markStored(
  groups: readonly Group[],
  groupOf: ReadonlyMap<Node, Group>,
  outputs: ReadonlySet<Node>,
): void {
  for (const group of groups) {
    const seen = new Set<Node>()
    const stack: Node[] = []
    for (const m of group.members.keys()) for (const x of m.inputs) stack.push(x)
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (seen.has(n)) continue
      seen.add(n)
      const own = groupOf.get(n)
      if (own === group) continue
      if (isBefore(own, group)) own.stored.add(n)
      else for (const x of n.inputs) stack.push(x)
    }
  }
  for (const o of outputs) {
    let n = o
    while (!groupOf.has(n) && n.inputs.length > 0) n = n.inputs[0] as Node
    groupOf.get(n)?.stored.add(n)
  }
}

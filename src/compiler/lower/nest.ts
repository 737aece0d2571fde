// Loop nests: which loops a group's domain is walked with, and how they are shared out in chunks.

import { stridesOf } from '../../base/shape.js'
import type { Node } from '../../ir/node.js'
import { shapeOf } from '../../ir/sizes.js'
import { type IndexSpace, reshapeCoords } from '../coordinates/space.js'
import { isView, viewCoords } from '../coordinates/views.js'
import type { Emitter } from '../expressions/emitter.js'
import { affine, coefficientOf, ofVar, plus, times, ZERO } from '../kernel/affine.js'
import type { Affine, Bound, IndexVar } from '../kernel/ir.js'
import { constantBelow } from '../simplify/constants.js'

/** An axis of the domain as loops see it. */
export interface Axis {
  readonly size: number
  readonly reduced: boolean
  /** Neither split nor merged: its elements are numbered by the order of a reduction. */
  readonly fixed: boolean
}

/** What the planner asks about the group: every value it computes, with the axes it has. */
export interface Traced {
  readonly members: ReadonlyMap<Node, 'full' | 'kept'>
  inMemory(node: Node): boolean
}

/** Coordinates of members over the axes of a domain: the same for all members of a shape and level. */
export class MemberCoords {
  private readonly known = new Map<string, readonly Affine[]>()

  constructor(
    private readonly space: IndexSpace,
    private readonly axes: readonly Axis[],
    private readonly index: readonly Affine[],
  ) {}

  of(shape: readonly number[], level: 'full' | 'kept'): readonly Affine[] {
    const key = level + shape.join()
    let coords = this.known.get(key)
    if (coords === undefined) {
      const { axes, index } = this
      const on = axes.flatMap((a, i) => (level === 'full' || !a.reduced ? [i] : []))
      const sizes = on.map((i) => (axes[i] as Axis).size)
      const from = on.map((i) => index[i] as Affine)
      coords = reshapeCoords(this.space, from, sizes, shape)
      this.known.set(key, coords)
    }
    return coords
  }
}

/** The addresses, as functions of the axes, at which a group's expressions touch memory. */
function trace(
  space: IndexSpace,
  group: Traced,
  axes: readonly Axis[],
  index: readonly Affine[],
): Affine[] {
  const found: Affine[] = []
  const places = new MemberCoords(space, axes, index)
  const visit = (start: Node, at: readonly Affine[]): void => {
    if (constantBelow(start) !== null) return
    let node = start
    let coords = at
    while (isView(node) && !group.members.has(node) && !group.inMemory(node)) {
      coords = viewCoords(space, node, coords)
      node = node.inputs[0] as Node
    }
    if (group.members.has(node)) return
    if (group.inMemory(node)) found.push(space.linear(coords, stridesOf(shapeOf(node))))
    else inputs(node, coords)
  }
  const inputs = (node: Node, coords: readonly Affine[]): void => {
    const special = TRACE[node.op.name]
    if (special !== undefined) special(space, node, coords, visit, found)
    else for (const x of node.inputs) visit(x, coords)
  }
  for (const [m, level] of group.members) {
    if (isReduction(m)) {
      const x = m.inputs[0] as Node
      visit(x, places.of(shapeOf(x), 'full'))
    } else {
      const coords = places.of(shapeOf(m), level)
      if (isView(m)) visit(m.inputs[0] as Node, viewCoords(space, m, coords))
      else inputs(m, coords)
    }
  }
  return found
}

type Trace = (
  space: IndexSpace,
  node: Node,
  coords: readonly Affine[],
  visit: (x: Node, coords: readonly Affine[]) => void,
  found: Affine[],
) => void

const TRACE: Readonly<Record<string, Trace>> = {
  const: () => {},
  iota: (_, node, coords, __, found) => {
    found.push(coords[node.attrs.axis as number] as Affine)
  },
  pad: (space, node, coords, visit, found) => {
    const { low, interior } = node.attrs as { low: readonly number[]; interior: readonly number[] }
    // The masks look at each coordinate by itself.
    found.push(...coords)
    const inner = coords.map((c, i) =>
      space.digit(plus(c, -(low[i] as number)), (interior[i] as number) + 1, 0),
    )
    visit(node.inputs[0] as Node, inner)
  },
  concat: (_, node, coords, visit, found) => {
    found.push(coords[node.attrs.axis as number] as Affine)
    for (const x of node.inputs) visit(x, coords)
  },
  gather: (space, node, coords, visit, found) => {
    const axis = node.attrs.axis as number
    const [x, indices] = node.inputs as [Node, Node]
    const rank = indices.shape.length
    visit(indices, coords.slice(axis, axis + rank))
    const at = [...coords.slice(0, axis), ZERO, ...coords.slice(axis + rank)]
    found.push(space.linear(at, stridesOf(shapeOf(x))))
  },
  dynamicSlice: (space, node, coords, _, found) => {
    found.push(space.linear(coords, stridesOf(shapeOf(node.inputs[0] as Node))))
  },
}

export const isReduction = (node: Node): boolean =>
  node.op.name.startsWith('reduce') || node.op.name === 'partialReduce'

/** How a domain is walked: its axes, and for each access to memory the stride along each of them. */
export interface AxisPlan {
  readonly axes: Axis[]
  readonly strides: readonly (readonly number[])[]
}

/** Axes cut where expressions need their quotients and remainders, then merged where nothing tells them apart. */
export function planAxes(
  newSpace: () => IndexSpace,
  group: Traced,
  domain: readonly Axis[],
): AxisPlan {
  let axes = domain.filter((a) => a.size !== 1)
  for (let round = 0; ; round++) {
    const space = newSpace()
    const variables = axes.map((a, i) => space.variable(`t${i}`, a.size))
    const index = variables.map((v) => ofVar(v))
    const found = trace(space, group, axes, index)
    const refined = round < 2 ? splitAxes(space, axes, variables, found) : null
    if (refined === null) return mergeAxes(space, axes, variables, found)
    axes = refined
  }
}

function splitAxes(
  space: IndexSpace,
  axes: readonly Axis[],
  variables: readonly IndexVar[],
  found: readonly Affine[],
): Axis[] | null {
  const cuts = axes.map(() => new Set<number>())
  for (const a of found) {
    for (const t of a.terms) {
      const digit = space.digitOf(t.variable)
      const of = digit?.value.terms[0]
      if (digit === undefined || of === undefined || digit.value.terms.length !== 1) continue
      if (of.coefficient !== 1 || digit.value.constant !== 0) continue
      const i = variables.indexOf(of.variable)
      if (i < 0) continue
      cuts[i]?.add(digit.by)
      if (digit.mod !== 0) cuts[i]?.add(digit.by * digit.mod)
    }
  }
  let changed = false
  const out: Axis[] = []
  axes.forEach((axis, i) => {
    let below = 1
    const sizes: number[] = []
    for (const c of [...(cuts[i] as Set<number>)].sort((p, q) => p - q)) {
      if (axis.fixed || c === below || c % below !== 0 || axis.size % c !== 0 || c === axis.size)
        continue
      sizes.unshift(c / below)
      below = c
    }
    if (below === 1) out.push(axis)
    else {
      changed = true
      for (const size of [axis.size / below, ...sizes]) out.push({ ...axis, size })
    }
  })
  return changed ? out : null
}

function mergeAxes(
  space: IndexSpace,
  axes: readonly Axis[],
  variables: readonly IndexVar[],
  found: readonly Affine[],
): AxisPlan {
  const out: Axis[] = []
  /** The variable along which each merged axis moves: that of its innermost part. */
  const moving: IndexVar[] = []
  const inDigits = new Set<number>()
  for (const a of found) space.hidden(a, inDigits)
  axes.forEach((axis, i) => {
    const last = out[out.length - 1]
    const outer = variables[i - 1]
    const inner = variables[i] as IndexVar
    const mergeable =
      last !== undefined &&
      outer !== undefined &&
      last.reduced === axis.reduced &&
      !last.fixed &&
      !axis.fixed &&
      !inDigits.has(outer.id) &&
      !inDigits.has(inner.id) &&
      found.every((a) => coefficientOf(a, outer) === coefficientOf(a, inner) * axis.size)
    if (mergeable) out[out.length - 1] = { ...last, size: last.size * axis.size }
    else out.push(axis)
    moving[out.length - 1] = inner
  })
  return { axes: out, strides: found.map((a) => moving.map((v) => coefficientOf(a, v))) }
}

/** A loop with the index it stands for. */
export interface Loop {
  readonly variable: IndexVar
  readonly size: number
}

/**
 * Opens loops over `outer`, shared out in chunks of about `target` elements, where each innermost round
 * does `work` elements. The chunks follow from sizes alone.
 */
export function overChunks(
  e: Emitter,
  outer: readonly Loop[],
  work: number,
  target: number,
  body: () => void,
): void {
  // The innermost loops that fit in a chunk stay whole; the others are counted through.
  let whole = outer.length
  let inside = Math.max(1, work)
  while (whole > 0 && inside * (outer[whole - 1] as Loop).size <= target) {
    inside *= Math.max(1, (outer[--whole] as Loop).size)
  }
  const counted = outer.slice(0, whole)
  const nested = (i: number): void => {
    const loop = outer[i]
    if (loop === undefined) body()
    else e.loop(loop.variable, ZERO, affine(loop.size), () => nested(i + 1))
  }
  if (counted.length === 0) {
    nested(0)
    return
  }
  const total = counted.reduce((p, l) => p * l.size, 1)
  const per = Math.max(1, Math.floor(target / inside))
  const grid = Math.ceil(total / per)
  e.k.grid = Math.max(1, grid)
  const first = times(ofVar(e.k.chunk), grid === 1 ? 0 : per)
  const end: Bound =
    total % per === 0 ? plus(first, per) : { min: [plus(first, per), affine(total)] }
  if (counted.length === 1) {
    const only = counted[0] as Loop
    e.loop(only.variable, first, grid === 1 ? affine(total) : end, () => nested(whole))
    return
  }
  const flat = e.space.variable('row', total)
  e.loop(flat, first, grid === 1 ? affine(total) : end, () => {
    let rest = ofVar(flat)
    for (let i = counted.length - 1; i > 0; i--) {
      const loop = counted[i] as Loop
      const quotient = i === 1 ? (counted[0] as Loop).variable : e.space.variable('rows', total)
      e.k.emit({ op: 'modulo', variable: loop.variable, value: rest, by: loop.size })
      e.k.emit({ op: 'divide', variable: quotient, value: rest, by: loop.size })
      rest = ofVar(quotient)
    }
    nested(whole)
  })
}

/** An axis cut in pieces of at most `piece` for a vector loop: an outer loop, and the index in terms of both. */
export interface Pieces {
  readonly outer: Loop | null
  readonly inner: IndexVar
  readonly count: Bound
  readonly index: Affine
}

export function inPieces(space: IndexSpace, size: number, piece: number): Pieces {
  const whole = Math.min(size, piece)
  const inner = space.variable('i', whole)
  if (size <= piece) return { outer: null, inner, count: affine(size), index: ofVar(inner) }
  const outer = space.variable('piece', Math.ceil(size / piece))
  const start = times(ofVar(outer), piece)
  const left = plus(times(start, -1), size)
  return {
    outer: { variable: outer, size: Math.ceil(size / piece) },
    inner,
    count: size % piece === 0 ? affine(piece) : { min: [affine(piece), left] },
    index: plus(start, ofVar(inner)),
  }
}

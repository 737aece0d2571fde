// `x.at(index)`: ranges and positions become a slice, index tensors a gather.

import { type Dim, isKnown } from '../base/dim.js'
import { IndexError, ShapeError } from '../base/errors.js'
import {
  broadcastShapes,
  formatShape,
  type Shape,
  type StaticShape,
  shapeEqual,
  sizeOf,
} from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import type { TensorCore } from './core.js'
import { type Index, type IndexItem, readIndex } from './indexspec.js'
import { readContents, storedOf } from './literals.js'
import {
  checked,
  indexNode,
  isMask,
  joined,
  knownShape,
  nonzeroCoordinates,
  wrapped,
} from './locate.js'
import { position, type Span, spanOf } from './slices.js'

/** An axis of the input that an index tensor picks from; `index` counts from the front. */
interface Pick {
  readonly index: Node
}

/** What happens to one axis of the input, or a new axis (`from: null`). */
interface AxisPlan {
  readonly from: number | null
  readonly span: Span
  /** The axis disappears: it was indexed by a position. */
  readonly dropped: boolean
  readonly pick: Pick | null
}

const whole = (n: Dim): Span => ({ start: 0, stop: n, step: 1, reversed: false })

/** Axes of the input that an item uses up. */
function consumed(item: IndexItem): number {
  if (item.kind === 'newAxis' || item.kind === 'rest') return 0
  if (item.kind === 'tensor' && isMask(item.tensor.node)) return item.tensor.ndim
  return 1
}

/** The items with the axes that none of them names filled in. */
function completed(where: string, items: readonly IndexItem[], shape: Shape): IndexItem[] {
  const used = items.reduce((sum, item) => sum + consumed(item), 0)
  const rests = items.filter((item) => item.kind === 'rest').length
  if (used > shape.length || rests > 1) {
    const expected = rests > 1 ? `'...' at most once` : `at most ${shape.length} indices`
    const received = rests > 1 ? `it ${rests} times` : `${used} for shape ${formatShape(shape)}`
    throw new IndexError(where, expected, received, { shape })
  }
  const open = shape.slice(used).map((): IndexItem => ({ kind: 'slice', slice: {} }))
  const at = items.findIndex((item) => item.kind === 'rest')
  if (at < 0) return [...items, ...open]
  return [...items.slice(0, at), ...open, ...items.slice(at + 1)]
}

/** Positions in an array of numbers: all known, so all checked now. */
function listNode(where: string, list: readonly number[], n: Dim, axis: number): Node {
  const read = readContents(where, list, 'int32')
  for (const [i, at] of list.entries()) {
    const front = position(where, at, n, axis)
    if (!isKnown(front)) throw new ShapeError(where, `axis ${axis} of a known size`, String(n))
    read.values[i] = front as never
  }
  return storedOf(read)
}

/** A mask as one index per axis. The number of results depends on its values, so they are computed now. */
function maskPicks(where: string, mask: TensorCore, axes: Shape): Pick[] {
  if (!shapeEqual(mask.shape, axes)) {
    throw new ShapeError(where, `a mask of shape ${formatShape(axes)}`, formatShape(mask.shape))
  }
  const { columns } = nonzeroCoordinates(mask.values(), mask.shape as StaticShape)
  return columns.map((column) => ({ index: storedOf(readContents(where, column)) }))
}

function plan(where: string, items: readonly IndexItem[], shape: Shape): AxisPlan[] {
  const out: AxisPlan[] = []
  let axis = 0
  for (const item of items) {
    const n = shape[axis] as Dim
    if (item.kind === 'newAxis') {
      out.push({ from: null, span: whole(1), dropped: false, pick: null })
    } else if (item.kind === 'position') {
      const at = position(where, item.at, n, axis)
      const stop = isKnown(at) ? at + 1 : position(where, item.at + 1, n, axis)
      const end = item.at === -1 ? n : stop
      const span = { start: at, stop: end, step: 1, reversed: false }
      out.push({ from: axis++, span, dropped: true, pick: null })
    } else if (item.kind === 'slice') {
      const span = spanOf(where, item.slice, n, axis)
      out.push({ from: axis++, span, dropped: false, pick: null })
    } else if (item.kind === 'list') {
      const pick = { index: listNode(where, item.list, n, axis) }
      out.push({ from: axis++, span: whole(n), dropped: false, pick })
    } else if (item.kind === 'tensor') {
      const { node, ndim } = item.tensor
      const picks = isMask(node)
        ? maskPicks(where, item.tensor, shape.slice(axis, axis + ndim))
        : [{ index: wrapped(indexNode(where, node), n) }]
      for (const pick of picks) {
        out.push({ from: axis, span: whole(shape[axis]!), dropped: false, pick })
        axis++
      }
    }
  }
  return out
}

/** The part of `x` that positions and ranges select, with new axes, and without dropped ones. */
function sliced(x: Node, axes: readonly AxisPlan[]): Node {
  const spans = axes.filter((a) => a.from !== null).map((a) => a.span)
  const full = spans.every((s, i) => s.start === 0 && s.stop === x.shape[i] && s.step === 1)
  const cut = full
    ? x
    : b.slice(
        x,
        spans.map((s) => s.start),
        spans.map((s) => s.stop),
        spans.map((s) => s.step),
      )
  const backwards = spans.flatMap((s, i) => (s.reversed ? [i] : []))
  const turned = b.reverse(cut, backwards)
  const shape = axes.flatMap((a) =>
    a.dropped ? [] : [a.from === null ? 1 : turned.shape[a.from]!],
  )
  return b.reshape(turned, shape)
}

/**
 * The elements that index nodes pick from their axes. Several meet by broadcasting; their common axes
 * stand where the first one was, or in front when they are not neighbours, as in NumPy.
 */
function picked(where: string, x: Node, at: readonly number[], indices: readonly Node[]): Node {
  if (at.length === 1) return b.gather(x, indices[0]!, at[0]!, where)
  let shape: Shape = []
  for (const index of indices) shape = broadcastShapes(where, shape, index.shape)
  const sizes = knownShape(
    where,
    at.map((i) => x.shape[i]!),
  )
  const spread = indices.map((index, i) =>
    b.broadcastTo(checked(where, index, sizes[i]!, at[i]!), shape),
  )
  const neighbours = at.every((axis, i) => axis === at[0]! + i)
  const rest = x.shape.map((_, i) => i).filter((i) => !at.includes(i))
  const together = neighbours ? x : b.transpose(x, [...at, ...rest])
  const first = neighbours ? at[0]! : 0
  const merged = [
    ...together.shape.slice(0, first),
    sizeOf(sizes),
    ...together.shape.slice(first + at.length),
  ]
  return b.gather(b.reshape(together, merged), joined(spread, sizes), first, where)
}

/** The node behind `x.at(index)`. */
export function subscript(where: string, x: Node, index: Index): Node {
  const items = completed(where, readIndex(where, index), x.shape)
  const axes = plan(where, items, x.shape)
  const part = sliced(x, axes)
  const left = axes.filter((a) => !a.dropped)
  const at = left.flatMap((a, i) => (a.pick === null ? [] : [i]))
  if (at.length === 0) return part
  const indices = left.flatMap((a) => (a.pick === null ? [] : [a.pick.index]))
  return picked(where, part, at, indices)
}

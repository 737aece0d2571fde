// Padding: constants, or the tensor's own values, around it.

import { type Dim, dimAdd, isKnown } from '../base/dim.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape } from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'

/** What goes around: a constant, the values mirrored at the edge, the edge, the values from the other end. */
export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular'

/** Elements `start` to `stop` of one axis. */
export function cut(x: Node, axis: number, start: Dim, stop: Dim, step = 1): Node {
  if (start === 0 && stop === x.shape[axis] && step === 1) return x
  return b.slice(
    x,
    x.shape.map((_, i) => (i === axis ? start : 0)),
    x.shape.map((d, i) => (i === axis ? stop : d)),
    x.shape.map((_, i) => (i === axis ? step : 1)),
  )
}

/** What precedes and follows axis `axis`, taken from the values themselves. */
type Surround = (x: Node, axis: number, before: number, after: number) => readonly [Node, Node]

const SURROUND: Readonly<Record<Exclude<PadMode, 'constant'>, Surround>> = {
  reflect: (x, axis, before, after) => {
    const n = x.shape[axis]!
    return [
      b.reverse(cut(x, axis, 1, before + 1), [axis]),
      b.reverse(cut(x, axis, dimAdd(n, -after - 1), dimAdd(n, -1)), [axis]),
    ]
  },
  replicate: (x, axis, before, after) => {
    const n = x.shape[axis]!
    const grown = (edge: Node, count: number): Node =>
      b.broadcast(
        edge,
        x.shape.map((d, i) => (i === axis ? count : d)),
      )
    return [grown(cut(x, axis, 0, 1), before), grown(cut(x, axis, dimAdd(n, -1), n), after)]
  },
  circular: (x, axis, before, after) => {
    const n = x.shape[axis]!
    return [cut(x, axis, dimAdd(n, -before), n), cut(x, axis, 0, after)]
  },
}

/** How far each mode can reach from an axis of `n` elements. */
const REACH: Readonly<Record<Exclude<PadMode, 'constant'>, (n: number) => number>> = {
  reflect: (n) => n - 1,
  replicate: (n) => (n > 0 ? Number.POSITIVE_INFINITY : 0),
  circular: (n) => n,
}

export function padNode(
  x: Node,
  pairs: readonly (readonly [number, number])[],
  mode: PadMode,
  fill: Node,
): Node {
  if (mode === 'constant') {
    if (pairs.every(([low, high]) => low === 0 && high === 0)) return x
    return b.pad(
      x,
      fill,
      pairs.map((p) => p[0]),
      pairs.map((p) => p[1]),
    )
  }
  if (!Object.hasOwn(SURROUND, mode)) {
    throw new ValueError('pad', `mode constant, ${Object.keys(SURROUND).join(', ')}`, String(mode))
  }
  let out = x
  for (const [axis, [before, after]] of pairs.entries()) {
    if (before === 0 && after === 0) continue
    checkReach(x, axis, before, after, mode)
    const [low, high] = SURROUND[mode](out, axis, before, after)
    const parts = [before > 0 ? low : null, out, after > 0 ? high : null]
    out = b.concat(
      parts.filter((p) => p !== null),
      axis,
    )
  }
  return out
}

function checkReach(
  x: Node,
  axis: number,
  before: number,
  after: number,
  mode: Exclude<PadMode, 'constant'>,
): void {
  if (before < 0 || after < 0) {
    throw new ValueError('pad', `padding of at least 0 in mode ${mode}`, `[${before}, ${after}]`)
  }
  const n = x.shape[axis]!
  if (!isKnown(n)) return
  const reach = REACH[mode](n)
  if (Math.max(before, after) <= reach) return
  throw new ShapeError(
    'pad',
    `padding of at most ${reach} on axis ${axis} in mode ${mode} (input is ${formatShape(x.shape)})`,
    `[${before}, ${after}]`,
    { axis, mode },
  )
}

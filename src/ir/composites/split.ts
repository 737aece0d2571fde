// Equal parts of an array, all at once: their gradients are put together by one concatenation.

import { type Dim, dimExactDiv, dimMul } from '../../base/dim.js'
import { ShapeError } from '../../base/errors.js'
import { formatShape } from '../../base/shape.js'
import * as b from '../build.js'
import { apply, type Node } from '../node.js'
import { type Attrs, define } from '../op.js'
import { checkAxis } from '../primitives/check.js'

interface SplitAttrs extends Attrs {
  readonly axis: number
  readonly count: number
}

/** The size of one of `count` equal parts along an axis. */
function partOf(size: Dim, count: number): Dim {
  const part = dimExactDiv(size, count)
  if (part === null) throw new ShapeError('split', `a size that ${count} divides`, String(size))
  return part
}

const splitOp = define<SplitAttrs>({
  name: 'split',
  attrs: { axis: 'int', count: 'int' },
  infer: ([x], { axis, count }) => {
    const { shape, dtype } = x!
    checkAxis('split', axis, shape)
    if (!(count >= 1)) throw new ShapeError('split', 'at least one part', formatShape(shape))
    const part = partOf(shape[axis]!, count)
    const type = { shape: shape.map((d, i) => (i === axis ? part : d)), dtype }
    return Array.from({ length: count }, () => type)
  },
  vjp: ({ node, attrs: { axis }, grads }) => [
    b.concat(
      node.outputs!.map(({ shape, dtype }, i) => grads[i] ?? b.full(0, shape, dtype)),
      axis,
    ),
  ],
  expand: ([x], { axis, count }) => {
    const part = partOf(x!.shape[axis]!, count)
    return Array.from({ length: count }, (_, i) =>
      b.slice(
        x!,
        x!.shape.map((__, k) => (k === axis ? dimMul(part, i) : 0)),
        x!.shape.map((d, k) => (k === axis ? dimMul(part, i + 1) : d)),
      ),
    )
  },
  samples: () => [
    { inputs: [{ shape: [2, 6] }], attrs: { axis: 1, count: 3 } },
    { inputs: [{ shape: [4, 3] }], attrs: { axis: 0, count: 2 } },
    { inputs: [{ shape: [3], dtype: 'float64' }], attrs: { axis: 0, count: 1 }, note: 'one part' },
    { inputs: [{ shape: [2, 0] }], attrs: { axis: 1, count: 4 }, note: 'empty' },
    { inputs: [{ shape: [4], dtype: 'int32' }], attrs: { axis: 0, count: 4 } },
  ],
})

/** `count` equal parts of `x` along `axis`. Throws ShapeError where `count` does not divide its size. */
export function split(x: Node, axis: number, count: number): Node[] {
  const parts = apply(splitOp, [x], { axis, count })
  return Array.from({ length: count }, (_, i) => b.output(parts, i))
}

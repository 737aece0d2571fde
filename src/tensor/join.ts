// Several tensors into one.

import { type DType, promote } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import {
  broadcastShapes,
  formatShape,
  normalizeAxis,
  type Shape,
  shapeEqual,
} from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { type AxisArg, oneAxis } from './axes.js'
import { expose } from './core.js'
import { asTensor, type TensorLike } from './create.js'
import type { Tensor } from './tensor.js'

/** Nodes at the dtype all of them promote to. */
function sameDType(where: string, tensors: readonly TensorLike[]): Node[] {
  const nodes = tensors.map((x) => asTensor(x).node)
  const first = nodes[0]
  if (first === undefined) throw new ShapeError(where, 'at least one tensor', 'none')
  let dtype: DType = first.dtype
  for (const node of nodes) dtype = promote(dtype, node.dtype)
  return nodes.map((node) => b.cast(node, dtype))
}

/**
 * Tensors one after the other along an axis (default 0), at their common dtype. Mirrors `torch.cat`.
 *
 * @throws ShapeError when they differ on another axis, or there are none.
 */
export function concat(tensors: readonly TensorLike[], arg?: AxisArg): Tensor {
  const nodes = sameDType('concat', tensors)
  const axis = oneAxis('concat', arg, nodes[0]!.shape.length, 0)
  return expose(b.concat(nodes, axis))
}

/** Another name for `concat`. Mirrors `torch.cat`. */
export const cat = concat

/** Tensors of one shape along a new axis (default 0). Mirrors `torch.stack`. */
export function stack(tensors: readonly TensorLike[], arg?: AxisArg): Tensor {
  const nodes = sameDType('stack', tensors)
  const { shape } = nodes[0]!
  for (const node of nodes) {
    if (shapeEqual(node.shape, shape)) continue
    const expected = `tensors of shape ${formatShape(shape)}`
    throw new ShapeError('stack', expected, formatShape(node.shape))
  }
  const asked = typeof arg === 'number' ? arg : (arg?.axis ?? 0)
  const axis = normalizeAxis('stack', asked, shape.length + 1)
  const lifted = [...shape.slice(0, axis), 1, ...shape.slice(axis)]
  return expose(
    b.concat(
      nodes.map((node) => b.reshape(node, lifted)),
      axis,
    ),
  )
}

/** Tensors broadcast to the one shape they all fit. Mirrors `torch.broadcast_tensors`. */
export function broadcastTensors(tensors: readonly TensorLike[]): Tensor[] {
  const all = tensors.map((x) => asTensor(x))
  const shape = all.reduce<Shape>((s, x) => broadcastShapes('broadcastTensors', s, x.shape), [])
  return all.map((x) => expose(b.broadcastTo(x.node, shape)))
}

/**
 * Coordinate grids of vectors: output i varies along axis i only (matrix indexing, `'ij'`). Mirrors
 * `torch.meshgrid(…, indexing='ij')`.
 */
export function meshgrid(vectors: readonly TensorLike[]): Tensor[] {
  const all = vectors.map((x) => asTensor(x))
  for (const x of all) {
    if (x.ndim !== 1) throw new ShapeError('meshgrid', 'vectors', formatShape(x.shape))
  }
  const shape = all.map((x) => x.shape[0]!)
  return all.map((x, i) => {
    const own = shape.map((d, k) => (k === i ? d : 1))
    return expose(b.broadcast(b.reshape(x.node, own), shape))
  })
}

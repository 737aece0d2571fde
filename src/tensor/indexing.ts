// Elements by where they are: subscripts, gather and scatter, masks, triangles, one-hot rows.

import { checkDType, type DType, isInteger } from '../base/dtype.js'
import { DTypeError, ShapeError, ValueError } from '../base/errors.js'
import {
  broadcastShapes,
  formatShape,
  normalizeAxis,
  type Shape,
  type StaticShape,
  sizeOf,
} from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import type { AxisArg } from './axes.js'
import { expose, TensorCore } from './core.js'
import type { Index } from './indexspec.js'
import { type NestedNumbers, readContents, storedOf } from './literals.js'
import { alongAxis, flat, indexNode, nonzeroCoordinates } from './locate.js'
import { type Operand, operandNode } from './operand.js'
import { ShapingTensor } from './shaping.js'
import { subscript } from './subscript.js'
import type { Tensor } from './tensor.js'

/** Positions: an integer tensor, a number, or arrays of them. */
export type Indices = TensorCore | number | NestedNumbers

export interface OneHotOptions {
  /** Default `float32`. */
  readonly dtype?: DType | undefined
}

function positions(where: string, x: Indices): Node {
  if (x instanceof TensorCore) return indexNode(where, x.node)
  return storedOf(readContents(where, x, 'int32'))
}

/** A value at the dtype and shape an update has to have. */
function updateNode(where: string, value: Operand, dtype: DType, shape: Shape): Node {
  const node = operandNode(where, value)
  return b.broadcastTo(b.cast(node, dtype), checkedUpdate(where, node.shape, shape))
}

function checkedUpdate(where: string, given: Shape, shape: Shape): Shape {
  const met = broadcastShapes(where, given, shape)
  if (met.length === shape.length && met.every((d, i) => d === shape[i])) return shape
  throw new ShapeError(where, `values that fit ${formatShape(shape)}`, formatShape(given))
}

/** See `Tensor`. */
export abstract class IndexingTensor extends ShapingTensor {
  /**
   * A part of the tensor, by Python's rules of indexing (NumPy's, and PyTorch's where they differ).
   *
   * Text holds entries with commas between: positions (`'1'`, `'-1'`), ranges (`'2:5'`, `'::-1'`; they
   * are clamped to the axis), `'...'` for all axes not named, `'None'` for a new axis. An array holds one
   * entry each: numbers, such text, `null` for a new axis, `{ start, stop, step }`, integer tensors and
   * arrays of numbers (which gather, and broadcast together when there are several), bool tensors
   * (masks, whose values are computed at the call).
   *
   * @throws IndexError for a position outside its axis (for positions in tensors: when the result is
   * computed), or more entries than axes.
   * @example
   * x.at('0, ::-1')
   * x.at(['...', -1])
   * x.at([[0, 2]])                                    // rows 0 and 2
   * x.at(x.gt(0))                                     // the positive values
   */
  at(index: Index): Tensor {
    return expose(subscript('at', this.node, index))
  }

  /**
   * A copy with `value` (which broadcasts, and is cast) at the elements `at(index)` selects. Mirrors
   * JAX's `x.at[index].set(value)`.
   */
  setAt(index: Index, value: Operand): Tensor {
    return expose(replaced('setAt', this.node, index, value, b.scatterSet))
  }

  /** A copy with `value` added at the elements `at(index)` selects, as often as it selects them. */
  addAt(index: Index, value: Operand): Tensor {
    return expose(replaced('addAt', this.node, index, value, b.scatterAdd))
  }

  /** The slice at one position of an axis, without the axis. Mirrors `torch.select`. */
  select(axis: number, index: number): Tensor {
    const at = normalizeAxis('select', axis, this.ndim)
    const entries = this.shape.slice(0, at).map(() => ':')
    return expose(subscript('select', this.node, [...entries, index]))
  }

  /**
   * out[i, j, k] = x[index[i, j, k], j, k] for axis 0, and so on: one element for each of `index`, which
   * has as many axes as x. Mirrors `torch.gather`.
   */
  gather(axis: number, index: Indices): Tensor {
    return expose(gathered('gather', this.node, axis, index))
  }

  /** Another name for `gather`, in NumPy's order. Mirrors `numpy.take_along_axis`. */
  takeAlongAxis(index: Indices, axis: number): Tensor {
    return expose(gathered('takeAlongAxis', this.node, axis, index))
  }

  /**
   * The slices at `indices` of an axis, which is replaced by the axes of `indices`; without an axis, of
   * the flattened tensor. Mirrors `numpy.take`; see `at` for negative positions.
   */
  take(indices: Indices, arg?: AxisArg): Tensor {
    const axis = typeof arg === 'number' ? arg : arg?.axis
    const x = axis === undefined ? flat(this.node) : this.node
    const at = axis === undefined ? 0 : normalizeAxis('take', axis, this.ndim)
    return expose(b.gather(x, positions('take', indices), at, 'take'))
  }

  /** The slices at the positions in a vector. Mirrors `torch.index_select`. */
  indexSelect(axis: number, indices: Indices): Tensor {
    const where = positions('indexSelect', indices)
    const at = normalizeAxis('indexSelect', axis, this.ndim)
    if (where.shape.length > 1) {
      throw new ShapeError('indexSelect', 'a vector of indices', formatShape(where.shape))
    }
    return expose(b.gather(this.node, b.reshape(where, [sizeOf(where.shape)]), at, 'indexSelect'))
  }

  /**
   * A copy where x[index[i, j, k], j, k] = source[i, j, k] for axis 0, and so on; of several for one
   * place the last stays. Mirrors `torch.scatter`.
   */
  scatter(axis: number, index: Indices, source: Operand): Tensor {
    return expose(scattered('scatter', this.node, axis, index, source, b.scatterSet))
  }

  /** As `scatter`, but adding, in the order of the index. Mirrors `torch.scatter_add`. */
  scatterAdd(axis: number, index: Indices, source: Operand): Tensor {
    return expose(scattered('scatterAdd', this.node, axis, index, source, b.scatterAdd))
  }

  /** A copy with the slices of `source` added at the positions in a vector. Mirrors `torch.index_add`. */
  indexAdd(axis: number, indices: Indices, source: Operand): Tensor {
    return expose(sliceUpdate('indexAdd', this.node, axis, indices, source, b.scatterAdd))
  }

  /** A copy with the slices of `source` at the positions in a vector. Mirrors `torch.index_copy`. */
  indexCopy(axis: number, indices: Indices, source: Operand): Tensor {
    return expose(sliceUpdate('indexCopy', this.node, axis, indices, source, b.scatterSet))
  }

  /**
   * The elements where `mask` holds, in order, as a vector. How many there are depends on values, so the
   * mask is computed at the call. Mirrors `torch.masked_select`.
   */
  maskedSelect(mask: TensorCore): Tensor {
    if (mask.dtype !== 'bool') throw new DTypeError('maskedSelect', 'a bool mask', mask.dtype)
    const shape = broadcastShapes('maskedSelect', this.shape, mask.shape)
    const spread = expose(b.broadcastTo(mask.node, shape))
    return expose(subscript('maskedSelect', b.broadcastTo(this.node, shape), spread))
  }

  /**
   * Coordinates of the elements that are not zero: int32 [count, ndim]. Computes the tensor at the call.
   * Mirrors `torch.nonzero`.
   */
  nonzero(): Tensor {
    const { count, columns } = nonzeroCoordinates(this.values(), this.shape as StaticShape)
    const rank = columns.length
    const values = new Int32Array(count * rank)
    for (const [axis, column] of columns.entries()) {
      for (let i = 0; i < count; i++) values[i * rank + axis] = column[i]!
    }
    return expose(storedOf({ values, shape: [count, rank], dtype: 'int32' }))
  }

  /**
   * A new last axis of `classes`, 1 at the value and 0 elsewhere; all zeros for a value outside
   * [0, classes). Mirrors `torch.nn.functional.one_hot`, with a float32 result by default.
   */
  oneHot(classes: number, options: OneHotOptions = {}): Tensor {
    if (!isInteger(this.dtype)) {
      throw new DTypeError('oneHot', 'classes of an integer dtype', this.dtype)
    }
    if (!Number.isInteger(classes) || classes < 0) {
      throw new ValueError('oneHot', 'a whole number of classes', String(classes))
    }
    const dtype = checkDType('oneHot', options.dtype ?? 'float32')
    const shape = [...this.shape, classes]
    const own = b.broadcast(b.reshape(this.node, [...this.shape, 1]), shape)
    return expose(b.cast(b.eq(own, b.iota(shape, this.ndim, this.dtype)), dtype))
  }

  /** Zeros below the diagonal of the last two axes; `diagonal` > 0 moves it up. Mirrors `torch.triu`. */
  triu(diagonal = 0): Tensor {
    return triangle('triu', this.node, diagonal, true)
  }

  /** Zeros above the diagonal of the last two axes; `diagonal` > 0 moves it up. Mirrors `torch.tril`. */
  tril(diagonal = 0): Tensor {
    return triangle('tril', this.node, diagonal, false)
  }

  /** The diagonal of the last two axes, as the last axis. Mirrors `torch.diagonal(x, dim1=-2, dim2=-1)`. */
  diagonal(): Tensor {
    const shape = matrixShape('diagonal', this.node)
    const lead = shape.slice(0, -2)
    const [rows, columns] = [shape.at(-2) as number, shape.at(-1) as number]
    const count = Math.min(rows, columns)
    const merged = b.reshape(this.node, [...lead, rows * columns])
    const steps = lead.map(() => 1)
    const span = count === 0 ? 0 : (count - 1) * (columns + 1) + 1
    const starts = [...lead.map(() => 0), 0]
    return expose(b.slice(merged, starts, [...lead, span], [...steps, columns + 1]))
  }
}

type Scatter = (base: Node, indices: Node, updates: Node, axis: number, call: string) => Node

/** Writes into the elements that an index selects: their flat positions are selected the same way. */
function replaced(where: string, x: Node, index: Index, value: Operand, write: Scatter): Node {
  const size = sizeOf(x.shape)
  const own = b.reshape(b.iota([size], 0, 'int32'), x.shape)
  const selected = subscript(where, own, index)
  const updates = updateNode(where, value, x.dtype, selected.shape)
  return b.reshape(write(flat(x), flat(selected), flat(updates), 0, where), x.shape)
}

/** `gather`, with faults told as those of `where`. */
export function gathered(where: string, x: Node, axis: number, index: Indices): Node {
  const at = normalizeAxis(where, axis, x.shape.length)
  const own = positions(where, index)
  const found = alongAxis(where, x.shape, own, at)
  return b.reshape(b.gather(flat(x), found, 0, where), own.shape)
}

function scattered(
  where: string,
  x: Node,
  axis: number,
  index: Indices,
  source: Operand,
  write: Scatter,
): Node {
  const at = normalizeAxis(where, axis, x.shape.length)
  const own = positions(where, index)
  const found = alongAxis(where, x.shape, own, at)
  const updates = updateNode(where, source, x.dtype, own.shape)
  return b.reshape(write(flat(x), found, flat(updates), 0, where), x.shape)
}

function sliceUpdate(
  where: string,
  x: Node,
  axis: number,
  indices: Indices,
  source: Operand,
  write: Scatter,
): Node {
  const at = normalizeAxis(where, axis, x.shape.length)
  const own = flat(positions(where, indices))
  const shape = x.shape.map((d, i) => (i === at ? own.shape[0]! : d))
  return write(x, own, updateNode(where, source, x.dtype, shape), at, where)
}

function matrixShape(where: string, x: Node): Shape {
  if (x.shape.length >= 2) return x.shape
  throw new ShapeError(where, 'a tensor with at least two axes', formatShape(x.shape))
}

function triangle(where: string, x: Node, diagonal: number, upper: boolean): Tensor {
  const shape = matrixShape(where, x)
  const plane = shape.slice(-2)
  const row = b.iota(plane, 0, 'int32')
  const column = b.iota(plane, 1, 'int32')
  const edge = b.add(row, b.fullLike(row, diagonal))
  const keep = upper ? b.le(edge, column) : b.le(column, edge)
  return expose(b.select(b.broadcastTo(keep, shape), x, b.zerosLike(x)))
}

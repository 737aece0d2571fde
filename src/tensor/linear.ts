// Products of vectors, matrices and stacks of matrices.

import { dimFits } from '../base/dim.js'
import { promote } from '../base/dtype.js'
import { ShapeError } from '../base/errors.js'
import { broadcastShapes, formatShape, type Shape } from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { expose, type TensorCore } from './core.js'
import { IndexingTensor } from './indexing.js'
import type { Tensor } from './tensor.js'

/** See `Tensor`. */
export abstract class LinearTensor extends IndexingTensor {
  /**
   * Matrix product. Mirrors `torch.matmul`: matrices are the last two axes, and the axes before them
   * broadcast; a vector on the left is a row, on the right a column, and its axis disappears.
   *
   * @throws ShapeError when the inner sizes differ, or an operand is a scalar.
   */
  matmul(other: TensorCore): Tensor {
    return expose(matmulNode('matmul', this.node, other.node))
  }

  /** Inner product of two vectors. Mirrors `torch.dot`. */
  dot(other: TensorCore): Tensor {
    checkRanks('dot', 'two vectors', this.node, other.node, 1)
    return expose(matmulNode('dot', this.node, other.node))
  }

  /** Product of two matrices. Mirrors `torch.mm`. */
  mm(other: TensorCore): Tensor {
    checkRanks('mm', 'two matrices', this.node, other.node, 2)
    return expose(matmulNode('mm', this.node, other.node))
  }

  /** Products of the matrices of two stacks [n, …]. Mirrors `torch.bmm`. */
  bmm(other: TensorCore): Tensor {
    checkRanks('bmm', 'two stacks of matrices', this.node, other.node, 3)
    return expose(matmulNode('bmm', this.node, other.node))
  }

  /** Product of a matrix and a vector. Mirrors `torch.mv`. */
  mv(vector: TensorCore): Tensor {
    if (this.ndim !== 2 || vector.ndim !== 1) {
      const received = `${formatShape(this.shape)} and ${formatShape(vector.shape)}`
      throw new ShapeError('mv', 'a matrix and a vector', received)
    }
    return expose(matmulNode('mv', this.node, vector.node))
  }

  /** Every product of an element of one vector with one of the other: [n] and [m] to [n, m]. Mirrors `torch.outer`. */
  outer(other: TensorCore): Tensor {
    checkRanks('outer', 'two vectors', this.node, other.node, 1)
    const [x, y] = sameDType(this.node, other.node)
    return expose(
      b.dot([x, y], { leftBatch: [], rightBatch: [], leftContract: [], rightContract: [] }),
    )
  }
}

const received = (x: Node, y: Node): string => `${formatShape(x.shape)} and ${formatShape(y.shape)}`

function checkRanks(where: string, what: string, x: Node, y: Node, rank: number): void {
  if (x.shape.length === rank && y.shape.length === rank) return
  throw new ShapeError(where, what, received(x, y), { left: x.shape, right: y.shape })
}

/** Both at their common dtype; truth values count as integers. */
function sameDType(x: Node, y: Node): readonly [Node, Node] {
  const met = promote(x.dtype, y.dtype)
  const dtype = met === 'bool' ? 'int32' : met
  return [b.cast(x, dtype), b.cast(y, dtype)]
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

function matmulNode(where: string, left: Node, right: Node): Node {
  const m = left.shape.length
  const n = right.shape.length
  if (m === 0 || n === 0) {
    throw new ShapeError(where, 'operands with at least one axis', received(left, right))
  }
  const inner = n === 1 ? 0 : n - 2
  if (!dimFits(left.shape[m - 1]!, right.shape[inner]!)) {
    throw new ShapeError(where, 'operands with equal inner sizes', received(left, right), {
      left: left.shape,
      right: right.shape,
    })
  }
  const [x, y] = sameDType(left, right)
  // Without a stack on the right, or with a vector on the left, every other axis is free.
  if (n <= 2 || m === 1) {
    const attrs = { leftBatch: [], rightBatch: [], leftContract: [m - 1], rightContract: [inner] }
    return b.dot([x, y], attrs)
  }
  return stacked(where, x, y)
}

/** Products of stacks whose leading axes broadcast. */
function stacked(where: string, x: Node, y: Node): Node {
  const lead = batchShape(where, x, y)
  const p = b.broadcastTo(x, [...lead, ...x.shape.slice(-2)])
  const q = b.broadcastTo(y, [...lead, ...y.shape.slice(-2)])
  const batch = range(lead.length)
  return b.dot([p, q], {
    leftBatch: batch,
    rightBatch: batch,
    leftContract: [lead.length + 1],
    rightContract: [lead.length],
  })
}

function batchShape(where: string, x: Node, y: Node): Shape {
  try {
    return broadcastShapes(where, x.shape.slice(0, -2), y.shape.slice(0, -2))
  } catch {
    throw new ShapeError(
      where,
      'stacks of matrices whose leading axes broadcast together',
      received(x, y),
      { left: x.shape, right: y.shape },
    )
  }
}

// TensorFlow 1's functions, as methods of a graph that take names: thin, on the methods of `Tensor`.

import { type DType, promoteScalar } from '../base/dtype.js'
import type { Shape } from '../base/shape.js'
import { type Attrs, define } from '../ir/op.js'
import { checkSameShape } from '../ir/primitives/check.js'
import { reshapeOp } from '../ir/primitives/movement.js'
import type { Axes } from '../tensor/axes.js'
import { call as applied, expose } from '../tensor/core.js'
import type { TensorLike } from '../tensor/create.js'
import { gathered } from '../tensor/indexing.js'
import { Tensor } from '../tensor/tensor.js'
import { GraphCore } from './core.js'
import { GraphTensor } from './tensor.js'

/** The same value, if it has the shape. */
const ensureShapeOp = define<Attrs & { readonly shape: Shape }>({
  name: 'ensureShape',
  attrs: { shape: 'dims' },
  infer: ([x], { shape }) => {
    checkSameShape('ensureShape', 'a tensor', shape, x!.shape)
    return { shape, dtype: x!.dtype }
  },
  expand: ([x]) => x!,
  samples: () => [{ inputs: [{ shape: [2, 3] }], attrs: { shape: [2, 3] } }],
})

/** How an operation is called; a name that is taken gets a number. */
export interface NameOptions {
  readonly name?: string | undefined
}

export interface ReduceNameOptions extends NameOptions {
  /** Axes to reduce over. Default: all. */
  readonly axis?: Axes | undefined
  readonly keepDims?: boolean | undefined
}

export interface AxisNameOptions extends NameOptions {
  readonly axis?: number | undefined
}

export interface CrossEntropyOptions extends NameOptions {
  readonly labels: TensorLike
  readonly logits: TensorLike
  /** The axis of the classes. Default: the last. */
  readonly axis?: number | undefined
}

/** Methods of `Tensor` that take one operand. */
type BinaryMethod =
  | ('add' | 'sub' | 'mul' | 'div' | 'pow' | 'maximum' | 'minimum')
  | ('eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge')

/** See `Graph`. */
export abstract class GraphOps extends GraphCore {
  /** A constant of the graph; see `Graph.constant`. */
  abstract constant(
    value: TensorLike,
    options?: NameOptions & { readonly dtype?: DType | undefined },
  ): Tensor

  /** A tensor of this graph; anything else becomes a constant. */
  private tensor(x: TensorLike): Tensor {
    return x instanceof GraphTensor ? x : this.constant(x)
  }

  private unary(type: string, x: TensorLike, name: string | undefined, fn: (x: Tensor) => Tensor) {
    const own = this.tensor(x)
    const result = this.call(type, name, () => fn(own))
    // A call with nothing to do, such as a cast to the same dtype, returns its operand.
    return result === own && name !== undefined ? this.identity(own, { name }) : result
  }

  private binary(method: BinaryMethod, x: TensorLike, y: TensorLike, { name }: NameOptions) {
    // A plain number takes the dtype it would have beside the other operand.
    const dtype =
      typeof x === 'number' && y instanceof Tensor ? promoteScalar(y.dtype, x) : undefined
    const left = dtype === undefined ? this.tensor(x) : this.constant(x, { dtype })
    const right = typeof y === 'number' || y instanceof Tensor ? y : this.constant(y)
    return this.call(method, name, () => (left[method] as (y: Tensor | number) => Tensor)(right))
  }

  /** The same value under another name; in the graph, another operation. */
  identity(x: TensorLike, { name }: NameOptions = {}): Tensor {
    const { node } = this.tensor(x)
    return this.call('Identity', name, () => applied(reshapeOp, [node], { shape: node.shape }))
  }

  /**
   * The tensor, whose shape is certainly this one; `null` is any size. A shape that differs is a
   * `ShapeError`, here or, where sizes are open, in the run. Mirrors `tf.ensure_shape`.
   */
  ensureShape(
    x: TensorLike,
    shape: readonly (number | null)[],
    { name }: NameOptions = {},
  ): Tensor {
    return this.unary('ensureShape', x, name, ({ node }) => {
      const known = shape.map((d, axis) => d ?? node.shape[axis] ?? -1)
      return applied(ensureShapeOp, [node], { shape: known })
    })
  }

  /** The tensor, with its operation called `name` from now on (`name_1` if that is taken). */
  named(x: Tensor, name: string | undefined): Tensor {
    if (name === undefined) return x
    if (!(x instanceof GraphTensor) || x.graph !== this) return this.identity(x, { name })
    if (x.op.name !== name) this.rename(x.op, name)
    return x
  }

  add(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('add', x, y, options)
  }
  subtract(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('sub', x, y, options)
  }
  multiply(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('mul', x, y, options)
  }
  divide(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('div', x, y, options)
  }
  pow(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('pow', x, y, options)
  }
  maximum(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('maximum', x, y, options)
  }
  minimum(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('minimum', x, y, options)
  }
  equal(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('eq', x, y, options)
  }
  less(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('lt', x, y, options)
  }
  greater(x: TensorLike, y: TensorLike, options: NameOptions = {}): Tensor {
    return this.binary('gt', x, y, options)
  }

  /** Matrix product, of either operand's transpose where asked. */
  matmul(
    x: TensorLike,
    y: TensorLike,
    options: NameOptions & { readonly transposeA?: boolean; readonly transposeB?: boolean } = {},
  ): Tensor {
    const left = this.tensor(x)
    const right = this.tensor(y)
    const turned = (t: Tensor, turn = false): Tensor => (turn ? t.swapAxes(-1, -2) : t)
    return this.call('matmul', options.name, () =>
      turned(left, options.transposeA).matmul(turned(right, options.transposeB)),
    )
  }

  /** Axes in the order `perm` gives, or in reverse. */
  transpose(x: TensorLike, options: NameOptions & { readonly perm?: readonly number[] } = {}) {
    return this.unary('transpose', x, options.name, (t) => t.permute(options.perm))
  }
  reshape(x: TensorLike, shape: readonly number[], { name }: NameOptions = {}): Tensor {
    return this.unary('reshape', x, name, (t) => t.reshape(shape))
  }
  cast(x: TensorLike, dtype: DType, { name }: NameOptions = {}): Tensor {
    return this.unary('cast', x, name, (t) => t.cast(dtype))
  }
  negative(x: TensorLike, { name }: NameOptions = {}): Tensor {
    return this.unary('neg', x, name, (t) => t.neg())
  }
  square(x: TensorLike, { name }: NameOptions = {}): Tensor {
    return this.unary('square', x, name, (t) => t.square())
  }
  sqrt(x: TensorLike, { name }: NameOptions = {}): Tensor {
    return this.unary('sqrt', x, name, (t) => t.sqrt())
  }
  exp(x: TensorLike, { name }: NameOptions = {}): Tensor {
    return this.unary('exp', x, name, (t) => t.exp())
  }
  log(x: TensorLike, { name }: NameOptions = {}): Tensor {
    return this.unary('log', x, name, (t) => t.log())
  }
  tanh(x: TensorLike, { name }: NameOptions = {}): Tensor {
    return this.unary('tanh', x, name, (t) => t.tanh())
  }
  sigmoid(x: TensorLike, { name }: NameOptions = {}): Tensor {
    return this.unary('sigmoid', x, name, (t) => t.sigmoid())
  }
  relu(x: TensorLike, { name }: NameOptions = {}): Tensor {
    return this.unary('relu', x, name, (t) => t.relu())
  }
  /** exp(x) / Σ exp(x) along an axis (default: the last). */
  softmax(x: TensorLike, { axis = -1, name }: AxisNameOptions = {}): Tensor {
    return this.unary('softmax', x, name, (t) => t.softmax(axis))
  }
  reduceMean(x: TensorLike, { name, ...how }: ReduceNameOptions = {}): Tensor {
    return this.unary('mean', x, name, (t) => t.mean(how))
  }
  reduceSum(x: TensorLike, { name, ...how }: ReduceNameOptions = {}): Tensor {
    return this.unary('sum', x, name, (t) => t.sum(how))
  }
  reduceMax(x: TensorLike, { name, ...how }: ReduceNameOptions = {}): Tensor {
    return this.unary('max', x, name, (t) => t.max(how))
  }
  reduceMin(x: TensorLike, { name, ...how }: ReduceNameOptions = {}): Tensor {
    return this.unary('min', x, name, (t) => t.min(how))
  }
  /** Index (int32) of the first largest value along an axis (default 0, as in TensorFlow). */
  argmax(x: TensorLike, { axis = 0, name }: AxisNameOptions = {}): Tensor {
    return this.unary('argmax', x, name, (t) => t.argmax(axis))
  }

  /** Equal parts, or parts of given sizes, along an axis (default 0): one operation, several results. */
  split(
    x: TensorLike,
    parts: number | readonly number[],
    { axis = 0, name }: AxisNameOptions = {},
  ): Tensor[] {
    const own = this.tensor(x)
    return this.call('split', name, () =>
      typeof parts === 'number' ? own.chunk(parts, axis) : own.split(parts, axis),
    )
  }

  /** −Σ labels · log softmax(logits) over the classes, for each place: labels are probabilities. */
  softmaxCrossEntropyWithLogits({ labels, logits, axis = -1, name }: CrossEntropyOptions): Tensor {
    const [p, x] = [this.tensor(labels), this.tensor(logits)]
    return this.call('SoftmaxCrossEntropyWithLogits', name, () =>
      p.mul(x.logSoftmax(axis)).sum(axis).neg(),
    )
  }

  /** −log softmax(logits) of the labelled class, for each place: labels are class indices. */
  sparseSoftmaxCrossEntropyWithLogits({ labels, logits, name }: CrossEntropyOptions): Tensor {
    const [y, x] = [this.tensor(labels), this.tensor(logits)]
    return this.call('SparseSoftmaxCrossEntropyWithLogits', name, () => {
      const [p, at] = [x.logSoftmax(-1).node, y.unsqueeze(-1)]
      const picked = gathered('sparseSoftmaxCrossEntropyWithLogits', p, -1, at)
      return expose(picked).squeeze(-1).neg()
    })
  }
}

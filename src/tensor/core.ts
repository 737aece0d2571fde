// The tensor as a handle: what it is (shape, dtype) and how its values are read. Operations are added
// in layers (arithmetic.ts, reductions.ts, …), each a class above this one; `Tensor` is the last.

import { allocate, DTYPES, type DType, type TypedArray } from '../base/dtype.js'
import { DTypeError, ShapeError, TraceError } from '../base/errors.js'
import {
  formatShape,
  isStatic,
  type Shape,
  type StaticShape,
  sizeOf,
  staticShape,
} from '../base/shape.js'
import { stopGradient } from '../ir/build.js'
import { apply, type Node, type TensorType } from '../ir/node.js'
import { type Attrs, OPS, type Op } from '../ir/op.js'
import { parameter } from '../ir/primitives/source.js'
import { realize } from '../runtime/flush.js'
import { modes } from '../runtime/modes.js'
import { record, recorded } from '../runtime/record.js'
import { GradientInput, type LeafValue, resolve } from '../runtime/value.js'
import { formatTensor } from './print.js'
import type { Tensor } from './tensor.js'

/** Nested JavaScript arrays of a tensor's values; a bare value for a scalar. */
export type NestedArray = number | bigint | boolean | NestedArray[]

let construct: (node: Node) => Tensor
/** The last layer registers its constructor here, so that every layer can make tensors. */
export function onConstruct(make: (node: Node) => Tensor): void {
  construct = make
}

/** A user's tensor for a node. Its value may be looked at later, so flushes keep it while it is small. */
export function wrap(node: Node): Tensor {
  node.exposed = true
  return construct(node)
}

/** Applies an operation to nodes and hands the result to the user. */
export function call<A extends Attrs>(op: Op<A>, inputs: readonly Node[], attrs: A): Tensor {
  return wrap(record(op, inputs, attrs))
}

/** Hands a user the result of node builders (several primitives behind one call). */
export const expose = (node: Node): Tensor => wrap(recorded(node))

/** The same value at a node of its own. */
export const renamed = (node: Node): Node =>
  recorded(apply(OPS.get('reshape') as Op, [node], { shape: node.shape }))

/** The value of a node without what it was made from, as far as gradients go. */
export function detached(node: Node): Node {
  const out = stopGradient(node)
  out.needsGrad = false
  out.spent = false
  return out
}

const customInspect = Symbol.for('nodejs.util.inspect.custom')

/** See `Tensor`. */
export abstract class TensorCore {
  /** @internal The computation this tensor stands for. */
  node: Node
  private storedGrad: Tensor | null = null

  /** @internal Use `tensor`, `zeros`, … to make tensors. */
  constructor(node: Node) {
    this.node = node
  }

  /** Sizes of the axes, outermost first. */
  get shape(): Shape {
    return this.node.shape
  }

  get dtype(): DType {
    return this.node.dtype
  }

  /** Number of axes. */
  get ndim(): number {
    return this.node.shape.length
  }

  /** Number of elements. Throws `ShapeError` while a size is symbolic. */
  get size(): number {
    return sizeOf(staticShape('size', this.node.shape))
  }

  /** Name, unique in its graph, or `null`. */
  get name(): string | null {
    return this.node.name
  }

  /** The operation that made this tensor, and what it was applied to. */
  get op(): { readonly type: string; readonly inputs: readonly TensorType[] } {
    return { type: this.node.op.name, inputs: this.node.inputs }
  }

  /** Gradient of the last `backward()` calls, summed; `null` before the first and after `zeroGrad`. */
  get grad(): Tensor | null {
    const { trace } = modes
    if (trace !== null && !trace.hasGradientOf(this)) {
      const before = this.storedGrad
      trace.guard(() => this.storedGrad === null)
      if (before !== null) {
        // A gradient from before the trace is an input of it, like an argument.
        trace.touchGradient(this, before)
        const node = parameter(before.shape, before.dtype)
        node.value = new GradientInput(this as unknown as { grad: { realize(): { node: Node } } })
        this.storedGrad = wrap(node)
      }
    }
    return this.storedGrad
  }

  set grad(next: Tensor | null) {
    modes.trace?.touchGradient(this, this.storedGrad)
    this.storedGrad = next
  }

  /** Whether gradients flow to this tensor. */
  get requiresGrad(): boolean {
    return this.node.needsGrad
  }

  /** Whether this tensor was made by the user and not by an operation. */
  get isLeaf(): boolean {
    return this.node.inputs.length === 0
  }

  /**
   * The values, row-major, as a typed array of the dtype (`Uint8Array` for bool, `BigInt64Array` for
   * int64). Always a copy. Computes the tensor if that has not happened.
   *
   * The dtype of a tensor is not part of its type, so the array is taken for a `Float32Array` unless
   * the call says otherwise: `labels.dataSync<Int32Array>()`.
   */
  dataSync<A extends TypedArray = Float32Array>(): A {
    return this.values().slice() as A
  }

  /** As `dataSync`, for devices that cannot wait: the one way to read that works on every device. */
  async data<A extends TypedArray = Float32Array>(): Promise<A> {
    return this.dataSync<A>()
  }

  /** The one value of a tensor with one element. Throws `ShapeError` for any other. */
  item(): number {
    if (sizeOf(this.node.shape) !== 1) {
      throw new ShapeError('item', 'a tensor with one element', formatShape(this.node.shape), {
        shape: this.node.shape,
      })
    }
    return Number(this.values()[0])
  }

  /** The values as nested arrays; booleans for bool, bigints for int64. */
  array(): NestedArray {
    const values = this.values()
    const shape = this.node.shape as StaticShape
    const isBool = this.dtype === 'bool'
    let at = 0
    const build = (axis: number): NestedArray => {
      if (axis === shape.length) {
        const v = values[at++] as number | bigint
        return isBool ? v !== 0 : v
      }
      return Array.from({ length: shape[axis] as number }, () => build(axis + 1))
    }
    return build(0)
  }

  /** Computes this tensor now, if that has not happened, and returns it. */
  realize(): this {
    realize([this.node])
    return this
  }

  /** @internal The stored values themselves, not a copy. */
  values(): TypedArray {
    const { node } = this
    if (!isStatic(node.shape)) {
      throw new TraceError(
        'data',
        'a tensor whose value can be computed (feed its placeholders in a session)',
        `a symbolic tensor of shape ${formatShape(node.shape)}`,
      )
    }
    if (node.value === null) realize([node])
    const bound = resolveForRead(node)
    if (typeof bound !== 'number') return bound.read()
    const one = allocate(node.dtype, 1)
    one[0] = one instanceof BigInt64Array ? (BigInt(bound) as never) : (bound as never)
    return one
  }

  toString(): string {
    return isStatic(this.shape)
      ? formatTensor(this.values(), this.shape, this.dtype)
      : `Tensor(${formatShape(this.shape)}, ${this.dtype}, symbolic)`
  }

  [customInspect](): string {
    return this.toString()
  }

  /** In arithmetic of JavaScript's own the one value; in text, and for `+`, what is printed. */
  [Symbol.toPrimitive](hint: string): number | string {
    if (hint === 'number') return this.item()
    return this.toString()
  }
}

function resolveForRead(node: Node): ReturnType<typeof resolve> {
  return resolve(node.value as LeafValue)
}

/** Throws unless the dtype is one of those listed by kind. */
export function requireKind(where: string, x: Node, kinds: readonly string[], what: string): void {
  if (!kinds.includes(DTYPES[x.dtype].kind)) {
    throw new DTypeError(where, what, x.dtype, { dtype: x.dtype })
  }
}

// A tensor of a graph: every method of `Tensor`, recorded as one named operation, and no value.

import { DTypeError, TraceError } from '../base/errors.js'
import type { Shape } from '../base/shape.js'
import type { Node } from '../ir/node.js'
import { Tensor } from '../tensor/tensor.js'
import type { GraphCore } from './core.js'
import { typeOf } from './names.js'
import type { Operation } from './operation.js'

/** A shape with `?` for sizes that are open. */
export const showShape = (shape: Shape): string =>
  `[${shape.map((d) => (typeof d === 'number' ? d : '?')).join(', ')}]`

/**
 * The result of an operation of a graph. It has a name, a shape (with symbolic sizes where a placeholder
 * left them open) and a dtype, and gets a value only inside `Session.run`: reading it here throws
 * `TraceError`. All methods of `Tensor` work and add operations to the graph.
 */
export class GraphTensor extends Tensor {
  /** @internal The operation this is a result of, once that is named, and which result. */
  made: { readonly operation: Operation; readonly index: number } | null = null

  /** @internal Graphs make tensors. */
  constructor(
    node: Node,
    readonly graph: GraphCore,
  ) {
    super(node)
  }

  /** Name of the operation and number of the result: `add:0`. */
  override get name(): string {
    const { operation, index } = this.source
    return `${operation.name}:${index}`
  }

  override get op(): Operation {
    return this.source.operation
  }

  private get source(): { readonly operation: Operation; readonly index: number } {
    if (this.made === null) this.graph.adopt(typeOf(this.node.op.name), undefined, this)
    return this.made as NonNullable<typeof this.made>
  }

  /** @internal */
  override values(): never {
    throw new TraceError(
      'data',
      `a tensor that has a value (run this one in a session: session.run(x))`,
      `the graph tensor '${this.name}'`,
      { name: this.name },
    )
  }

  override item(): number {
    return this.values()
  }

  override realize(): this {
    return this.values()
  }

  override backward(): never {
    throw new TraceError(
      'backward',
      "gradients(ys, xs), or an optimizer's minimize(loss), for tensors of a graph",
      `backward() of '${this.name}'`,
    )
  }

  override toString(): string {
    return `Tensor('${this.name}', ${this.dtype}, ${showShape(this.shape)})`
  }
}

/** Methods whose operands have to have one dtype where types are strict. */
const SAME_DTYPE: ReadonlySet<string> = new Set([
  ...['add', 'sub', 'mul', 'div', 'floorDivide', 'remainder', 'fmod', 'pow', 'maximum', 'minimum'],
  ...['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'matmul', 'dot', 'mm', 'bmm', 'mv', 'outer'],
])

type Method = (this: Tensor, ...args: unknown[]) => unknown

/** The method as one operation of the graph, whatever it is made of. */
function asOperation(name: string, method: Method): Method {
  return function (this: Tensor, ...args) {
    const self = this as unknown as GraphTensor
    const other = args[0]
    const strict = self.graph.strictTypes && SAME_DTYPE.has(name)
    if (strict && other instanceof Tensor && other.dtype !== self.dtype) {
      const expected = `input 1 of dtype ${self.dtype}, as input 0 is`
      throw new DTypeError(name, expected, `${other.dtype} (cast one of them)`, {
        op: name,
        input: 1,
        dtypes: [self.dtype, other.dtype],
      })
    }
    return self.graph.call(name, undefined, () => method.apply(this, args))
  }
}

/** Methods that read and do not record. */
const READS: ReadonlySet<string> = new Set(['constructor', 'data', 'dataSync', 'array'])

// What `Tensor` can do grows; every method it has, a graph tensor has as an operation.
for (let layer: object = Tensor.prototype; layer !== Object.prototype; ) {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(layer))) {
    if (typeof value !== 'function' || READS.has(name)) continue
    if (Object.hasOwn(GraphTensor.prototype, name)) continue
    Object.defineProperty(GraphTensor.prototype, name, {
      value: asOperation(name, value as Method),
      configurable: true,
      writable: true,
    })
  }
  layer = Object.getPrototypeOf(layer) as object
}

// Variables: tensors whose value can be replaced.

import { Storage } from '../backends/storage.js'
import { type DType, isFloat } from '../base/dtype.js'
import { DTypeError, ShapeError, TraceError } from '../base/errors.js'
import { formatShape, shapeEqual, staticShape } from '../base/shape.js'
import { broadcastTo, cast } from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { addSink, dropSink, realize, type Sink } from '../runtime/flush.js'
import { modes } from '../runtime/modes.js'
import { Cell, cellNode } from '../runtime/value.js'
import { detached, renamed } from './core.js'
import { asTensor, type TensorLike } from './create.js'
import { type Operand, operandNode } from './operand.js'
import { Tensor } from './tensor.js'

export interface VariableOptions {
  /** Whether gradients are collected for it. Default: true for floats. */
  readonly requiresGrad?: boolean
  readonly dtype?: DType
  readonly name?: string
  /** @internal The storage of `initial` is nobody else's: the variable takes it, and copies nothing. */
  readonly owned?: boolean
}

let count = 0

/**
 * Number literals start a float32 variable, whole ones too: `variable(0)` is to be trained. (As a
 * constant, `tensor(0)` is an int32.)
 */
function literalDType(initial: unknown): DType | undefined {
  let x: unknown = initial
  while (Array.isArray(x)) x = x[0]
  return typeof x === 'number' ? 'float32' : undefined
}

/**
 * A tensor with a value that `assign` replaces. Shape and dtype stay. Assignments are recorded like
 * everything else and take effect with the next computation; reading sees them at once.
 */
export class Variable extends Tensor {
  /** @internal */
  readonly cell: Cell
  private sink: Sink | null = null
  private gradients: boolean

  constructor(initial: TensorLike, options: VariableOptions = {}) {
    // What a variable starts from is computed now, even while a function is being traced.
    const trace = modes.trace
    if (trace !== null && !trace.mayCreate) {
      throw new TraceError(
        'compile',
        'variables made before, or in the first trace only',
        'a variable made in a later trace',
      )
    }
    modes.trace = null
    try {
      const start = asTensor(initial, options.dtype ?? literalDType(initial))
      const shape = staticShape('Variable', start.shape)
      const gradients = options.requiresGrad ?? isFloat(start.dtype)
      if (gradients && !isFloat(start.dtype)) {
        throw new DTypeError('Variable', 'a float dtype for a variable with gradients', start.dtype)
      }
      // Literals were copied when they were read.
      const owned = options.owned === true || !(initial instanceof Tensor)
      const values = owned ? start.values() : start.dataSync()
      const storage = Storage.of(start.dtype, values)
      const cell = new Cell(shape, start.dtype, storage, options.name ?? `Variable_${count++}`)
      super(cellNode(cell, gradients))
      this.cell = cell
      this.gradients = gradients
      this.node.owner = this
    } finally {
      modes.trace = trace
    }
  }

  override get name(): string {
    return this.cell.name
  }

  override get requiresGrad(): boolean {
    return this.gradients
  }

  /** Turns the collection of gradients on or off. Mirrors `torch.Tensor.requires_grad_`. */
  override set requiresGrad(on: boolean) {
    if (modes.trace !== null) {
      throw new TraceError(
        'requiresGrad',
        'a change outside of compiled functions',
        'one inside a trace',
      )
    }
    if (on && !isFloat(this.dtype)) {
      throw new DTypeError('requiresGrad', 'a float dtype for gradients', this.dtype)
    }
    this.gradients = on
    if (this.sink === null) this.refresh()
    else realize([])
  }

  /** Replaces the value. Throws `ShapeError` and `DTypeError` where the new one does not fit. */
  assign(value: Operand): this {
    const node = operandNode('assign', value)
    const fitted =
      node.dtype === this.dtype || typeof value !== 'object' ? cast(node, this.dtype) : node
    if (fitted.dtype !== this.dtype) {
      throw new DTypeError('assign', `a ${this.dtype} value for ${this.name}`, fitted.dtype)
    }
    const filled = fitted.shape.length === 0 ? broadcastTo(fitted, this.shape) : fitted
    if (!shapeEqual(filled.shape, this.shape)) {
      throw new ShapeError(
        'assign',
        `a value of shape ${formatShape(this.shape)} for ${this.name}`,
        formatShape(fitted.shape),
      )
    }
    this.replace(filled)
    return this
  }

  /** Adds to the value. */
  assignAdd(value: Operand): this {
    return this.assign(this.detach().add(value))
  }

  /** Subtracts from the value. */
  assignSub(value: Operand): this {
    return this.assign(this.detach().sub(value))
  }

  /** @internal Makes `next` (already of the right type) the pending value. */
  replace(next: Node): void {
    const { trace } = modes
    if (next.graph !== 0) {
      throw new TraceError(
        'assign',
        "a tensor that has a value (run a graph's in a session first)",
        'a tensor of a graph',
      )
    }
    const value = this.gradients ? this.collecting(next) : next
    if (trace !== null && !trace.assigned.has(this.cell)) {
      const before = this.node
      trace.assigned.set(this.cell, {
        cell: this.cell,
        current: () => this.node,
        restore: () => {
          this.node = before
        },
        refresh: () => this.refresh(),
      })
    }
    this.node = value
    if (trace !== null) return
    if (this.sink !== null) dropSink(this.sink)
    const sink: Sink = {
      cell: this.cell,
      pending: value,
      settle: () => {
        this.sink = null
        this.refresh()
      },
    }
    this.sink = sink
    addSink(sink)
    if (value.depth > 2000) realize([value])
  }

  /** An own node for a pending value, at which gradients arrive as they do at a leaf. */
  private collecting(next: Node): Node {
    const own = renamed(next.spent ? detached(next) : next)
    own.needsGrad = true
    own.source = true
    own.owner = this
    return own
  }

  /** @internal Reads the cell's current contents from now on. */
  refresh(): void {
    this.node = cellNode(this.cell, this.gradients)
    this.node.owner = this
  }
}

/** A variable starting from a value; numbers make it float32. Mirrors `tf.Variable`. */
export function variable(initial: TensorLike, options?: VariableOptions): Variable {
  return new Variable(initial, options)
}

/** A variable that a model trains. Mirrors `torch.nn.Parameter`. */
export class Parameter extends Variable {
  constructor(initial: TensorLike, options: VariableOptions = {}) {
    super(initial, { requiresGrad: true, ...options })
  }
}

// Variables of a graph: tensors that every session keeps its own value for.

import { type DType, isFloat } from '../base/dtype.js'
import { DTypeError } from '../base/errors.js'
import { formatShape, type StaticShape, staticShape } from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { parameter } from '../ir/primitives/source.js'
import type { Contents } from '../tensor/create.js'
import { scalarNode } from '../tensor/operand.js'
import { Tensor } from '../tensor/tensor.js'
import type { GraphCore } from './core.js'
import type { Operation } from './operation.js'
import { GraphTensor } from './tensor.js'
import { type UpdateMode, update } from './update.js'

/** What can be assigned: a tensor, or JavaScript values. */
export type Assignable = Tensor | Contents

export interface GraphVariableOptions {
  readonly name?: string | undefined
  readonly dtype?: DType | undefined
  /** Whether optimizers change it. Default: true for floats. */
  readonly trainable?: boolean | undefined
}

/** What a variable needs of its graph. */
export interface VariableGraph extends GraphCore {
  constant(value: Assignable, options?: { readonly dtype?: DType }): Tensor
  /** @internal */
  recordUpdate(variable: GraphVariable, node: Node, mode: UpdateMode, name?: string): GraphTensor
}

const TYPES: { readonly [M in UpdateMode]: string } = {
  set: 'Assign',
  add: 'AssignAdd',
  sub: 'AssignSub',
}

/**
 * A tensor with a value in each session, which exists once its `initializer` has run there (usually as
 * part of `globalVariablesInitializer()`). As a tensor it reads the value from the start of the run.
 * Mirrors TensorFlow 1's `tf.Variable`.
 */
export class GraphVariable extends GraphTensor {
  /** The tensor it starts from. */
  readonly initialValue: Tensor
  /** The operation that gives it its initial value. */
  readonly initializer: Operation
  readonly trainable: boolean

  /** @internal Use `Graph.variable`. */
  constructor(
    private readonly owner: VariableGraph,
    initial: Tensor,
    options: GraphVariableOptions,
  ) {
    const trainable = options.trainable ?? isFloat(initial.dtype)
    if (trainable && !isFloat(initial.dtype)) {
      throw new DTypeError('variable', 'a float dtype for a trainable variable', initial.dtype)
    }
    const node = parameter(staticShape('variable', initial.shape), initial.dtype)
    node.needsGrad = trainable
    super(node, owner)
    this.trainable = trainable
    this.initialValue = initial
    owner.source(owner.addOperation('VariableV2', options.name ?? 'Variable'), this)
    this.initializer = this.changed('set', initial, `/${this.op.name}/Assign`).op
  }

  /** Its shape has no open sizes. */
  get staticShape(): StaticShape {
    return this.node.shape as StaticShape
  }

  /** Replaces the value when it is run; as a tensor it is the new value. */
  assign(value: Assignable, options: { readonly name?: string } = {}): GraphTensor {
    return this.changed('set', value, options.name)
  }

  /** Adds to the value when it is run; as a tensor it is the new value. */
  assignAdd(value: Assignable, options: { readonly name?: string } = {}): GraphTensor {
    return this.changed('add', value, options.name)
  }

  /** Subtracts from the value when it is run; as a tensor it is the new value. */
  assignSub(value: Assignable, options: { readonly name?: string } = {}): GraphTensor {
    return this.changed('sub', value, options.name)
  }

  private changed(mode: UpdateMode, value: Assignable, name: string | undefined): GraphTensor {
    const node = update(this.node, this.fitted(value), mode)
    return this.owner.recordUpdate(this, node, mode, name ?? TYPES[mode])
  }

  /** The value in the variable's dtype; a scalar fills its shape. */
  private fitted(value: Assignable): Node {
    const { dtype } = this
    let node: Node
    if (typeof value === 'number') node = scalarNode(value, dtype)
    else if (value instanceof Tensor) node = value.node
    else node = this.owner.constant(value, { dtype }).node
    if (node.dtype !== dtype) {
      const expected = `a ${dtype} value for '${this.op.name}'`
      throw new DTypeError('assign', expected, `${node.dtype} ${formatShape(node.shape)}`)
    }
    return node.shape.length === 0 ? b.broadcastTo(node, this.shape) : node
  }
}

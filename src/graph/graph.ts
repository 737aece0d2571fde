// The graph: placeholders, constants, variables and everything made from them. Nothing is computed here.

import { SymDim } from '../base/dim.js'
import { checkDType, type DType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type Shape } from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { parameter } from '../ir/primitives/source.js'
import { modes } from '../runtime/modes.js'
import { captureSite } from '../runtime/sites.js'
import { CellRead } from '../runtime/value.js'
import { expose } from '../tensor/core.js'
import { asTensor, type ShapeArg, shapeFrom, type TensorLike } from '../tensor/create.js'
import { normal, uniform } from '../tensor/random.js'
import { Tensor } from '../tensor/tensor.js'
import type { Operation } from './operation.js'
import { GraphOps, type NameOptions } from './ops.js'
import { countNodes, type GraphStats } from './stats.js'
import { GraphTensor } from './tensor.js'
import type { UpdateMode } from './update.js'
import {
  type Assignable,
  GraphVariable,
  type GraphVariableOptions,
  type VariableGraph,
} from './variable.js'

export interface SourceOptions extends NameOptions {
  /** Default `float32`, or as the contents say. */
  readonly dtype?: DType | undefined
}

export interface RandomNormalOptions extends SourceOptions {
  readonly mean?: number | undefined
  /** Default 1. */
  readonly stddev?: number | undefined
}

export interface RandomUniformOptions extends SourceOptions {
  /** Default 0. */
  readonly minval?: number | undefined
  /** Default 1. */
  readonly maxval?: number | undefined
}

/** @internal An assignment of the graph. */
export interface Update {
  readonly variable: GraphVariable
  readonly node: Node
}

/** Graphs that `asDefault` has entered, innermost last. */
const entered: Graph[] = []
let fallback: Graph | null = null

/** The graph that functions of this module add to: the innermost `asDefault`, or one for the process. */
export function defaultGraph(): Graph {
  fallback ??= new Graph()
  return entered.at(-1) ?? fallback
}

/** Begins a new default graph, where none was entered with `asDefault`. */
export function resetDefaultGraph(): void {
  fallback = null
}

/**
 * A static graph, as in TensorFlow 1: first it is built, then a `Session` runs parts of it. Building
 * computes nothing. Its tensors have names and all methods of `Tensor`; an eager tensor used with them
 * becomes a constant of the graph (a variable stays one, and is read in every run); tensors of two
 * graphs do not mix.
 *
 * Types are strict: operands of different dtypes are a `DTypeError`, unless the graph is made with
 * `{ strictTypes: false }`.
 */
export class Graph extends GraphOps implements VariableGraph {
  /** @internal Placeholders by their nodes. */
  readonly placeholders = new Map<Node, GraphTensor>()
  /** @internal Variables by their nodes. */
  readonly variableOf = new Map<Node, GraphVariable>()
  /** @internal Assignments by their nodes. */
  readonly updates = new Map<Node, Update>()

  /** All variables, in the order they were made. */
  get variables(): readonly GraphVariable[] {
    return [...this.variableOf.values()]
  }

  /** The variables that optimizers change. */
  get trainableVariables(): readonly GraphVariable[] {
    return this.variables.filter((v) => v.trainable)
  }

  /**
   * A tensor that gets its value when the graph is run. Sizes given as `null` are open: they may differ
   * from run to run, and where one has to fit another size it is taken to be equal.
   */
  placeholder(
    dtype: DType,
    shape: readonly (number | null)[] = [],
    { name }: NameOptions = {},
  ): GraphTensor {
    checkDType('placeholder', dtype)
    if (shape.some((d) => d !== null && !(Number.isInteger(d) && d >= 0))) {
      const expected = 'whole sizes, none negative, or null for open ones'
      throw new ShapeError('placeholder', expected, formatShape(shape.map((d) => d ?? -1)))
    }
    const operation = this.addOperation('Placeholder', name)
    const open = (axis: number): SymDim => SymDim.open(`${operation.name}.${axis}`)
    const node = parameter(
      shape.map((d, axis) => d ?? open(axis)),
      dtype,
    )
    node.site = captureSite(this.placeholder)
    const tensor = this.source(operation, new GraphTensor(node, this))
    this.placeholders.set(node, tensor)
    return tensor
  }

  /** A value that is part of the graph. Literals have the dtypes `tensor` gives them. */
  constant(
    value: TensorLike,
    options: SourceOptions & { readonly shape?: readonly number[] | undefined } = {},
  ): GraphTensor {
    if (value instanceof GraphTensor) {
      throw new ValueError('constant', 'values', `the tensor '${value.name}' (use identity)`)
    }
    const flat = asTensor(value, options.dtype)
    const eager = options.shape === undefined ? flat : flat.reshape(options.shape)
    const node = this.leafOf(eager)
    node.site = captureSite(this.constant)
    return this.source(this.addOperation('Const', options.name), new GraphTensor(node, this))
  }

  /** A leaf with an eager tensor's value. Scalars become part of plans, so that they can be folded. */
  private leafOf(eager: Tensor): Node {
    const { value } = eager.realize().node
    const folds = eager.ndim === 0 && eager.dtype !== 'int64' && !(value instanceof CellRead)
    if (folds) return b.constant(eager.item(), eager.dtype)
    const node = parameter(eager.shape, eager.dtype)
    node.value = value
    return node
  }

  /** As `constant`, of one value everywhere. */
  fill(shape: ShapeArg, value: number, { name, dtype = 'float32' }: SourceOptions = {}): Tensor {
    return this.filled('Fill', shape, value, dtype, name)
  }

  zeros(shape: ShapeArg, { name, dtype = 'float32' }: SourceOptions = {}): Tensor {
    return this.filled('Zeros', shape, 0, dtype, name)
  }

  ones(shape: ShapeArg, { name, dtype = 'float32' }: SourceOptions = {}): Tensor {
    return this.filled('Ones', shape, 1, dtype, name)
  }

  private filled(
    type: string,
    shape: ShapeArg,
    value: number,
    dtype: DType,
    name: string | undefined,
  ): Tensor {
    const sizes: Shape = shapeFrom(type.toLowerCase(), shape)
    const scalar = b.constant(value, checkDType(type.toLowerCase(), dtype))
    scalar.graph = this.id
    return this.call(type, name, () => expose(b.broadcastTo(scalar, sizes)))
  }

  /** Normal numbers, drawn anew in each run. Mirrors `tf.random_normal`. */
  randomNormal(shape: ShapeArg, { mean, stddev, dtype, name }: RandomNormalOptions = {}): Tensor {
    return this.call('RandomNormal', name, () => normal(shape, { mean, std: stddev, dtype }))
  }

  /** Uniform numbers, drawn anew in each run. Mirrors `tf.random_uniform`. */
  randomUniform(
    shape: ShapeArg,
    { minval, maxval, dtype, name }: RandomUniformOptions = {},
  ): Tensor {
    return this.call('RandomUniform', name, () =>
      uniform(shape, { low: minval, high: maxval, dtype }),
    )
  }

  /**
   * A variable that starts from a tensor of the graph or from values. It has no value in a session
   * before its initializer has run there.
   */
  variable(initial: Assignable, options: GraphVariableOptions = {}): GraphVariable {
    const start =
      initial instanceof GraphTensor
        ? initial
        : this.constant(initial, {
            dtype: options.dtype,
            name: `${options.name ?? 'Variable'}/initial_value`,
          })
    const cast =
      options.dtype === undefined || options.dtype === start.dtype
        ? start
        : start.cast(options.dtype)
    const variable = new GraphVariable(this, cast, options)
    this.variableOf.set(variable.node, variable)
    return variable
  }

  /** @internal */
  recordUpdate(variable: GraphVariable, node: Node, mode: UpdateMode, name?: string): GraphTensor {
    const type = { set: 'Assign', add: 'AssignAdd', sub: 'AssignSub' }[mode]
    const tensor = this.call(type, name, () => expose(node)) as GraphTensor
    this.updates.set(node, { variable, node })
    return tensor
  }

  assign(variable: GraphVariable, value: Assignable, options: NameOptions = {}): GraphTensor {
    return variable.assign(value, options)
  }
  assignAdd(variable: GraphVariable, value: Assignable, options: NameOptions = {}): GraphTensor {
    return variable.assignAdd(value, options)
  }
  assignSub(variable: GraphVariable, value: Assignable, options: NameOptions = {}): GraphTensor {
    return variable.assignSub(value, options)
  }

  /** An operation that does nothing. */
  noOp({ name }: NameOptions = {}): Operation {
    return this.addOperation('NoOp', name)
  }

  /** An operation that runs others. */
  group(members: readonly (Operation | Tensor)[], { name }: NameOptions = {}): Operation {
    const operations = members.map((m) => (m instanceof Tensor ? this.ownTensor(m).op : m))
    return this.addOperation('NoOp', name ?? 'group_deps', [], operations)
  }

  /** An operation that gives every variable made so far its initial value. */
  globalVariablesInitializer({ name = 'init' }: NameOptions = {}): Operation {
    return this.group(
      this.variables.map((v) => v.initializer),
      { name },
    )
  }

  /**
   * Runs `fn` with this graph as the default: functions such as `graph.constant` add to it, and random
   * tensors are drawn in its runs.
   */
  asDefault<T>(fn: (graph: this) => T): T {
    const before = modes.graph
    entered.push(this)
    modes.graph = this.id
    try {
      return fn(this)
    } finally {
      entered.pop()
      modes.graph = before
    }
  }

  /**
   * Counts: operations, and nodes below some tensors (default: all) as written and as the compiler leaves
   * them. Open sizes are taken to be `open`, default 60.
   */
  stats(
    fetches: readonly Tensor[] = this.operations.flatMap((op) => op.outputs),
    { open = 60 }: { readonly open?: number } = {},
  ): GraphStats {
    const nodes = fetches.map((x) => x.node)
    return { operations: this.operations.length, ...countNodes(nodes, open) }
  }

  /** @internal The tensor itself, if it is one of this graph. */
  ownTensor(x: Tensor): GraphTensor {
    if (x instanceof GraphTensor && x.graph === this) return x
    const received = x instanceof GraphTensor ? `'${x.name}' of another graph` : 'an eager tensor'
    throw new ValueError('graph', 'a tensor of this graph', received)
  }
}

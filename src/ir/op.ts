// What an operation is: one table entry with everything the rest of tessera needs to know about it.

import type { Dim } from '../base/dim.js'
import type { DType, TypedArray } from '../base/dtype.js'
import type { Body } from './body.js'
import type { Node, TensorType } from './node.js'

/** The values an attribute may have. */
export type AttrValue =
  | number
  | boolean
  | string
  | readonly number[]
  | readonly Dim[]
  | readonly string[]
  | Body

export type Attrs = Readonly<Record<string, AttrValue>>

export const NO_ATTRS: Attrs = Object.freeze({})

/**
 * How an attribute is written into plan keys, printed and substituted:
 * `number` any double, `int`, `flag` a boolean, `name` a string, `dtype`, `ints`, `dims` (which may be
 * symbolic), `names`, `body` a graph.
 */
export type AttrKind =
  | 'number'
  | 'int'
  | 'flag'
  | 'name'
  | 'dtype'
  | 'ints'
  | 'dims'
  | 'names'
  | 'body'

/** A host array with a shape: what the reference evaluation computes with. Always contiguous. */
export interface NDArray {
  readonly shape: readonly number[]
  readonly dtype: DType
  /**
   * Elements in row-major order. In the reference's double-precision mode a float32 array is held in
   * a Float64Array: allocate results through `EvalContext.allocate`, never directly.
   */
  readonly data: TypedArray
}

export interface EvalContext {
  /** A zeroed result array. */
  allocate(type: TensorType): NDArray
}

/** What a vjp rule gets to see. */
export interface VjpArgs<A extends Attrs = Attrs> {
  readonly node: Node
  readonly inputs: readonly Node[]
  readonly attrs: A
  /** The gradient of the (first) result. */
  readonly grad: Node
  /** Gradients of all results, `null` where none arrived; for operations with several. */
  readonly grads: readonly (Node | null)[]
  /** Whether input `i` needs a gradient: rules skip work for those that do not. */
  needs(i: number): boolean
  /** The reverse pass itself, for operations whose gradient is that of a body: see `Reverse`. */
  readonly reverse: Reverse
}

/**
 * The gradients of `outputs`, weighted by `seeds`, with respect to each of `wrt`; no entry where none
 * flows. (Rules are below the transform in the house, so it is handed to them.)
 */
export type Reverse = (
  outputs: readonly Node[],
  seeds: readonly Node[],
  wrt: ReadonlySet<Node>,
) => Map<Node, Node>

/** An input a rule can be tried on. Without `values`, it is filled at random from `range`. */
export interface SampleInput {
  readonly shape: readonly number[]
  /** Default `float32`. */
  readonly dtype?: DType
  readonly values?: readonly number[]
  /** Bounds of random values, default [-2, 2] for floats, [-5, 5] for integers. */
  readonly range?: readonly [number, number]
}

/** A call every test over the table makes: value, gradients, each backend, PyTorch where it is there. */
export interface Sample<A extends Attrs = Attrs> {
  readonly inputs: readonly SampleInput[]
  readonly attrs: A
  /** What is special here: `empty`, `NaN`, `tie` … Shown in the test's name. */
  readonly note?: string
  /** False where finite differences mean nothing: kinks, NaN, ties. Default true. */
  readonly smooth?: boolean
}

/**
 * An operation. A **primitive** has `evaluate`; a **composite** has `expand`, a body of primitives that
 * takes its place when a plan is built (backends may still recognise it by name before that).
 */
export interface Op<A extends Attrs = Attrs> {
  readonly name: string
  /** Position in the table; stands for the operation in plan keys. */
  readonly id: number
  readonly attrs: { readonly [K in keyof A]: AttrKind }
  /** Result type(s) from input types; throws ShapeError, DTypeError … in the common grammar. */
  infer(inputs: readonly TensorType[], attrs: A): TensorType | readonly TensorType[]
  /** Gradients for each input (`null`: none flows). Absent on a composite: its body is differentiated. */
  readonly vjp?: (args: VjpArgs<A>) => readonly (Node | null)[]
  readonly evaluate?: (
    inputs: readonly NDArray[],
    attrs: A,
    types: readonly TensorType[],
    context: EvalContext,
  ) => readonly NDArray[]
  readonly expand?: (inputs: readonly Node[], attrs: A) => Node | readonly Node[]
  /** A composite that stays whole until the compiler has seen it: kernels may know it by name. */
  readonly whole?: boolean
  /** Reads or writes state: never merged with an equal node, never dropped from effects. */
  readonly stateful?: boolean
  samples(): readonly Sample<A>[]
}

/** Every operation by name. Filled by `define`, in the order the families are imported. */
export const OPS = new Map<string, Op>()
const BY_ID: Op[] = []

/** Enters an operation in the table. Names are unique. */
export function define<A extends Attrs>(op: Omit<Op<A>, 'id'>): Op<A> {
  if (OPS.has(op.name)) throw new Error(`operation ${op.name} is defined twice`)
  const entry: Op<A> = { ...op, id: BY_ID.length }
  OPS.set(op.name, entry as unknown as Op)
  BY_ID.push(entry as unknown as Op)
  return entry
}

export const opById = (id: number): Op => BY_ID[id] as Op
export const isComposite = (op: Op): boolean => op.expand !== undefined

// The node: the one representation of computation, from a user's call down to a plan.

import { type DType, isFloat } from '../base/dtype.js'
import { GradientError, TraceError } from '../base/errors.js'
import type { Shape } from '../base/shape.js'
import type { Attrs, Op } from './op.js'

/** What a value looks like before it is computed. */
export interface TensorType {
  readonly shape: Shape
  readonly dtype: DType
}

/** Where in the user's program a node was recorded. */
export interface CallSite {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly functionName: string
}

const NO_INPUTS: readonly Node[] = Object.freeze([])

let made = 0
/** The number of the node made last. */
export const lastNodeId = (): number => made

/** Text for an error: `Net.forward (examples/cifar.ts:14)`, or `null` where nothing is known. */
export function formatSite(site: CallSite | null): string | null {
  if (site === null || site.file === '') return null
  const at = `${site.file}:${site.line}`
  return site.functionName === '' ? at : `${site.functionName} (${at})`
}

/**
 * One operation applied to inputs. Immutable in everything that has meaning (`op`, `inputs`, `attrs`,
 * types); nodes have identity, so two equal nodes are two nodes until a plan merges them.
 *
 * The fields below the line are notes that passes and the runtime leave on a node; they never change
 * what the node means. They live here, and not in side tables, because recording a training step has
 * to cost microseconds.
 */
export class Node implements TensorType {
  /** Nodes are numbered as they are made: what was made during a trace is younger than the trace. */
  readonly id = ++made
  /** Last traversal that reached this node (see `topological`), and its number there. */
  mark = 0
  index = 0
  /** Longest chain of unevaluated nodes below this one; bounds pending work. */
  depth = 0
  /** Whether a gradient may flow through: a variable is below, and recording was on. */
  needsGrad = false
  /** Whether gradients are asked for by this very node: it needs them whatever it is made from. */
  source = false
  /** Whether the user holds, or may hold, a tensor of this node. */
  exposed = false
  /** Exposed, and wanted whatever its size: a module call returned it. */
  kept = false
  /** How often this value was computed and not stored. */
  computed = 0
  /** Whether a backward pass has used this node, or one below, up: no second one may go through it. */
  spent = false
  /** The number of the static graph this node belongs to, as everything made from it does; 0 for none. */
  graph = 0
  /** The runtime's own note: the stored value, or how to read it. */
  value: unknown = null
  /** The tensor that collects this leaf's gradient. */
  owner: unknown = null
  site: CallSite | null = null
  name: string | null = null

  constructor(
    readonly op: Op,
    readonly inputs: readonly Node[],
    readonly attrs: Attrs,
    readonly shape: Shape,
    readonly dtype: DType,
    /** All results, for an operation that has several; read them with `output(node, i)`. */
    readonly outputs: readonly TensorType[] | null,
  ) {}

  /** Forgets the inputs of a node whose value is stored, so that what it was made from can be freed. */
  release(): void {
    ;(this as { inputs: readonly Node[] }).inputs = NO_INPUTS
  }
}

/** Applies `op`: infers the result's type (which throws typed errors) and makes the node. */
export function apply<A extends Attrs>(op: Op<A>, inputs: readonly Node[], attrs: A): Node {
  const type = op.infer(inputs, attrs)
  let node: Node
  if (isMany(type)) {
    const first = type[0] as TensorType
    node = new Node(op as unknown as Op, inputs, attrs, first.shape, first.dtype, type)
  } else {
    node = new Node(op as unknown as Op, inputs, attrs, type.shape, type.dtype, null)
  }
  let depth = 0
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i] as Node
    if (x.needsGrad) node.needsGrad = true
    if (x.spent) node.spent = true
    if (x.graph !== 0) joinGraph(node, x.graph)
    if (x.value === null && x.depth >= depth) depth = x.depth + 1
  }
  node.depth = depth
  if ((node.needsGrad || node.spent) && !carriesFloats(node)) {
    node.needsGrad = false
    node.spent = false
  }
  return node
}

/** Whether any result is of a float dtype: nothing else has a gradient. */
export function carriesFloats(node: Node): boolean {
  return node.outputs === null ? isFloat(node.dtype) : node.outputs.some((t) => isFloat(t.dtype))
}

/** What is made from a graph's nodes belongs to the graph. */
function joinGraph(node: Node, graph: number): void {
  if (node.graph !== 0 && node.graph !== graph) {
    throw new TraceError(node.op.name, 'tensors of one graph', 'tensors of two graphs')
  }
  node.graph = graph
}

const isMany = (t: TensorType | readonly TensorType[]): t is readonly TensorType[] =>
  Array.isArray(t)

/** A node without inputs: a parameter or a constant. */
export function leaf(op: Op, attrs: Attrs, shape: Shape, dtype: DType): Node {
  return new Node(op, NO_INPUTS, attrs, shape, dtype, null)
}

let traversal = 0

/** A number no node's `mark` has yet: begin a traversal with it. */
export const nextTraversal = (): number => ++traversal

/**
 * The nodes `roots` depend on, inputs before users, each once and numbered in `index`.
 * `isLeaf` cuts the walk: a node for which it answers true is listed but not entered.
 */
export function topological(
  roots: readonly Node[],
  isLeaf: (node: Node) => boolean = () => false,
  out: Node[] = [],
): Node[] {
  const mark = ++traversal
  const stack: Node[] = []
  const next: number[] = []
  for (const root of roots) {
    if (root.mark === mark) continue
    root.mark = mark
    stack.push(root)
    next.push(isLeaf(root) ? Number.POSITIVE_INFINITY : 0)
    while (stack.length > 0) {
      const top = stack.length - 1
      const node = stack[top] as Node
      const i = next[top] as number
      if (i < node.inputs.length) {
        next[top] = i + 1
        const input = node.inputs[i] as Node
        if (input.mark !== mark) {
          input.mark = mark
          stack.push(input)
          next.push(isLeaf(input) ? Number.POSITIVE_INFINITY : 0)
        }
      } else {
        node.index = out.length
        out.push(node)
        stack.pop()
        next.pop()
      }
    }
  }
  return out
}

/** Fails the way every missing rule fails: by name, never with a silent zero. */
export function noGradient(node: Node): never {
  throw new GradientError(node.op.name, 'an operation with a gradient', 'one that has none', {
    op: node.op.name,
  })
}

// Rows of a batch that go their own ways through a scan: threads can share them, with no barrier between
// steps. The body is rewritten for a few rows, and the scan's kernel gets a chunk for each few.
//
// How many rows a chunk has follows from shapes alone, and is therefore part of what a scan means:
// products and sums of the smaller body add in the order its own shapes give them.

import { Body } from '../../ir/body.js'
import * as b from '../../ir/build.js'
import { apply, type Node, topological } from '../../ir/node.js'
import type { Attrs } from '../../ir/op.js'
import { parameter } from '../../ir/primitives/source.js'
import { isElementwise } from '../costs.js'

export interface Split {
  /** The body for the rows of one chunk. */
  readonly body: Body
  readonly chunks: number
  /** Whether each chunk has rows of its own of shared value `i`. */
  isSplit(i: number): boolean
}

/** Rows of a chunk: more fill no more registers of a product, fewer are not worth a thread. */
const MOST_ROWS = 16
const LEAST_ROWS = 4

/** The largest fitting number of rows that divides the batch into several chunks; else all of it. */
function rowsOf(batch: number): number {
  for (let rows = Math.min(MOST_ROWS, batch >> 1); rows >= LEAST_ROWS; rows--) {
    if (batch % rows === 0) return rows
  }
  return batch
}

/** Splits the batch, the first axis of every state, if rows do not depend on each other. */
export function splitRows(attrs: b.ScanAttrs): Split {
  const { body, shared, carries } = attrs
  const whole: Split = { body, chunks: 1, isSplit: () => false }
  const batch = body.inputs[shared]?.shape[0] as number | undefined
  if (carries === 0 || batch === undefined) return whole
  const rows = rowsOf(batch)
  if (rows >= batch) return whole
  const hasRows = (x: Node): boolean => x.shape[0] === batch
  const changing = body.inputs.slice(shared)
  if (!changing.every(hasRows) || !body.outputs.every(hasRows)) return whole
  // Shared values have no rows until an operation on rows shows that one of them has to.
  const sharedRows = new Set<Node>()
  for (let tries = 0; tries <= shared; tries++) {
    const narrowing = new Narrowing(new Set([...changing, ...sharedRows]), batch, rows)
    const found = narrowing.run(body)
    if (found instanceof Body) {
      const isSplit = (i: number): boolean => sharedRows.has(body.inputs[i] as Node)
      return { body: found, chunks: batch / rows, isSplit }
    }
    const isShared = found !== null && body.inputs.slice(0, shared).includes(found)
    if (!isShared || !hasRows(found) || sharedRows.has(found)) return whole
    sharedRows.add(found)
  }
  return whole
}

/** A node for fewer rows, and the axis that its rows lie along. */
interface Narrow {
  readonly node: Node
  readonly axis: number
}

type Rule = (node: Node, axes: readonly (number | null)[], rows: number) => [number, Attrs] | null

const without = (axes: readonly number[], axis: number): number =>
  axis - axes.filter((a) => a < axis).length
const replaced = <T>(list: readonly T[], at: number, value: T): T[] =>
  list.map((x, i) => (i === at ? value : x))

/** An operation whose attribute `shape` is the shape of its result. */
const reshaped = (node: Node, axis: number, rows: number): [number, Attrs] => [
  axis,
  { ...node.attrs, shape: replaced(node.shape, axis, rows) },
]

const reduction: Rule = (node, [axis]) => {
  const axes = node.attrs.axes as readonly number[]
  return axes.includes(axis!) ? null : [without(axes, axis!), node.attrs]
}

const product = (sizes: readonly unknown[]): number =>
  (sizes as readonly number[]).reduce((p, n) => p * n, 1)

/**
 * For each operation, given the axes of its inputs along which rows lie (null: it has none): the axis of the
 * result, and the attributes for fewer rows. Null where rows are mixed, or where nobody has said.
 */
const RULES: Readonly<Record<string, Rule>> = {
  reshape: (node, [axis], rows) => {
    const from = node.inputs[0]!.shape
    const before = product(from.slice(0, axis!))
    const at = node.shape.findIndex(
      (n, i) => n === from[axis!] && product(node.shape.slice(0, i)) === before,
    )
    return at < 0 ? null : reshaped(node, at, rows)
  },
  transpose: (node, [axis]) => [(node.attrs.perm as readonly number[]).indexOf(axis!), node.attrs],
  broadcast: (node, [axis], rows) => reshaped(node, axis!, rows),
  slice: (node, [axis], rows) => {
    const { starts, stops, steps } = node.attrs as Attrs & Record<string, readonly number[]>
    const all = starts![axis!] === 0 && node.shape[axis!] === node.inputs[0]!.shape[axis!]
    if (!all || steps![axis!] !== 1) return null
    return [axis!, { ...node.attrs, stops: replaced(stops!, axis!, rows) }]
  },
  reverse: (node, [axis]) =>
    (node.attrs.axes as readonly number[]).includes(axis!) ? null : [axis!, node.attrs],
  pad: (node, [axis, fill]) => {
    const { low, high, interior } = node.attrs as Attrs & Record<string, readonly number[]>
    const apart = [low, high, interior].some((list) => list![axis!] !== 0)
    return apart || fill !== null ? null : [axis!, node.attrs]
  },
  concat: (node, axes) => {
    const [axis] = axes
    const together = axis !== null && axes.every((a) => a === axis)
    return together && node.attrs.axis !== axis ? [axis!, node.attrs] : null
  },
  reduceSum: reduction,
  reduceMax: reduction,
  reduceMin: reduction,
  reduceProd: reduction,
  dot: (node, [left, right]) => {
    const { leftBatch, rightBatch, leftContract, rightContract } =
      node.attrs as unknown as b.DotAttrs
    const pairs = leftBatch.length
    if (left !== null && right !== null) {
      const at = leftBatch.indexOf(left!)
      return at >= 0 && rightBatch[at] === right ? [at, node.attrs] : null
    }
    const [axis, batch, contract] =
      left !== null ? [left!, leftBatch, leftContract] : [right!, rightBatch, rightContract]
    if (batch.includes(axis) || contract.includes(axis)) return null
    const free = without([...batch, ...contract], axis)
    const lead = node.inputs[0]!.shape.length - pairs - leftContract.length
    return [pairs + free + (left !== null ? 0 : lead), node.attrs]
  },
}

class Narrowing {
  private readonly narrow = new Map<Node, Narrow>()

  constructor(
    private readonly withRows: ReadonlySet<Node>,
    private readonly batch: number,
    private readonly rows: number,
  ) {}

  /** The body for fewer rows; or the parameter that stands in the way, `null` if it is something else. */
  run(body: Body): Body | Node | null {
    const inputs = body.inputs.map((x) => {
      if (!this.withRows.has(x)) return x
      const node = parameter([this.rows, ...x.shape.slice(1)], x.dtype)
      this.narrow.set(x, { node, axis: 0 })
      return node
    })
    for (const node of topological(body.outputs)) {
      if (this.narrow.has(node) || !node.inputs.some((x) => this.narrow.has(x))) continue
      const obstacle = this.visit(node)
      if (obstacle !== undefined) return obstacle
    }
    const outputs = body.outputs.map((out) => this.narrow.get(out))
    if (!outputs.every((out) => out?.axis === 0)) return null
    return new Body(
      inputs,
      outputs.map((out) => out!.node),
    )
  }

  /** Narrows one node with rows below it. Answers with what stands in the way, if something does. */
  private visit(node: Node): Node | null | undefined {
    const known = node.inputs.map((x) => this.narrow.get(x) ?? null)
    const axes = known.map((n) => n?.axis ?? null)
    if (!isElementwise(node.op.name)) {
      const found = RULES[node.op.name]?.(node, axes, this.rows) ?? null
      if (found === null) return null
      const [axis, attrs] = found
      const inputs = node.inputs.map((x, i) => known[i]?.node ?? x)
      return this.enter(node, axis, apply(node.op, inputs, attrs))
    }
    const axis = axes.find((a) => a !== null) as number
    if (axes.some((a) => a !== null && a !== axis)) return null
    const inputs: Node[] = []
    for (const [i, x] of node.inputs.entries()) {
      const narrow = known[i]?.node ?? this.uniform(x, axis)
      if (narrow === null) return x
      inputs.push(narrow)
    }
    return this.enter(node, axis, apply(node.op, inputs, node.attrs))
  }

  private enter(node: Node, axis: number, narrow: Node): null | undefined {
    const right = narrow.shape.every((n, i) => n === (i === axis ? this.rows : node.shape[i]))
    if (!right || node.shape[axis] !== this.batch || narrow.outputs !== null) return null
    narrow.site = node.site
    this.narrow.set(node, { node: narrow, axis })
    return undefined
  }

  /** A value without rows that is the same along `axis`, made as long as the rows are; else `null`. */
  private uniform(node: Node, axis: number): Node | null {
    if (node.op.name === 'broadcast' && node.inputs[0]!.shape[axis] === 1) {
      return b.broadcast(node.inputs[0] as Node, replaced(node.shape, axis, this.rows))
    }
    if (node.inputs.length === 0 || !isElementwise(node.op.name)) return null
    const inputs = node.inputs.map((x) => this.uniform(x, axis))
    return inputs.every((x) => x !== null) ? apply(node.op, inputs as Node[], node.attrs) : null
  }
}

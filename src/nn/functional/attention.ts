// Scaled dot-product attention over stacks of sequences.

import { type Dim, dimFits, dimMul, isKnown } from '../../base/dim.js'
import { DTypeError, ShapeError, ValueError } from '../../base/errors.js'
import { broadcastShapes, formatShape, type Shape, sizeOf } from '../../base/shape.js'
import * as b from '../../ir/build.js'
import { attention, attentionWeights, dropout as dropoutNode } from '../../ir/composites/index.js'
import type { Node } from '../../ir/node.js'
import { nextDraw } from '../../runtime/random.js'
import { expose } from '../../tensor/core.js'
import type { Tensor } from '../../tensor/tensor.js'

const WHERE = 'scaledDotProductAttention'

export interface AttentionOptions {
  /**
   * Broadcast to [..., T, S]. A bool mask says which keys a query attends to; one of the dtype of the
   * queries is added to the scores. Default none.
   */
  readonly mask?: Tensor | null
  /** Whether query i attends to keys 0 … i only, besides what the mask says. Default false. */
  readonly isCausal?: boolean
  /** What scores are multiplied by. Default 1/√D. */
  readonly scale?: number
  /** The probability of a weight to be dropped. Default 0. */
  readonly dropout?: number
  /** Whether several heads of queries share one of keys and values: the third axis from the end. Default false. */
  readonly enableGqa?: boolean
}

/**
 * softmax(Q Kᵀ · scale + mask) V for queries [..., T, D], keys [..., S, D] and values [..., S, E]:
 * [..., T, E]. Mirrors `torch.nn.functional.scaled_dot_product_attention`; a query that may attend to
 * nothing gets zeros. Where shapes allow it, scores are never written to memory, and a weight of zero may
 * make zero even of a value that is not finite.
 *
 * [arXiv:1706.03762](https://arxiv.org/abs/1706.03762)
 *
 * @throws ShapeError for shapes that do not go together.
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const { mask = null, isCausal = false, dropout = 0, enableGqa = false } = options
  const [q, k, v] = [query.node, key.node, value.node] as const
  check(q, k, v)
  if (!(dropout >= 0 && dropout < 1)) {
    throw new ValueError(WHERE, 'a dropout in [0, 1)', String(dropout))
  }
  const groups = enableGqa ? groupsOf(q, k, v) : 1
  const leads: Shape[] = [q.shape, shared(k, groups), shared(v, groups)].map((s) => s.slice(0, -2))
  const lead = leads.reduce((a, c) => broadcastShapes(WHERE, a, c))
  const attrs = { scale: options.scale ?? defaultScale(q.shape.at(-1)!), causal: isCausal }
  const inputs = [
    byPlace(q, lead),
    byPlace(spread(k, groups), lead),
    byPlace(spread(v, groups), lead),
  ] as const
  const allowed = mask && maskOf(mask.node, lead, q, k)
  const heads = (y: Node): Tensor =>
    expose(b.reshape(y, [...lead, q.shape.at(-2)!, v.shape.at(-1)!]))
  if (dropout === 0) {
    return heads(b.transpose(attention(...inputs, allowed, attrs), [0, 2, 1, 3]))
  }
  const weights = attentionWeights(inputs[0], inputs[1], allowed, attrs)
  const [seed, draw] = nextDraw(weights)
  return heads(
    b.dot([dropoutNode(weights, seed, draw, dropout), inputs[2]], {
      leftBatch: [0, 1],
      rightBatch: [0, 2],
      leftContract: [3],
      rightContract: [1],
    }),
  )
}

function check(q: Node, k: Node, v: Node): void {
  const whole = [q, k, v].every((x) => x.shape.length >= 2)
  const fits =
    whole && dimFits(q.shape.at(-1)!, k.shape.at(-1)!) && dimFits(k.shape.at(-2)!, v.shape.at(-2)!)
  if (fits) return
  const expected = 'queries [..., T, D], keys [..., S, D] and values [..., S, E]'
  throw new ShapeError(WHERE, expected, [q, k, v].map((x) => formatShape(x.shape)).join(', '))
}

function defaultScale(depth: Dim): number {
  if (isKnown(depth)) return 1 / Math.sqrt(depth)
  throw new ShapeError(WHERE, 'a known number of features, or a scale', String(depth))
}

/** How many heads of queries share one of keys. */
function groupsOf(q: Node, k: Node, v: Node): number {
  const [queries, keys, values] = [q, k, v].map((x) => x.shape.at(-3))
  const known =
    typeof queries === 'number' && typeof keys === 'number' && keys > 0 && keys === values
  if (known && queries % keys === 0) return queries / keys
  const expected = 'heads of queries that are a multiple of those of keys and values'
  throw new ShapeError(WHERE, expected, [queries, keys, values].map(String).join(', '))
}

const headAxis = (x: Node): number => x.shape.length - 3

const shared = (x: Node, groups: number): Shape =>
  groups === 1 ? x.shape : x.shape.map((d, i) => (i === headAxis(x) ? dimMul(d, groups) : d))

/** Every head of keys or values for each head of queries that shares it. */
function spread(x: Node, groups: number): Node {
  if (groups === 1) return x
  const at = headAxis(x) + 1
  const wide = [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]
  const repeated = wide.map((d, i) => (i === at ? groups : d))
  return b.reshape(b.broadcast(b.reshape(x, wide), repeated), shared(x, groups))
}

/** [...lead, place, feature] as [sequence, head, …]: the last of the leading axes counts heads. */
const stacked = (lead: Shape): [Dim, Dim] => [sizeOf(lead.slice(0, -1)), lead.at(-1) ?? 1]

/** An operand as [sequence, place, head, feature]. */
function byPlace(x: Node, lead: Shape): Node {
  const last = x.shape.slice(-2)
  const whole = b.reshape(b.broadcastTo(x, [...lead, ...last]), [...stacked(lead), ...last])
  return b.transpose(whole, [0, 2, 1, 3])
}

function maskOf(mask: Node, lead: Shape, q: Node, k: Node): Node {
  if (mask.dtype !== 'bool' && mask.dtype !== q.dtype) {
    throw new DTypeError(WHERE, `a mask of dtype bool or ${q.dtype}`, mask.dtype)
  }
  const scores = [q.shape.at(-2)!, k.shape.at(-2)!]
  return b.reshape(b.broadcastTo(mask, [...lead, ...scores]), [...stacked(lead), ...scores])
}

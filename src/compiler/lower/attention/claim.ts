// Which attentions have kernels of their own. Others are taken apart into primitives, with equal bits.

import type { Node } from '../../../ir/node.js'
import { shapeOf } from '../../../ir/sizes.js'
import { K_BLOCK, reductionOrder } from '../../numerics.js'

/** Sizes of an attention: sequences, queries, keys, heads, features of queries and of values. */
export interface AttentionSizes {
  readonly batch: number
  readonly queries: number
  readonly keys: number
  readonly heads: number
  readonly depth: number
  readonly features: number
}

export function attentionSizes(node: Node): AttentionSizes {
  const [q, k, v] = node.inputs.slice(0, 3).map(shapeOf)
  const [batch, queries, heads, depth] = q as [number, number, number, number]
  return { batch, queries, heads, depth, keys: k![1]!, features: v![3]! }
}

/** Most scores of a head whose weights and gradients a kernel keeps to itself. */
const MOST_KEPT = 1 << 18

/** Whether a node is an attention, or the gradient of one, that kernels compute as a whole. */
export function hasAttentionKernel(node: Node): boolean {
  const isGradient = node.op.name === 'attentionGradient'
  if (!isGradient && node.op.name !== 'attention') return false
  if (node.dtype !== 'float32') return false
  const { batch, queries, keys, heads, depth, features } = attentionSizes(node)
  if (batch * heads === 0 || (node.attrs.causal && queries !== keys)) return false
  // Every sum of products has to be one chain: not so long that it is cut, no product of a vector.
  const sizes = [queries, keys, depth, features]
  if (sizes.some((n) => n < 2 || n > K_BLOCK)) return false
  if (isGradient && queries * keys > MOST_KEPT) return false
  const { kind, block } = reductionOrder([
    { size: batch * heads * queries, reduced: false },
    { size: keys, reduced: true },
  ])
  return kind === 'lanes' && block === 0
}

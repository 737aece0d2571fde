// Attention as one kernel: of the scores only a tile of rows exists at a time.
//
// As in FlashAttention (Dao et al. 2022, arXiv:2205.14135) scores never go to memory. Unlike there, a tile
// holds its rows whole, so that maximum and sum are those of the row, added in the order that a reduction
// has: the bits are those of the operation's body.

import type { Node } from '../../../ir/node.js'
import { affine, plus } from '../../kernel/affine.js'
import type { KernelCall } from '../../kernel/assembly.js'
import type { GroupLowering } from '../lower.js'
import { Head } from './head.js'

export function lowerAttention(g: GroupLowering, node: Node): KernelCall[] {
  const h = new Head(g, node)
  const { k, sizes, attrs } = h
  const [q, key, v, mask] = node.inputs as [Node, Node, Node, Node?]
  const query = h.gather('query', q, attrs.scale)
  const keys = h.turn('keys', key)
  const values = h.gather('values', v)
  const scores = h.matrix('scores', h.tileRows, sizes.keys)
  const shares = h.matrix('shares', h.tileRows, 1)
  h.forRows(sizes.queries, (rows) => {
    const reach = h.reach(rows)
    h.overKeys({
      rows,
      depth: sizes.depth,
      left: (row, d) => h.load(query, plus(rows.first, row), d),
      right: (d, column) => h.load(keys, d, column),
      done: (row, column, sum) => {
        const score = h.masked(plus(rows.first, row), column, sum, mask)
        h.store(scores, affine(row), column, score)
      },
    })
    h.byRows(rows.count, (some) => {
      const each = h.exponentials(scores, some, reach)
      for (const [i, share] of each.entries()) h.store(shares, some[i]!, affine(0), share)
    })
    h.overFeatures(sizes.features, {
      rows,
      depth: reach,
      left: (row, j) => h.load(scores, affine(row), j),
      right: (j, feature) => h.load(values, j, feature),
      done: (row, feature, sum) => {
        const share = h.load(shares, affine(row), affine(0))
        h.write(node, plus(rows.first, row), feature, k.set('mul', sum, share))
      },
    })
  })
  const { batch, heads, queries, depth, features } = sizes
  k.flops = 2 * batch * heads * queries * sizes.keys * (depth + features)
  k.bytes = g.bytes
  return [k.call()]
}

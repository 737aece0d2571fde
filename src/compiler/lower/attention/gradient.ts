// The gradient of attention as one kernel: weights are computed again, and they and their gradients stay
// in the memory of the thread that needs them, head after head.

import type { Node } from '../../../ir/node.js'
import { shapeOf } from '../../../ir/sizes.js'
import { affine, plus, times } from '../../kernel/affine.js'
import type { KernelCall } from '../../kernel/assembly.js'
import type { Affine, Bound } from '../../kernel/ir.js'
import { REDUCE_LANES } from '../../numerics.js'
import type { GroupLowering } from '../lower.js'
import { Head, type Matrix, type Rows } from './head.js'

/** The results of the group that somebody wants, by their number. */
function resultsOf(g: GroupLowering): Map<number, Node> {
  const out = new Map<number, Node>()
  for (const m of g.group.stored) {
    if (m.op.name === 'output') out.set(m.attrs.index as number, m)
  }
  return out
}

export function lowerAttentionGradient(g: GroupLowering, node: Node): KernelCall[] {
  const h = new Head(g, node)
  const { k, sizes, attrs } = h
  const [q, key, v, grad, mask] = node.inputs as [Node, Node, Node, Node, Node?]
  const results = resultsOf(g)
  const [ofQuery, ofKey, ofValue] = [0, 1, 2].map((i) => results.get(i))
  const query = h.gather('query', q, attrs.scale)
  const keysTurned = h.turn('keys turned', key)
  const valuesTurned = h.turn('values turned', v)
  const keys = h.gather('keys', key)
  const incoming = h.gather('gradient', grad)
  /** Weights, and the gradients of scores: [query, key]. */
  const weights = h.matrix('weights', sizes.queries, sizes.keys)
  const scores = h.matrix('gradients', sizes.queries, sizes.keys)

  h.forRows(sizes.queries, (rows) => {
    const at = (row: number): Affine => plus(rows.first, row)
    const reach = h.reach(rows)
    h.overKeys({
      rows,
      depth: sizes.depth,
      left: (row, d) => h.load(query, at(row), d),
      right: (d, column) => h.load(keysTurned, d, column),
      done: (row, column, sum) =>
        h.store(weights, at(row), column, h.masked(at(row), column, sum, mask)),
    })
    h.overKeys({
      rows,
      depth: sizes.features,
      left: (row, e) => h.load(incoming, at(row), e),
      right: (e, column) => h.load(valuesTurned, e, column),
      done: (row, column, sum) => h.store(scores, at(row), column, sum),
    })
    h.byRows(rows.count, (some) => {
      const places = some.map((row) => plus(rows.first, row))
      rowGradients(h, weights, scores, places, reach)
    })
    if (ofQuery === undefined) return
    h.overFeatures(sizes.depth, {
      rows,
      depth: reach,
      left: (row, j) => h.load(scores, at(row), j),
      right: (j, d) => h.load(keys, j, d),
      done: (row, d, sum) =>
        h.write(ofQuery, at(row), d, k.set('mul', sum, k.const('f32', attrs.scale))),
    })
  })

  /** Sums over the queries that may look at a tile of keys. */
  const overQueries = (result: Node | undefined, left: Matrix, right: Matrix): void => {
    if (result === undefined) return
    const features = shapeOf(result)[3]!
    h.forRows(sizes.keys, (rows: Rows) => {
      const first = attrs.causal ? rows.first : affine(0)
      const depth: Bound = plus(times(first, -1), sizes.queries)
      h.overFeatures(features, {
        rows,
        depth,
        left: (row, i) => h.load(left, plus(first, i), plus(rows.first, row)),
        right: (i, d) => h.load(right, plus(first, i), d),
        done: (row, d, sum) => h.write(result, plus(rows.first, row), d, sum),
      })
    })
  }
  overQueries(ofKey, scores, query)
  overQueries(ofValue, weights, incoming)

  const { batch, heads, queries, depth, features } = sizes
  k.flops = 2 * batch * heads * queries * sizes.keys * (3 * depth + 2 * features)
  k.bytes = g.bytes
  return [k.call()]
}

/** Of some rows: scores become weights, and the gradients of weights those of scores. */
function rowGradients(
  h: Head,
  weights: Matrix,
  scores: Matrix,
  rows: readonly Affine[],
  reach: Bound,
): void {
  const { k } = h
  const shares = h.exponentials(weights, rows, reach)
  const along = h.reduceRows(rows, reach, 'add', (row, i, key) => {
    const weight = k.set('mul', h.load(weights, row, key), shares[i]!)
    h.store(weights, row, key, weight)
    return k.set('mul', weight, h.load(scores, row, key))
  })
  k.vector('key', reach, REDUCE_LANES, (key) => {
    for (const [i, row] of rows.entries()) {
      const centered = k.set('sub', h.load(scores, row, key), along[i]!)
      h.store(scores, row, key, k.set('mul', h.load(weights, row, key), centered))
    }
  })
}

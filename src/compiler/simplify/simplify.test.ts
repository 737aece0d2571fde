// Rewrites: what merges, what goes away, and what must not.

import { describe, expect, it } from 'vitest'
import * as b from '../../ir/build.js'
import { type Node, topological } from '../../ir/node.js'
import '../../ir/primitives/index.js'
import { parameter } from '../../ir/primitives/source.js'
import { simplify } from './simplify.js'

const x = parameter([2, 3, 4], 'float32')
const y = parameter([2, 3, 4], 'float32')
const n = parameter([2, 3, 4], 'int32')
const flag = parameter([2, 3, 4], 'bool')
const one = (root: Node): Node => simplify([root])[0] as Node
/** Names of operations below a root, inputs first, parameters left out. */
const names = (root: Node): string[] =>
  topological([one(root)]).flatMap((m) => (m.op.name === 'param' ? [] : [m.op.name]))

describe('value numbering', () => {
  it('merges equal nodes, and not parameters', () => {
    expect(names(b.mul(b.exp(x), b.exp(x)))).toEqual(['exp', 'mul'])
    expect(names(b.add(b.exp(x), b.exp(y)))).toEqual(['exp', 'exp', 'add'])
    const [p, q] = simplify([b.tanh(b.exp(x)), b.exp(x)])
    expect(p?.inputs[0]).toBe(q)
  })

  it('tells -0 from 0, and attributes apart', () => {
    const [p, q] = simplify([b.add(x, b.fullLike(x, 0)), b.add(x, b.fullLike(x, -0))])
    expect(p).not.toBe(q)
    expect(q).toBe(x)
    const [r, s] = simplify([b.reduceSum(x, [0]), b.reduceSum(x, [1])])
    expect(r).not.toBe(s)
  })
})

/** Graphs that become `x` (or another leaf) itself. */
const VANISH: Readonly<Record<string, readonly [Node, Node]>> = {
  'x · 1': [b.mul(x, b.fullLike(x, 1)), x],
  'x / 1': [b.div(x, b.fullLike(x, 1)), x],
  'x - 0': [b.sub(x, b.fullLike(x, 0)), x],
  'n + 0': [b.add(n, b.fullLike(n, 0)), n],
  '-(-x)': [b.neg(b.neg(x)), x],
  'not not': [b.not(b.not(flag)), flag],
  'equal branches': [b.select(flag, x, x), x],
  'known condition': [b.select(b.full(1, x.shape, 'bool'), x, y), x],
  'there and back': [b.cast(b.cast(n, 'int64'), 'int32'), n],
  stopGradient: [b.stopGradient(x), x],
  'transpose twice': [b.transpose(b.transpose(x, [2, 0, 1]), [1, 2, 0]), x],
  'reverse twice': [b.reverse(b.reverse(x, [0, 2]), [0, 2]), x],
  'reshape back': [b.reshape(b.reshape(x, [24]), [2, 3, 4]), x],
  'whole slice': [b.slice(x, [0, 0, 0], [2, 3, 4]), x],
  'part of a concat': [b.slice(b.concat([y, x], 1), [0, 3, 0], [2, 6, 4]), x],
  'x¹': [b.pow(x, b.fullLike(x, 1)), x],
}

/** Graphs and the operations that are left of them. */
const BECOME: Readonly<Record<string, readonly [Node, readonly string[]]>> = {
  'x + 0 keeps adding: -0 becomes 0': [
    b.add(x, b.fullLike(x, 0)),
    ['const', 'reshape', 'broadcast', 'add'],
  ],
  'x · 0 stays: NaN and infinity': [
    b.mul(x, b.fullLike(x, 0)),
    ['const', 'reshape', 'broadcast', 'mul'],
  ],
  'x + (-y)': [b.add(x, b.neg(y)), ['sub']],
  'x · (-1)': [b.mul(x, b.fullLike(x, -1)), ['neg']],
  'x²': [b.pow(x, b.fullLike(x, 2)), ['mul']],
  'constants fold': [
    b.mul(x, b.fullLike(x, 6)).inputs.length === 2
      ? b.mul(x, b.mul(b.fullLike(x, 2), b.fullLike(x, 3)))
      : x,
    ['const', 'reshape', 'broadcast', 'mul'],
  ],
  'a cast through a narrower dtype stays': [b.cast(b.cast(n, 'uint8'), 'int32'), ['cast', 'cast']],
  'slices merge': [
    b.slice(b.slice(x, [0, 1, 0], [2, 3, 4]), [0, 1, 1], [2, 2, 4], [1, 1, 2]),
    ['slice'],
  ],
  'broadcasts merge': [
    b.broadcast(b.broadcast(parameter([1, 1], 'float32'), [3, 1]), [3, 5]),
    ['broadcast'],
  ],
  'transposes of ones reshape': [b.transpose(parameter([3, 1], 'float32'), [1, 0]), ['reshape']],
  'pads of one value merge': [
    b.pad(
      b.pad(x, b.constant(0, 'float32'), [1, 0, 0], [0, 0, 0]),
      b.constant(0, 'float32'),
      [0, 0, 2],
      [0, 1, 0],
    ),
    ['const', 'pad'],
  ],
  'a transposed product swaps': [
    b.transpose(
      b.dot([parameter([2, 3], 'float32'), parameter([4, 3], 'float32')], {
        leftBatch: [],
        rightBatch: [],
        leftContract: [1],
        rightContract: [1],
      }),
      [1, 0],
    ),
    ['dot'],
  ],
}

describe('rules', () => {
  for (const [name, [from, to]] of Object.entries(VANISH)) {
    it(name, () => expect(one(from)).toBe(to))
  }
  for (const [name, [from, to]] of Object.entries(BECOME)) {
    it(name, () => expect(names(from)).toEqual(to))
  }

  it('folds an integer division by zero never', () => {
    const zero = b.full(0, [2], 'int32')
    expect(names(b.div(b.full(3, [2], 'int32'), zero))).toContain('div')
  })
})

describe('decomposition', () => {
  it('merges axes and cuts long reductions', () => {
    const wide = parameter([3, 4, 5, 6], 'float32')
    const reduce = topological([one(b.reduceSum(wide, [2, 3]))]).find(
      (m) => m.op.name === 'reduceSum',
    )
    expect(reduce?.inputs[0]?.shape).toEqual([12, 30])
    expect(names(b.reduceSum(parameter([100_000], 'float32'), [0]))).toContain('partialReduce')
  })

  it('finds the index of an extremum by reductions', () => {
    expect(names(b.argMax(x, 1))).toContain('reduceMin')
  })
})

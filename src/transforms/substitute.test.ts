// Sizes put in the place of symbols: in shapes, in attributes, and checked by every operation again.

import { describe, expect, test } from 'vitest'
import { SymDim } from '../base/dim.js'
import { ShapeError } from '../base/errors.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import '../ir/primitives/index.js'
import { parameter } from '../ir/primitives/source.js'
import { substituteSizes } from './substitute.js'

const keep = (): null => null

describe('substituteSizes', () => {
  test('reaches shapes and attributes, and leaves the rest as it is', () => {
    const n = SymDim.symbol('n')
    const x = parameter([n, 4], 'float32')
    const known = b.exp(parameter([3], 'float32'))
    const spread = b.broadcastTo(b.reshape(known, [3, 1, 1]), [3, n, 4])
    const root = b.mul(spread, b.broadcastTo(x, [3, n, 4]))
    const now = substituteSizes([root], new Map([['n', 2]]), keep)
    expect(now(root).shape).toEqual([3, 2, 4])
    expect(now(x).shape).toEqual([2, 4])
    expect((now(spread).attrs as unknown as { shape: number[] }).shape).toEqual([3, 2, 4])
    expect(now(known)).toBe(known)
  })

  test('keeps what several share shared', () => {
    const n = SymDim.symbol('n')
    const e = b.exp(parameter([n], 'float32'))
    const root = b.add(e, e)
    const [left, right] = substituteSizes([root], new Map([['n', 2]]), keep)(root).inputs
    expect(left).toBe(right)
  })

  test('puts replacements in, and does not go below them', () => {
    const n = SymDim.symbol('n')
    const below = b.exp(parameter([n], 'float32'))
    const root = b.neg(below)
    const fed = parameter([5], 'float32')
    const visited: Node[] = []
    const now = substituteSizes([root], new Map(), (node) => {
      visited.push(node)
      return node === below ? fed : null
    })
    expect(now(root).shape).toEqual([5])
    expect(visited).not.toContain(below.inputs[0])
  })

  test('a size that does not go with the others is the error of the operation, with its line', () => {
    const [n, m] = [SymDim.open('n'), SymDim.open('m')]
    const x = parameter([n], 'float32')
    const y = parameter([m], 'float32')
    expect(() => b.add(x, y)).toThrow(ShapeError)
    const product = b.dot([x, y], {
      leftBatch: [],
      rightBatch: [],
      leftContract: [0],
      rightContract: [0],
    })
    product.site = { file: 'user.ts', line: 7, column: 1, functionName: '' }
    const put = (a: number, c: number) =>
      substituteSizes(
        [product],
        new Map([
          ['n', a],
          ['m', c],
        ]),
        keep,
      )(product)
    expect(put(3, 3).shape).toEqual([])
    expect(() => put(3, 4)).toThrow(/dot: .*\n {2}at user\.ts:7/)
  })
})

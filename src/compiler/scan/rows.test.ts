// Which bodies can be split by rows, and what becomes of them.

import { describe, expect, test } from 'vitest'
import { Body } from '../../ir/body.js'
import * as b from '../../ir/build.js'
import type { Node } from '../../ir/node.js'
import '../../ir/primitives/index.js'
import { parameter } from '../../ir/primitives/source.js'
import { printType } from '../../ir/print.js'
import { verify } from '../../ir/verify.js'
import { splitRows } from './rows.js'

const MATMUL: b.DotAttrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }

/** Attributes of a scan whose one state and one sequence are of the last two shapes. */
function attrsOf(shapes: number[][], step: (...x: Node[]) => Node): b.ScanAttrs {
  const inputs = shapes.map((shape) => parameter(shape, 'float32'))
  const next = step(...inputs)
  const body = new Body(inputs, [next, next])
  return { body, shared: shapes.length - 2, carries: 1, length: [3], reverse: false }
}

const typesOf = (nodes: readonly Node[]): string[] => nodes.map(printType)

describe('splitRows', () => {
  test('gives a chunk a few rows of states, sequences and results', () => {
    const split = splitRows(
      attrsOf([[4, 4], [4], [32, 4], [32, 4]], (w, bias, h, x) => {
        const y = b.add(b.dot([h!, w!], MATMUL), b.broadcastTo(bias!, [32, 4]))
        const t = b.transpose(b.tanh(b.add(x!, y)), [1, 0])
        return b.transpose(b.mul(t, b.full(2, [4, 32], 'float32')), [1, 0])
      }),
    )
    expect(split.chunks).toBe(2)
    verify(split.body.outputs)
    const [weights, rows] = [['float32[4, 4]', 'float32[4]'], 'float32[16, 4]']
    expect(typesOf(split.body.inputs)).toEqual([...weights, rows, rows])
    expect(typesOf(split.body.outputs)).toEqual([rows, rows])
    expect([split.isSplit(0), split.isSplit(1)]).toEqual([false, false])
  })

  test('finds shared values that have rows', () => {
    const split = splitRows(
      attrsOf(
        [
          [16, 16],
          [16, 16],
          [16, 16],
          [16, 16],
        ],
        (mask, w, h, x) => b.add(b.mul(b.dot([h!, w!], MATMUL), mask!), x!),
      ),
    )
    expect(split.chunks).toBe(2)
    expect([split.isSplit(0), split.isSplit(1)]).toEqual([true, false])
    expect(typesOf(split.body.inputs).slice(0, 2)).toEqual(['float32[8, 16]', 'float32[16, 16]'])
  })

  test.each<[string, (h: Node, x: Node) => Node]>([
    ['rows that are added up', (h, x) => b.add(h, b.unreduce(b.reduceSum(x, [0]), [0], h.shape))],
    ['rows that change places', (h, x) => b.add(h, b.reverse(x, [0]))],
    [
      'rows that are contracted',
      (h, x) =>
        b.dot([b.dot([h, x], { ...MATMUL, leftContract: [0] }), h], {
          ...MATMUL,
          rightContract: [1],
        }),
    ],
    ['rows that become columns', (h, x) => b.add(h, b.transpose(x, [1, 0]))],
  ])('leaves alone %s', (_, step) => {
    const attrs = attrsOf(
      [
        [16, 16],
        [16, 16],
      ],
      (h, x) => step(h!, x!),
    )
    expect(splitRows(attrs)).toMatchObject({ body: attrs.body, chunks: 1 })
  })

  test('leaves alone few rows, and numbers of rows that have no fitting divisor', () => {
    for (const rows of [1, 6, 13]) {
      const attrs = attrsOf(
        [
          [rows, 3],
          [rows, 3],
        ],
        (h, x) => b.add(h!, x!),
      )
      expect(splitRows(attrs).chunks).toBe(1)
    }
  })
})

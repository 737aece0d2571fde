// Plans cut into segments and phases.

import { describe, expect, test } from 'vitest'
import type { Command } from '../compiler/kernel/ir.js'
import { splitSegments } from './segments.js'
import { COSTS } from './x64/costs.js'
import { pieceByPiece } from './x64/harness.js'

describe('segments', () => {
  const copy = (bytes: number) => ({ op: 'copy', from: 0, to: 1, bytes }) as const
  const [small, large] = [copy(64), copy(1 << 20)]
  const barrier = { op: 'barrier' } as const
  const split = (commands: readonly Command[], chains = true) =>
    splitSegments(commands, COSTS, { chains })
  const shape = (commands: readonly Command[]): number[][] =>
    split(commands).map((s) => s.phases.map((p) => p.length))

  test('take kernels that follow one another by pieces as one', () => {
    const { commands } = pieceByPiece(6 * 4096, 3, 8)
    const [segment] = split([...commands, barrier, large])
    expect(segment!.phases.map((p) => p.map((t) => 1 + t.links.length))).toEqual([[3], [1]])
    expect(split(commands, false)[0]!.phases.length).toBe(3)
  })

  test('end after enough work, where all threads meet', () => {
    const long = copy(COSTS.segment * COSTS.bytes + 1)
    expect(shape([long, large, barrier, large, barrier, large])).toEqual([[2], [1, 1]])
    expect(shape([large, barrier, long])).toEqual([[1, 1]])
    expect(split([long, barrier, large]).map((s) => s.host)).toEqual([null, null])
  })

  test('have phases only where threads have to wait', () => {
    expect(shape([])).toEqual([[0]])
    expect(shape([small, barrier, small, barrier, small])).toEqual([[3]])
    expect(shape([large, barrier, small, barrier, large])).toEqual([[1, 1, 1]])
    expect(shape([small, barrier, small, large])).toEqual([[2, 1]])
    expect(shape([large, small, barrier, small, small])).toEqual([[2, 2]])
  })
})

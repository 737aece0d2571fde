// Concatenations along rows: part by part, without a look at which part an element is in.

import { describe, expect, it } from 'vitest'
import { runCompiled } from '../../../test/support/compiled.js'
import '../../ir/primitives/index.js'
import * as b from '../../ir/build.js'
import type { Node } from '../../ir/node.js'
import type { NDArray } from '../../ir/op.js'
import { parameter } from '../../ir/primitives/source.js'
import { walk } from '../kernel/walk.js'

const numbers = (shape: readonly number[], first: number): NDArray => ({
  shape,
  dtype: 'float32',
  data: Float32Array.from({ length: shape.reduce((p, n) => p * n, 1) }, (_, i) => first + i),
})

/** Parts joined along `axis`: the result, and how often the kernels ask where they are. */
function joined(shapes: readonly number[][], axis: number, of = (x: Node) => x) {
  const parts = shapes.map((shape) => parameter(shape, 'float32'))
  const values = new Map(parts.map((p, i) => [p, numbers(shapes[i] as number[], 100 * i)]))
  const { plan, outputs } = runCompiled([b.concat(parts.map(of), axis)], values)
  let asked = 0
  for (const c of plan.commands) {
    if (c.op !== 'kernel') continue
    walk(c.kernel.body, (s) => {
      if (s.op === 'when') asked++
    })
  }
  return { data: [...(outputs[0] as NDArray).data], asked }
}

describe('a concatenation', () => {
  it('along rows is written part by part', () => {
    const shapes = [
      [2, 3],
      [2, 0],
      [2, 2],
    ]
    expect(joined(shapes, 1)).toEqual({ data: [0, 1, 2, 200, 201, 3, 4, 5, 202, 203], asked: 0 })
  })

  it('along other axes is read where its parts are', () => {
    const shapes = [
      [1, 2],
      [2, 2],
    ]
    expect(joined(shapes, 0).data).toEqual([0, 1, 100, 101, 102, 103])
  })

  it('takes parts that are views', () => {
    const shapes = [
      [2, 3],
      [2, 1],
    ]
    const { data, asked } = joined(shapes, 1, (x) => b.reverse(x, [0, 1]))
    expect(data).toEqual([5, 4, 3, 101, 2, 1, 0, 100])
    expect(asked).toBe(0)
  })
})

// Programs that once computed something else compiled than they did step by step: found at random, shrunk,
// and kept by name.

import { arange, compile, type Tensor, tensor, valueAndGrad } from 'tessera'
import { describe, expect, it } from 'vitest'

const values = (x: Tensor): number[] => Array.from(x.dataSync<Float64Array>(), Number)

/** Runs `fn` compiled, and computes what it returns step by step. */
function bothWays(fn: (x: Tensor) => Tensor, x: Tensor): { compiled: number[]; eager: number[] } {
  return { compiled: values(compile(fn)(x)), eager: values(fn(x)) }
}

describe('programs that were found at random', () => {
  it('gathers one element of 64 bits for a row whose last vector is not full', () => {
    const rows = arange(16).cast('float64').mul(100).reshape([16, 1]).realize()
    const columns = arange(17, { dtype: 'float64' }).realize()
    const { compiled, eager } = bothWays((x) => x.indexSelect(1, [0]).add(columns), rows)
    expect(compiled).toEqual(eager)
    expect(compiled[16 + 17]).toBe(116)
  })

  it('rolls counters along two axes, and keeps the counters too', () => {
    const grid = arange(4).reshape([2, 2])
    const rolled = grid.roll([1, 1], [0, 1])
    expect(values(rolled)).toEqual([3, 2, 1, 0])
    expect(values(grid)).toEqual([0, 1, 2, 3])
  })

  it('differentiates what is larger than a flush keeps after its value was read', () => {
    const x = tensor(new Float32Array(70 * 131).fill(0.5), { shape: [70, 131] })
    const { value, grads } = valueAndGrad((y: Tensor) => y.mul(y).sum())(x)
    expect(value.item()).toBe((70 * 131) / 4)
    expect(grads.dataSync().every((g) => g === 1)).toBe(true)
  })
})

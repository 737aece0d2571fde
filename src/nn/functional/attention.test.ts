import { describe, expect, test } from 'vitest'
import { ShapeError, ValueError } from '../../base/errors.js'
import { manualSeed } from '../../runtime/random.js'
import { compile } from '../../tensor/compile.js'
import { arange, ones, tensor } from '../../tensor/create.js'
import { randn } from '../../tensor/random.js'
import type { Tensor } from '../../tensor/tensor.js'
import { Parameter } from '../../tensor/variable.js'
import * as F from './index.js'

const attend = F.scaledDotProductAttention

/** By its definition. */
function plain(q: Tensor, k: Tensor, v: Tensor, allowed?: Tensor): Tensor {
  const depth = q.shape.at(-1) as number
  const scores = q.matmul(k.transpose(-1, -2)).div(Math.sqrt(depth))
  const masked = allowed ? scores.where(allowed, Number.NEGATIVE_INFINITY) : scores
  return F.softmax(masked, { axis: -1 }).matmul(v)
}

function expectSame(got: Tensor, want: Tensor): void {
  expect(got.shape).toEqual(want.shape)
  const [x, y] = [got.dataSync(), want.dataSync()] as [Float32Array, Float32Array]
  for (const [i, value] of x.entries()) expect(Math.abs(value - y[i]!)).toBeLessThan(2e-5)
}

const triangle = (n: number): Tensor => arange(n).reshape([n, 1]).ge(arange(n))

describe('scaledDotProductAttention', () => {
  manualSeed(1)

  test('is a softmax of products, for any leading axes', () => {
    for (const lead of [[], [2], [2, 3], [2, 2, 3]]) {
      const [q, k, v] = [
        [5, 4],
        [7, 4],
        [7, 3],
      ].map((s) => randn([...lead, ...s]))
      expectSame(attend(q!, k!, v!), plain(q!, k!, v!))
    }
  })

  test('leading axes broadcast', () => {
    const [q, k, v] = [randn([2, 3, 5, 4]), randn([3, 6, 4]), randn([1, 6, 4])]
    expectSame(attend(q, k, v), plain(q, k, v))
  })

  test('long rows, which have a kernel of their own', () => {
    const [q, k, v] = [0, 1, 2].map(() => randn([2, 2, 48, 8]))
    expectSame(attend(q!, k!, v!), plain(q!, k!, v!))
    expectSame(attend(q!, k!, v!, { isCausal: true }), plain(q!, k!, v!, triangle(48)))
  })

  test('masks choose keys, or are added', () => {
    const [q, k, v] = [0, 1, 2].map(() => randn([2, 40, 8]))
    const mask = randn([40, 40]).ge(-1).logicalOr(triangle(40))
    expectSame(attend(q!, k!, v!, { mask }), plain(q!, k!, v!, mask))
    const added = tensor(0).where(mask, Number.NEGATIVE_INFINITY)
    expectSame(attend(q!, k!, v!, { mask: added }), plain(q!, k!, v!, mask))
  })

  test('what may attend to nothing gets zeros', () => {
    const mask = tensor([
      [true, false],
      [false, false],
    ])
    const x = randn([2, 3])
    const y = attend(x, x, x, { mask })
    expect(Array.from(y.dataSync())).toEqual([...x.at(0).dataSync(), 0, 0, 0])
  })

  test('heads of queries may share one of keys', () => {
    const [q, k, v] = [randn([2, 6, 33, 4]), randn([2, 2, 33, 4]), randn([2, 2, 33, 4])]
    const wide = [k, v].map((x) => x.repeatInterleave(3, 1))
    expectSame(attend(q, k, v, { enableGqa: true }), plain(q, wide[0]!, wide[1]!))
    expect(() => attend(q, randn([2, 4, 33, 4]), v, { enableGqa: true })).toThrow(ShapeError)
  })

  test('gradients are those of the definition', () => {
    const data = [0, 1, 2].map(() => randn([2, 2, 36, 8]).realize())
    const weight = randn([2, 2, 36, 8])
    const grads = (f: (...x: Tensor[]) => Tensor): Tensor[] => {
      const params = data.map((x) => new Parameter(x))
      f(...params)
        .mul(weight)
        .sum()
        .backward()
      return params.map((p) => p.grad as Tensor)
    }
    const got = grads((q, k, v) => attend(q!, k!, v!, { isCausal: true }))
    const want = grads((q, k, v) => plain(q!, k!, v!, triangle(36)))
    for (const [i, g] of got.entries()) expectSame(g, want[i]!)
  })

  test('dropout drops weights: of values that are all alike, whole sums', () => {
    const [q, v] = [randn([4, 64, 8]), ones([4, 64, 8])]
    const y = attend(q, q, v, { dropout: 0.5 }).dataSync() as Float32Array
    const mean = y.reduce((a, x) => a + x, 0) / y.length
    expect(Math.abs(mean - 1)).toBeLessThan(0.1)
    expect(new Set(y).size).toBeGreaterThan(8)
    expect(() => attend(q, q, v, { dropout: 1 })).toThrow(ValueError)
  })

  test('compiles to the same bits', () => {
    const [q, k, v] = [0, 1, 2].map(() => randn([2, 2, 36, 8]).realize())
    const f = (...x: Tensor[]): Tensor => attend(x[0]!, x[1]!, x[2]!, { isCausal: true })
    expect(compile(f)(q!, k!, v!).dataSync()).toEqual(f(q!, k!, v!).dataSync())
  })

  test('says what it expected', () => {
    expect(() => attend(randn([2, 3]), randn([2, 4]), randn([2, 3]))).toThrow(
      'scaledDotProductAttention: Expected queries [..., T, D], keys [..., S, D] and values [..., S, E]. Received [2, 3], [2, 4], [2, 3].',
    )
  })
})

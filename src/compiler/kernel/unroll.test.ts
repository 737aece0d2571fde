// Unrolled kernels compute what the loops did.

import { expect, test } from 'vitest'
import { plus, times } from './affine.js'
import { KernelBuilder } from './builder.js'
import { interpretKernel } from './interpret.js'
import { unrollLoops } from './unroll.js'

test.each([
  [1, 1],
  [1, 3],
  [2, 2],
  [2, 3],
  [3, 1],
])('an accumulator lives through %i times %i unrolled rounds', (outer, inner) => {
  const n = outer * inner
  const k = new KernelBuilder('sum')
  const x = k.buffer('x', 'i32', 'read', n)
  const y = k.buffer('y', 'i32', 'write', 1)
  // Two assignments in all: as many as the inner loop's two copies have.
  const sum = k.accumulator('i32', 7)
  const unrolled = { unroll: true }
  k.loop(
    'i',
    outer,
    (i) => {
      k.loop(
        'j',
        inner,
        (j) => k.update(sum, 'add', sum, k.load(x, plus(times(i, inner), j))),
        unrolled,
      )
    },
    unrolled,
  )
  k.store(y, { constant: 0, terms: [] }, sum)
  const kernel = k.finish()
  const values = Int32Array.from({ length: n }, (_, i) => 1 << i)
  const results = [kernel, unrollLoops(kernel)].map((each) => {
    const out = new Int32Array(1)
    interpretKernel(each, [values, out])
    return out[0]
  })
  expect(results).toEqual([7 + 2 ** n - 1, 7 + 2 ** n - 1])
})

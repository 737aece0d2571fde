// Every operation of the table, compiled and interpreted, against the reference.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import type { NDArray } from '../src/ir/op.js'
import { runCompiled } from './support/compiled.js'
import { instantiate, sampleName, TABLE } from './support/samples.js'

const TOLERANCE = { float32: 2e-6, float64: 1e-13 } as const

export function expectClose(actual: NDArray, expected: NDArray): void {
  const tolerance = TOLERANCE[expected.dtype as 'float32']
  if (tolerance === undefined) {
    expect(Array.from(actual.data as Int32Array)).toEqual(Array.from(expected.data as Int32Array))
    return
  }
  const a = actual.data as Float32Array
  const e = expected.data as Float32Array
  const scale = e.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0)
  for (let i = 0; i < e.length; i++) {
    const x = e[i] as number
    const y = a[i] as number
    if (!Number.isFinite(x)) expect(y).toBe(x)
    else if (!(Math.abs(x - y) <= tolerance * (Math.abs(x) * 8 + scale))) {
      expect.fail(`element ${i}: ${y}, expected ${x}`)
    }
  }
}

/** sin and cos of large arguments lose accuracy with the argument. */
for (const [name, op] of TABLE) {
  describe(name, () => {
    for (const [i, sample] of op.samples().entries()) {
      it(`${i}: ${sampleName(sample)}`, () => {
        const { results, bindings } = instantiate(op, sample)
        const expected = evaluateGraph(results, bindings)
        const { outputs, status } = runCompiled(results, bindings)
        expect(status).toBe(0)
        outputs.forEach((o, k) => {
          expectClose(o, expected[k] as NDArray)
        })
      })
    }
  })
}

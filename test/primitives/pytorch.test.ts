// Contractions, windows, pools and norms against PyTorch: values, first and second gradients.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../../src/backends/reference/evaluate.js'
import * as b from '../../src/ir/build.js'
import '../../src/ir/composites/norm.js'
import '../../src/ir/composites/pool.js'
import { apply, type Node } from '../../src/ir/node.js'
import { type Attrs, type NDArray, OPS } from '../../src/ir/op.js'
import '../../src/ir/primitives/index.js'
import { parameter } from '../../src/ir/primitives/source.js'
import { gradients } from '../../src/transforms/grad.js'

interface Plain {
  readonly shape: readonly number[]
  readonly data: readonly number[]
}

/** See fixtures/primitives.py, which writes these. */
interface Case {
  readonly op: string
  readonly note: string
  readonly attrs: Attrs
  readonly inputs: readonly Plain[]
  readonly seed: Plain
  readonly directions: readonly Plain[]
  readonly value: Plain
  readonly first: readonly Plain[]
  readonly second: readonly (Plain | null)[]
}

const file = new URL('../fixtures/primitives.json', import.meta.url)
const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[]

const hold = ({ shape, data }: Plain): NDArray => ({
  shape,
  dtype: 'float64',
  data: Float64Array.from(data),
})

function expectClose(actual: NDArray, expected: Plain, what: string): void {
  expect(actual.shape, what).toEqual(expected.shape)
  expected.data.forEach((e, i) => {
    const a = actual.data[i] as number
    expect(Math.abs(a - e), `${what}[${i}]: ${a}, PyTorch has ${e}`).toBeLessThan(
      1e-7 * (1 + Math.abs(e)),
    )
  })
}

const contracted = (x: Node, y: Node): Node =>
  b.reduceSum(
    b.mul(x, y),
    x.shape.map((_, i) => i),
  )

describe.each(cases)('$op $note', (c) => {
  const bindings = new Map<Node, NDArray>()
  const bind = (p: Plain): Node => {
    const node = parameter(p.shape, 'float64')
    bindings.set(node, hold(p))
    return node
  }
  const inputs = c.inputs.map(bind)
  const node = apply(OPS.get(c.op)!, inputs, c.attrs)
  const y = node.outputs === null ? node : b.output(node, 0)
  const first = gradients([contracted(y, bind(c.seed))], inputs) as Node[]

  it('has the value', () => {
    expectClose(evaluateGraph([y], bindings)[0]!, c.value, 'value')
  })

  it('has the gradients', () => {
    evaluateGraph(first, bindings).forEach((g, i) => {
      expectClose(g, c.first[i]!, `gradient of input ${i}`)
    })
  })

  it('has the second gradients', () => {
    const along = first.map((g, i) => contracted(g, bind(c.directions[i]!)))
    const scalar = along.reduce((p, q) => b.add(p, q))
    gradients([scalar], inputs).forEach((g, i) => {
      const expected = c.second[i]
      const zeros = { shape: c.inputs[i]!.shape, data: c.inputs[i]!.data.map(() => 0) }
      const actual = g === null ? hold(zeros) : evaluateGraph([g], bindings)[0]!
      expectClose(actual, expected ?? zeros, `second gradient of input ${i}`)
    })
  })
})

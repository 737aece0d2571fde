// Every operation of the table on every device: values, gradients and second gradients against the
// reference evaluation.

import { describe, expect, it } from 'vitest'
import type { Device } from '../src/backends/device.js'
import { ReferenceDevice } from '../src/backends/reference/device.js'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import { Storage } from '../src/backends/storage.js'
import { WasmDevice } from '../src/backends/wasm/device.js'
import { X64Device, x64Available } from '../src/backends/x64/device.js'
import { isFloat } from '../src/base/dtype.js'
import * as b from '../src/ir/build.js'
import type { Node } from '../src/ir/node.js'
import type { NDArray, Op, Sample } from '../src/ir/op.js'
import { parameter } from '../src/ir/primitives/source.js'
import { gradients } from '../src/transforms/grad.js'
import { instantiate, sampleName, TABLE, uniform } from './support/samples.js'

const X64 = x64Available()
if (!X64.available) console.warn(`x64 is not tried: ${X64.detail}`)

const DEVICES: readonly (readonly [string, Device])[] = [
  ['wasm', new WasmDevice()],
  ['wasm without shared memory', new WasmDevice({ shared: false })],
  ...(X64.available ? ([['x64', new X64Device()]] as const) : []),
  ['reference', new ReferenceDevice()],
]

/** Largest error allowed, relative to the size of what is compared. */
const TOLERANCE = { float32: 2e-5, float64: 1e-10 } as const

function runOn(
  device: Device,
  outputs: readonly Node[],
  bindings: ReadonlyMap<Node, NDArray>,
): (ArrayLike<number> | ArrayLike<bigint>)[] {
  const inputs = [...bindings.keys()]
  const plan = device.build({ inputs, outputs })
  const stored = plan.run(
    inputs.map((x) => {
      const { dtype, data } = bindings.get(x) as NDArray
      return Storage.of(dtype, data.slice())
    }),
    outputs.map(() => null),
  )
  const results = stored.map((s) => s.read().slice())
  plan.dispose()
  return results
}

function expectClose(got: ArrayLike<number | bigint>, want: NDArray, what: string): void {
  expect(got.length, what).toBe(want.data.length)
  if (want.dtype !== 'float32' && want.dtype !== 'float64') {
    expect(Array.from(got), what).toEqual(Array.from(want.data as ArrayLike<number>))
    return
  }
  let size = 1
  for (const v of want.data as Float32Array)
    if (Number.isFinite(v)) size = Math.max(size, Math.abs(v))
  for (let i = 0; i < got.length; i++) {
    const x = got[i] as number
    const y = want.data[i] as number
    if (Object.is(x, y) || x === y || (Number.isNaN(x) && Number.isNaN(y))) continue
    const error = Math.abs(x - y)
    expect(error, `${what}: element ${i} is ${x}, expected ${y}`).toBeLessThanOrEqual(
      TOLERANCE[want.dtype] * size,
    )
  }
}

/** The results, their gradients along random weights, and the gradients of those. */
function derived(op: Op, sample: Sample): { roots: Node[]; bindings: Map<Node, NDArray> } {
  const { inputs, results, bindings } = instantiate(op, sample)
  const next = uniform(5)
  const weight = (like: Node): Node => {
    const node = parameter(like.shape, like.dtype)
    const n = (like.shape as number[]).reduce((x, y) => x * y, 1)
    const data = like.dtype === 'float32' ? new Float32Array(n) : new Float64Array(n)
    for (let i = 0; i < n; i++) data[i] = 2 * next() - 1
    bindings.set(node, { shape: like.shape as number[], dtype: like.dtype, data })
    return node
  }
  const axes = (x: Node): number[] => x.shape.map((_, i) => i)
  const inner = (xs: readonly Node[]): Node =>
    xs
      .map((x) => b.cast(b.reduceSum(b.mul(x, weight(x)), axes(x)), 'float64'))
      .reduce((x, y) => b.add(x, y))
  const outs = results.filter((y) => isFloat(y.dtype))
  const wrt = inputs.filter((x) => isFloat(x.dtype))
  if (outs.length === 0 || wrt.length === 0) return { roots: [...results], bindings }
  const first = gradients([inner(outs)], wrt).filter((g) => g !== null)
  if (first.length === 0 || sample.smooth === false)
    return { roots: [...results, ...first], bindings }
  const second = gradients([inner(first)], wrt).filter((g) => g !== null)
  return { roots: [...results, ...first, ...second], bindings }
}

describe.each(DEVICES)('%s', (_, device) => {
  it.each(TABLE)('computes %s and its gradients', (_name, op) => {
    for (const sample of op.samples()) {
      const { roots, bindings } = derived(op, sample)
      const want = evaluateGraph(roots, bindings)
      const got = runOn(device, roots, bindings)
      roots.forEach((_root, i) => {
        expectClose(got[i] as ArrayLike<number>, want[i] as NDArray, `${sampleName(sample)} #${i}`)
      })
    }
  })
})

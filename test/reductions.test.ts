// Reductions of shapes that are walked in different ways, with work before, between and after them: near
// the reference, and the same bits from every processor, on any number of threads.

import { afterAll, describe, expect, test } from 'vitest'
import type { Device } from '../src/backends/device.js'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import { Storage } from '../src/backends/storage.js'
import { WasmDevice } from '../src/backends/wasm/device.js'
import { X64Device, x64Available } from '../src/backends/x64/device.js'
import { levelsHere } from '../src/backends/x64/emit/harness.js'
import type { DType } from '../src/base/dtype.js'
import * as b from '../src/ir/build.js'
import { logSoftmax, softmax } from '../src/ir/composites/softmax.js'
import type { Node } from '../src/ir/node.js'
import type { NDArray } from '../src/ir/op.js'
import { parameter } from '../src/ir/primitives/source.js'
import { expandComposites, gradients } from '../src/transforms/grad.js'
import { runCompiled } from './support/compiled.js'
import { sampleArray, uniform } from './support/samples.js'

const devices: [string, WasmDevice | X64Device][] = [1, 2, 4].map((threads) => [
  `wasm, ${threads} threads`,
  new WasmDevice({ threads }),
])
if (x64Available().available) {
  for (const level of levelsHere()) {
    for (const threads of [1, 2, 4]) {
      devices.push([`${level}, ${threads} threads`, new X64Device({ level, threads })])
    }
  }
}
afterAll(() => {
  for (const [, device] of devices) device.close()
})

function runOn(device: Device, x: Node, value: NDArray, outputs: readonly Node[]): unknown[] {
  const plan = device.build({ inputs: [x], outputs })
  const stored = plan.run(
    [Storage.of(value.dtype, value.data.slice())],
    outputs.map(() => null),
  )
  const results = stored.map((s) => s.read().slice())
  plan.dispose()
  return results
}

/** Bits, so that zeros of both signs differ. A NaN is as good as another. */
function bitsOf(data: unknown): Uint8Array {
  const copy = (data as Float32Array | Float64Array | Int32Array).slice()
  if (copy instanceof Float32Array || copy instanceof Float64Array) {
    copy.forEach((v, i) => {
      if (Number.isNaN(v)) copy[i] = Number.NaN
    })
  }
  return new Uint8Array(copy.buffer)
}

function expectClose(got: ArrayLike<number | bigint>, want: NDArray): void {
  const exact = want.data as unknown as ArrayLike<number>
  const size = Array.from(exact).reduce((most, v) => Math.max(most, Math.abs(Number(v))), 1)
  const tolerance = { float32: 1e-5, float64: 1e-12 }[want.dtype as string] ?? 0
  expect(got.length).toBe(exact.length)
  for (let i = 0; i < got.length; i++) {
    const [x, y] = [Number(got[i]), Number(exact[i])]
    if (Object.is(x, y)) continue
    if (!(Math.abs(x - y) <= tolerance * size)) expect.fail(`element ${i} is ${x}, not ${y}`)
  }
}

type Build = (x: Node, axes: readonly number[]) => readonly Node[]

const spread = (y: Node, axes: readonly number[], x: Node): Node => b.unreduce(y, axes, x.shape)
const one =
  (f: (x: Node, axes: readonly number[]) => Node): Build =>
  (x, axes) => [f(x, axes)]

const BUILDS: Readonly<Record<string, Build>> = {
  sum: one(b.reduceSum),
  max: one(b.reduceMax),
  min: one(b.reduceMin),
  'sums of two kinds': (x, axes) => [b.reduceSum(x, axes), b.reduceSum(b.mul(x, x), axes)],
  variance: one((x, axes) => {
    const centered = b.sub(x, spread(b.reduceSum(x, axes), axes, x))
    return b.reduceSum(b.mul(centered, centered), axes)
  }),
  softmax: one(softmax),
  'gradient of logSoftmax': (x, axes) => {
    const y = logSoftmax(x, axes)
    const loss = b.reduceSum(
      b.mul(y, y),
      y.shape.map((_, i) => i),
    )
    return gradients([loss], [x]) as Node[]
  },
  'results and what they are made from': (x, axes) => {
    const most = b.reduceMax(x, axes)
    const e = b.exp(b.sub(x, spread(most, axes, x)))
    const sum = b.reduceSum(e, axes)
    return [most, sum, b.div(e, spread(sum, axes, x)), b.mul(most, sum)]
  },
}

/** Few rows and many, whole groups of them and not, cut in blocks and not; rows along and across. */
const SHAPES: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[16, 32], [0]],
  [[37, 48], [0]],
  [[23, 129], [0]],
  [[1030, 40], [0]],
  [[1024, 33], [0]],
  [[3, 50, 34], [1]],
  [
    [5, 18, 3, 40],
    [0, 2],
  ],
  [
    [19, 7, 36],
    [0, 1],
  ],
  [[6, 1000], [1]],
  [[3, 77], [1]],
  [
    [2, 3, 33],
    [0, 2],
  ],
  [[40_000], [0]],
]

function check(x: Node, value: NDArray, built: readonly Node[]): void {
  const outputs = expandComposites(built)
  const bindings = new Map([[x, value]])
  const want = evaluateGraph(outputs, bindings)
  const interpreted = runCompiled(outputs, bindings).outputs.map((o) => o.data)
  interpreted.forEach((got, i) => {
    expectClose(got as ArrayLike<number>, want[i] as NDArray)
  })
  for (const [name, device] of devices) {
    runOn(device, x, value, outputs).forEach((got, i) => {
      expect(Buffer.compare(bitsOf(got), bitsOf(interpreted[i])), `${name}, result ${i}`).toBe(0)
    })
  }
}

describe.each(Object.entries(BUILDS))('%s', (_, build) => {
  test.each(SHAPES)('of %j over %j', (shape, axes) => {
    const x = parameter(shape, 'float32')
    check(x, sampleArray({ shape }, uniform(7)), build(x, axes))
  })
})

describe.each<DType>(['float64', 'int32', 'int64', 'uint8'])('of %s', (dtype) => {
  test.each([
    [[37, 48], [0]],
    [[1030, 40], [0]],
    [[6, 200], [1]],
  ])('sum, product and maximum of %j over %j', (shape, axes) => {
    const x = parameter(shape, dtype)
    const results = [b.reduceSum(x, axes), b.reduceProd(x, axes), b.reduceMax(x, axes)]
    check(x, sampleArray({ shape, dtype, range: [0, 3] }, uniform(3)), results)
  })
})

test('the first of equal extremes, and NaN before all', () => {
  const shape = [40, 64]
  const x = parameter(shape, 'float32')
  const value = sampleArray({ shape }, uniform(9))
  for (const [i, v] of [
    [64 * 3 + 5, 9],
    [64 * 21 + 5, 9],
    [64 * 30 + 7, Number.NaN],
  ] as const) {
    value.data[i] = v
  }
  check(x, value, [b.argMax(x, 0), b.argMin(x, 1), b.reduceMax(x, [0]), b.reduceMin(x, [1])])
})

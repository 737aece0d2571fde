// Transcendental functions of a dense sample of all float32 numbers (denormals, infinities and NaN among
// them) on every processor, against double precision; and the same bits from each.

import { afterAll, describe, expect, test } from 'vitest'
import type { Device } from '../src/backends/device.js'
import { Storage } from '../src/backends/storage.js'
import { WasmDevice } from '../src/backends/wasm/device.js'
import { detectEngine } from '../src/backends/wasm/engine.js'
import { X64Device, x64Available } from '../src/backends/x64/device.js'
import { levelsHere } from '../src/backends/x64/emit/harness.js'
import * as b from '../src/ir/build.js'
import type { Node } from '../src/ir/node.js'
import '../src/ir/primitives/index.js'
import { parameter } from '../src/ir/primitives/source.js'
import { erf, power } from '../src/ir/primitives/special.js'
import { withinTurn } from './support/angles.js'

const wasm = new WasmDevice()
/** Devices that multiply and add in one rounding: all but old WebAssembly engines. */
const fused: [string, X64Device | WasmDevice][] = []
if (x64Available().available) {
  for (const level of levelsHere()) fused.push([level, new X64Device({ level })])
}
if (detectEngine().fused) fused.push(['wasm', wasm])
const devices = fused.length > 0 ? fused : [['wasm', wasm] as const]
afterAll(() => {
  wasm.close()
  for (const [, device] of fused) device.close()
})

/** Bit patterns from one number to the next: a prime, so that all bits change. */
const STRIDE = 8209
const COUNT = Math.floor(2 ** 32 / STRIDE)
const SAMPLE = new Float32Array(
  Uint32Array.from({ length: COUNT }, (_, i) => i * STRIDE).buffer as ArrayBuffer,
)

function run(device: Device, inputs: readonly Node[], output: Node, values: Float32Array[]) {
  const plan = device.build({ inputs, outputs: [output] })
  const [stored] = plan.run(
    values.map((v) => Storage.of('float32', v)),
    [null],
  )
  const result = stored!.read().slice() as Float32Array
  plan.dispose()
  return result
}

/** Distance of neighbouring float32 numbers at a magnitude. */
const ulp = (x: number): number =>
  2 ** (Math.floor(Math.log2(Math.max(Math.abs(x), 2 ** -126))) - 23)

function expectAccurate(got: Float32Array, most: number, exact: (i: number) => number): void {
  for (let i = 0; i < got.length; i++) {
    const want = exact(i)
    const [y, rounded] = [got[i]!, Math.fround(want)]
    if (Object.is(y, rounded)) continue
    // Just below the overflow one may be on the other side of it.
    const error = Number.isFinite(y) ? Math.abs(y - want) / ulp(want) : Number.POSITIVE_INFINITY
    if (!(error <= most)) expect.fail(`number ${i}: ${y}, not ${want}; ${error} ulp off`)
  }
}

function check(f: (...x: Node[]) => Node, values: Float32Array[], expectation: Expectation): void {
  const inputs = values.map((v) => parameter([v.length], 'float32'))
  let first: Float32Array | null = null
  for (const [name, device] of devices) {
    const got = run(device, inputs, f(...inputs), values)
    if (first === null) expectation(got)
    else {
      const differs = got.findIndex((y, i) => !Object.is(y, first![i]))
      expect(differs, `${name} differs from ${devices[0]![0]}`).toBe(-1)
    }
    first ??= got
  }
}
type Expectation = (got: Float32Array) => void

const FUNCTIONS = [
  ['exp', b.exp, Math.exp],
  ['expm1', b.expm1, Math.expm1],
  ['log', b.log, Math.log],
  ['log1p', b.log1p, Math.log1p],
  ['tanh', b.tanh, Math.tanh],
  ['erf', b.erf, erf],
] as const

describe('float32', () => {
  test.each(FUNCTIONS)('%s', (_, f, exact) => {
    check(f, [SAMPLE], (got) => expectAccurate(got, 2, (i) => exact(SAMPLE[i]!)))
  })

  test.each([
    ['sin', b.sin, Math.sin],
    ['cos', b.cos, Math.cos],
  ] as const)('%s', (_, f, exact) => {
    const angle = (x: number) => (Number.isFinite(x) && Math.abs(x) >= 2 ** 24 ? withinTurn(x) : x)
    check(f, [SAMPLE], (got) => expectAccurate(got, 2, (i) => exact(angle(SAMPLE[i]!))))
  })

  test('pow', () => {
    const exponents = [0.3, 2.5, -2.7, 3, -0.01, 17].map(Math.fround)
    const powers = SAMPLE.map((_, i) => exponents[i % exponents.length]!)
    check(b.pow, [SAMPLE, powers], (got) =>
      expectAccurate(got, 1, (i) => power(SAMPLE[i]!, powers[i]!)),
    )
  })
})

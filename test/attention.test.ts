// Attention and its gradient: as kernels that keep scores to themselves, they give the bits of their bodies.

import { describe, expect, it } from 'vitest'
import { Storage } from '../src/backends/storage.js'
import { WasmDevice } from '../src/backends/wasm/device.js'
import { detectCpu } from '../src/backends/x64/cpu.js'
import { X64Device, x64Available } from '../src/backends/x64/device.js'
import { compileProgram } from '../src/compiler/compile.js'
import { TARGET } from '../src/compiler/fixtures.js'
import * as b from '../src/ir/build.js'
import { attention } from '../src/ir/composites/index.js'
import type { Node } from '../src/ir/node.js'
import '../src/ir/primitives/index.js'
import { parameter } from '../src/ir/primitives/source.js'
import { expandComposites, gradients } from '../src/transforms/grad.js'
import { parametersOf, runCompiled } from './support/compiled.js'
import { uniform } from './support/samples.js'

interface Case {
  readonly sizes: readonly [batch: number, queries: number, keys: number, heads: number]
  readonly depth: number
  readonly features: number
  readonly causal?: boolean
  readonly mask?: 'bool' | 'float32'
}

const CASES: Readonly<Record<string, Case>> = {
  'one tile': { sizes: [1, 4, 32, 1], depth: 8, features: 8 },
  'several heads, odd sizes': { sizes: [2, 7, 37, 3], depth: 5, features: 9 },
  'looking back': { sizes: [2, 40, 40, 2], depth: 8, features: 16, causal: true },
  'looking back, odd sizes': { sizes: [1, 67, 67, 2], depth: 3, features: 2, causal: true },
  'looking back, of the length of panels': {
    sizes: [1, 64, 64, 1],
    depth: 32,
    features: 32,
    causal: true,
  },
  'a mask of truth values': { sizes: [1, 9, 33, 2], depth: 4, features: 6, mask: 'bool' },
  'a mask that is added': { sizes: [1, 9, 33, 2], depth: 4, features: 6, mask: 'float32' },
  'both masks': { sizes: [1, 36, 36, 2], depth: 4, features: 4, causal: true, mask: 'bool' },
}
/** The result, and gradients along random weights; heads are an axis of their own, or next to places. */
function programOf(c: Case): Node[] {
  const [batch, queries, keys, heads] = c.sizes
  // Queries, keys and values are views of one array, as they are in most models.
  const view = (places: number, features: number): Node =>
    b.transpose(parameter([batch, heads, places, features], 'float32'), [0, 2, 1, 3])
  const [q, k, v] = [view(queries, c.depth), view(keys, c.depth), view(keys, c.features)]
  const mask = c.mask ? parameter([batch, heads, queries, keys], c.mask) : null
  const y = attention(q!, k!, v!, mask, { scale: 0.37, causal: c.causal ?? false })
  const seed = parameter(y.shape, 'float32')
  const grads = gradients([y], [q!, k!, v!], [seed])
  return [y, ...(grads as Node[])]
}

function valuesOf(
  roots: readonly Node[],
): Map<Node, { shape: number[]; data: never; dtype: never }> {
  const next = uniform(3)
  const out = new Map()
  for (const x of parametersOf(roots)) {
    const n = (x.shape as number[]).reduce((a, d) => a * d, 1)
    const bool = x.dtype === 'bool'
    const data = bool ? new Uint8Array(n) : new Float32Array(n)
    for (let i = 0; i < n; i++) data[i] = bool ? (next() < 0.7 ? 1 : 0) : 4 * next() - 2
    // A row that may look nowhere.
    if (bool) data.fill(0, 0, (x.shape as number[]).at(-1))
    out.set(x, { shape: x.shape, dtype: x.dtype, data })
  }
  return out
}

const kernelNames = (roots: Node[], separate: boolean): string[] =>
  compileProgram({ inputs: parametersOf(roots), outputs: roots }, TARGET, {
    separate,
  }).commands.flatMap((c) => (c.op === 'kernel' ? [c.kernel.name] : []))

describe('attention keeps its bits', () => {
  for (const [name, c] of Object.entries(CASES)) {
    it(name, () => {
      const roots = programOf(c)
      const bindings = valuesOf(roots)
      const whole = runCompiled(roots, bindings)
      const apart = runCompiled(expandComposites(roots), bindings)
      for (const [i, o] of whole.outputs.entries()) {
        expect(o.data, `result ${i}`).toEqual(apart.outputs[i]!.data)
        expect(o.data.some((x) => x !== 0)).toBe(true)
      }
    })
  }

  it('and its scores to itself', () => {
    const roots = programOf(CASES['looking back']!)
    expect(kernelNames(roots, false)).toHaveLength(2)
    expect(kernelNames(roots, true).length).toBeGreaterThan(10)
  })
})

const x64 = x64Available().available
const avx512 = x64 && detectCpu().avx512
const DEVICES = [
  ['wasm', () => new WasmDevice({ threads: 1 })],
  ['wasm, 3 threads', () => new WasmDevice({ threads: 3 })],
  ...(x64 ? ([['x64, AVX2', () => new X64Device({ level: 'avx2', threads: 1 })]] as const) : []),
  ...(avx512
    ? ([['x64, AVX-512, 4 threads', () => new X64Device({ level: 'avx512', threads: 4 })]] as const)
    : []),
] as const

describe('every device computes the same bits', () => {
  for (const [name, c] of Object.entries(CASES)) {
    it(name, () => {
      const roots = programOf(c)
      const bindings = valuesOf(roots)
      const inputs = parametersOf(roots)
      const results = DEVICES.map(([, make]) => {
        const plan = make().build({ inputs, outputs: roots })
        const given = inputs.map((x) =>
          Storage.of(x.dtype, (bindings.get(x)!.data as Float32Array).slice()),
        )
        return plan
          .run(
            given,
            roots.map(() => null),
          )
          .map((s) => s.read().slice())
      })
      for (const [d, [device]] of DEVICES.entries()) expect(results[d], device).toEqual(results[0])
    })
  }
})

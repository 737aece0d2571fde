// Arithmetic that contractions compute where they read it: the bits are those of kernels of their own.

import { describe, expect, it } from 'vitest'
import { Storage } from '../src/backends/storage.js'
import { WasmDevice } from '../src/backends/wasm/device.js'
import { detectCpu } from '../src/backends/x64/cpu.js'
import { X64Device, x64Available } from '../src/backends/x64/device.js'
import { allocate, type DType } from '../src/base/dtype.js'
import { sizeOf } from '../src/base/shape.js'
import { compileProgram } from '../src/compiler/compile.js'
import { TARGET } from '../src/compiler/fixtures.js'
import * as b from '../src/ir/build.js'
import { relu } from '../src/ir/composites/index.js'
import type { Node } from '../src/ir/node.js'
import type { NDArray } from '../src/ir/op.js'
import { convAttrs } from '../src/ir/primitives/convsamples.js'
import '../src/ir/primitives/index.js'
import { parameter } from '../src/ir/primitives/source.js'
import { expandComposites, gradients } from '../src/transforms/grad.js'
import { type Compiled, parametersOf, runCompiled } from './support/compiled.js'
import { uniform } from './support/samples.js'

const float = (...shape: number[]): Node => parameter(shape, 'float32')
const bytes = (...shape: number[]): Node => parameter(shape, 'uint8')

const SIDES = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
const matmul = (x: Node, y: Node): Node => b.dot([x, y], SIDES)
const turned = (x: Node): Node => b.transpose(x, [1, 0])
const spread = (x: Node, like: Node): Node => b.broadcastTo(x, like.shape)
const half = (x: Node): Node => b.mul(x, b.fullLike(x, 0.37))
const pixels = (x: Node): Node => {
  const y = b.cast(x, 'float32')
  return b.div(y, b.fullLike(y, 255))
}

const CONV = convAttrs(2)
const same = convAttrs(2, { low: [1, 1], high: [1, 1] })

interface Case {
  roots(): Node[]
  /** What is left to kernels that are no contractions. */
  readonly kernels: readonly string[]
}

const program = (roots: () => Node | Node[], ...kernels: string[]): Case => ({
  roots: () => [roots()].flat(),
  kernels,
})

const CASES: Readonly<Record<string, Case>> = {
  'rows of a product': program(() => matmul(b.mul(float(40, 70), float(40, 70)), float(70, 24))),
  'turned rows': program(() => matmul(turned(b.mul(float(70, 40), float(70, 40))), float(70, 24))),
  'rows of several blocks, with a tail': program(() =>
    matmul(half(b.add(float(9, 1100), float(9, 1100))), float(1100, 20)),
  ),
  'many rows, and columns that are packed': program(() =>
    matmul(half(float(1000, 20)), turned(float(40, 20))),
  ),
  'many columns that are packed': program(() =>
    matmul(float(40, 20), turned(half(float(1000, 20)))),
  ),
  'columns of a product': program(() => matmul(float(6, 70), half(float(70, 100)))),
  'turned columns': program(() => matmul(float(33, 70), turned(half(float(50, 70))))),
  'both factors': program(() => matmul(half(float(20, 40)), b.neg(float(40, 24)))),
  'a square': program(() => {
    const x = half(float(20, 40))
    return matmul(x, turned(x))
  }),
  pixels: program(() => matmul(pixels(bytes(30, 100)), float(100, 17))),
  'flattened images': program(() =>
    matmul(b.reshape(pixels(bytes(20, 1, 8, 8)), [20, 64]), float(64, 12)),
  ),
  'images flattened before': program(() =>
    matmul(pixels(b.reshape(bytes(20, 1, 8, 8), [20, 64])), float(64, 12)),
  ),
  'a mask of truth values': program(() => {
    const x = float(30, 60)
    return matmul(b.select(parameter([30, 60], 'bool'), x, b.zerosLike(x)), float(60, 10))
  }),
  'a normalised row': program(() => {
    const x = float(40, 50)
    return matmul(b.mul(b.sub(x, spread(float(50), x)), spread(float(50), x)), float(50, 12))
  }),
  'a scale that is computed': program(() => {
    const x = float(40, 50)
    const scale = b.div(b.fullLike(float(50), 1), b.sqrt(b.exp(float(50))))
    return matmul(b.mul(x, spread(scale, x)), float(50, 12))
  }, 'exp+sqrt+div [50]'),
  'a scalar': program(() => {
    const x = float(40, 50)
    return matmul(b.mul(x, spread(float(), x)), float(50, 12))
  }),
  'a batch of products': program(() => {
    const attrs = { leftBatch: [0], rightBatch: [0], leftContract: [2], rightContract: [2] }
    return b.dot([half(float(3, 20, 16)), float(3, 24, 16)], attrs)
  }),
  'a slice of what is computed': program(() => {
    const x = half(float(20, 90))
    return matmul(b.slice(x, [2, 10], [20, 80], [1, 1]), float(70, 20))
  }),
  'a matrix and a vector': program(() =>
    b.dot([b.mul(float(40, 600), float(40, 600)), float(600)], SIDES),
  ),
  'a vector and a matrix': program(() => {
    const attrs = { ...SIDES, leftContract: [0] }
    return b.dot([float(600), b.mul(float(600, 40), float(600, 40))], attrs)
  }),
  float64: program(() => {
    const x = parameter([20, 40], 'float64')
    return matmul(b.mul(x, x), parameter([40, 12], 'float64'))
  }),
  int32: program(() => {
    const x = parameter([20, 40], 'int32')
    return matmul(b.mul(x, x), parameter([40, 12], 'int32'))
  }),
  'two products of one gradient': program(() => {
    const [upstream, h] = [float(40, 30), float(40, 30)]
    const zero = b.zerosLike(h)
    const g = b.select(b.lt(zero, h), upstream, zero)
    return [matmul(g, float(30, 8)), matmul(turned(g), float(40, 8))]
  }),
  'images with a border': program(() =>
    b.conv([relu(half(float(2, 3, 9, 9))), float(5, 3, 3, 3)], same),
  ),
  'images of bytes, in strides': program(() =>
    b.conv([pixels(bytes(2, 3, 12, 12)), float(8, 3, 3, 3)], { ...same, strides: [2, 2] }),
  ),
  'each channel by itself': program(() =>
    b.conv([relu(half(float(2, 6, 9, 9))), float(6, 1, 3, 3)], { ...same, groups: 6 }),
  ),
  'windows of one element': program(() => {
    const x = float(2, 8, 6, 6)
    const channels = (v: Node): Node => spread(b.reshape(v, [8, 1, 1]), x)
    return b.conv([relu(b.mul(x, channels(float(8)))), float(10, 8, 1, 1)], CONV)
  }),
  'a dear function': program(() => matmul(b.tanh(float(40, 50)), float(50, 12))),
  'an image without a border': program(
    () => b.conv([half(float(2, 3, 9, 9)), float(5, 3, 3, 3)], CONV),
    'mul [2,3,9,9]',
  ),
  'one that is a result': program(() => {
    const x = half(float(40, 50))
    return [matmul(x, float(50, 12)), x]
  }, 'mul [40,50]'),
  'one that something else uses': program(() => {
    const x = half(float(40, 50))
    return [matmul(x, float(50, 12)), b.reduceSum(x, [0])]
  }, 'mul+reduceSum [40,50]'),
  'one of three products': program(() => {
    const x = half(float(40, 50))
    return [matmul(x, float(50, 12)), matmul(x, float(50, 13)), matmul(turned(x), float(40, 9))]
  }, 'mul [40,50]'),
  'one that may divide by zero': program(() => {
    const x = parameter([20, 40], 'int32')
    return matmul(b.div(x, parameter([20, 40], 'int32')), parameter([40, 12], 'int32'))
  }, 'div [20,40]'),
  'an empty sum': program(() => matmul(half(float(4, 0)), float(0, 3))),
  'no rows': program(() => matmul(half(float(0, 4)), float(4, 3))),
  gradients: program(() => {
    const [x, w] = [float(20, 30), float(30, 12)]
    const y = b.tanh(matmul(half(x), w))
    return gradients([y], [x, w], [float(20, 12)]) as Node[]
  }),
}

/** Values that arithmetic is special about, between others. */
const SPECIAL = [Number.NaN, 0, -0, 1e-40, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]

function valuesOf(inputs: readonly Node[], special: boolean): Map<Node, NDArray> {
  const next = uniform(5)
  const draw: Record<DType, () => number> = {
    float32: () => 4 * next() - 2,
    float64: () => 4 * next() - 2,
    int32: () => Math.floor(19 * next()) - 9,
    int64: () => Math.floor(19 * next()) - 9,
    uint8: () => Math.floor(256 * next()),
    bool: () => Math.floor(2 * next()),
  }
  return new Map(
    inputs.map((x) => {
      const shape = x.shape as readonly number[]
      const data = allocate(x.dtype, sizeOf(shape)) as Float32Array
      for (let i = 0; i < data.length; i++) {
        const odd = special && x.dtype.startsWith('float') && next() < 0.01
        data[i] = odd ? SPECIAL[i % SPECIAL.length]! : draw[x.dtype]()
        // A divisor that is zero would be a fault.
        if (x.dtype === 'int32' && data[i] === 0) data[i] = 3
      }
      return [x, { shape, dtype: x.dtype, data }]
    }),
  )
}

const x64 = x64Available().available
const DEVICES = [
  ['wasm', new WasmDevice()],
  ...(x64 ? ([['x64, AVX2', new X64Device({ level: 'avx2' })]] as const) : []),
  ...(x64 && detectCpu().avx512
    ? ([['x64, AVX-512', new X64Device({ level: 'avx512' })]] as const)
    : []),
] as const

describe.each(Object.entries(CASES))('%s', (_, { roots: build, kernels }) => {
  const roots = expandComposites(build())
  const inputs = parametersOf(roots)

  it('leaves to other kernels what it should', () => {
    const { commands } = compileProgram({ inputs, outputs: roots }, TARGET)
    const names = commands.flatMap((c) => (c.op === 'kernel' ? [c.kernel.name] : []))
    expect(names.filter((name) => !/^(dot|conv|pad) /.test(name))).toEqual(kernels)
  })

  it.each([false, true])('has the same bits everywhere (special values: %s)', (special) => {
    const values = valuesOf(inputs, special)
    const dataOf = (c: Compiled) => c.outputs.map((o) => o.data)
    const want = dataOf(runCompiled(roots, values, { separate: true }))
    expect(dataOf(runCompiled(roots, values)), 'interpreted').toEqual(want)
    for (const [name, device] of DEVICES) {
      const plan = device.build({ inputs, outputs: roots })
      const given = inputs.map((x) => Storage.of(x.dtype, values.get(x)!.data.slice()))
      const results = plan.run(
        given,
        roots.map(() => null),
      )
      const got = results.map((s) => s.read().slice())
      plan.dispose()
      expect(got, name).toEqual(want)
    }
  })
})

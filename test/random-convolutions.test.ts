// Convolutions of random sizes with their gradients, against seven plain loops: each takes tiles,
// tails, panels and borders of its own, and code of its own.
//
// TESSERA_PROGRAMS multiplies how many are tried, TESSERA_SEED chooses others.

import fc from 'fast-check'
import { F, type Tensor, tensor, Variable } from 'tessera'
import { expect, it } from 'vitest'
import { sizeOf } from '../src/base/shape.js'

const CONVOLUTIONS = 120
const WORK = 2 ** 21 // products of two numbers in one convolution, at most
const KERNELS: readonly (readonly [number, number])[] = [
  [1, 1],
  [3, 3],
  [5, 5],
  [2, 2],
  [1, 3],
]

interface Sizes {
  readonly batch: number
  readonly inputs: number // channels of a group
  readonly outputs: number // channels of a group
  readonly groups: number
  readonly image: readonly [height: number, width: number]
  readonly kernel: readonly [height: number, width: number]
  readonly stride: number
  readonly padding: number
  readonly dilation: number
}

const pixels = ({ image, kernel, stride, padding, dilation }: Sizes): [number, number] =>
  image.map((n, i) =>
    Math.floor((n + 2 * padding - dilation * (kernel[i]! - 1) - 1) / stride + 1),
  ) as [number, number]

function work(s: Sizes): number {
  const [height, width] = pixels(s)
  const channels = s.groups * s.inputs * s.outputs
  return s.batch * channels * height * width * s.kernel[0] * s.kernel[1]
}

const sizes: fc.Arbitrary<Sizes> = fc
  .record({
    batch: fc.constantFrom(1, 2, 3, 5),
    inputs: fc.constantFrom(1, 2, 3, 8, 16, 33, 64),
    outputs: fc.constantFrom(1, 2, 3, 8, 16, 20, 32, 48, 64, 130),
    groups: fc.constantFrom(1, 1, 1, 2, 5),
    image: fc.tuple(fc.constantFrom(1, 3, 4, 7, 8, 14, 16), fc.constantFrom(1, 4, 5, 8, 9, 15, 32)),
    kernel: fc.constantFrom(...KERNELS),
    stride: fc.constantFrom(1, 1, 2),
    padding: fc.constantFrom(0, 1, 2),
    dilation: fc.constantFrom(1, 1, 2),
  })
  .filter((s) => Math.min(...pixels(s)) > 0 && work(s) <= WORK)

interface Results {
  readonly y: Float32Array
  readonly dx: Float32Array
  readonly dw: Float32Array
}

/** Whole numbers so small that float32 holds their sums exactly, in any order. */
const numbers = (count: number, step: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => ((i * step + (i >> 3)) % 5) - 2)

function shapes(s: Sizes) {
  const [height, width] = pixels(s)
  return {
    x: [s.batch, s.groups * s.inputs, ...s.image],
    w: [s.groups * s.outputs, s.inputs, ...s.kernel],
    y: [s.batch, s.groups * s.outputs, height, width],
  }
}

function data(s: Sizes) {
  const { x, w, y } = shapes(s)
  return { x: numbers(sizeOf(x), 7), w: numbers(sizeOf(w), 3), dy: numbers(sizeOf(y), 4) }
}

/** The definition of a convolution and of its gradients. */
function plainly(s: Sizes): Results {
  const { x, w, dy } = data(s)
  const [y, dx, dw] = [dy, x, w].map((a) => new Float32Array(a.length)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  const [outHeight, outWidth] = pixels(s)
  const [height, width] = s.image
  const inside = (out: number, tap: number) => out * s.stride + tap * s.dilation - s.padding
  for (let n = 0; n < s.batch; n++) {
    for (let o = 0; o < s.groups * s.outputs; o++) {
      const group = Math.floor(o / s.outputs)
      for (let c = 0; c < s.inputs; c++) {
        for (let p = 0; p < s.kernel[0]; p++) {
          for (let q = 0; q < s.kernel[1]; q++) {
            const tap = ((o * s.inputs + c) * s.kernel[0] + p) * s.kernel[1] + q
            for (let i = 0; i < outHeight; i++) {
              const row = inside(i, p)
              if (row < 0 || row >= height) continue
              for (let j = 0; j < outWidth; j++) {
                const column = inside(j, q)
                if (column < 0 || column >= width) continue
                const channel = n * s.groups * s.inputs + group * s.inputs + c
                const from = (channel * height + row) * width + column
                const to = ((n * s.groups * s.outputs + o) * outHeight + i) * outWidth + j
                y[to]! += x[from]! * w[tap]!
                dx[from]! += dy[to]! * w[tap]!
                dw[tap]! += dy[to]! * x[from]!
              }
            }
          }
        }
      }
    }
  }
  return { y, dx, dw }
}

function computed(s: Sizes): Results {
  const shape = shapes(s)
  const { x, w, dy } = data(s)
  const image = new Variable(tensor(x).reshape(shape.x), { requiresGrad: true })
  const kernels = new Variable(tensor(w).reshape(shape.w), { requiresGrad: true })
  const y = F.conv2d(image, kernels, s)
  y.mul(tensor(dy).reshape(shape.y)).sum().backward()
  const values = (t: Tensor) => t.values() as Float32Array
  return { y: values(y), dx: values(image.grad!), dw: values(kernels.grad!) }
}

it('computes convolutions of any sizes, and their gradients', { timeout: 300_000 }, () => {
  fc.assert(
    fc.property(sizes, (s) => {
      const [got, want] = [computed(s), plainly(s)]
      for (const name of ['y', 'dx', 'dw'] as const) {
        const at = want[name].findIndex((v, i) => v !== got[name][i])
        if (at >= 0) expect.fail(`${name}[${at}] is ${got[name][at]}, not ${want[name][at]}`)
      }
    }),
    {
      numRuns: Math.ceil(CONVOLUTIONS * Number(process.env.TESSERA_PROGRAMS ?? 1)),
      seed: Number(process.env.TESSERA_SEED ?? 7),
    },
  )
})

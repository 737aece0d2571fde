import { describe, expect, test } from 'vitest'
import { sizeOf } from '../../base/shape.js'
import type { ConvAttrs } from '../../ir/build.js'
import { convAttrs } from '../../ir/primitives/convsamples.js'
import type { KernelCall, LoweringContext, Reader } from '../kernel/assembly.js'
import { fma32 } from '../kernel/lanewise.js'
import { lowerConv } from './conv.js'
import { tiledFeatures } from './featurekernel.js'
import { featureTiling } from './featuretiles.js'
import { coordinates, flatAt, target, values, Workspace } from './fixtures.js'
import { convNumerics } from './numerics.js'
import { type Patches, patchesOf } from './patches.js'
import { phasesOf } from './phases.js'
import { type ConvSpec, convSizes } from './spec.js'
import { needsNoStage, Stage } from './stage.js'
import { tiledWindows } from './windowkernel.js'
import { packedTiling, type WindowTiling } from './windows.js'

const TARGETS = [target(4, 8, 4), target(6, 8, 4), target(12, 32, 16), target(1, 4, 4)]

/** The definition, with the additions in the order that numerics fixes. Padding multiplies as zeros. */
function naive(spec: ConvSpec, input: ArrayLike<number>, kernel: ArrayLike<number>): Float32Array {
  const { attrs } = spec
  const s = convSizes(spec)
  const phases = phasesOf(spec)
  const out: number[] = []
  for (const n of Array(s.batch).keys()) {
    for (const o of Array(s.groups * s.features).keys()) {
      for (const position of coordinates(s.output)) {
        const g = Math.floor(o / s.features)
        // Of a dilated input, a position's phase says which elements of the kernel meet no holes.
        const phase = phases?.find((p) =>
          p.first.every((f, i) => position[i]! % p.step[i]! === f % p.step[i]!),
        )
        const part = phase?.spec ?? spec
        const { axis, step, blocksPerPart } = convNumerics(part)
        const contract = part.kernel.slice(1)
        const perAxis = Math.ceil((contract[axis] ?? 1) / step)
        const blocks: number[] = []
        for (const k of coordinates(contract)) {
          const [c, ...taps] = k as [number, ...number[]]
          const tap = phase ? taps.map((t, i) => t * phase.step[i]! + phase.tap[i]!) : taps
          const image = attrs.batchGroups > 1 ? g * s.batch + n : n
          const channel = attrs.groups > 1 ? g * s.channels + c : c
          const raw = position.map(
            (p, i) => p * attrs.strides[i]! + tap[i]! * attrs.kernelDilation[i]! - attrs.low[i]!,
          )
          const there = raw.every(
            (r, i) =>
              r >= 0 &&
              r % attrs.inputDilation[i]! === 0 &&
              r / attrs.inputDilation[i]! < s.input[i]!,
          )
          const where = [image, channel, ...raw.map((r, i) => r / attrs.inputDilation[i]!)]
          const x = there ? input[flatAt(spec.input, where)]! : 0
          const b = flatAt(contract.slice(0, axis), k) * perAxis + Math.floor((k[axis] ?? 0) / step)
          blocks[b] = fma32(kernel[flatAt(spec.kernel, [o, c, ...tap])]!, x, blocks[b] ?? 0)
        }
        const parts: number[] = []
        for (const [i, x] of blocks.entries()) {
          const to = Math.floor(i / blocksPerPart)
          parts[to] = parts[to] === undefined ? x : Math.fround(parts[to] + x)
        }
        out.push(parts.length === 0 ? 0 : parts.reduce((a, x) => Math.fround(a + x)))
      }
    }
  }
  return Float32Array.from(out)
}

interface Views {
  readonly inputPerm?: readonly number[]
  readonly kernelPerm?: readonly number[]
  /** Axes of the kernel that run backwards. */
  readonly kernelReversed?: readonly number[]
}

/** What an operand that is a view of `data` looks like, written out. */
function viewed(
  data: Float32Array,
  shape: readonly number[],
  perm: readonly number[] | undefined,
  reversed: readonly number[],
): Float32Array {
  const order = perm ?? shape.map((_, i) => i)
  const stored = new Array<number>(shape.length)
  for (const [i, p] of order.entries()) stored[p] = shape[i]!
  return Float32Array.from(coordinates(shape), (coords) => {
    const inMemory = new Array<number>(shape.length)
    for (const [i, p] of order.entries()) {
      inMemory[p] = reversed.includes(i) ? shape[i]! - 1 - coords[i]! : coords[i]!
    }
    return data[flatAt(stored, inMemory)]!
  })
}

function check(
  input: readonly number[],
  kernel: readonly number[],
  change: Partial<ConvAttrs> = {},
  { inputPerm, kernelPerm, kernelReversed = [] }: Views = {},
  targets = TARGETS,
  lower: typeof lowerConv = lowerConv,
): void {
  const spec: ConvSpec = {
    attrs: convAttrs(input.length - 2, change),
    input,
    kernel,
    dtype: 'float32',
  }
  const s = convSizes(spec)
  const shape = [s.batch, s.groups * s.features, ...s.output]
  const inputData = values(sizeOf(input), 1)
  const kernelData = values(sizeOf(kernel), 2)
  const bias = values(shape[1]!, 3)
  const x = viewed(inputData, input, inputPerm, [])
  const weights = viewed(kernelData, kernel, kernelPerm, kernelReversed)
  const expected = naive(spec, x, weights)
  const positions = sizeOf(s.output)
  const fused = naive(
    spec,
    x.map((v) => Math.fround(Math.fround(v * 2) + 1)),
    weights,
  ).map((v, i) => Math.fround(v + bias[Math.floor(i / positions) % shape[1]!]!))
  for (const [i, t] of targets.entries()) {
    // Fused operands and results and plain ones in turns: both for the first target.
    for (const dressed of i === 0 ? [false, true] : [i % 2 === 1]) {
      const w = new Workspace(t)
      const l = w.reader('input', 'float32', input, inputData, inputPerm)
      const r = w.reader('kernel', 'float32', kernel, kernelData, kernelPerm, kernelReversed)
      const out = w.buffer('out', 'f32', sizeOf(shape))
      const b = w.reader('bias', 'float32', [shape[1]!], bias)
      const writer = dressed ? w.biased(out, shape, b, 1) : w.writer(out, shape)
      w.interpret(lower(spec, dressed ? w.fused(l) : l, r, writer, w))
      const label = `${t.name}${dressed ? ' fused' : ''}`
      expect(w.memory.get(out.id), label).toEqual(dressed ? fused : expected)
    }
  }
}

/** Lowers a convolution as `tile` cuts it, whatever else there is. */
const lowerBy =
  (tile: (c: Patches, ctx: LoweringContext) => KernelCall[]): typeof lowerConv =>
  (spec, input, kernel, out, ctx) => {
    const sizes = convSizes(spec)
    const stage = needsNoStage(spec, sizes) ? null : new Stage(spec, sizes, input)
    const read: Reader['read'] = stage?.read ?? ((k, coords) => input.read(k, coords))
    const origin = spec.attrs.low.map((low) => (stage === null ? -low : 0))
    const c = patchesOf(spec, sizes, convNumerics(spec), read, kernel, out, origin, stage)
    return tile(c, ctx)
  }

/** With features across the lanes, whether that is the best or not. */
const lowerAcross = lowerBy((c, ctx) => tiledFeatures(c, featureTiling(c, ctx.target)!.tiling, ctx))

/** Declares a test for each way to call `check`: the definition, in plain JavaScript, takes its time. */
function checks(name: string, cases: readonly Parameters<typeof check>[]): void {
  const named = cases.map(
    (c) => [`[${c[0]}] with [${c[1]}], ${JSON.stringify(c[2] ?? {})}`, c] as const,
  )
  test.each(named)(`${name}: %s`, { timeout: 60_000 }, (_, c) => check(...c))
}

describe('conv', () => {
  const transposed = { inputPerm: [1, 0, 2, 3], kernelPerm: [1, 0, 2, 3] }

  checks('sizes that fit no tile', [
    [
      [2, 3, 9, 9],
      [5, 3, 3, 3],
    ],
    [
      [1, 1, 8, 8],
      [1, 1, 3, 3],
    ],
    [
      [3, 5, 6, 6],
      [9, 5, 3, 3],
    ],
    [
      [2, 4, 7, 19],
      [6, 4, 2, 3],
    ],
    [
      [2, 3, 5, 5],
      [4, 3, 5, 5],
    ],
    [
      [5, 2, 4, 4],
      [3, 2, 2, 2],
    ],
    [
      [1, 2, 20, 35],
      [3, 2, 3, 3],
    ],
  ])

  checks('1 to 3 spatial axes, and none', [
    [
      [2, 3, 40],
      [5, 3, 3],
    ],
    [[2, 3, 40], [5, 3, 3], { low: [1], high: [1], strides: [2] }],
    [
      [2, 2, 5, 6, 7],
      [3, 2, 2, 3, 2],
    ],
    [[2, 2, 5, 6, 7], [3, 2, 2, 3, 2], { low: [1, 0, 1], high: [0, 2, 1], strides: [1, 2, 1] }],
    [
      [6, 5],
      [7, 5],
    ],
  ])

  checks('padding of either sign, and unequal', [
    [[2, 3, 7, 7], [4, 3, 3, 3], { low: [1, 1], high: [1, 1] }],
    [[2, 3, 7, 7], [4, 3, 3, 3], { low: [2, 0], high: [0, 1] }],
    [[2, 3, 9, 9], [4, 3, 3, 3], { low: [-1, -2], high: [-2, 1] }],
    [[2, 3, 9, 9], [4, 3, 3, 3], { low: [-1, -2], high: [-2, -1] }],
    [[1, 2, 3, 3], [4, 2, 3, 3], { low: [4, 4], high: [4, 4] }],
  ])

  checks('strides and dilations', [
    [[2, 3, 11, 11], [4, 3, 3, 3], { strides: [2, 2] }],
    [[2, 3, 11, 11], [4, 3, 3, 3], { strides: [2, 3], low: [1, 1], high: [1, 1] }],
    [[2, 3, 11, 11], [4, 3, 3, 3], { kernelDilation: [2, 3] }],
    [[2, 3, 5, 5], [4, 3, 3, 3], { inputDilation: [2, 2], low: [2, 2], high: [2, 3] }],
    [[2, 3, 5, 6], [4, 3, 3, 2], { inputDilation: [3, 2], low: [-1, 1], high: [-2, 0] }],
    [[2, 3, 5, 5], [4, 3, 1, 2], { inputDilation: [2, 3], low: [1, 0], high: [1, 2] }],
    [
      [2, 3, 6, 6],
      [4, 3, 2, 2],
      {
        strides: [2, 1],
        inputDilation: [2, 1],
        kernelDilation: [1, 2],
        low: [1, 0],
        high: [0, 1],
      },
    ],
  ])

  checks('groups of channels, of the batch, and depthwise', [
    [[2, 6, 7, 7], [9, 2, 3, 3], { groups: 3 }],
    [[2, 6, 9, 9], [6, 1, 3, 3], { groups: 6, low: [1, 1], high: [1, 1] }],
    [[2, 4, 9, 9], [8, 1, 3, 3], { groups: 4, strides: [2, 2] }],
    [[6, 2, 7, 7], [9, 2, 3, 3], { batchGroups: 3 }],
    [[4, 2, 7, 7], [4, 2, 3, 3], { batchGroups: 4, low: [1, 1], high: [1, 1] }],
  ])

  checks('kernels of one element', [
    [
      [2, 9, 6, 6],
      [17, 9, 1, 1],
    ],
    [[2, 9, 6, 6], [17, 9, 1, 1], { strides: [2, 2] }],
    [[2, 9, 6, 6], [17, 9, 1, 1], { low: [1, 1], high: [1, 1] }],
    [
      [3, 9, 2, 2],
      [17, 9, 1, 1],
    ],
  ])

  checks('sums of several blocks', [
    [[1, 70, 6, 6], [5, 70, 3, 3], {}, {}, TARGETS.slice(0, 3)],
    [[2, 70, 5, 5], [5, 70, 3, 3], { low: [1, 1], high: [1, 1] }, {}, TARGETS.slice(0, 3)],
    [[2, 130, 5, 9], [4, 130, 2, 2], {}, {}, TARGETS.slice(0, 2)],
  ])

  checks('the gradient of the input: a flipped, transposed kernel and a wide border', [
    [
      [2, 6, 5, 5],
      [3, 6, 3, 3],
      { low: [2, 2], high: [2, 2] },
      { kernelPerm: [1, 0, 2, 3], kernelReversed: [2, 3] },
    ],
    [
      [2, 6, 5, 5],
      [20, 6, 3, 3],
      { low: [1, 1], high: [2, 1], inputDilation: [2, 2] },
      { kernelPerm: [1, 0, 2, 3], kernelReversed: [2, 3] },
    ],
  ])

  checks('the gradient of the kernel: channels as batch, images as channels, a large window', [
    [[3, 4, 11, 11], [5, 4, 9, 9], {}, transposed],
    [[3, 4, 9, 9], [5, 4, 9, 9], { low: [1, 1], high: [1, 1] }, transposed],
    [[6, 2, 24, 24], [9, 2, 24, 24], { low: [1, 1], high: [1, 1] }, transposed, [TARGETS[0]!]],
    [[3, 4, 11, 11], [5, 4, 5, 5], { kernelDilation: [2, 2] }, transposed],
    [[3, 8, 6, 6], [20, 8, 4, 4], {}, transposed],
  ])

  const same = { low: [1, 1], high: [1, 1] }
  const reversed = { kernelPerm: [1, 0, 2, 3], kernelReversed: [2, 3] }

  const SMALL: [string, number[], number[], Partial<ConvAttrs>][] = [
    ['one image', [1, 70, 4, 4], [50, 70, 3, 3], same],
    ['two images', [2, 70, 4, 6], [50, 70, 3, 3], {}],
    ['groups', [1, 140, 3, 5], [130, 70, 2, 2], { groups: 2 }],
    ['strides', [1, 170, 8], [65, 170, 3], { strides: [2], low: [1] }],
  ]
  test.each(SMALL)(
    'windows of small images, copied once for several chunks of features: %s',
    (...args) => {
      const [, input, kernel, attrs] = args
      // A cache of which few features' kernels take a share makes many chunks of them.
      const small = [target(4, 8, 4), target(6, 16, 8)].map((t) => ({
        ...t,
        cache: { l1: 4 << 10, l2: 16 << 10 },
      }))
      const lower = lowerBy((c, ctx) => {
        const { tiling } = packedTiling(c, ctx.target, true)
        const unit = { ...tiling.unit, images: c.images }
        const calls = tiledWindows(c, { ...tiling, unit } as WindowTiling, ctx)
        expect(calls.map((c) => c.kernel.name).join()).toContain(': windows')
        return calls
      })
      check(input, kernel, attrs, {}, small, lower)
    },
  )

  type Case = [string, number[], number[], Partial<ConvAttrs>?, Views?]
  const ACROSS: Case[] = [
    ['tiles of parts of lines', [2, 2, 5, 17], [40, 2, 3, 3]],
    ['tiles of several lines', [2, 3, 6, 6], [19, 3, 3, 3], same],
    ['tiles of several images', [7, 2, 3, 3], [35, 2, 2, 2]],
    ['all images for some features', [4, 2, 3, 3], [257, 2, 3, 3], same],
    ['several blocks', [1, 70, 3, 3], [17, 70, 3, 3], same],
    ['strides', [2, 3, 9, 9], [33, 3, 3, 3], { strides: [2, 2] }],
    ['groups of channels', [2, 4, 5, 5], [36, 2, 3, 3], { groups: 2, ...same }],
    ['groups of the batch', [4, 2, 5, 5], [34, 2, 3, 3], { batchGroups: 2 }],
    ['one axis', [1, 2, 275], [17, 2, 3]],
    ['three axes', [1, 2, 3, 4, 5], [35, 2, 2, 3, 3]],
    ['the gradient of the kernel', [3, 2, 9, 9], [35, 2, 9, 9], same, transposed],
    ['… cut into parts', [1, 2, 34, 34], [16, 2, 34, 34], same, transposed],
    ['the gradient of the input', [2, 3, 5, 5], [20, 3, 3, 3], { low: [2, 2] }, reversed],
  ]
  test.each(ACROSS)('features across the lanes: %s', (_, input, kernel, change, views) => {
    const wide = [target(12, 32, 16), target(6, 16, 8)]
    check(input, kernel, change, views, wide, lowerAcross)
  })
})

// Speed of matrix products and convolutions as WebAssembly on one thread, against what the machine could
// do: `node scripts/run.mjs bench/wasm/contract.ts [--tile=4x8] [filter]`.
//
// The limit of a shape is the longer of two times: its multiply-adds at the processor's peak, measured on
// registers alone, and its operands and results, each moved once, at the bandwidth of a copy.

import { sizeOf } from '../../src/base/shape.js'
import { lowerConv } from '../../src/compiler/contract/conv.js'
import { lowerDot } from '../../src/compiler/contract/dot.js'
import { values, Workspace } from '../../src/compiler/contract/fixtures.js'
import {
  type ConvSpec,
  convSizes,
  type DotSpec,
  dotAxes,
} from '../../src/compiler/contract/spec.js'
import type { KernelCall } from '../../src/compiler/kernel/assembly.js'
import type { ConvAttrs } from '../../src/ir/build.js'
import { convAttrs } from '../../src/ir/primitives/convsamples.js'
import { compile, copyBandwidth, engine, peakProgram, time, wasmTarget } from './machine.js'

const option = (name: string): string | undefined =>
  process.argv.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3)
const filter = process.argv.slice(2).find((a) => !a.startsWith('--'))
const [rows, lanes] = (option('tile') ?? '4x8').split('x').map(Number) as [number, number]
const target = wasmTarget(rows, lanes)

interface Row {
  readonly name: string
  readonly flops: number
  readonly bytes: number
  readonly calls: readonly KernelCall[]
  readonly workspace: Workspace
}

interface DotCase {
  readonly attrs?: Partial<DotSpec['attrs']>
  /** Axes of memory of each operand's axes, where they are not in order. */
  readonly leftPerm?: readonly number[]
  readonly rightPerm?: readonly number[]
}

function dotRow(
  name: string,
  left: readonly number[],
  right: readonly number[],
  { attrs, leftPerm, rightPerm }: DotCase = {},
): () => Row {
  return () => {
    const spec: DotSpec = {
      left,
      right,
      dtype: 'float32',
      attrs: { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0], ...attrs },
    }
    const w = new Workspace(target)
    const axes = dotAxes(spec)
    const shape = [...axes.batch, ...axes.rows, ...axes.columns]
    const out = w.buffer('out', 'f32', sizeOf(shape))
    const l = w.reader('left', 'float32', left, values(sizeOf(left), 1), leftPerm)
    const r = w.reader('right', 'float32', right, values(sizeOf(right), 2), rightPerm)
    const calls = lowerDot(spec, l, r, w.writer(out, shape), w)
    const flops = 2 * sizeOf(shape) * sizeOf(axes.contract)
    const bytes = 4 * (sizeOf(left) + sizeOf(right) + sizeOf(shape))
    return { name, flops, bytes, calls, workspace: w }
  }
}

interface ConvCase {
  readonly attrs?: Partial<ConvAttrs>
  readonly inputPerm?: readonly number[]
  readonly kernelPerm?: readonly number[]
  readonly kernelReversed?: readonly number[]
  /** Axes of the output's memory. */
  readonly outPerm?: readonly number[]
}

function convRow(
  name: string,
  input: readonly number[],
  kernel: readonly number[],
  { attrs, inputPerm, kernelPerm, kernelReversed }: ConvCase = {},
): () => Row {
  return () => {
    const spec: ConvSpec = { attrs: convAttrs(2, attrs), input, kernel, dtype: 'float32' }
    const s = convSizes(spec)
    const shape = [s.batch, s.groups * s.features, ...s.output]
    const w = new Workspace(target)
    const x = w.reader('input', 'float32', input, values(sizeOf(input), 1), inputPerm)
    const y = w.reader(
      'kernel',
      'float32',
      kernel,
      values(sizeOf(kernel), 2),
      kernelPerm,
      kernelReversed,
    )
    const out = w.buffer('out', 'f32', sizeOf(shape))
    const calls = lowerConv(spec, x, y, w.writer(out, shape), w)
    // The holes of a dilated input take no work.
    const window = sizeOf([s.channels, ...s.kernel]) / sizeOf(spec.attrs.inputDilation)
    const flops = 2 * sizeOf(shape) * window
    const bytes = 4 * (sizeOf(input) + sizeOf(kernel) + sizeOf(shape))
    return { name, flops, bytes, calls, workspace: w }
  }
}

/** A convolution without padding and stride, and its two gradients. */
function convRows(
  input: readonly [number, number, number, number],
  kernel: readonly [number, number, number, number],
  pad = 0,
) {
  const [n, c, h, w] = input
  const [o, , kh, kw] = kernel
  const [oh, ow] = [h + 2 * pad - kh + 1, w + 2 * pad - kw + 1]
  const name = `[${input}]*[${kernel}]${pad > 0 ? ` pad ${pad}` : ''}`
  const swap = [1, 0, 2, 3]
  const same = { low: [pad, pad], high: [pad, pad] }
  return [
    convRow(`conv ${name}`, input, kernel, { attrs: same }),
    convRow(`  its weights' gradient`, [c, n, h, w], [o, n, oh, ow], {
      attrs: same,
      inputPerm: swap,
      kernelPerm: swap,
    }),
    convRow(`  its input's gradient`, [n, o, oh, ow], [c, o, kh, kw], {
      attrs: { low: [kh - 1 - pad, kw - 1 - pad], high: [kh - 1 - pad, kw - 1 - pad] },
      kernelPerm: swap,
      kernelReversed: [2, 3],
    }),
  ]
}

const CASES: (() => Row)[] = [
  ...[64, 128, 256, 512, 1024].map((n) => dotRow(`matmul ${n}`, [n, n], [n, n])),
  dotRow('matmul 1024, right transposed', [1024, 1024], [1024, 1024], { rightPerm: [1, 0] }),
  dotRow('matmul 1024, left transposed', [1024, 1024], [1024, 1024], { leftPerm: [1, 0] }),
  dotRow('linear [32,784]·[128,784]ᵀ', [32, 784], [784, 128], { rightPerm: [1, 0] }),
  dotRow("  its weights' gradient", [128, 32], [32, 784], { leftPerm: [1, 0] }),
  dotRow("  its input's gradient", [32, 128], [128, 784]),
  dotRow('linear [32,128]·[10,128]ᵀ', [32, 128], [128, 10], { rightPerm: [1, 0] }),
  dotRow("  its weights' gradient", [10, 32], [32, 128], { leftPerm: [1, 0] }),
  dotRow("  its input's gradient", [32, 10], [10, 128]),
  dotRow('linear [1,784]·[128,784]ᵀ', [1, 784], [784, 128], { rightPerm: [1, 0] }),
  dotRow('attention 96x[64,64]·[64,64]ᵀ', [96, 64, 64], [96, 64, 64], {
    attrs: { leftBatch: [0], rightBatch: [0], leftContract: [2], rightContract: [2] },
  }),
  dotRow('attention 96x[64,64]·[64,64]', [96, 64, 64], [96, 64, 64], {
    attrs: { leftBatch: [0], rightBatch: [0], leftContract: [2], rightContract: [1] },
  }),
  dotRow('logits [256,256]·[8000,256]ᵀ', [256, 256], [256, 8000], { rightPerm: [1, 0] }),
  ...convRows([64, 3, 32, 32], [32, 3, 3, 3]),
  ...convRows([64, 32, 15, 15], [64, 32, 3, 3]),
  ...convRows([64, 64, 6, 6], [64, 64, 3, 3]),
  ...convRows([32, 1, 28, 28], [32, 1, 3, 3]),
  ...convRows([8, 64, 28, 28], [64, 64, 3, 3], 1),
  convRow('conv 1x1 [8,64,28,28]*[128,64,1,1]', [8, 64, 28, 28], [128, 64, 1, 1]),
  convRow('conv stride 2 [8,64,28,28]*[128,64,3,3]', [8, 64, 28, 28], [128, 64, 3, 3], {
    attrs: { strides: [2, 2], low: [1, 1], high: [1, 1] },
  }),
  convRow("  its input's gradient", [8, 128, 14, 14], [64, 128, 3, 3], {
    attrs: { low: [1, 1], high: [2, 2], inputDilation: [2, 2] },
    kernelPerm: [1, 0, 2, 3],
    kernelReversed: [2, 3],
  }),
  convRow('depthwise [8,64,28,28]*[64,1,3,3]', [8, 64, 28, 28], [64, 1, 3, 3], {
    attrs: { groups: 64, low: [1, 1], high: [1, 1] },
  }),
]

const peakRun = peakProgram()
const firstPeak = peakRun.flops / time([peakRun.run], 0.3)[0]!
const bandwidth = copyBandwidth()
console.log(
  `peak ${(firstPeak / 1e9).toFixed(1)} GF/s (128-bit, ${engine.fused ? 'fused' : 'mul and add'}), ` +
    `copy ${(bandwidth / 1e9).toFixed(1)} GB/s, tile ${rows}x${lanes}`,
)
for (const make of CASES) {
  const row = make()
  if (filter !== undefined && !row.name.includes(filter)) continue
  const p = compile(row.workspace, row.calls)
  // The peak is measured along with each row: a shared machine's changes all the time.
  const [seconds, ofPeak] = time([p.run, peakRun.run], 0.3) as [number, number]
  const peak = peakRun.flops / ofPeak
  const [compute, memory] = [row.flops / peak, row.bytes / bandwidth]
  const limit = compute > memory ? 'flops' : 'bytes'
  const share = (100 * compute) / seconds
  console.log(
    `${row.name.padEnd(42)} ${(row.flops / seconds / 1e9).toFixed(1).padStart(6)} GF/s ` +
      `${share.toFixed(0).padStart(4)}% of ${(peak / 1e9).toFixed(0)}, ` +
      `${((100 * Math.max(compute, memory)) / seconds).toFixed(0).padStart(3)}% of ${limit}, ` +
      `${(seconds * 1e6).toFixed(0).padStart(7)} µs, ` +
      `compile ${p.compileMs.toFixed(0)} ms, ${p.codeBytes} B, chunks ${p.chunks.join('+')}`,
  )
}

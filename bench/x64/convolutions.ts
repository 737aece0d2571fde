// Speed of the convolutions of some networks, and of their gradients, as x64 machine code:
// `node scripts/run.mjs bench/x64/convolutions.ts [--threads=1] [--seconds=0.2] [filter]`.
//
// For each its rate, and its share of what the multiply-adds of as many threads could do at best, measured
// on registers alone. Padding counts as work, as it does for other libraries; the holes of the gradient of
// a strided convolution do not.

import { Storage } from '../../src/backends/storage.js'
import { X64Device } from '../../src/backends/x64/device.js'
import { sizeOf } from '../../src/base/shape.js'
import { lowerConv } from '../../src/compiler/contract/conv.js'
import { values, Workspace } from '../../src/compiler/contract/fixtures.js'
import { type ConvSpec, convSizes } from '../../src/compiler/contract/spec.js'
import {
  type BufferRef,
  KernelAssembly,
  type KernelCall,
} from '../../src/compiler/kernel/assembly.js'
import { scratchLayout } from '../../src/compiler/kernel/scratch.js'
import type { ConvAttrs } from '../../src/ir/build.js'
import { convAttrs } from '../../src/ir/primitives/convsamples.js'
import { planOf } from '../wasm/plans.js'

const option = (name: string): string | undefined =>
  process.argv.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3)
const filter = process.argv.slice(2).find((a) => !a.startsWith('--')) ?? ''
const threads = Number(option('threads') ?? 1)
const seconds = Number(option('seconds') ?? 0.2)
const device = new X64Device({ threads })

interface Program {
  readonly run: () => void
  readonly compileMs: number
  /** Chunks of each kernel. */
  readonly chunks: string
}

/** Kernels as a plan whose only output is `out`. */
function program(w: Workspace, calls: readonly KernelCall[], out: BufferRef): Program {
  const began = performance.now()
  const refs = new Map(calls.flatMap((c) => c.args).map((a) => [a.id, a]))
  const inputs = [...refs.values()].filter((r) => r !== out && !w.temporaries.includes(r))
  const plan = planOf(calls, inputs, [out])
  const most = Math.max(...calls.map((c) => scratchLayout(c.kernel).bytes))
  const ports = (list: readonly BufferRef[]) =>
    list.map((r) => ({ dtype: 'float32' as const, length: r.length }))
  const executable = device.buildPlan(
    { ...plan, scratchBytes: most },
    { inputs: ports(inputs), outputs: ports([out]) },
  )
  const given = inputs.map((r) => Storage.of('float32', w.memory.get(r.id) as Float32Array))
  const result = Storage.of('float32', new Float32Array(out.length))
  const run = (): void => void executable.run(given, [result])
  run()
  const compileMs = performance.now() - began
  return { run, compileMs, chunks: calls.map((c) => c.kernel.grid).join('+') }
}

/** Multiply-adds on registers alone, as many chunks as threads. */
function peak(): { readonly run: () => void; readonly flops: number } {
  const w = new Workspace(device.target)
  const lanes = device.target.nativeLanes
  const [chains, steps, chunks] = [12, 20_000, 8 * threads]
  const ref = w.buffer('x', 'f32', lanes)
  const out = w.buffer('y', 'f32', lanes)
  const k = new KernelAssembly('peak', chunks)
  k.vector('n', lanes, lanes, (n) => {
    const a = k.load(k.use(ref, 'read'), n)
    const sums = Array.from({ length: chains }, () => k.accumulator('f32', 0))
    k.loop('k', steps, () => {
      for (let u = 0; u < 2; u++) for (const s of sums) k.update(s, 'fma', a, a, s)
    })
    k.store(
      k.use(out, 'write'),
      n,
      sums.reduce((total, s) => k.set('add', total, s)),
    )
  })
  w.fill(ref, new Float32Array(lanes).fill(1e-3))
  const flops = 2 * 2 * lanes * chains * steps * chunks
  k.flops = flops
  return { run: program(w, [k.call()], out).run, flops }
}

interface Case {
  readonly name: string
  readonly input: readonly number[]
  readonly kernel: readonly number[]
  readonly attrs?: Partial<ConvAttrs>
  /** Axes of memory of the operands' axes, and reversed axes of the kernel. */
  readonly inputPerm?: readonly number[]
  readonly kernelPerm?: readonly number[]
  readonly kernelReversed?: readonly number[]
  readonly outPerm?: readonly number[]
}

const SWAP = [1, 0, 2, 3]

function build(c: Case): Program & { readonly flops: number } {
  const attrs = convAttrs(2, c.attrs)
  const spec: ConvSpec = { attrs, input: c.input, kernel: c.kernel, dtype: 'float32' }
  const s = convSizes(spec)
  const shape = [s.batch, s.groups * s.features, ...s.output]
  const w = new Workspace(device.target)
  const { input, kernel } = c
  const x = w.reader('input', 'float32', input, values(sizeOf(input), 1), c.inputPerm)
  const data = values(sizeOf(kernel), 2)
  const y = w.reader('kernel', 'float32', kernel, data, c.kernelPerm, c.kernelReversed)
  const out = w.buffer('out', 'f32', sizeOf(shape))
  const perm = c.outPerm ?? [0, 1, 2, 3]
  const plain = w.writer(
    out,
    perm.map((_, i) => shape[perm.indexOf(i)]!),
  )
  const calls = lowerConv(
    spec,
    x,
    y,
    {
      direct: null,
      write: (k, at, v) =>
        plain.write(
          k,
          perm.map((_, i) => at[perm.indexOf(i)]!),
          v,
        ),
    },
    w,
  )
  const window = sizeOf([s.channels, ...s.kernel]) / sizeOf(attrs.inputDilation)
  return { ...program(w, calls, out), flops: 2 * sizeOf(shape) * window }
}

/** A convolution over square images and its two gradients. */
function layer(
  name: string,
  [n, c, h]: readonly [number, number, number],
  [o, k]: readonly [number, number],
  { stride = 1, pad = 0, groups = 1 } = {},
): Case[] {
  const size = Math.floor((h + 2 * pad - k) / stride) + 1
  const spread = (size - 1) * stride + 1
  const both = (x: number): number[] => [x, x]
  const low = both(pad)
  const before = k - 1 - pad
  const forward: Case = {
    name,
    input: [n, c, h, h],
    kernel: [o, c / groups, k, k],
    attrs: { strides: both(stride), low, high: low, groups },
  }
  if (groups > 1) return [forward]
  return [
    forward,
    {
      name: '  its weights',
      input: [c, n, h, h],
      inputPerm: SWAP,
      kernel: [o, n, size, size],
      kernelPerm: SWAP,
      outPerm: SWAP,
      attrs: { kernelDilation: both(stride), low, high: both(spread - h + k - pad - 1) },
    },
    {
      name: '  its input',
      input: [n, o, size, size],
      kernel: [c, o, k, k],
      kernelPerm: SWAP,
      kernelReversed: [2, 3],
      attrs: {
        inputDilation: both(stride),
        low: both(before),
        high: both(h + k - 1 - spread - before),
      },
    },
  ]
}

const LAYERS: Readonly<Record<string, readonly Case[]>> = {
  mnist: layer('1 to 32, 3x3', [32, 1, 28], [32, 3]),
  cifar: [
    ...layer('3 to 32, 3x3', [64, 3, 32], [32, 3]),
    ...layer('32 to 64, 3x3', [64, 32, 15], [64, 3]),
    ...layer('64 to 64, 3x3', [64, 64, 6], [64, 3]),
  ],
  ...Object.fromEntries(
    [16, 1].map((n) => [
      `resnet b${n}`,
      [
        ...layer('3 to 64, 3x3, pad', [n, 3, 32], [64, 3], { pad: 1 }),
        ...layer('64 to 64, 3x3, pad', [n, 64, 32], [64, 3], { pad: 1 }),
        ...layer('64 to 128, 3x3, stride', [n, 64, 32], [128, 3], { stride: 2, pad: 1 }),
        ...layer('64 to 128, 1x1, stride', [n, 64, 32], [128, 1], { stride: 2 }),
        ...layer('128 to 128, 3x3, pad', [n, 128, 16], [128, 3], { pad: 1 }),
        ...layer('128 to 256, 3x3, stride', [n, 128, 16], [256, 3], { stride: 2, pad: 1 }),
        ...layer('128 to 256, 1x1, stride', [n, 128, 16], [256, 1], { stride: 2 }),
        ...layer('256 to 256, 3x3, pad', [n, 256, 8], [256, 3], { pad: 1 }),
        ...layer('256 to 512, 3x3, stride', [n, 256, 8], [512, 3], { stride: 2, pad: 1 }),
        ...layer('256 to 512, 1x1, stride', [n, 256, 8], [512, 1], { stride: 2 }),
        ...layer('512 to 512, 3x3, pad', [n, 512, 4], [512, 3], { pad: 1 }),
      ],
    ]),
  ),
  others: [
    ...layer('64 to 128, 1x1', [8, 64, 28], [128, 1]),
    ...layer('depthwise 64, 3x3, pad', [8, 64, 28], [64, 3], { pad: 1, groups: 64 }),
    ...layer('groups of 32, 3x3, pad', [8, 128, 28], [128, 3], { pad: 1, groups: 4 }),
    ...layer('3 to 64, 7x7, stride', [8, 3, 112], [64, 7], { stride: 2, pad: 3 }),
  ],
}

const best = peak()

/** The shortest seconds of each of two programs, run in turns. */
function time(a: () => void, b: () => void): [number, number] {
  const least: [number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const end = performance.now() + 1e3 * seconds
  for (let round = 0; performance.now() < end || round < 5; round++) {
    for (const [i, run] of [a, b].entries()) {
      const start = performance.now()
      run()
      least[i] = Math.min(least[i]!, (performance.now() - start) / 1e3)
    }
  }
  return least
}

console.log(`${device.target.name}, ${threads} threads`)
for (const [network, cases] of Object.entries(LAYERS)) {
  for (const c of cases) {
    const name = `${network} ${c.name}`
    if (!name.includes(filter)) continue
    const p = build(c)
    const [own, ofPeak] = time(p.run, best.run)
    const rate = p.flops / own / 1e9
    const ceiling = best.flops / ofPeak / 1e9
    console.log(
      `${name.padEnd(40)} ${rate.toFixed(0).padStart(4)} GF/s ` +
        `${((100 * rate) / ceiling).toFixed(0).padStart(4)}% of ${ceiling.toFixed(0)} ` +
        `${(own * 1e6).toFixed(0).padStart(7)} µs, compile ${p.compileMs.toFixed(0).padStart(3)} ms, ` +
        `chunks ${p.chunks}`,
    )
  }
}

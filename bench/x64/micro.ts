// The x64 emitter's code on one thread, each kernel against what the processor can do at best:
// `node scripts/run.mjs bench/x64/micro.ts [--cpu=avx2|avx512] [--text] [filter]`.

import { chooseLevel, detectCpu } from '../../src/backends/x64/cpu.js'
import { targetFor } from '../../src/backends/x64/target.js'
import { lowerDot } from '../../src/compiler/contract/dot.js'
import { values, Workspace } from '../../src/compiler/contract/fixtures.js'
import { KernelBuilder } from '../../src/compiler/kernel/builder.js'
import { BYTES } from '../../src/compiler/kernel/ir.js'
import { peak, program, time } from './program.js'

const option = (name: string): string | undefined =>
  process.argv.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3)
const filter = process.argv.slice(2).find((a) => !a.startsWith('--'))
const choice = chooseLevel(detectCpu(), option('cpu'))
if ('reason' in choice) throw new Error(choice.reason)
const { level } = choice
const target = targetFor(detectCpu(), level)
const showText = process.argv.includes('--text')

/** [batch, m, k] times [batch, k, n]; `turned` says which operand lies transposed in memory. */
function matmul(
  name: string,
  [m, k, n]: readonly [number, number, number],
  { turned = '', batch = 1 }: { turned?: '' | 'left' | 'right' | 'both'; batch?: number } = {},
) {
  const w = new Workspace(target)
  const perm = (side: string): number[] =>
    turned === side || turned === 'both' ? [0, 2, 1] : [0, 1, 2]
  const left = w.reader('a', 'float32', [batch, m, k], values(batch * m * k, 1), perm('left'))
  const right = w.reader('b', 'float32', [batch, k, n], values(batch * k * n, 2), perm('right'))
  const out = w.buffer('c', 'f32', batch * m * n)
  const attrs = { leftBatch: [0], rightBatch: [0], leftContract: [2], rightContract: [1] }
  const spec = { attrs, left: [batch, m, k], right: [batch, k, n], dtype: 'float32' } as const
  const calls = lowerDot(spec, left, right, w.writer(out, [batch, m, n]), w)
  const buffers = [...w.memory.values()].map((m) => ({
    bytes: m.byteLength,
    fill: m as Float32Array,
  }))
  const bound = calls.map((c) => ({ kernel: c.kernel, args: c.args.map((a) => a.id) }))
  const bytes = 4 * batch * (m * k + k * n + m * n)
  return { name, flops: 2 * batch * m * k * n, bytes, ...program(bound, buffers, level, showText) }
}

/** y = f(x) of a million elements, or of as many as fit the first-level cache. */
function map(name: string, n: number, body: (k: KernelBuilder, x: number) => void, reads: number) {
  const k = new KernelBuilder(name)
  body(k, n)
  const kernel = k.finish()
  const buffers = kernel.buffers.map((b) => ({
    bytes: b.length * BYTES[b.type],
    fill: values(b.length, b.id + 1),
  }))
  const args = kernel.buffers.map((b) => b.id)
  const p = program([{ kernel, args }], buffers, level, showText)
  return { name: `${name} ${n}`, flops: 0, bytes: 4 * n * reads, ...p }
}

const relu = (k: KernelBuilder, n: number): void => {
  const x = k.buffer('x', 'f32', 'read', n)
  const y = k.buffer('y', 'f32', 'write', n)
  k.vector('i', n, 4 * target.nativeLanes, (i) => {
    const v = k.set('fma', k.load(x, i), k.const('f32', 1.5), k.const('f32', -0.25))
    k.store(y, i, k.set('max', v, k.const('f32', 0)))
  })
}
const sum = (k: KernelBuilder, n: number): void => {
  const x = k.buffer('x', 'f32', 'read', n)
  const y = k.buffer('y', 'f32', 'write', 1)
  const acc = k.accumulator('f32', 0, 4 * target.nativeLanes)
  k.vector('i', n, 4 * target.nativeLanes, (i) => k.update(acc, 'add', acc, k.load(x, i)))
  k.store(y, { constant: 0, terms: [] }, k.combine(acc, 'add'))
}

type Sizes = readonly [number, number, number]
const SHAPES: readonly (readonly [string, Sizes, Parameters<typeof matmul>[2]?])[] = [
  ...[1, 7, 16, 17, 31, 32, 33, 64, 67, 97, 100, 127, 128, 131, 256, 257, 512, 768, 1024, 1031].map(
    (n) => [`matmul ${n}`, [n, n, n]] as const,
  ),
  ...(['left', 'right', 'both'] as const).map(
    (turned) => [`matmul 512, ${turned} transposed`, [512, 512, 512], { turned }] as const,
  ),
  ['a step of K 1024x512x1024', [1024, 512, 1024]],
  ['linear [32,784]·[128,784]ᵀ', [32, 784, 128], { turned: 'right' }],
  ["  its weights' gradient", [128, 32, 784], { turned: 'left' }],
  ["  its input's gradient", [32, 128, 784]],
  ['linear [512,784]·[128,784]ᵀ', [512, 784, 128], { turned: 'right' }],
  ["  its weights' gradient", [128, 512, 784], { turned: 'left' }],
  ['linear [32,128]·[10,128]ᵀ', [32, 128, 10], { turned: 'right' }],
  ['linear [1,784]·[128,784]ᵀ', [1, 784, 128], { turned: 'right' }],
  ['projection [1024,128]·[384,128]ᵀ', [1024, 128, 384], { turned: 'right' }],
  ["  its weights' gradient", [384, 1024, 128], { turned: 'left' }],
  ["  its input's gradient", [1024, 384, 128]],
  ['projection [1024,512]·[128,512]ᵀ', [1024, 512, 128], { turned: 'right' }],
  ['attention 32x[128,32]·[128,32]ᵀ', [128, 32, 128], { turned: 'right', batch: 32 }],
  ['attention 32x[128,128]·[128,32]', [128, 128, 32], { batch: 32 }],
  ['towers [4096,32]·[4096,32]ᵀ', [4096, 32, 4096], { turned: 'right' }],
  ['  a gradient', [4096, 4096, 32]],
  ['tall [65536,16]·[16,16]', [65536, 16, 16]],
  ['matrix [4096,1024]·vector', [4096, 1024, 1]],
  ['vector·matrix [1024,4096]', [1, 1024, 4096]],
  ['matrix [512,256]·vector', [512, 256, 1]],
  ['vector·matrix [256,512]', [1, 256, 512]],
]

const CASES = [
  ...SHAPES.map(
    ([name, sizes, more]) =>
      () =>
        matmul(name, sizes, more),
  ),
  ...[4096, 1 << 20].map((n) => () => map('relu(a·x+b)', n, relu, 2)),
  ...[4096, 1 << 20].map((n) => () => map('sum', n, sum, 1)),
]

const best = peak(target)
console.log(`${level}, ${detectCpu().model}, tile ${target.tile.rows}x${target.tile.lanes}`)
for (const make of CASES) {
  const row = make()
  if (filter !== undefined && !row.name.includes(filter)) continue
  const reps = Math.max(1, Math.round(1e6 / Math.max(row.flops / 100, row.bytes / 10)))
  const many = (): void => {
    for (let i = 0; i < reps; i++) row.run()
  }
  const [seconds, ofPeak] = time([many, best.run], 0.15) as [number, number]
  const gf = (row.flops * reps) / seconds / 1e9
  const ceiling = best.flops / ofPeak / 1e9
  const traffic = `${((row.bytes * reps) / seconds / 1e9).toFixed(1)} GB/s`
  const speed =
    row.flops > 0
      ? `${gf.toFixed(1).padStart(5)} GF/s ${((100 * gf) / ceiling).toFixed(0).padStart(3)}% of ${ceiling.toFixed(0)}, ${traffic}`
      : traffic
  console.log(
    `${row.name.padEnd(32)} ${speed.padEnd(34)} ${((1e6 * seconds) / reps).toFixed(1)} µs, ` +
      `compile ${row.compileMs.toFixed(0)} ms`,
  )
}

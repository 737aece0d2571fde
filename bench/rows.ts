// Speed of kernels that memory limits: reductions in every direction, row-wise functions, elementwise
// chains. `node scripts/run.mjs bench/rows.ts [--backend=x64] [--threads=N] [--seconds=S] [filter]`.
//
// Bytes are what has to be moved: every operand and every result, once.

import {
  compile,
  F,
  getNumThreads,
  manualSeed,
  randn,
  setDevice,
  setNumThreads,
  type Tensor,
} from 'tessera'

const option = (name: string): string | undefined =>
  process.argv.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3)
const filter = process.argv.slice(2).find((a) => !a.startsWith('--'))
setDevice(option('backend') ?? 'x64')
if (option('threads') !== undefined) setNumThreads(Number(option('threads')))
const seconds = Number(option('seconds') ?? 0.3)
manualSeed(0)

interface Case {
  readonly name: string
  readonly shape: readonly number[]
  readonly fn: (x: Tensor) => Tensor
}

const over =
  (how: 'sum' | 'max' | 'prod' | 'mean' | 'var' | 'argmax', axis: number | number[] | null) =>
  (x: Tensor): Tensor => {
    if (how === 'argmax') return x.argmax({ axis: axis as number })
    return axis === null ? x[how]() : x[how]({ axis })
  }

const CASES: readonly Case[] = [
  { name: 'sum over rows', shape: [4096, 4096], fn: over('sum', 0) },
  { name: 'sum along rows', shape: [4096, 4096], fn: over('sum', 1) },
  { name: 'sum of all', shape: [4096, 4096], fn: over('sum', null) },
  { name: 'max over rows', shape: [4096, 4096], fn: over('max', 0) },
  { name: 'max along rows', shape: [4096, 4096], fn: over('max', 1) },
  { name: 'max of all', shape: [4096, 4096], fn: over('max', null) },
  { name: 'prod along rows', shape: [4096, 4096], fn: over('prod', 1) },
  { name: 'mean over rows', shape: [4096, 4096], fn: over('mean', 0) },
  { name: 'var over rows', shape: [4096, 4096], fn: over('var', 0) },
  { name: 'var along rows', shape: [4096, 4096], fn: over('var', 1) },
  { name: 'argmax over rows', shape: [4096, 4096], fn: over('argmax', 0) },
  { name: 'argmax along rows', shape: [4096, 4096], fn: over('argmax', 1) },
  { name: 'sum, middle axis', shape: [64, 512, 512], fn: over('sum', 1) },
  { name: 'sum, outer and inner axes', shape: [64, 512, 512], fn: over('sum', [0, 2]) },
  { name: 'sum, channels last', shape: [64, 32, 32, 64], fn: over('sum', [0, 1, 2]) },
  { name: 'sum, channels first', shape: [64, 64, 32, 32], fn: over('sum', [0, 2, 3]) },
  { name: 'var, channels first', shape: [64, 64, 32, 32], fn: over('var', [0, 2, 3]) },
  { name: 'var, channels last', shape: [64, 32, 32, 64], fn: over('var', [0, 1, 2]) },
  { name: 'sum over many rows of 16', shape: [1 << 20, 16], fn: over('sum', 0) },
  { name: 'sum over many rows of 10', shape: [1 << 20, 10], fn: over('sum', 0) },
  { name: 'sum along rows of 16', shape: [1 << 20, 16], fn: over('sum', 1) },
  { name: 'sum along rows of 10', shape: [1 << 20, 10], fn: over('sum', 1) },
  { name: 'sum along rows of 48', shape: [1 << 18, 48], fn: over('sum', 1) },
  { name: 'max along rows of 10', shape: [1 << 20, 10], fn: over('max', 1) },
  { name: 'sum over 8 rows', shape: [8, 1 << 20], fn: over('sum', 0) },
  { name: 'sum over 64 rows', shape: [64, 1 << 18], fn: over('sum', 0) },
  { name: 'bias gradient', shape: [512, 1024], fn: over('sum', 0) },
  { name: 'softmax', shape: [4096, 1000], fn: (x) => F.softmax(x, { axis: -1 }) },
  { name: 'log softmax', shape: [4096, 1000], fn: (x) => F.logSoftmax(x, { axis: -1 }) },
  { name: 'softmax over rows', shape: [1000, 4096], fn: (x) => F.softmax(x, { axis: 0 }) },
  { name: 'softmax of 64', shape: [1 << 16, 64], fn: (x) => F.softmax(x, { axis: -1 }) },
  { name: 'softmax of 10', shape: [1 << 18, 10], fn: (x) => F.softmax(x, { axis: -1 }) },
  { name: 'layer norm', shape: [4096, 1024], fn: (x) => F.layerNorm(x, [1024]) },
  {
    name: 'relu(2x + 1)',
    shape: [1 << 24],
    fn: (x) => F.relu(x.mul(2).add(1)),
  },
  { name: 'relu(2x + 1)', shape: [1 << 20], fn: (x) => F.relu(x.mul(2).add(1)) },
  { name: 'exp', shape: [1 << 20], fn: (x) => x.exp() },
  { name: 'tanh', shape: [1 << 20], fn: (x) => x.tanh() },
  { name: 'gelu', shape: [1 << 20], fn: (x) => F.gelu(x) },
  { name: 'sigmoid', shape: [1 << 20], fn: (x) => x.sigmoid() },
  { name: 'log', shape: [1 << 20], fn: (x) => x.log() },
  { name: 'sin', shape: [1 << 20], fn: (x) => x.sin() },
  { name: 'pow', shape: [1 << 20], fn: (x) => x.abs().pow(1.7) },
  { name: 'transpose', shape: [4096, 4096], fn: (x) => x.transpose().add(1) },
]

const elements = (shape: readonly unknown[]): number =>
  shape.reduce<number>((p, n) => p * (n as number), 1)

/** Shortest and middle microseconds of a function. */
function time(fn: () => unknown): { least: number; median: number } {
  const times: number[] = []
  for (let i = 0; i < 3; i++) fn()
  const end = performance.now() + 1e3 * seconds
  while (times.length < 7 || performance.now() < end) {
    const start = performance.now()
    fn()
    times.push(1e3 * (performance.now() - start))
  }
  times.sort((a, b) => a - b)
  return { least: times[0] as number, median: times[times.length >> 1] as number }
}

console.log(`${getNumThreads()} threads`)
for (const { name, shape, fn } of CASES) {
  const title = `${name} [${shape}]`
  if (filter !== undefined && !title.includes(filter)) continue
  const x = randn(shape as number[]).realize()
  const call = compile(fn)
  const result = call(x).realize()
  const bytes = 4 * (elements(shape) + elements(result.shape))
  const { least, median } = time(() => call(x).realize())
  const speed = (us: number): string => (bytes / us / 1e3).toFixed(1).padStart(6)
  console.log(
    `${title.padEnd(44)} ${least.toFixed(0).padStart(7)} µs ${speed(least)} GB/s   median ` +
      `${median.toFixed(0).padStart(7)} ${speed(median)} GB/s`,
  )
}

// Square matrix products beside those of a BLAS library, in one process and in turns so short that both meet
// the same machine: `node scripts/run.mjs bench/x64/blas.ts --library=FILE [--symbol=sgemm_] [--threads=1]
// [--seconds=10] [size …]`. PyTorch's `libtorch_cpu.so` has MKL's, OpenBLAS's libraries have their own.
//
// What other load does to the machine comes and goes within seconds, and moves both by more than they differ:
// each run is compared with those of the library just before and after it.

import { parseArgs } from 'node:util'
import { compile, randn, setNumThreads, type Tensor } from 'tessera'
import { koffi } from '../../src/backends/x64/native/koffi.js'
import { inOrder, median } from '../timing.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    library: { type: 'string', default: '' },
    symbol: { type: 'string', default: 'sgemm_' },
    threads: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '10' },
  },
})
if (values.library === '') {
  console.error('blas: expected --library=FILE, a shared library with sgemm')
  process.exit(2)
}
const SIZES = positionals.length > 0 ? positionals.map(Number) : [256, 512, 1024, 2048]
/** Multiply-adds that a turn has at least, so that it can be timed. */
const TURN = 1 << 28

// Libraries read this when they are loaded. Threads that wait awake would take the processors from others.
for (const name of ['OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS']) {
  process.env[name] = values.threads
}
process.env.OMP_WAIT_POLICY = 'passive'
setNumThreads(Number(values.threads))

const number = 'const int *'
const matrix = 'const float *'
const order = ['const char *', 'const char *', number, number, number]
const operands = [matrix, matrix, number, matrix, number, matrix, 'float *', number]
const sgemm = koffi()
  .load(values.library)
  .func(`void ${values.symbol}(${[...order, ...operands].join(', ')})`) as (
  ...args: unknown[]
) => void

/** The library's product, whose matrices lie column after column: it computes the transposes of ours. */
function theirs(n: number): () => void {
  const fill = (): Float32Array => Float32Array.from({ length: n * n }, () => Math.random() - 0.5)
  const [x, y, out] = [fill(), fill(), new Float32Array(n * n)]
  const [size, one, none] = [[n], [1], [0]]
  return () => sgemm('N', 'N', size, size, size, one, y, size, x, size, none, out, size)
}

function ours(n: number): () => void {
  const [x, y] = [randn([n, n]), randn([n, n])]
  const multiply = compile((a: Tensor, b: Tensor) => a.matmul(b))
  return () => void multiply(x, y).realize()
}

/** Seconds of one of several runs, after one that is not timed. */
function timed(run: () => void, times: number): number {
  run()
  const start = performance.now()
  for (let i = 0; i < times; i++) run()
  return (performance.now() - start) / 1e3 / times
}

const quartiles = (xs: readonly number[]): string => {
  const sorted = inOrder(xs)
  const at = (q: number): string => sorted[Math.floor((sorted.length - 1) * q)]!.toFixed(3)
  return `${median(sorted).toFixed(3)} (${at(0.25)} to ${at(0.75)})`
}

for (const n of SIZES) {
  const [a, b] = [ours(n), theirs(n)]
  const times = Math.max(1, Math.round(TURN / n ** 3))
  const rate = (seconds: number): string => `${((2 * n ** 3) / seconds / 1e9).toFixed(0)} GF/s`
  const [mine, its, ratios]: [number[], number[], number[]] = [[], [timed(b, times)], []]
  const end = performance.now() + 1e3 * Number(values.seconds)
  while (performance.now() < end || ratios.length < 5) {
    const before = its.at(-1)!
    mine.push(timed(a, times))
    its.push(timed(b, times))
    ratios.push((before + its.at(-1)!) / 2 / mine.at(-1)!)
  }
  const figures = (xs: readonly number[]): string =>
    `${rate(Math.min(...xs))} at best, ${rate(median(inOrder(xs)))} in the median`
  console.log(`${n}: ${quartiles(ratios)} times as fast on ${values.threads} thread(s)`)
  console.log(`  tessera ${figures(mine)}; the library ${figures(its)}`)
}
// Threads of the library's may still be there.
process.exit(0)

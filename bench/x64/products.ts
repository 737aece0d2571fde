// Square matrix products on one and two threads as a share of what as many cores can multiply and add:
// `node scripts/run.mjs bench/x64/products.ts [--seconds=1]`. Odd sizes stand behind a good one near them.
//
// Each size runs in turns with the peak's loop, as other load on the machine comes and goes. `best` compares
// the fastest runs, `median` the usual ones, with the peak's fastest run and one core's.

import { compile, randn, setNumThreads, type Tensor } from 'tessera'
import { chooseLevel, detectCpu } from '../../src/backends/x64/cpu.js'
import { targetFor } from '../../src/backends/x64/target.js'
import { peak } from './program.js'

const seconds = Number(
  process.argv.find((a) => a.startsWith('--seconds='))?.slice('--seconds='.length) ?? 1,
)
const choice = chooseLevel(detectCpu())
if ('reason' in choice) throw new Error(choice.reason)
const best = peak(targetFor(detectCpu(), choice.level))

/** A good size, and odd ones beside it. */
const FAMILIES = [
  [32, 17, 31, 37],
  [64, 61, 67],
  [128, 97, 127, 131],
  [256, 251, 257],
  [512, 509],
  [1024, 1031],
  [2048],
] as const

const THREADS = [1, 2] as const

function elapsed(run: () => void): number {
  const start = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - start) / 1e9
}

/** Floating-point operations a second: of the fastest runs and the median ones, for 1 and 2 threads. */
function rates(n: number): { readonly rows: string[]; readonly best: number[] } {
  const [x, y] = [randn([n, n]), randn([n, n])]
  const multiply = compile((a: Tensor, b: Tensor) => a.matmul(b))
  const once = (): void => {
    multiply(x, y).realize()
  }
  const flops = 2 * n ** 3
  const reps = Math.max(1, Math.round(2e7 / flops))
  const times: number[][] = THREADS.map(() => [])
  const peaks: number[] = []
  const end = performance.now() + 1e3 * seconds
  for (let round = 0; round < 5 || performance.now() < end; round++) {
    peaks.push(elapsed(best.run))
    for (const [i, threads] of THREADS.entries()) {
      setNumThreads(threads)
      once()
      const many = (): void => {
        for (let r = 0; r < reps; r++) once()
      }
      times[i]!.push(elapsed(many) / reps)
    }
  }
  const core = best.flops / Math.min(...peaks)
  const share = (time: number, threads: number): number => flops / time / threads / core
  const percent = (s: number): string => `${(100 * s).toFixed(0).padStart(3)}%`
  const rows = THREADS.map((threads, i) => {
    const sorted = times[i]!.sort((a, b) => a - b)
    const [fastest, usual] = [sorted[0]!, sorted[sorted.length >> 1]!]
    return (
      `${threads} thread${threads > 1 ? 's' : ' '} best ${percent(share(fastest, threads))}` +
      ` median ${percent(share(usual, threads))} ${(1e6 * usual).toFixed(0).padStart(7)} µs`
    )
  })
  return { rows, best: times.map((t, i) => share(t[0]!, THREADS[i]!)) }
}

for (const family of FAMILIES) {
  let good: readonly number[] | null = null
  for (const n of family) {
    const { rows, best: shares } = rates(n)
    const beside =
      good === null
        ? ''
        : `   of ${family[0]}: ${shares.map((s, i) => (s / good![i]!).toFixed(2)).join(', ')}`
    good ??= shares
    console.log(`${String(n).padStart(5)}   ${rows.join('   ')}${beside}`)
  }
}

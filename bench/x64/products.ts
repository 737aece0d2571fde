// Square matrix products on one and two threads: `node scripts/run.mjs bench/x64/products.ts [--seconds=1]`.
//
// Good sizes are shares of what as many cores can multiply and add, in turns with the peak's loop, as other
// load on the machine comes and goes: `best` compares the fastest runs, `median` the usual ones, with the
// peak's fastest run and one core's. Odd sizes, the primes, take turns with the multiple of a register's
// lanes that is nearest.

import { parseArgs } from 'node:util'
import { compile, randn, setNumThreads, type Tensor } from 'tessera'
import { chooseLevel, detectCpu } from '../../src/backends/x64/cpu.js'
import { targetFor } from '../../src/backends/x64/target.js'
import { inOrder, median } from '../timing.js'
import { peak } from './program.js'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '1' } } })
const seconds = Number(values.seconds)
const choice = chooseLevel(detectCpu())
if ('reason' in choice) throw new Error(choice.reason)
const target = targetFor(detectCpu(), choice.level)

const SIZES = [64, 128, 256, 512, 1024, 2048]
const THREADS = [1, 2]
/** Primes up to this one are odd sizes. */
const LARGEST_ODD = 257
/** How much slower than its neighbour an odd size may be. */
const MARGIN = 0.15
/** Seconds a measured run takes, of repetitions, if products run at `RATE`. */
const LEAST = 1e-3
/** Floating-point operations a second, about what a core does. */
const RATE = 1e11

interface Product {
  readonly flops: number
  /** Multiplies so often that the time can be measured. @returns the seconds one product takes */
  timed(): number
}

function product(n: number): Product {
  const [x, y] = [randn([n, n]), randn([n, n])]
  const multiply = compile((a: Tensor, b: Tensor) => a.matmul(b))
  const flops = 2 * n ** 3
  const repetitions = Math.max(1, Math.round((LEAST * RATE) / flops))
  const many = (count: number): void => {
    for (let r = 0; r < count; r++) multiply(x, y).realize()
  }
  return {
    flops,
    timed: () => {
      many(1)
      return elapsed(() => many(repetitions)) / repetitions
    },
  }
}

const threadsText = (n: number): string => (n === 1 ? '1 thread' : `${n} threads`)

/** Seconds that something takes. */
function elapsed(run: () => void): number {
  const start = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - start) / 1e9
}

/** Runs `round` for some seconds, and a few times at least. */
function rounds(limit: number, round: () => void): void {
  const end = performance.now() + 1e3 * limit
  for (let n = 0; n < 5 || performance.now() < end; n++) round()
}

/** Prints which share of the peak a size gets, with each number of threads. */
function goodSize(n: number): void {
  const best = peak(target)
  const { flops, timed } = product(n)
  const times: number[][] = THREADS.map(() => [])
  const peaks: number[] = []
  rounds(seconds, () => {
    peaks.push(elapsed(best.run))
    for (const [i, threads] of THREADS.entries()) {
      setNumThreads(threads)
      times[i]!.push(timed())
    }
  })
  const core = best.flops / Math.min(...peaks)
  const columns = THREADS.map((threads, i) => {
    const share = (time: number): string =>
      `${((100 * flops) / time / threads / core).toFixed(0).padStart(3)}%`
    const sorted = inOrder(times[i]!)
    const usual = median(sorted)
    const microseconds = (1e6 * usual).toFixed(0).padStart(7)
    const shares = `best ${share(sorted[0]!)} median ${share(usual)}`
    return `${threadsText(threads).padEnd(9)} ${shares} ${microseconds} µs`
  })
  console.log(`${String(n).padStart(5)}   ${columns.join('   ')}`)
}

const isPrime = (n: number): boolean => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return true
}

/** The rate of an odd size as a share of its neighbour's. */
interface Shares {
  /** Of the fastest runs. */
  readonly best: number
  /** The middle one of all pairs of runs. */
  readonly usual: number
}

function besideNeighbour(n: number, neighbour: number): Shares {
  const [odd, good] = [product(n), product(neighbour)]
  const [odds, goods]: [number[], number[]] = [[], []]
  rounds(seconds / 4, () => {
    odds.push(odd.timed())
    goods.push(good.timed())
  })
  const work = odd.flops / good.flops
  const pairs = odds.map((time, i) => (work * goods[i]!) / time)
  return {
    best: (work * Math.min(...goods)) / Math.min(...odds),
    usual: median(inOrder(pairs)),
  }
}

/** Prints how odd sizes do beside their neighbours. */
function oddSizes(threads: number): void {
  setNumThreads(threads)
  const lanes = target.nativeLanes
  const all: (Shares & { readonly name: string })[] = []
  for (let n = lanes + 1; n <= LARGEST_ODD; n++) {
    if (!isPrime(n)) continue
    const neighbour = lanes * Math.round(n / lanes)
    all.push({ name: `${n}/${neighbour}`, ...besideNeighbour(n, neighbour) })
  }
  const within = (key: keyof Shares): number => all.filter((s) => s[key] >= 1 - MARGIN).length
  const count = `best ${within('best')}, median ${within('usual')} of ${all.length}`
  console.log(`${threadsText(threads)}: within ${100 * MARGIN}% of their neighbours: ${count}`)
  for (let i = 0; i < all.length; i += 5) {
    const line = all.slice(i, i + 5).map(({ name, best, usual }) => {
      return `${name.padEnd(8)}${best.toFixed(2)} ${usual.toFixed(2)}`.padEnd(20)
    })
    console.log(`  ${line.join('')}`.trimEnd())
  }
}

for (const n of SIZES) goodSize(n)
for (const threads of THREADS) oddSizes(threads)

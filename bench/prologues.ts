// Arithmetic on operands of products and convolutions, done where they read it and by a kernel before them:
// `node scripts/run.mjs bench/prologues.ts [--threads=2] [--seconds=0.5] [case …]`.
//
// An operand of which a row is a result, too, has to be in memory: so the same program is run with and without
// that result, in turns. The third column is the time of the operand's arithmetic alone.

import { parseArgs } from 'node:util'
import { compile, F, randint, randn, setNumThreads, type Tensor } from 'tessera'
import { inOrder, median } from './timing.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '0.5' },
  },
})
setNumThreads(Number(values.threads))

interface Case {
  readonly data: readonly Tensor[]
  /** The operand, of the first of the data. */
  operand(...data: Tensor[]): Tensor
  /** What is computed of it, and of the last of the data. */
  use(operand: Tensor, other: Tensor): Tensor | Tensor[]
}

type Binary = (operand: Tensor, other: Tensor) => Tensor
const times: Binary = (x, w) => x.matmul(w)
const linear: Binary = (x, w) => F.linear(x, w)
const mul = (x: Tensor, mask: Tensor): Tensor => x.mul(mask)
const pixels = (x: Tensor): Tensor => x.cast('float32').div(255)
const dequantized = (x: Tensor): Tensor => x.cast('float32').mul(0.01)
const normalized = (x: Tensor, mean: Tensor, scale: Tensor): Tensor => x.sub(mean).mul(scale)
const activated = (x: Tensor, scale: Tensor, shift: Tensor): Tensor =>
  F.relu(x.mul(scale).add(shift))
const bytes = (...shape: number[]): Tensor => randint(0, 256, shape).cast('uint8')
const floats = (...shape: number[]): Tensor => randn(shape)
const masked = (...shape: number[]): Tensor[] => [floats(...shape), floats(...shape)]
const channels = (n: number): Tensor[] => [floats(n, 1, 1), floats(n, 1, 1)]
const padded = { padding: 1 }

const CASES: Readonly<Record<string, Case>> = {
  'pixels, linear': { data: [bytes(512, 784), floats(128, 784)], operand: pixels, use: linear },
  'bytes, linear': { data: [bytes(512, 784), floats(128, 784)], operand: dequantized, use: linear },
  'masked matmul 1024': {
    data: [...masked(1024, 1024), floats(1024, 1024)],
    operand: mul,
    use: times,
  },
  'matmul 1024 masked': {
    data: [...masked(1024, 1024), floats(1024, 1024)],
    operand: mul,
    use: (x, w) => w.matmul(x),
  },
  'tall and masked': { data: [...masked(16384, 256), floats(256, 16)], operand: mul, use: times },
  'turned and masked': {
    data: [...masked(4096, 512), floats(4096, 256)],
    operand: mul,
    use: (x, w) => x.transpose().matmul(w),
  },
  'normalized rows': {
    data: [floats(1024, 1024), floats(1024), floats(1024), floats(1024, 64)],
    operand: normalized,
    use: times,
  },
  'two products': {
    data: [...masked(512, 1024), floats(512, 1024)],
    operand: (g, h) => g.mul(h.gt(0).cast('float32')),
    use: (g, w) => [g.matmul(w.transpose()), g.transpose().matmul(w)],
  },
  'masked matrix, vector': {
    data: [...masked(4096, 4096), floats(4096)],
    operand: mul,
    use: times,
  },
  'vector, masked matrix': {
    data: [...masked(4096, 4096), floats(4096)],
    operand: mul,
    use: (x, v) => v.matmul(x),
  },
  'quantized, 1 row': {
    data: [bytes(2048, 2048), floats(1, 2048)],
    operand: dequantized,
    use: (w, x) => F.linear(x, w),
  },
  'quantized, 8 rows': {
    data: [bytes(2048, 2048), floats(8, 2048)],
    operand: dequantized,
    use: (w, x) => F.linear(x, w),
  },
  'quantized and turned, 8 rows': {
    data: [bytes(2048, 2048), floats(8, 2048)],
    operand: dequantized,
    use: (w, x) => x.matmul(w),
  },
  'scaled queries': {
    data: [floats(32, 128, 64), floats(32, 128, 64)],
    operand: (q) => q.mul(0.125),
    use: (q, k) => q.matmul(k.transpose([0, 2, 1])),
  },
  'pixels, conv': {
    data: [bytes(64, 3, 32, 32), floats(32, 3, 3, 3)],
    operand: pixels,
    use: (x, w) => F.conv2d(x, w, padded),
  },
  'pixels, conv without border': {
    data: [bytes(64, 3, 32, 32), floats(32, 3, 3, 3)],
    operand: pixels,
    use: (x, w) => F.conv2d(x, w),
  },
  'pixels, large conv': {
    data: [bytes(8, 3, 224, 224), floats(64, 3, 7, 7)],
    operand: pixels,
    use: (x, w) => F.conv2d(x, w, { stride: 2, padding: 3 }),
  },
  'activated, conv': {
    data: [floats(16, 64, 32, 32), ...channels(64), floats(64, 64, 3, 3)],
    operand: activated,
    use: (x, w) => F.conv2d(x, w, padded),
  },
  'activated, conv 1x1': {
    data: [floats(16, 64, 32, 32), ...channels(64), floats(64, 64, 1, 1)],
    operand: activated,
    use: (x, w) => F.conv2d(x, w),
  },
  'activated, depthwise conv': {
    data: [floats(16, 64, 32, 32), ...channels(64), floats(64, 1, 3, 3)],
    operand: activated,
    use: (x, w) => F.conv2d(x, w, { ...padded, groups: 64 }),
  },
}

/** Calls that take turns, and the microseconds each took. */
function race(calls: readonly (() => Tensor[])[], seconds: number): number[][] {
  const spent: number[][] = calls.map(() => [])
  const end = performance.now() + 1e3 * seconds
  for (let round = 0; round < 8 || performance.now() < end; round++) {
    for (let i = 0; i < calls.length; i++) {
      const who = (i + round) % calls.length
      // The first run finds the caches as somebody else left them.
      for (const isTimed of [false, true]) {
        const start = performance.now()
        for (const x of calls[who]!()) x.realize()
        if (isTimed) spent[who]!.push(1e3 * (performance.now() - start))
      }
    }
  }
  return spent
}

const column = (spent: readonly number[]): string => {
  const sorted = inOrder(spent)
  return `${median(sorted).toFixed(0).padStart(8)} (${sorted[0]!.toFixed(0)})`.padEnd(18)
}

const chosen = Object.entries(CASES).filter(
  ([name]) => positionals.length === 0 || positionals.includes(name),
)
const unknown = positionals.find((name) => !Object.hasOwn(CASES, name))
if (unknown !== undefined) {
  console.error(`unknown case ${unknown}; there are: ${Object.keys(CASES).join('; ')}`)
  process.exit(2)
}
console.log(`${'µs: median (best)'.padEnd(30)}   within            before            alone`)
for (const [name, c] of chosen) {
  for (const x of c.data) x.realize()
  const step = (results: (operand: Tensor, other: Tensor) => Tensor[]) => {
    const call = compile((...x: Tensor[]) => results(c.operand(...x), x.at(-1) as Tensor))
    return () => call(...c.data)
  }
  const uses = (operand: Tensor, other: Tensor): Tensor[] => [c.use(operand, other)].flat()
  const spent = race(
    [step(uses), step((x, other) => [...uses(x, other), x.select(0, 0)]), step((x) => [x])],
    Number(values.seconds),
  )
  const ratios = inOrder(spent[1]!.map((t, i) => t / spent[0]![i]!))
  const gain = `before takes ${median(ratios).toFixed(2)} times as long`
  console.log(`${name.padEnd(30)} ${spent.map(column).join('')} ${gain}`)
}

// Whole training steps, and random programs: compiled against the reference, and fused against unfused.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import * as b from '../src/ir/build.js'
import type { Node } from '../src/ir/node.js'
import type { NDArray } from '../src/ir/op.js'
import { parameter } from '../src/ir/primitives/source.js'
import { parametersOf, runCompiled } from './support/compiled.js'
import { adam, cnnStep, mlpStep, transformerStep } from './support/models.js'
import { sampleArray, uniform } from './support/samples.js'

/** Random values for all parameters below some roots: integers are classes, scalars are small steps. */
function bind(roots: readonly Node[], seed = 7): Map<Node, NDArray> {
  const next = uniform(seed)
  const bindings = new Map<Node, NDArray>()
  for (const p of parametersOf(roots)) {
    const shape = p.shape as readonly number[]
    const range =
      p.dtype === 'int32'
        ? ([0, 3] as const)
        : shape.length === 0
          ? ([1, 2] as const)
          : ([0.05, 1] as const)
    bindings.set(p, sampleArray({ shape, dtype: p.dtype, range }, next))
  }
  return bindings
}

function expectNear(actual: NDArray, expected: NDArray, tolerance: number): void {
  const a = Array.from(actual.data as Float32Array, Number)
  const e = Array.from(expected.data as Float32Array, Number)
  const scale = e.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-3)
  for (let i = 0; i < e.length; i++) {
    const difference = Math.abs((a[i] as number) - (e[i] as number))
    if (!(difference <= tolerance * scale)) expect.fail(`element ${i}: ${a[i]}, expected ${e[i]}`)
  }
}

const bytesOf = (x: NDArray): Uint8Array =>
  new Uint8Array(x.data.buffer as ArrayBuffer, x.data.byteOffset, x.data.byteLength)

/** Compiles both ways, and compares: near the reference, and with each other bit for bit. */
function check(roots: readonly Node[], tolerance: number): void {
  const bindings = bind(roots)
  const fused = runCompiled(roots, bindings)
  const separate = runCompiled(roots, bindings, { separate: true })
  expect(fused.status).toBe(0)
  fused.outputs.forEach((o, i) => {
    expect(bytesOf(o)).toEqual(bytesOf(separate.outputs[i] as NDArray))
  })
  const expected = evaluateGraph(roots, bindings)
  fused.outputs.forEach((o, i) => {
    expectNear(o, expected[i] as NDArray, tolerance)
  })
}

describe('training steps', () => {
  it('an MLP with SGD', () => check(mlpStep(8, [20, 40, 10]).outputs, 1e-5))
  it('an MLP with Adam', () => check(mlpStep(5, [7, 33, 4], adam).outputs, 1e-4))
  it('a CNN with batch norm, pooling and dropout', () => check(cnnStep(3, 8, [3, 4]).outputs, 2e-2))
  it('a transformer block', () => check(transformerStep(2, 6, 8, 2).outputs, 1e-4))
})

/** A step of a random program: takes earlier values, and makes one more. */
type Move = (pool: readonly Node[], pick: (n: number) => number) => Node | null

const sized = (x: Node): readonly number[] => x.shape as readonly number[]
const any = (pool: readonly Node[], pick: (n: number) => number): Node =>
  pool[pick(pool.length)] as Node
const partner = (pool: readonly Node[], x: Node, pick: (n: number) => number): Node => {
  const same = pool.filter((y) => y !== x && String(y.shape) === String(x.shape))
  return same.length === 0 ? x : (same[pick(same.length)] as Node)
}
const onAxis =
  (f: (x: Node, axis: number, pick: (n: number) => number) => Node): Move =>
  (pool, pick) => {
    const x = any(pool, pick)
    return x.shape.length === 0 ? null : f(x, pick(x.shape.length), pick)
  }

const MOVES: readonly Move[] = [
  (pool, pick) => b.exp(b.neg(b.abs(any(pool, pick)))),
  (pool, pick) => b.tanh(any(pool, pick)),
  (pool, pick) => {
    const x = any(pool, pick)
    return b.add(x, partner(pool, x, pick))
  },
  (pool, pick) => {
    const x = any(pool, pick)
    return b.sub(partner(pool, x, pick), x)
  },
  (pool, pick) => {
    const x = any(pool, pick)
    return b.mul(b.tanh(x), partner(pool, x, pick))
  },
  (pool, pick) => {
    const x = any(pool, pick)
    return b.select(b.lt(x, partner(pool, x, pick)), x, b.fullLike(x, 0.25))
  },
  onAxis((x, axis) => b.unreduce(b.reduceSum(x, [axis]), [axis], x.shape)),
  onAxis((x, axis) => b.sub(x, b.unreduce(b.reduceMax(x, [axis]), [axis], x.shape))),
  onAxis((x, axis) => b.reduceSum(x, [axis])),
  (pool, pick) => {
    const x = any(pool, pick)
    return b.reduceSum(
      x,
      x.shape.map((_, i) => i),
    )
  },
  (pool, pick) => {
    const x = any(pool, pick)
    return b.transpose(
      x,
      x.shape.map((_, i) => x.shape.length - 1 - i),
    )
  },
  (pool, pick) => {
    const x = any(pool, pick)
    return b.reshape(x, [sized(x).reduce((p, n) => p * n, 1)])
  },
  (pool, pick) => {
    const x = any(pool, pick)
    const flat = sized(x).reduce((p, n) => p * n, 1)
    return flat % 6 === 0 ? b.reshape(x, pick(2) === 0 ? [6, flat / 6] : [flat / 2, 2]) : null
  },
  onAxis((x, axis) => b.reverse(x, [axis])),
  onAxis((x, axis, pick) => {
    const n = sized(x)[axis] as number
    const start = pick(n)
    const stops = sized(x).map((d, i) => (i === axis ? Math.min(d, start + 1 + pick(d)) : d))
    return b.slice(
      x,
      sized(x).map((_, i) => (i === axis ? start : 0)),
      stops,
      sized(x).map((_, i) => (i === axis ? 1 + pick(2) : 1)),
    )
  }),
  onAxis((x, axis, pick) => {
    const at = (n: number): number[] => sized(x).map((_, i) => (i === axis ? n : 0))
    return b.pad(x, b.constant(0.5, x.dtype), at(pick(3)), at(pick(3)), at(pick(2)))
  }),
  onAxis((x, axis, pick) => b.concat([x, b.reverse(x, [axis]), any([x], pick)], axis)),
  onAxis((x, axis, pick) => {
    const n = sized(x)[axis] as number
    const counts = b.iota([3], 0, 'int32')
    const indices = b.min(counts, b.full(Math.max(0, n - 1 - pick(2)), [3], 'int32'))
    return b.gather(x, indices, axis)
  }),
  onAxis((x, axis) => b.cast(b.unreduce(b.argMax(x, axis), [axis], x.shape), 'float32')),
  onAxis((x, axis, pick) => {
    const n = sized(x)[axis] as number
    const counts = b.iota([2], 0, 'int32')
    const indices = b.min(counts, b.full(Math.max(0, n - 1 - pick(2)), [2], 'int32'))
    return b.scatterAdd(x, indices, b.tanh(b.gather(x, indices, axis)), axis)
  }),
  onAxis((x, axis, pick) => {
    // Windows over the last axis, so that it has to come last.
    const last = x.shape.length - 1
    const perm = x.shape.map((_, i) => (i === axis ? last : i === last ? axis : i))
    const moved = b.transpose(x, perm)
    const n = sized(moved)[last] as number
    const size = 1 + pick(Math.min(3, n))
    const window = { size: [size], strides: [1 + pick(3)], dilation: [1] }
    const windows = b.unfold(moved, window)
    return pick(2) === 0
      ? b.reduceMax(windows, [last + 1])
      : b.fold(b.tanh(windows), { ...window, spatial: [n] })
  }),
  onAxis((x, axis, pick) => {
    const start = b.constant(pick(3), 'int32')
    const sizes = sized(x).map((n, i) => (i === axis ? Math.ceil(n / 2) : n))
    const starts = sizes.map((_, i) => (i === axis ? start : b.constant(0, 'int32')))
    const block = b.dynamicSlice(x, starts, sizes)
    return pick(2) === 0 ? block : b.dynamicUpdate(x, b.neg(block), starts)
  }),
  (pool, pick) => {
    const x = any(pool, pick)
    const rank = x.shape.length
    if (rank !== 2) return null
    const attrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [1] }
    return b.tanh(b.dot([x, x], attrs))
  },
]

const small = (x: Node): boolean => {
  const n = sized(x).reduce((p, d) => p * d, 1)
  return n > 0 && n <= 600 && x.shape.length <= 4
}

describe('random programs', () => {
  it('fused and unfused agree bit for bit, and with the reference', () => {
    const choices = fc.array(fc.nat(1 << 20), { minLength: 40, maxLength: 60 })
    fc.assert(
      fc.property(choices, (numbers) => {
        let at = 0
        const pick = (n: number): number => (numbers[at++ % numbers.length] as number) % n
        const pool: Node[] = [
          parameter([4, 6], 'float32'),
          parameter([3, 35], 'float32'),
          parameter([2, 3, 4], 'float32'),
        ]
        const steps = 4 + pick(12)
        for (let i = 0; i < steps; i++) {
          const made = (MOVES[pick(MOVES.length)] as Move)(pool, pick)
          if (made !== null && small(made)) pool.push(made)
        }
        const results = pool.slice(-1 - pick(3)).filter((x) => x.op.name !== 'param')
        if (results.length > 0) check(results, 2e-3)
      }),
      { numRuns: 150, seed: 20 },
    )
  })
})

describe('sizes', () => {
  it('compiles a chain of 100,000 operations', () => {
    let x = parameter([4], 'float32')
    const start = x
    for (let i = 0; i < 100_000; i++) x = i % 2 === 0 ? b.sub(x, start) : b.tanh(x)
    const bindings = bind([x])
    expect(runCompiled([x], bindings).status).toBe(0)
  }, 60_000)

  it('folds a deep chain of views', () => {
    let x: Node = parameter([3, 4], 'float32')
    for (let i = 0; i < 3000; i++) x = i % 2 === 0 ? b.transpose(x, [1, 0]) : b.reverse(x, [0])
    check([b.neg(x)], 0)
  })

  it('reduces long rows and columns in blocks', () => {
    const x = parameter([70_000], 'float32')
    const y = parameter([1500, 6], 'float32')
    const z = parameter([3, 40_000], 'float32')
    const sums = [b.reduceSum(x, [0]), b.reduceSum(y, [0]), b.reduceSum(b.mul(z, z), [1])]
    check([...sums, b.reduceMax(y, [0, 1])], 1e-5)
  })
})

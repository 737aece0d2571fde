import { describe, expect, test } from 'vitest'
import { sizeOf } from '../../base/shape.js'
import { MEMORY_TYPE, type Writer } from '../kernel/assembly.js'
import { fma32 } from '../kernel/lanewise.js'
import { walk } from '../kernel/walk.js'
import { lowerDot } from './dot.js'
import { flatAt as at, coordinates, target, values, Workspace } from './fixtures.js'
import { dotNumerics, TREE_LANES } from './numerics.js'
import { type DotSpec, dotAxes } from './spec.js'

const TARGETS = [target(4, 8, 4), target(6, 8, 4), target(12, 32, 16), target(1, 4, 4)]

const MATMUL = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }

/** The definition, with the additions in the order that numerics fixes. */
function naive(spec: DotSpec, left: ArrayLike<number>, right: ArrayLike<number>): Float32Array {
  const axes = dotAxes(spec)
  const { attrs } = spec
  const { order, axis, step, blocksPerPart } = dotNumerics(spec)
  const out: number[] = []
  const pick = (
    shape: readonly number[],
    roles: readonly (readonly [readonly number[], readonly number[]])[],
  ) => {
    const coords = shape.map(() => 0)
    for (const [where, c] of roles) for (const [i, a] of where.entries()) coords[a] = c[i]!
    return at(shape, coords)
  }
  const ks = [...coordinates(axes.contract)]
  const perAxis = Math.ceil((axes.contract[axis] ?? 1) / step)
  const blockOf = (k: readonly number[]): number =>
    at(axes.contract.slice(0, axis), k) * perAxis + Math.floor((k[axis] ?? 0) / step)
  for (const b of coordinates(axes.batch)) {
    for (const m of coordinates(axes.rows)) {
      for (const n of coordinates(axes.columns)) {
        const blocks: number[] = []
        const lanes: number[][] = []
        for (const [flat, k] of ks.entries()) {
          const l =
            left[
              pick(spec.left, [
                [attrs.leftBatch, b],
                [axes.leftFree, m],
                [attrs.leftContract, k],
              ])
            ]!
          const r =
            right[
              pick(spec.right, [
                [attrs.rightBatch, b],
                [axes.rightFree, n],
                [attrs.rightContract, k],
              ])
            ]!
          if (order === 'tree') {
            lanes[Math.floor(flat / step)] ??= Array<number>(TREE_LANES).fill(0)
            const part = lanes[Math.floor(flat / step)]!
            part[flat % TREE_LANES] = fma32(l, r, part[flat % TREE_LANES]!)
            continue
          }
          const i = blockOf(k)
          blocks[i] = fma32(l, r, blocks[i] ?? 0)
        }
        for (const part of lanes) {
          let level = part
          while (level.length > 1) {
            const half = level.length / 2
            level = level.slice(0, half).map((x, l) => Math.fround(x + level[l + half]!))
          }
          blocks.push(level[0]!)
        }
        const parts: number[] = []
        for (const [i, x] of blocks.entries()) {
          const part = Math.floor(i / blocksPerPart)
          parts[part] = parts[part] === undefined ? x : Math.fround(parts[part] + x)
        }
        out.push(parts.length === 0 ? 0 : parts.reduce((s, x) => Math.fround(s + x)))
      }
    }
  }
  return Float32Array.from(out)
}

interface Case {
  readonly left: readonly number[]
  readonly right: readonly number[]
  readonly attrs?: DotSpec['attrs']
  readonly leftPerm?: readonly number[]
  readonly rightPerm?: readonly number[]
}

function check(c: Case, targets = TARGETS, first = [false, true]): void {
  const spec: DotSpec = {
    attrs: c.attrs ?? MATMUL,
    left: c.left,
    right: c.right,
    dtype: 'float32',
  }
  const axes = dotAxes(spec)
  const shape = [...axes.batch, ...axes.rows, ...axes.columns]
  // Operands as they lie in memory; `perm` turns them.
  const leftData = values(sizeOf(c.left), 1)
  const rightData = values(sizeOf(c.right), 2)
  const seen = (x: Float32Array, s: readonly number[], perm?: readonly number[]): Float32Array => {
    if (perm === undefined) return x
    const stored = new Array<number>(s.length)
    for (const [i, p] of perm.entries()) stored[p] = s[i]!
    return Float32Array.from(coordinates(s), (coords) => {
      const inMemory = new Array<number>(s.length)
      for (const [i, p] of perm.entries()) inMemory[p] = coords[i]!
      return x[at(stored, inMemory)]!
    })
  }
  const left = seen(leftData, c.left, c.leftPerm)
  const right = seen(rightData, c.right, c.rightPerm)
  const expected = naive(spec, left, right)
  const fused = naive(
    spec,
    left.map((x) => Math.fround(Math.fround(x * 2) + 1)),
    right,
  )
  for (const [i, t] of targets.entries()) {
    // Fused operands and results and plain ones in turns: both for the first target.
    for (const dressed of i === 0 ? first : [i % 2 === 1]) {
      const w = new Workspace(t)
      const l = w.reader('left', 'float32', c.left, leftData, c.leftPerm)
      const r = w.reader('right', 'float32', c.right, rightData, c.rightPerm)
      const out = w.buffer('out', 'f32', sizeOf(shape))
      const axis = shape.length - 1
      const bias = values(shape[axis] ?? 1, 3)
      const plainBias = w.reader('bias', 'float32', [shape[axis] ?? 1], bias)
      const writer =
        dressed && shape.length > 0 ? w.biased(out, shape, plainBias, axis) : w.writer(out, shape)
      w.interpret(lowerDot(spec, dressed ? w.fused(l) : l, r, writer, w))
      const want =
        dressed && shape.length > 0
          ? fused.map((x, i) => Math.fround(x + bias[i % shape[axis]!]!))
          : dressed
            ? fused
            : expected
      expect(w.memory.get(out.id), `${t.name}${dressed ? ' fused' : ''}`).toEqual(want)
    }
  }
}

describe('dot', () => {
  const sizes = [1, 2, 3, 5, 17, 33]
  for (const m of sizes) {
    test(`${m} rows, every number of columns`, () => {
      for (const n of sizes) for (const k of [1, 3, 31]) check({ left: [m, k], right: [k, n] })
    })
  }

  test.each([
    [
      [33, 65],
      [65, 40],
    ],
    [
      [5, 513],
      [513, 9],
    ],
    [
      [9, 1100],
      [1100, 11],
    ],
    [
      [64, 64],
      [64, 64],
    ],
    [
      [70, 40],
      [40, 90],
    ],
  ])('%j by %j', (left, right) => check({ left, right }))

  // The right operand's rows lie askew to cache lines, or are many; one chunk and several; a batch.
  test.each([
    [[121, 33], [33, 49], 1],
    [[48, 257], [257, 64], 3],
    [[150, 43], [43, 97], 2],
    [[2, 121, 33], [2, 33, 49], 1],
  ])('%j by %j, packed by the first tile of rows', (left, right, chunks) => {
    const batch = left.length > 2 ? [0] : []
    const [m, k] = [left.length - 2, left.length - 1]
    const attrs = { leftBatch: batch, rightBatch: batch, leftContract: [k], rightContract: [m] }
    const lines = { ...target(12, 32, 16), cache: { l1: 48 << 10, l2: 2 << 20 } }
    const w = new Workspace(lines)
    const [l, r] = [left, right].map((shape) =>
      w.reader('x', 'float32', shape, values(sizeOf(shape), 1)),
    )
    const shape = [...left.slice(0, k), right[k]!]
    const out = w.writer(w.buffer('out', 'f32', sizeOf(shape)), shape)
    const spec: DotSpec = { attrs, left, right, dtype: 'float32' }
    const calls = lowerDot(spec, l!, r!, out, w)
    expect(calls.map((c) => c.kernel.grid)).toEqual([chunks])
    const own = calls[0]!.kernel.buffers.filter((b) => b.space === 'scratch')
    expect(own.map((b) => b.name)).toEqual(['panels'])
    walk(calls[0]!.kernel.body, (s) =>
      expect(s).not.toMatchObject({ op: 'vector', variable: { name: 'lane' } }),
    )
    check({ left, right, attrs }, [lines], [false])
  })

  test('operands that lie transposed in memory', () => {
    for (const [m, n, k] of [
      [17, 33, 20],
      [12, 9, 513],
      [3, 40, 140],
      [70, 9, 140],
    ] as const) {
      check({ left: [m, k], right: [k, n], rightPerm: [1, 0] })
      check({ left: [m, k], right: [k, n], leftPerm: [1, 0] })
      check({ left: [m, k], right: [k, n], leftPerm: [1, 0], rightPerm: [1, 0] })
    }
  })

  test('an operand whose every step of K lies in another page is read once, into panels', () => {
    const [m, k] = [1030, 260]
    check({ left: [m, k], right: [k, 5], leftPerm: [1, 0] }, [TARGETS[0]!], [false])
    const n = 14
    const w = new Workspace(TARGETS[2]!)
    const left = w.reader('far', 'float32', [m, k], new Float32Array(m * k), [1, 0])
    const right = w.reader('near', 'float32', [k, n], new Float32Array(k * n))
    const out = w.writer(w.buffer('out', 'f32', m * n), [m, n])
    const spec: DotSpec = { attrs: MATMUL, left: [m, k], right: [k, n], dtype: 'float32' }
    const factors = new Set<string>()
    for (const { kernel } of lowerDot(spec, left, right, out, w)) {
      walk(kernel.body, (s) => {
        if (s.op !== 'for' || !s.body.some((x) => x.op === 'set' && x.fn === 'fma')) return
        for (const x of s.body) if (x.op === 'load') factors.add(x.buffer.name)
      })
    }
    expect([...factors].sort()).toEqual(['near', 'panels'])
  })

  test('contracting other axes, batches, several axes at a time', () => {
    const attrs = (lb: number[], rb: number[], lc: number[], rc: number[]) => ({
      leftBatch: lb,
      rightBatch: rb,
      leftContract: lc,
      rightContract: rc,
    })
    check({ left: [20, 17], right: [20, 33], attrs: attrs([], [], [0], [0]) })
    check({ left: [17, 20], right: [33, 20], attrs: attrs([], [], [1], [1]) })
    check({ left: [3, 9, 20], right: [3, 20, 11], attrs: attrs([0], [0], [2], [1]) })
    check({ left: [4, 9, 5, 20], right: [4, 11, 5, 20], attrs: attrs([0, 2], [0, 2], [3], [3]) })
    check({ left: [6, 7, 20], right: [20, 5, 4], attrs: attrs([], [], [2], [0]) })
    check({ left: [6, 7, 20], right: [7, 20, 9], attrs: attrs([], [], [1, 2], [0, 1]) })
    check({ left: [6, 7, 20], right: [9, 20, 7], attrs: attrs([], [], [1, 2], [2, 1]) })
    check({ left: [3, 300, 5], right: [300, 5, 6], attrs: attrs([], [], [1, 2], [0, 1]) })
    check({ left: [8, 3, 300], right: [300, 3, 8], attrs: attrs([], [], [1, 2], [1, 0]) })
    check({ left: [5, 17], right: [150, 17, 5], attrs: attrs([], [], [1, 0], [1, 2]) })
    check({ left: [150, 5, 17], right: [17, 5], attrs: attrs([], [], [1, 2], [1, 0]) })
    check({ left: [9], right: [7], attrs: attrs([], [], [], []) })
    check({ left: [90], right: [70], attrs: attrs([], [], [], []) })
    check({ left: [90], right: [90], attrs: attrs([], [], [0], [0]) })
    check({ left: [40, 3, 8], right: [3, 40, 8], attrs: attrs([0, 1], [1, 0], [2], [2]) })
  })

  test('a long sum of few results is cut into parts', () => {
    const c = { left: [2, 70000], right: [70000, 2] }
    const spec: DotSpec = { ...c, attrs: MATMUL, dtype: 'float32' }
    expect(dotNumerics(spec).parts).toBeGreaterThan(1)
    check(c, [TARGETS[0]!], [false])
  })

  test('a matrix and a vector', () => {
    for (const k of [64, 101]) {
      for (const n of [1, 9, 33]) {
        for (const rightPerm of [
          [0, 1],
          [1, 0],
        ]) {
          check({ left: [1, k], right: [k, n], rightPerm })
          check({ left: [n, k], right: [k, 1], leftPerm: rightPerm })
        }
      }
    }
    const batched = { leftBatch: [0], rightBatch: [0], leftContract: [1], rightContract: [1] }
    check({ left: [3, 70], right: [3, 70, 9], attrs: batched })
    check({ left: [3, 70], right: [3, 70], attrs: batched })
  })

  test('a long product of vectors is cut into parts', () => {
    const c = { left: [1, 270001], right: [270001, 1] }
    expect(dotNumerics({ ...c, attrs: MATMUL, dtype: 'float32' }).parts).toBeGreaterThan(1)
    check(c, [TARGETS[0]!], [false])
    const two = { left: [1, 140001], right: [140001, 2] }
    check(two, [TARGETS[0]!], [true])
  })

  test('long work on the results is a loop, which does the same', () => {
    for (const on of TARGETS) {
      for (const [m, n] of [
        [29, 37],
        [12, 1],
        [5, 64],
      ] as const) {
        const results = [0, 100].map((steps) => {
          const w = new Workspace(on)
          const left = w.reader('a', 'float32', [m, 9], values(m * 9, 1))
          const right = w.reader('b', 'float32', [9, n], values(9 * n, 2))
          const out = w.buffer('c', 'f32', m * n)
          const plain = w.writer(out, [m, n])
          const negated: Writer = {
            direct: null,
            write: (k, coords, value) => {
              let v = value
              for (let i = 0; i < steps; i++) v = k.set('neg', v)
              plain.write(k, coords, v)
            },
          }
          const spec: DotSpec = { attrs: MATMUL, left: [m, 9], right: [9, n], dtype: 'float32' }
          const calls = lowerDot(spec, left, right, negated, w)
          w.interpret(calls)
          let size = 0
          walk(calls.at(-1)!.kernel.body, () => size++)
          return { size, out: w.memory.get(out.id)! }
        })
        const [short, long] = results as [(typeof results)[0], (typeof results)[0]]
        expect(long.out).toEqual(short.out)
        // Written out for each of twelve rows, it would be several times as long.
        expect(long.size - short.size).toBeLessThan(1000)
      }
    }
  })

  test('nothing to add gives zero', () => {
    check({ left: [3, 0], right: [0, 4] })
    check({ left: [0, 3], right: [3, 4] })
  })

  test.each(['float64', 'int32', 'int64', 'uint8'] as const)('%s', (dtype) => {
    const spec: DotSpec = { left: [9, 40], right: [40, 11], attrs: MATMUL, dtype }
    const integer = dtype !== 'float64'
    const pick = (x: Float32Array) =>
      Array.from(x, (v) => (integer ? Math.floor(Math.abs(v) * 100) : v))
    const [a, b] = [pick(values(360, 1)), pick(values(440, 2))]
    for (const t of TARGETS) {
      const w = new Workspace(t)
      const out = w.buffer('out', MEMORY_TYPE[dtype], 99)
      w.interpret(
        lowerDot(
          spec,
          w.reader('a', dtype, [9, 40], a),
          w.reader('b', dtype, [40, 11], b),
          w.writer(out, [9, 11]),
          w,
        ),
      )
      for (let m = 0; m < 9; m++) {
        for (let n = 0; n < 11; n++) {
          let sum = 0
          for (let k = 0; k < 40; k++) sum += a[m * 40 + k]! * b[k * 11 + n]!
          const got = Number(w.memory.get(out.id)![m * 11 + n])
          if (integer) expect(got).toBe(dtype === 'uint8' ? sum & 255 : sum)
          else expect(got).toBeCloseTo(sum, 10)
        }
      }
    }
  })
})

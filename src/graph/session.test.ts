// Sessions: fetches, feeds, variables, order of effects, plans.

import { describe, expect, test } from 'vitest'
import { ClosedError, FailedPreconditionError, FeedError, ShapeError } from '../base/errors.js'
import { manualSeed } from '../runtime/random.js'
import { tensor } from '../tensor/create.js'
import { randn } from '../tensor/random.js'
import { type Feeds, Graph, Session } from './index.js'

/** x [?, 4] and its row sums. */
function sums() {
  const g = new Graph()
  const x = g.placeholder('float32', [null, 4], { name: 'x' })
  return { g, x, y: x.sum(1), session: new Session(g) }
}

describe('fetches', () => {
  test('a label that is no class is told with the name of the call', () => {
    const g = new Graph()
    const options = {
      labels: [0, 3],
      logits: [
        [1, 2, 4],
        [1, 1, 1],
      ],
    }
    const loss = g.sparseSoftmaxCrossEntropyWithLogits(options)
    using session = new Session(g)
    expect(() => session.run(loss)).toThrow(
      'sparseSoftmaxCrossEntropyWithLogits: Expected an index in [0, 3) on axis 1. Received 3.',
    )
    const good = g.sparseSoftmaxCrossEntropyWithLogits({ ...options, labels: [2, 0] })
    const [a, b] = session.run(good).array() as number[]
    expect(a).toBeCloseTo(Math.log(1 + Math.exp(-2) + Math.exp(-3)), 6)
    expect(b).toBeCloseTo(Math.log(3), 6)
  })

  test('one, several, nested, by name; operations give null', () => {
    const g = new Graph()
    const a = g.constant([1, 2], { name: 'a' })
    const b = g.add(a, a, { name: 'b' })
    const nothing = g.noOp({ name: 'nothing' })
    using session = new Session(g)
    expect(session.run(b).array()).toEqual([2, 4])
    expect(session.run('b:0').array()).toEqual([2, 4])
    expect(session.run('nothing')).toBeNull()
    const { list, name } = session.run({ list: [a, nothing, [b]], name: 'a:0' })
    expect(list[0].array()).toEqual([1, 2])
    expect(list[1]).toBeNull()
    expect(list[2][0].array()).toEqual([2, 4])
    expect(name.array()).toEqual([1, 2])
    expect(session.run([])).toEqual([])
  })

  test('an operation named by a number is no tensor of that number', () => {
    const g = new Graph()
    const y = g.constant(7)
    const named = g.noOp({ name: String(y.node.id) })
    using session = new Session(g)
    expect(session.run(named)).toBeNull()
    expect(session.run(y).item()).toBe(7)
  })

  test('results are tensors with values, which outlive the session', async () => {
    const { x, y, session } = sums()
    const result = session.run(y, { feed: [[x, [[1, 2, 3, 4]]]] })
    session.close()
    expect([result.shape, result.dtype, await result.data()]).toEqual([
      [1],
      'float32',
      Float32Array.of(10),
    ])
    expect(result.mul(2).item()).toBe(20)
  })

  test('what is not of the graph is refused', () => {
    const { session } = sums()
    expect(() => session.run(tensor(1))).toThrow('Expected a tensor of this graph')
    expect(() => session.run(new Graph().constant(1))).toThrow("'Const:0' of another graph")
    expect(() => session.run('y:0')).toThrow("'y'")
  })
})

describe('feeds', () => {
  test('as pairs, a Map, or an object of names; as arrays, typed arrays and tensors', () => {
    const { x, y, session } = sums()
    const rows = [[1, 2, 3, 4]]
    const feeds: Feeds[] = [
      [[x, rows]] as const,
      [['x:0', rows]] as const,
      new Map([[x, rows]]),
      { x: rows },
      { 'x:0': tensor(rows) },
      { x: Float32Array.of(1, 2, 3, 4) },
      { x: Int32Array.of(1, 2, 3, 4) },
    ]
    for (const feed of feeds) expect(session.run(y, { feed }).array()).toEqual([10])
  })

  test('open sizes differ from run to run, and are planned once each', () => {
    const { x, y, session } = sums()
    for (const n of [1, 2, 1, 0, 2]) {
      const feed = [[x, new Float32Array(4 * n).fill(n)]] as const
      expect(session.run(y, { feed }).array()).toEqual(new Array(n).fill(4 * n))
    }
    expect((session as unknown as { plans: Map<string, unknown> }).plans.size).toBe(3)
  })

  test('plans are bounded', () => {
    const { x, y, session } = sums()
    for (let n = 1; n <= 70; n++) session.run(y, { feed: [[x, new Float32Array(4 * n)]] })
    expect((session as unknown as { plans: Map<string, unknown> }).plans.size).toBe(64)
  })

  test('a missing one names placeholder, dtype, shape and line', () => {
    const { y, session } = sums()
    expect(() => session.run(y)).toThrow(FeedError)
    expect(() => session.run(y)).toThrow(
      /run: Expected a value fed for placeholder 'x' \(float32 \[\?, 4\], made at .*session\.test\.ts:\d+\)+\. Received no feed for it\./,
    )
  })

  test('a shape that does not fit is refused', () => {
    const { x, y, session } = sums()
    const wrong = [
      [
        x,
        [
          [1, 2, 3, 4, 5],
          [1, 2, 3, 4, 5],
        ],
      ],
    ] as const
    expect(() => session.run(y, { feed: wrong })).toThrow(
      "run: Expected a value of shape [?, 4] for tensor 'x:0'. Received one of shape [2, 5].",
    )
    expect(() => session.run(y, { feed: { x: 1 } })).toThrow(FeedError)
    expect(() => session.run(y, { feed: { x: new Float32Array(6) } })).toThrow('6 of them')
  })

  test('a dtype that does not fit is refused', () => {
    const g = new Graph()
    const i = g.placeholder('int32', [], { name: 'i' })
    using session = new Session(g)
    expect(session.run(i, { feed: { i: 3 } }).item()).toBe(3)
    expect(() => session.run(i, { feed: { i: tensor(1.5) } })).toThrow('a float32 tensor (cast it)')
    expect(() => session.run(i, { feed: { i: 2 ** 40 } })).toThrow(FeedError)
    expect(() => session.run(i, { feed: { i } })).toThrow('which has no value')
    expect(() =>
      session.run(i, {
        feed: [
          [i, 1],
          ['i', 2],
        ],
      }),
    ).toThrow('Received two')
  })

  test('two open sizes that meet have to be equal in a run', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [null, 2], { name: 'x' })
    const y = g.placeholder('float32', [null, 2], { name: 'y' })
    const both = x.mul(y).mean()
    using session = new Session(g)
    const of = (n: number) => new Float32Array(2 * n).fill(2)
    expect(session.run(both, { feed: { x: of(3), y: of(3) } }).item()).toBe(4)
    expect(() => session.run(both, { feed: { x: of(3), y: of(5) } })).toThrow(ShapeError)
    expect(() => session.run(both, { feed: { x: of(3), y: of(5) } })).toThrow(/session\.test\.ts/)
    // Apart they stay free.
    const apart = session.run([x.sum(), y.sum()], { feed: { x: of(3), y: of(5) } })
    expect(apart.map((t) => t.item())).toEqual([12, 20])
  })

  test('a fed array may change afterwards', () => {
    const { x, session } = sums()
    const values = Float32Array.of(1, 2, 3, 4)
    const echo = session.run(x, { feed: { x: values } })
    values.fill(9)
    expect(echo.array()).toEqual([[1, 2, 3, 4]])
  })
})

describe('variables', () => {
  test('have no value before they are initialised', () => {
    const g = new Graph()
    const v = g.variable([1, 2], { name: 'v' })
    using session = new Session(g)
    expect(() => session.run(v.add(1))).toThrow(FailedPreconditionError)
    expect(() => session.run(v.add(1))).toThrow("variable 'v'")
    session.run(v.initializer)
    expect(session.run(v).array()).toEqual([1, 2])
  })

  test('a result does not change when its variable does', () => {
    const g = new Graph()
    const v = g.variable([1, 2], { name: 'v' })
    const more = v.assignAdd([1, 1])
    using session = new Session(g)
    session.run(g.globalVariablesInitializer())
    const seen = [session.run(v), session.run(more), session.run(v), session.run([v, more])[1]]
    session.run(more)
    session.run(more)
    expect(seen.map((t) => t.array())).toEqual([
      [1, 2],
      [2, 3],
      [2, 3],
      [3, 4],
    ])
    expect(session.run(v).array()).toEqual([5, 6])
  })

  test('read as they were when the run began; an assignment is seen through its tensor', () => {
    const g = new Graph()
    const v = g.variable(1, { name: 'v' })
    const next = v.assign(v.mul(10))
    const after = next.add(1)
    using session = new Session(g)
    session.run(v.initializer)
    expect(session.run([v, next, after, v.add(1)]).map((t) => t.item())).toEqual([1, 10, 11, 2])
    // Fetching what is made from an assignment assigns.
    expect(session.run(after).item()).toBe(101)
    expect(session.run(v).item()).toBe(100)
  })

  test('several assignments in one run follow each other as they were made', () => {
    const g = new Graph()
    const v = g.variable(1, { name: 'v' })
    const both = g.group([v.assignAdd(2), v.assignAdd(4)])
    const mixed = g.group([v.assign(50), v.assignSub(1)])
    using session = new Session(g)
    session.run(v.initializer)
    session.run(both)
    expect(session.run(v).item()).toBe(7)
    session.run([mixed, both])
    // +2, +4, := 50, −1: in the order they were made.
    expect(session.run(v).item()).toBe(49)
  })

  test('a failing run changes nothing', () => {
    const g = new Graph()
    const v = g.variable(1, { name: 'v', dtype: 'int32' })
    const d = g.placeholder('int32', [], { name: 'd' })
    const step = g.group([v.assignAdd(1), v.floorDivide(d)])
    const quotient = v.floorDivide(d)
    using session = new Session(g)
    session.run(v.initializer)
    expect(() => session.run([step, quotient], { feed: { d: 0 } })).toThrow()
    expect(session.run(v).item()).toBe(1)
  })

  test('may be fed like any tensor', () => {
    const g = new Graph()
    const v = g.variable([1, 2], { name: 'v' })
    using session = new Session(g)
    expect(session.run(v.add(1), { feed: [[v, [5, 6]]] }).array()).toEqual([6, 7])
  })
})

describe('random tensors', () => {
  test('draw anew in each run, and what eager code draws', () => {
    const g = new Graph()
    const a = g.randomNormal([3])
    const b = g.randomNormal([3])
    using session = new Session(g)
    manualSeed(3)
    const eager = [randn([3]), randn([3]), randn([3])].map((t) => t.array())
    manualSeed(3)
    const [x, y] = session.run([b, a])
    expect([y.array(), x.array(), session.run(b).array()]).toEqual(eager)
  })

  test('operations that draw, applied to tensors of the graph, do too', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [null], { name: 'x' })
    const noisy = g.asDefault(() => x.add(randn([4])))
    using session = new Session(g)
    const feed = { x: [0, 0, 0, 0] }
    expect(session.run(noisy, { feed }).array()).not.toEqual(session.run(noisy, { feed }).array())
  })
})

test('a closed session frees what it held', async () => {
  const used = () => process.memoryUsage().arrayBuffers + process.memoryUsage().external
  const settle = async () => {
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const g = new Graph()
  const v = g.variable(g.ones([256, 1024]), { name: 'v' })
  const more = v.assignAdd(1)
  const once = () => {
    using session = new Session(g)
    session.run(v.initializer)
    session.run([more, more.sum()])
  }
  for (let i = 0; i < 5; i++) once()
  await settle()
  const before = used()
  for (let i = 0; i < 60; i++) {
    once()
    if (i % 10 === 0) await settle()
  }
  await settle()
  // Sixty sessions held 60 MiB of values at least.
  expect(used() - before).toBeLessThan(16 * 2 ** 20)
})

test('a closed session refuses to run', () => {
  const { y, session } = sums()
  session.close()
  session.close()
  expect(() => session.run(y)).toThrow(ClosedError)
  expect(() => session.run(y)).toThrow('attempt to use a closed Session')
})

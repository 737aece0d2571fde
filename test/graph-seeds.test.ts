// Programs from TensorFlow 1 tutorials, and what they rely on. Each test is named by what it shows.

import {
  ClosedError,
  currentDeviceName,
  DTypeError,
  FailedPreconditionError,
  FeedError,
  gradients,
  graph,
  manualSeed,
  optim,
  ShapeError,
  type Tensor,
  tensor,
  variable,
} from 'tessera'
import { describe, expect, test } from 'vitest'
import { readMnist, separable } from './support/digits.js'

const { Graph, Session } = graph

/** Softmax regression, line for line. */
function softmaxRegression(features = 784, classes = 10) {
  const g = new Graph()
  const x = g.placeholder('float32', [null, features], { name: 'x' })
  const y = g.placeholder('float32', [null, classes], { name: 'y' })
  const W = g.variable(g.randomNormal([features, classes]), { name: 'W' })
  const b = g.variable(g.zeros([classes]), { name: 'b' })
  const logits = x.matmul(W).add(b)
  const prediction = graph.softmax(logits)
  const loss = graph.reduceMean(graph.softmaxCrossEntropyWithLogits({ labels: y, logits }))
  const optimizer = new graph.train.GradientDescentOptimizer({ learningRate: 0.5 }).minimize(loss)
  const correct = graph.equal(graph.argmax(prediction, { axis: 1 }), graph.argmax(y, { axis: 1 }))
  const accuracy = graph.reduceMean(graph.cast(correct, 'float32'))
  return { g, x, y, W, b, loss, optimizer, accuracy, init: g.globalVariablesInitializer() }
}

describe('a graph is built first and run later', () => {
  test('add(2, 3) computes nothing until a session runs it, and gives 5', () => {
    const g = new Graph()
    g.asDefault(() => {
      const a = graph.constant(2)
      const b = graph.constant(3)
      const c = graph.add(a, b)
      expect([a.name, b.name, c.name]).toEqual(['Const:0', 'Const_1:0', 'Add:0'])
      expect([c.dtype, c.shape]).toEqual(['int32', []])
      expect(() => c.item()).toThrow(/session/)
      let closed: graph.Session
      {
        using session = new Session()
        closed = session
        expect(session.run(c).item()).toBe(5)
      }
      expect(() => closed.run(c)).toThrow(ClosedError)
    })
  })

  test('named vectors add up, and names are looked up and made unique', () => {
    const g = new Graph()
    const a = g.constant([1, 2, 3], { name: 'a' })
    const b = g.constant([4, 5, 6], { name: 'b' })
    const sum = g.add(a, b, { name: 'add' })
    using session = new Session(g)
    expect(String(session.run(sum))).toMatch(/5.*7.*9/)
    expect(g.operations.map((op) => op.name)).toEqual(['a', 'b', 'add'])
    expect(g.getOperationByName('add')).toBe(sum.op)
    expect(g.add(a, b, { name: 'add' }).name).toBe('add_1:0')
  })

  test('a variable is drawn once, and its transpose is its transpose', () => {
    manualSeed(0)
    const g = new Graph()
    const W = g.variable(g.randomNormal([784, 200]), { name: 'weights' })
    const transposed = graph.transpose(W)
    expect([W.name, W.shape, transposed.shape]).toEqual(['weights:0', [784, 200], [200, 784]])
    using session = new Session(g)
    expect(() => session.run(transposed)).toThrow(FailedPreconditionError)
    expect(() => session.run(transposed)).toThrow("'weights'")
    session.run(g.globalVariablesInitializer())
    const [w, t] = session.run([W, transposed]).map((x) => x.dataSync() as Float32Array)
    let sum = 0
    let squares = 0
    for (const v of w!) {
      sum += v
      squares += v * v
    }
    const mean = sum / w!.length
    expect(Math.abs(mean)).toBeLessThan(0.01)
    expect(Math.abs(Math.sqrt(squares / w!.length - mean * mean) - 1)).toBeLessThan(0.01)
    const mirrored = w!.every((v, i) => v === t![(i % 200) * 784 + Math.floor(i / 200)])
    expect(mirrored).toBe(true)
  })
})

describe('softmax regression', () => {
  test('learns data that can be separated', () => {
    manualSeed(1)
    const { features, labels, count } = separable({ count: 300, features: 20, classes: 4 })
    const net = softmaxRegression(20, 4)
    using session = new Session(net.g)
    session.run(net.init)
    expect([net.W.size + net.b.size, net.optimizer.outputs.length]).toEqual([84, 0])
    const all = { feed: { x: features, y: labels } }
    const before = session.run({ loss: net.loss, accuracy: net.accuracy }, all)
    for (let epoch = 0; epoch < 20; epoch++) {
      for (let i = 0; i < count; i += 100) {
        const feed = [
          [net.x, features.subarray(i * 20, (i + 100) * 20)],
          [net.y, labels.subarray(i * 4, (i + 100) * 4)],
        ] as const
        expect(session.run(net.optimizer, { feed })).toBeNull()
      }
    }
    const after = session.run({ loss: net.loss, accuracy: net.accuracy }, all)
    expect(before.accuracy.item()).toBeLessThan(0.7)
    expect(after.accuracy.item()).toBeGreaterThan(0.95)
    expect(after.loss.item()).toBeLessThan(before.loss.item() / 4)
  })

  const digits = readMnist()
  test.skipIf(digits === null)('learns real digits', { timeout: 120_000 }, () => {
    manualSeed(2)
    const { train, test: held } = digits!
    // The reference device is a hundred times slower: there, a few digits have to do.
    const slow = currentDeviceName() === 'reference'
    const count = slow ? 2000 : train.count
    const net = softmaxRegression()
    using session = new Session(net.g)
    session.run(net.init)
    const all = { feed: held.slice(0, slow ? 500 : held.count) }
    const score = () => session.run({ loss: net.loss, accuracy: net.accuracy }, all)
    const before = score()
    for (let epoch = 0; epoch < (slow ? 4 : 5); epoch++) {
      for (let i = 0; i < count; i += 100) {
        session.run(net.optimizer, { feed: train.slice(i, i + 100) })
      }
    }
    const after = score()
    expect(net.W.size + net.b.size).toBe(7850)
    expect(before.accuracy.item()).toBeLessThan(0.3)
    expect(after.accuracy.item()).toBeGreaterThan(slow ? 0.5 : 0.88)
    expect(after.loss.item()).toBeLessThan(before.loss.item() / 2)
  })

  test('example by example, the loss falls; a feed that is wrong or missing is an error', () => {
    manualSeed(3)
    const { features, labels } = separable({ count: 100, features: 4, classes: 3 })
    const net = softmaxRegression(4, 3)
    using session = new Session(net.g)
    session.run(net.init)
    const losses: number[] = []
    for (let i = 0; i < 100; i++) {
      const image = features.subarray(i * 4, i * 4 + 4)
      const label = labels.subarray(i * 3, i * 3 + 3)
      const feed = new Map([
        [net.x, image],
        [net.y, label],
      ])
      losses.push(session.run([net.optimizer, net.loss], { feed })[1].item())
    }
    const mean = (list: number[]) => list.reduce((s, v) => s + v, 0) / list.length
    expect(mean(losses.slice(80))).toBeLessThan(mean(losses.slice(0, 20)) / 2)

    const y = labels.subarray(0, 6)
    const wide = tensor(new Float32Array(10), { shape: [2, 5] })
    expect(() => session.run(net.loss, { feed: { x: wide, y } })).toThrow(
      "Expected a value of shape [?, 4] for tensor 'x:0'. Received one of shape [2, 5].",
    )
    expect(() => session.run(net.loss, { feed: { y } })).toThrow(FeedError)
    expect(() => session.run(net.loss, { feed: { y } })).toThrow(
      /placeholder 'x' \(float32 \[\?, 4\], made at .*graph-seeds\.test\.ts:\d+/,
    )
  })
})

describe('optimizers', () => {
  type Make = () => graph.train.Optimizer
  const cases: [string, Make, (p: optim.Params<never>) => { step(): void; zeroGrad(): void }][] = [
    [
      'gradient descent',
      () => new graph.train.GradientDescentOptimizer({ learningRate: 0.1 }),
      (p) => new optim.SGD(p, { lr: 0.1 }),
    ],
    [
      'momentum',
      () => new graph.train.MomentumOptimizer({ learningRate: 0.05, momentum: 0.9 }),
      (p) => new optim.SGD(p, { lr: 0.05, momentum: 0.9 }),
    ],
    [
      'Adam',
      () => new graph.train.AdamOptimizer({ learningRate: 0.01 }),
      (p) => new optim.Adam(p, { lr: 0.01 }),
    ],
  ]

  test.each(cases)('%s: the same bits as eager after 20 steps', (_, inGraph, eager) => {
    const { features, labels } = separable({ count: 8, features: 5, classes: 3 })
    const start = { w: [...features.subarray(0, 15)], b: [0.1, 0.2, 0.3] }
    const lossOf = (x: Tensor, y: Tensor, w: Tensor, b: Tensor) =>
      x.matmul(w).add(b).tanh().sub(y).square().mean()

    const g = new Graph()
    const x = g.placeholder('float32', [null, 5], { name: 'x' })
    const y = g.placeholder('float32', [null, 3], { name: 'y' })
    const w = g.variable(tensor(start.w, { shape: [5, 3], dtype: 'float32' }), { name: 'w' })
    const b = g.variable(start.b, { name: 'b' })
    const loss = lossOf(x, y, w, b)
    const step = inGraph().minimize(loss)
    using session = new Session(g)
    session.run(g.globalVariablesInitializer())

    const ew = variable(tensor(start.w, { shape: [5, 3], dtype: 'float32' }))
    const eb = variable(start.b)
    const optimizer = eager([ew, eb] as never)
    const ex = tensor(features, { shape: [8, 5] })
    const ey = tensor(labels, { shape: [8, 3] })
    for (let i = 0; i < 20; i++) {
      const inSession = session.run([loss, step], { feed: { x: features, y: labels } })[0].item()
      optimizer.zeroGrad()
      const eagerLoss = lossOf(ex, ey, ew, eb)
      eagerLoss.backward()
      optimizer.step()
      expect(inSession).toBe(eagerLoss.item())
    }
    expect(session.run(w).dataSync()).toEqual(ew.dataSync())
    expect(session.run(b).dataSync()).toEqual(eb.dataSync())
  })

  test('the learning rate may be fed, or be a variable', () => {
    const g = new Graph()
    const w = g.variable(1.5, { name: 'w' })
    const rate = g.placeholder('float32', [], { name: 'rate' })
    const decayed = g.variable(0.5, { name: 'decayed', trainable: false })
    const byFeed = new graph.train.GradientDescentOptimizer({ learningRate: rate }).minimize(w)
    const byVariable = new graph.train.GradientDescentOptimizer({ learningRate: decayed }).minimize(
      w,
    )
    expect(byFeed.name).toBe('GradientDescent')
    expect(byVariable.name).toBe('GradientDescent_1')
    using session = new Session(g)
    session.run(g.globalVariablesInitializer())
    session.run(byFeed, { feed: { rate: 0.25 } })
    expect(session.run(w).item()).toBe(1.25)
    session.run(byVariable)
    expect(session.run(w).item()).toBe(0.75)
  })

  test('gradients may be changed before they are applied', () => {
    const g = new Graph()
    const w = g.variable([3.5, -2.5], { name: 'w' })
    const descent = new graph.train.GradientDescentOptimizer({ learningRate: 1 })
    const pairs = descent.computeGradients(w.square().sum())
    const step = descent.applyGradients(
      pairs.map(([grad, v]) => [grad.clamp({ min: -1, max: 1 }), v] as const),
    )
    using session = new Session(g)
    session.run(g.globalVariablesInitializer())
    session.run(step)
    expect(session.run(w).array()).toEqual([2.5, -1.5])
  })
})

describe('operations, tensors, values', () => {
  test('a branch that is not fetched never runs', () => {
    const g = new Graph()
    const count = g.variable(0, { name: 'count' })
    const x = g.constant(2)
    const counted = count.assignAdd(1).mul(x)
    const plain = x.mul(3)
    using session = new Session(g)
    session.run(g.globalVariablesInitializer())
    expect(session.run(plain).item()).toBe(6)
    expect(session.run(count).item()).toBe(0)
    expect(session.run([plain, counted]).map((t) => t.item())).toEqual([6, 2])
    expect(session.run(count).item()).toBe(1)
  })

  test('equal expressions are merged and constants folded: stats show it', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [8])
    const same = x
      .exp()
      .add(x.exp())
      .add(g.constant(1.5).add(g.constant(2.5)))
    const { primitives, simplified } = g.stats([same])
    expect(simplified).toBeLessThan(primitives)
  })

  test('operations have none, one or several outputs, and all can be fetched', () => {
    const g = new Graph()
    const x = g.constant([4, 1, 3, 2, 6, 5], { name: 'x' })
    const v = g.variable(1, { name: 'v' })
    const [a, b, c] = g.split(x, 3) as [Tensor, Tensor, Tensor]
    expect([a, b, c].map((t) => t.name)).toEqual(['Split:0', 'Split:1', 'Split:2'])
    const top = x.maxWithIndices(0)
    using session = new Session(g)
    expect(session.run([g.noOp(), v.initializer, g.group([v.assignAdd(1)])])).toEqual([
      null,
      null,
      null,
    ])
    expect(session.run([c, a]).map((t) => t.array())).toEqual([
      [6, 5],
      [4, 1],
    ])
    const { values, indices } = session.run(top)
    expect([values.item(), indices.item()]).toEqual([6, 4])
  })

  test('a run returns host values with shape and dtype', () => {
    const g = new Graph()
    using session = new Session(g)
    const result = session.run(g.constant([[1, 2, 3]]).mul(2))
    expect([result.shape, result.dtype, result.dataSync()]).toEqual([
      [1, 3],
      'int32',
      Int32Array.of(2, 4, 6),
    ])
  })

  test('a closed session cannot be used', () => {
    const session = new Session(new Graph())
    session.close()
    expect(() => session.run([])).toThrow(ClosedError)
    expect(() => session.run([])).toThrow('an attempt to use a closed Session')
  })

  test('a tensor has a name, a shape and a type, which do not change', () => {
    const g = new Graph()
    const x = g.placeholder('float64', [null, 2], { name: 'x' })
    expect([x.name, x.dtype, x.ndim]).toEqual(['x:0', 'float64', 2])
    expect(() => Object.assign(x, { shape: [1] })).toThrow(TypeError)
    expect(() => Object.assign(x, { dtype: 'int32' })).toThrow(TypeError)
    expect(g.placeholder('float64', [], { name: 'x' }).name).toBe('x_1:0')

    const sure = g.ensureShape(x, [3, null])
    expect(() => g.ensureShape(x, [null, 5])).toThrow(ShapeError)
    using session = new Session(g)
    expect(session.run(sure, { feed: [[x, new Float64Array(6)]] }).shape).toEqual([3, 2])
    const wrong = { feed: [[x, new Float64Array(8)]] } as const
    expect(() => session.run(sure, wrong)).toThrow('ensureShape: Expected a tensor of shape [3, 2]')
  })

  test('types must match, or the error names operation, input and both types', () => {
    const g = new Graph()
    const a = g.constant([1, 2])
    const b = g.constant([1.5, 2.5])
    expect(() => graph.add(a, b)).toThrow(DTypeError)
    expect(() => graph.add(a, b)).toThrow(
      'add: Expected input 1 of dtype int32, as input 0 is. Received float32',
    )
    const promoting = new Graph({ strictTypes: false })
    expect(promoting.add(promoting.constant(1), promoting.constant(1.5)).dtype).toBe('float32')
  })

  test('every dtype passes through a graph', () => {
    const g = new Graph()
    using session = new Session(g)
    for (const dtype of ['float32', 'float64', 'int32', 'int64', 'uint8'] as const) {
      const x = g.placeholder(dtype, [2])
      const out = session.run(x.add(x), { feed: [[x, [1, 2]]] })
      expect([out.dtype, out.array().toString()]).toEqual([dtype, '2,4'])
    }
    const flag = g.placeholder('bool', [2])
    expect(session.run(flag.logicalNot(), { feed: [[flag, [true, false]]] }).array()).toEqual([
      false,
      true,
    ])
  })

  test('variables keep their state over runs, and each session has its own', () => {
    const g = new Graph()
    const counter = g.variable(0, { name: 'counter' })
    const increment = counter.assignAdd(1)
    const init = g.globalVariablesInitializer()
    using first = new Session(g)
    using second = new Session(g)
    first.run(init)
    second.run(init)
    expect([1, 2, 3].map(() => first.run(increment).item())).toEqual([1, 2, 3])
    expect(second.run(counter).item()).toBe(0)
  })

  test('one run fetches many tensors in one pass, in any nesting', () => {
    const g = new Graph()
    const count = g.variable(0, { name: 'count' })
    const shared = count.assignAdd(1)
    const a = shared.mul(10)
    const b = shared.add(100)
    using session = new Session(g)
    session.run(g.globalVariablesInitializer())
    const result = session.run({ pair: [a, b], deep: { shared } })
    expect(result.pair.map((t) => t.item())).toEqual([10, 101])
    expect(result.deep.shared.item()).toBe(1)
    expect(session.run(count).item()).toBe(1)
  })

  test('feeding replaces the output of any operation, for that run only', () => {
    const g = new Graph()
    const a = g.constant(2)
    const b = g.constant(3)
    const sum = a.add(b)
    const doubled = sum.mul(2)
    using session = new Session(g)
    expect(session.run(sum, { feed: [[a, 10]] }).item()).toBe(13)
    expect(session.run(sum).item()).toBe(5)
    expect(session.run(doubled, { feed: [[sum, 50]] }).item()).toBe(100)
    expect(session.run([sum, doubled], { feed: [[sum, 7]] }).map((t) => t.item())).toEqual([7, 14])

    // What a fed tensor is made from is not computed, nor are its effects.
    const count = g.variable(0, { name: 'count' })
    const counted = count.assignAdd(1)
    const x = g.placeholder('int32', [], { name: 'x' })
    const product = counted.mul(x)
    session.run(count.initializer)
    expect(session.run(product.add(1), { feed: [[product, 41]] }).item()).toBe(42)
    expect(session.run(count).item()).toBe(0)
  })

  test('gradients of a graph are tensors of it', () => {
    const g = new Graph()
    const x = g.placeholder('float32', [null], { name: 'x' })
    const [dx] = gradients(x.square().mean(), [x]) as [Tensor]
    using session = new Session(g)
    expect(session.run(dx, { feed: { x: [1, 2, 3, 4] } }).array()).toEqual([0.5, 1, 1.5, 2])
  })
})

// One network trained eagerly, compiled, and as a graph in a session: the same bits everywhere.

import {
  compile,
  currentDeviceName,
  F,
  graph,
  manualSeed,
  optim,
  type Tensor,
  tensor,
  type Variable,
  variable,
} from 'tessera'
import { beforeAll, describe, expect, test } from 'vitest'
import { readMnist, separable } from './support/digits.js'

const STEPS = 50
const BATCH = 32
// The reference device is for checking: there, a narrow network has to do.
const slow = currentDeviceName() === 'reference'
const [INPUTS, HIDDEN, CLASSES] = slow ? [20, 16, 10] : [784, 128, 10]

interface Batch {
  readonly x: Float32Array
  readonly y: Int32Array
}

/** Batches of digits where they are there, else of points. */
function batches(): Batch[] {
  const digits = slow ? null : readMnist()
  const count = STEPS * BATCH
  const points = separable({ count, features: INPUTS, classes: CLASSES })
  const all = digits?.train.slice(0, count) ?? { x: points.features, y: points.labels }
  return Array.from({ length: STEPS }, (_, i) => {
    const y = Int32Array.from({ length: BATCH }, (_, k) => {
      const row = (i * BATCH + k) * CLASSES
      return all.y.subarray(row, row + CLASSES).indexOf(1)
    })
    return { x: all.x.slice(i * BATCH * INPUTS, (i + 1) * BATCH * INPUTS), y }
  })
}

/** Starting weights: a function of the position alone. */
const start = (): Tensor[] =>
  [[INPUTS, HIDDEN], [HIDDEN], [HIDDEN, CLASSES], [CLASSES]].map((shape) => {
    const size = shape.reduce((p, n) => p * n, 1)
    const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 12.9898) * 0.05)
    return tensor(values, { shape })
  })

function forward(x: Tensor, [w1, b1, w2, b2]: readonly Tensor[]): Tensor[] {
  const hidden = F.dropout(x.matmul(w1!).add(b1!).relu(), { p: 0.2 })
  return [hidden, hidden.matmul(w2!).add(b2!)]
}

interface Outcome {
  readonly losses: number[]
  readonly weights: Tensor[]
}

const data = batches()
const asTensors = ({ x, y }: Batch): [Tensor, Tensor] => [
  tensor(x, { shape: [BATCH, INPUTS] }),
  tensor(y),
]

function eager(look: (hidden: Tensor, logits: Tensor) => void = () => {}): Outcome {
  manualSeed(11)
  const weights = start().map((w) => variable(w))
  const optimizer = new optim.Adam(weights, { lr: 0.001 })
  const losses = data.map((batch) => {
    const [x, y] = asTensors(batch)
    optimizer.zeroGrad()
    const [hidden, logits] = forward(x, weights) as [Tensor, Tensor]
    const loss = F.crossEntropy(logits, y)
    loss.backward()
    look(hidden, logits)
    optimizer.step()
    return loss.item()
  })
  return { losses, weights }
}

function compiled(): Outcome {
  manualSeed(11)
  const weights: Variable[] = start().map((w) => variable(w))
  const optimizer = new optim.Adam(weights, { lr: 0.001 })
  const step = compile((x: Tensor, y: Tensor) => {
    optimizer.zeroGrad()
    const loss = F.crossEntropy(forward(x, weights)[1]!, y)
    loss.backward()
    optimizer.step()
    return loss
  })
  return { losses: data.map((batch) => step(...asTensors(batch)).item()), weights }
}

function inSession(): Outcome {
  const g = new graph.Graph()
  const x = g.placeholder('float32', [null, INPUTS], { name: 'x' })
  const y = g.placeholder('int32', [null], { name: 'y' })
  const weights = start().map((w) => g.variable(w))
  const loss = F.crossEntropy(forward(x, weights)[1]!, y)
  const step = new graph.train.AdamOptimizer({ learningRate: 0.001 }).minimize(loss)
  using session = new graph.Session(g)
  session.run(g.globalVariablesInitializer())
  manualSeed(11)
  const losses = data.map((batch) => session.run([loss, step], { feed: { ...batch } })[0].item())
  return { losses, weights: session.run(weights) }
}

const bits = ({ losses, weights }: Outcome) => ({
  losses,
  weights: weights.map((w) => w.dataSync()),
})

describe('a network of two layers, dropout and Adam, after 50 steps', () => {
  let expected: ReturnType<typeof bits>
  beforeAll(() => {
    expected = bits(eager())
  })

  test('learns', () => {
    const mean = (list: number[]) => list.reduce((s, v) => s + v, 0) / list.length
    const { losses } = expected
    expect(mean(losses.slice(-10))).toBeLessThan(mean(losses.slice(0, 10)) * (slow ? 1 : 0.85))
  })

  test('is the same in another run', () => {
    expect(bits(eager())).toEqual(expected)
  })

  test('is the same when intermediates are looked at', () => {
    const looked = eager((hidden, logits) => {
      hidden.sum().item()
      String(logits)
    })
    expect(bits(looked)).toEqual(expected)
  })

  test('is the same compiled', () => {
    expect(bits(compiled())).toEqual(expected)
  })

  test('is the same as a graph in a session', () => {
    expect(bits(inSession())).toEqual(expected)
  })
})

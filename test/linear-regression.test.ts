// Fitting a line, the way tutorials do it, gives the numbers TensorFlow gives.

import { GradientTape, graph, optim, type Tensor, tensor, variable } from 'tessera'
import { describe, expect, it } from 'vitest'

const X = [1, 2, 3, 4, 5]
const Y = [2.0, 4.1, 6.1, 8.0, 10.1]
const EPOCHS = 100

/** Weight, bias and loss after 100 epochs of gradient descent at 0.01, as TensorFlow computes them. */
const EXPECTED = { w: 1.91343, b: 0.37867, loss: 0.024478 }

function check(found: { w: number; b: number; loss: number }): void {
  expect(Math.abs(found.w - EXPECTED.w)).toBeLessThan(1e-4)
  expect(Math.abs(found.b - EXPECTED.b)).toBeLessThan(1e-4)
  expect(Math.abs(found.loss - EXPECTED.loss)).toBeLessThan(1e-4)
}

describe('a line fitted by gradient descent', () => {
  const x = tensor(X, { dtype: 'float32' })
  const y = tensor(Y)

  it('with a tape', () => {
    const [w, b] = [variable(0), variable(0)]
    const opt = new optim.SGD([w, b], { lr: 0.01 })
    let loss: Tensor = tensor(0)
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      const tape = new GradientTape()
      loss = tape.run(() => w.mul(x).add(b).sub(y).square().mean())
      opt.applyGradients(tape.gradient(loss, [w, b]), [w, b])
      if (epoch === 9) expect(Math.abs(loss.item() - 0.3901)).toBeLessThan(1e-3)
    }
    check({ w: w.item(), b: b.item(), loss: loss.item() })
  })

  it('with backward', () => {
    const [w, b] = [variable(0), variable(0)]
    const opt = new optim.SGD([w, b], { lr: 0.01 })
    let loss = 0
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      opt.zeroGrad()
      const error = w.mul(x).add(b).sub(y).square().mean()
      error.backward()
      opt.step()
      loss = error.item()
    }
    check({ w: w.item(), b: b.item(), loss })
  })

  it('in a session', () => {
    const g = new graph.Graph()
    const px = g.placeholder('float32', [null], { name: 'x' })
    const py = g.placeholder('float32', [null], { name: 'y' })
    const w = g.variable(0, { name: 'w', dtype: 'float32' })
    const b = g.variable(0, { name: 'b', dtype: 'float32' })
    const loss = px.mul(w).add(b).sub(py).square().mean()
    const train = new graph.train.GradientDescentOptimizer({ learningRate: 0.01 }).minimize(loss)
    using session = new graph.Session(g)
    session.run(g.globalVariablesInitializer())
    const feed = { x: X, y: Y }
    let last = 0
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      const [value] = session.run([loss, train], { feed })
      last = (value as Tensor).item()
    }
    const found = session.run({ w, b })
    check({ w: (found.w as Tensor).item(), b: (found.b as Tensor).item(), loss: last })
  })
})

import { describe, expect, test } from 'vitest'
import { ShapeError, ValueError } from '../base/errors.js'
import { planStatistics } from '../runtime/flush.js'
import { GradientTape, noGrad } from '../tensor/autograd.js'
import { compile } from '../tensor/compile.js'
import { ones, tensor, zeros } from '../tensor/create.js'
import type { Tensor } from '../tensor/tensor.js'
import { Parameter, Variable, variable } from '../tensor/variable.js'
import { Adagrad, Adam, AdamW, type Optimizer, RMSprop, SGD } from './index.js'

const parameter = (...data: number[]): Parameter =>
  new Parameter(tensor(data, { dtype: 'float32' }))
const values = (x: Tensor): number[] => Array.from(x.dataSync(), Number)

/** A step on the loss Σ p², whose gradient is 2p. */
function descend(optimizer: { step(): void; zeroGrad(): void }, ...params: Variable[]): void {
  optimizer.zeroGrad()
  for (const p of params) p.square().sum().backward()
  optimizer.step()
}

type Make = (params: Variable[]) => Optimizer<{ lr: number }>
const KINDS: Readonly<Record<string, Make>> = {
  SGD: (p) => new SGD(p, { lr: 0.1 }),
  momentum: (p) => new SGD(p, { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
  dampening: (p) => new SGD(p, { lr: 0.05, momentum: 0.9, dampening: 0.5 }),
  Adam: (p) => new Adam(p, { lr: 0.1 }),
  AdamW: (p) => new AdamW(p, { lr: 0.1 }),
  RMSprop: (p) => new RMSprop(p, { lr: 0.05, momentum: 0.5, centered: true }),
  Adagrad: (p) => new Adagrad(p, { lr: 0.5, lrDecay: 0.01 }),
}

describe.each(Object.entries(KINDS))('%s', (_, make) => {
  test('goes downhill', () => {
    const p = parameter(3, -2)
    const optimizer = make([p])
    for (let i = 0; i < 100; i++) descend(optimizer, p)
    for (const v of values(p)) expect(Math.abs(v)).toBeLessThan(0.5)
  })

  test('takes the same steps compiled', () => {
    const [p, q] = [parameter(3, -2, 0.5), parameter(3, -2, 0.5)]
    const [eager, traced] = [make([p]), make([q])]
    const step = compile((x: Tensor) => {
      traced.zeroGrad()
      const loss = q.mul(x).square().sum()
      loss.backward()
      traced.step()
      return loss
    })
    const x = ones([3])
    for (let i = 0; i < 5; i++) {
      eager.zeroGrad()
      const loss = p.mul(x).square().sum()
      loss.backward()
      eager.step()
      expect(step(x).item()).toBe(loss.item())
    }
    expect(values(q)).toEqual(values(p))
    expect(step.plans).toBe(1)
  })

  test('goes on from a saved state as if nothing had happened', () => {
    const p = parameter(3, -2)
    const optimizer = make([p])
    for (let i = 0; i < 3; i++) descend(optimizer, p)
    const saved = optimizer.stateDict()
    const q = new Parameter(p.detach())
    const other = make([q])
    other.loadStateDict(saved)
    for (let i = 0; i < 3; i++) {
      descend(optimizer, p)
      descend(other, q)
    }
    expect(values(q)).toEqual(values(p))
    expect(other.stateDict().paramGroups).toEqual(saved.paramGroups)
  })

  test('leaves alone what has no gradient', () => {
    const [p, q] = [parameter(1), parameter(1)]
    const optimizer = make([p, q])
    descend(optimizer, p)
    expect(values(q)).toEqual([1])
    expect(values(p)).not.toEqual([1])
    optimizer.zeroGrad()
    optimizer.step()
    expect(optimizer.state.has(q)).toBe(false)
  })
})

describe('settings', () => {
  test('a learning rate that changes every step makes no new plan', () => {
    const p = parameter(1, 2)
    const optimizer = new Adam([p])
    const step = compile(() => {
      optimizer.zeroGrad()
      const loss = p.square().sum()
      loss.backward()
      optimizer.step()
      return loss
    })
    descend(optimizer, p)
    step()
    descend(optimizer, p)
    const { misses } = planStatistics()
    for (let i = 0; i < 20; i++) {
      optimizer.paramGroups[0]!.lr = 0.1 / (i + 1)
      descend(optimizer, p)
      step()
    }
    expect(planStatistics().misses).toBe(misses)
    expect(step.plans).toBe(1)
  })

  test('a learning rate of zero stands still, compiled too', () => {
    const p = parameter(1)
    const optimizer = new SGD([p], { lr: 0.25 })
    const step = compile(() => {
      optimizer.zeroGrad()
      p.square().sum().backward()
      optimizer.step()
    })
    step()
    expect(values(p)).toEqual([0.5])
    optimizer.paramGroups[0]!.lr = 0
    step()
    expect(values(p)).toEqual([0.5])
  })

  test('others that change are traced again', () => {
    const p = parameter(1)
    const optimizer = new SGD([p], { lr: 0.25 })
    const step = compile(() => {
      optimizer.zeroGrad()
      p.square().sum().backward()
      optimizer.step()
    })
    step()
    optimizer.paramGroups[0]!.maximize = true
    step()
    expect(values(p)).toEqual([0.75])
    expect(step.plans).toBe(2)
  })

  test('belong to groups', () => {
    const [p, q] = [parameter(1), parameter(1)]
    const optimizer = new SGD([{ params: [p] }, { params: [q], lr: 0.5 }], { lr: 0.25 })
    descend(optimizer, p, q)
    expect([values(p), values(q)]).toEqual([[0.5], [0]])
    const r = parameter(1)
    optimizer.addParamGroup({ params: [r], maximize: true })
    descend(optimizer, r)
    expect(values(r)).toEqual([1.5])
  })

  test('that make no sense are refused', () => {
    const p = parameter(1)
    expect(() => new SGD([p], { lr: '0.1' as never })).toThrow(ValueError)
    expect(() => new SGD([p], { lr: -1 })).toThrow('SGD: Expected lr of at least 0. Received -1.')
    expect(() => new Adam([p], { lr: Number.NaN })).toThrow(ValueError)
    expect(() => new Adam([p], { betas: [0.9, 1] })).toThrow(
      'Adam: Expected two betas in [0, 1). Received [0.9, 1].',
    )
    expect(() => new SGD([p], { nesterov: true })).toThrow(ValueError)
    expect(() => new SGD([])).toThrow(
      'SGD: Expected at least one parameter. Received an empty list.',
    )
    expect(() => new SGD([p, p])).toThrow('each parameter once')
    expect(() => new SGD([p], { learningRate: 0.1 } as never)).toThrow(
      'SGD: Expected settings among lr, momentum, dampening, nesterov, weightDecay, maximize. ' +
        'Received learningRate.',
    )
    expect(() => new SGD([p], 0.1 as never)).toThrow(
      'SGD: Expected settings such as { lr: 0.1 }. Received 0.1.',
    )
  })

  test('that are no parameters are refused', () => {
    const p = parameter(1)
    const refused = (x: unknown, received: string): void =>
      expect(() => new Adam(x as never)).toThrow(
        `Adam: Expected parameters (net.parameters()) or settings such as { lr: 0.1 }. Received ${received}.`,
      )
    refused(new (class Net {})(), 'Net')
    refused(null, 'null')
    refused(5, '5')
    refused(p, 'Parameter')
    refused(() => [p], 'a function')
    expect(() => new Adam('p' as never)).toThrow(
      'Adam: Expected parameters (or groups { params }). Received p.',
    )
    expect(() => new SGD([ones([1]) as Variable])).toThrow(
      'SGD: Expected parameters (or groups { params }). Received Tensor.',
    )
  })
})

describe('steps', () => {
  test('of a closure compute its loss first', () => {
    const p = parameter(2)
    const optimizer = new SGD([p], { lr: 0.25 })
    const loss = noGrad(() =>
      optimizer.step(() => {
        optimizer.zeroGrad()
        const value = p.square().sum()
        value.backward()
        return value
      }),
    )
    expect(loss.item()).toBe(4)
    expect(values(p)).toEqual([1])
  })

  test('of a tape take gradients as they are given', () => {
    const [w, b, c] = [variable(2), variable(3), variable(5)]
    const optimizer = new SGD({ lr: 0.5 })
    const tape = new GradientTape()
    const loss = tape.run(() => w.mul(b).sum())
    optimizer.applyGradients(tape.gradient(loss, [w, b, c]), [w, b, c])
    expect([w.item(), b.item(), c.item()]).toEqual([0.5, 2, 5])
    expect(w.grad).toBe(null)
    expect(() => optimizer.applyGradients([ones([2])], [w])).toThrow(ShapeError)
    expect(() => optimizer.applyGradients([], [w])).toThrow(
      'SGD.applyGradients: Expected a gradient for each of 1 variables. Received 0 gradients.',
    )
  })

  test('minimize a loss', () => {
    const p = parameter(3)
    const optimizer = new Adam([p], { lr: 0.5 })
    let last = Number.POSITIVE_INFINITY
    for (let i = 0; i < 5; i++) {
      const loss = optimizer.minimize(() => p.square().sum()).item()
      expect(loss).toBeLessThan(last)
      last = loss
    }
    expect(p.grad).toBe(null)
    expect(() => new SGD().minimize(p.sum())).toThrow('SGD.minimize: Expected variables.')
  })

  test('accumulate gradients until they are forgotten', () => {
    const p = parameter(1)
    const optimizer = new SGD([p], { lr: 0.125 })
    p.square().sum().backward()
    p.square().sum().backward()
    optimizer.step()
    expect(values(p)).toEqual([0.5])
  })

  test('read intermediate values of before the step afterwards', () => {
    const p = parameter(1, 2)
    const optimizer = new SGD([p], { lr: 0.5 })
    const doubled = p.mul(2)
    doubled.sum().backward()
    optimizer.step()
    expect(values(doubled)).toEqual([2, 4])
    expect(values(p)).toEqual([0, 1])
  })

  test('are counted together, and apart once parameters go apart', () => {
    const [p, q, alone] = [parameter(1), parameter(1), parameter(1)]
    const both = new Adam([p, q], { lr: 0.1 })
    const single = new Adam([alone], { lr: 0.1 })
    for (let i = 0; i < 2; i++) descend(both, p, q)
    expect(both.state.get(p)?.step).toBe(both.state.get(q)?.step)
    for (let i = 0; i < 3; i++) descend(both, p)
    descend(both, p, q)
    for (let i = 0; i < 3; i++) descend(single, alone)
    expect(values(q)).toEqual(values(alone))
    const { state } = both.stateDict()
    expect([state[0]?.step?.item(), state[1]?.step?.item()]).toEqual([6, 3])
  })

  test('make their state in any trace', () => {
    const [p, q] = [parameter(1), parameter(1)]
    const optimizer = new Adam([p, q], { lr: 0.1 })
    const step = compile((both: boolean) => {
      optimizer.zeroGrad()
      p.square().sum().backward()
      if (both) q.square().sum().backward()
      optimizer.step()
    })
    step(false)
    step(true)
    step(true)
    const { state } = optimizer.stateDict()
    expect([state[0]?.step?.item(), state[1]?.step?.item()]).toEqual([3, 2])
  })

  test('let moments end at zero, not at a subnormal number', () => {
    const [p, q] = [parameter(1), parameter(1)]
    const adam = new Adam([p], { betas: [0.75, 0.75] })
    const sgd = new SGD([q], { momentum: 0.75 })
    for (let i = 0; i < 400; i++) {
      for (const x of [p, q]) x.grad = i === 0 ? ones([1]) : zeros([1])
      adam.step()
      sgd.step()
    }
    const { expAvg, expAvgSq } = adam.state.get(p)!
    const { momentumBuffer } = sgd.state.get(q)!
    expect([expAvg, expAvgSq, momentumBuffer].map((x) => x?.item())).toEqual([0, 0, 0])
  })

  test('keep double precision', () => {
    const p = new Parameter(tensor([1], { dtype: 'float64' }))
    const optimizer = new SGD([p], { lr: 0.1 })
    descend(optimizer, p)
    expect(values(p)).toEqual([1 - 0.1 * 2])
  })
})

describe('state', () => {
  test('is numbered as in PyTorch', () => {
    const [p, q] = [parameter(1), parameter(1, 2)]
    const optimizer = new Adam([{ params: [p] }, { params: [q] }])
    descend(optimizer, q)
    const { state, paramGroups } = optimizer.stateDict()
    expect(Object.keys(state)).toEqual(['1'])
    expect(Object.keys(state[1]!).sort()).toEqual(['expAvg', 'expAvgSq', 'step'])
    expect(paramGroups.map((g) => g.params)).toEqual([[0], [1]])
    expect(paramGroups[0]).toMatchObject({ lr: 0.001, betas: [0.9, 0.999], eps: 1e-8 })
  })

  test('that does not fit is refused', () => {
    const p = parameter(1)
    const optimizer = new SGD([p], { momentum: 0.9 })
    descend(optimizer, p)
    const saved = optimizer.stateDict()
    expect(() => new SGD([p, parameter(2)]).loadStateDict(saved)).toThrow(
      'SGD.loadStateDict: Expected 1 groups of [2] parameters. Received 1 groups of [1] parameters.',
    )
    expect(() => new SGD([parameter(1, 2)]).loadStateDict(saved)).toThrow(ShapeError)
  })

  test('is no parameter', () => {
    const p = parameter(1)
    const optimizer = new Adam([p])
    descend(optimizer, p)
    for (const v of Object.values(optimizer.state.get(p)!)) {
      expect(v).toBeInstanceOf(Variable)
      expect(v.requiresGrad).toBe(false)
    }
  })
})

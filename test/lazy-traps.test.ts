// The traps of lazy evaluation: everything here reads naturally, and must do what it seems to do.

import {
  ArithmeticError,
  F,
  IndexError,
  keep,
  manualSeed,
  nn,
  noGrad,
  optim,
  planStatistics,
  randn,
  StaleValueError,
  tensor,
  variable,
  zeros,
} from 'tessera'
import { describe, expect, it } from 'vitest'

/** A two-layer network small enough to run thousands of steps, large enough to have a wide middle. */
function small(hidden = 8): { net: nn.Module; opt: optim.SGD } {
  manualSeed(7)
  const net = new nn.Sequential(new nn.Linear(4, hidden), new nn.Tanh(), new nn.Linear(hidden, 1))
  return { net, opt: new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 }) }
}

const weights = (net: nn.Module): number[] =>
  net.parameters().flatMap((p) => Array.from(p.dataSync() as Float32Array))

describe('values stay what they were', () => {
  it('reads an intermediate after the optimizer has stepped', () => {
    const { net, opt } = small()
    const x = randn([16, 4])
    const y = net.call(x)
    const expected = noGrad(() => net.call(x).dataSync())
    const loss = y.square().mean()
    loss.backward()
    opt.step()
    expect(y.dataSync()).toEqual(expected)
    opt.zeroGrad()
    net.call(x).square().mean().backward()
    opt.step()
    expect(y.dataSync()).toEqual(expected)
  })

  it('keeps what a module returned, however large, after several steps', () => {
    manualSeed(1)
    const net = new nn.Linear(8, 600)
    const opt = new optim.SGD(net.parameters(), { lr: 0.1 })
    const x = randn([64, 8]).realize()
    const expected = noGrad(() => net.call(x).dataSync())
    const logits = net.call(x)
    for (let i = 0; i < 3; i++) {
      opt.zeroGrad()
      ;(i === 0 ? logits : net.call(x)).square().mean().backward()
      opt.step()
    }
    expect(logits.argmax(1).shape).toEqual([64])
    expect(logits.dataSync()).toEqual(expected)
  })

  it('never computes a large forgotten value with new weights', () => {
    const w = variable(randn([128, 128]))
    const big = w.mul(3)
    const expected = w.dataSync().map((v: number) => Math.fround(v * 3))
    w.assign(w.mul(2)).realize()
    w.dataSync()
    expect(big.dataSync()).toEqual(expected)

    const forgotten = w.mul(5)
    for (let i = 0; i < 3; i++) w.assign(w.detach().mul(2)).realize()
    expect(() => forgotten.dataSync()).toThrow(StaleValueError)

    const kept = keep(w.mul(5))
    const before = kept.dataSync()
    for (let i = 0; i < 3; i++) w.assign(w.detach().mul(2)).realize()
    expect(kept.dataSync()).toEqual(before)
  })

  it('copies a buffer that is changed or transferred afterwards', () => {
    const data = new Float32Array([1, 2, 3])
    const a = tensor(data)
    const sum = a.sum()
    data.fill(9)
    structuredClone(data.buffer, { transfer: [data.buffer] })
    expect(sum.item()).toBe(6)
    expect(a.array()).toEqual([1, 2, 3])
    const out = a.dataSync()
    out.fill(0)
    expect(a.array()).toEqual([1, 2, 3])
  })

  it('draws dropout once, however often it is read', () => {
    manualSeed(3)
    const dropped = F.dropout(randn([64, 64]), { p: 0.5, training: true })
    const total = dropped.sum().item()
    const first = dropped.dataSync()
    expect(dropped.dataSync()).toEqual(first)
    expect(dropped.sum().item()).toBe(total)
    expect(first.filter((v: number) => v === 0).length).toBeGreaterThan(1000)
  })

  it('takes an average of weights before they are updated', () => {
    const w = variable([1, 2, 3], { dtype: 'float32' })
    const ema = variable(zeros([3]), { requiresGrad: false })
    ema.assign(w)
    w.assign(w.detach().add(1))
    w.assign(w.detach().add(1))
    expect(ema.array()).toEqual([1, 2, 3])
    expect(w.array()).toEqual([3, 4, 5])
    ema.assign(ema.mul(0.5).add(w.detach().mul(0.5)))
    w.assign(w.detach().mul(100))
    expect(w.array()).toEqual([300, 400, 500])
    expect(ema.array()).toEqual([2, 3, 4])
  })
})

describe('gradients', () => {
  it('reads the loss before the backward pass', () => {
    const one = small()
    const two = small()
    const x = randn([8, 4]).realize()
    for (let i = 0; i < 3; i++) {
      for (const [{ net, opt }, look] of [
        [one, true],
        [two, false],
      ] as const) {
        opt.zeroGrad()
        const loss = net.call(x).square().mean()
        if (look) expect(loss.item()).toBeGreaterThan(0)
        loss.backward()
        opt.step()
      }
    }
    expect(weights(one.net)).toEqual(weights(two.net))
  })

  it('accumulates over many batches', () => {
    const { net } = small()
    const x = randn([64, 4]).realize()
    net.call(x).square().sum().backward()
    const whole = net.parameters().map((p) => p.grad?.dataSync() as Float32Array)
    net.zeroGrad()
    for (let i = 0; i < 64; i++)
      net
        .call(x.at([i]).unsqueeze(0))
        .square()
        .sum()
        .backward()
    net.parameters().forEach((p, i) => {
      const parts = p.grad?.dataSync() as Float32Array
      parts.forEach((v, j) => {
        const expected = (whole[i] as Float32Array)[j] as number
        expect(Math.abs(v - expected)).toBeLessThan(1e-3 * (1 + Math.abs(expected)))
      })
    })
  })

  it('adds losses up for a hundred thousand steps', { timeout: 60_000 }, () => {
    const w = variable(1)
    let sum = tensor(0, { dtype: 'float32' })
    for (let i = 0; i < 100_000; i++) sum = sum.add(w.mul(0.5).square().detach())
    expect(sum.item()).toBe(25_000)
  })

  it('adds up losses that have been differentiated', () => {
    const { net, opt } = small()
    const x = randn([8, 4]).realize()
    let sum = tensor(0, { dtype: 'float32' })
    let expected = 0
    for (let i = 0; i < 3000; i++) {
      opt.zeroGrad()
      const loss = net.call(x).square().mean()
      loss.backward()
      opt.step()
      sum = sum.add(loss)
      if (i % 100 === 0) expected = sum.item()
    }
    expect(sum.item()).toBeGreaterThanOrEqual(expected)
  })

  it('refuses a second pass through a graph that was used up', () => {
    const w = variable(2)
    const y = w.square()
    const z = y.mul(3)
    z.backward()
    expect(w.grad?.item()).toBe(12)
    expect(() => y.mul(2).backward()).toThrow(/used up|depends on a variable/)
    const v = variable(2)
    const shared = v.square()
    shared.mul(3).backward({ retainGraph: true })
    shared.mul(2).backward()
    expect(v.grad?.item()).toBe(20)
  })
})

describe('plans', () => {
  it('needs no new plan when the learning rate changes every step', () => {
    const { net, opt } = small()
    const x = randn([8, 4]).realize()
    const step = (i: number): void => {
      for (const group of opt.paramGroups) group.lr = 0.1 / (1 + i)
      opt.zeroGrad()
      net
        .call(x)
        .mul(1 + 1 / (i + 3))
        .square()
        .mean()
        .backward()
      opt.step()
    }
    for (let i = 0; i < 3; i++) step(i)
    const { misses } = planStatistics()
    for (let i = 3; i < 50; i++) step(i)
    expect(planStatistics().misses).toBe(misses)
  })

  it('keeps a bounded number of plans when every batch has another length', {
    timeout: 120_000,
  }, () => {
    const w = variable(randn([3]))
    for (let n = 1; n <= 600; n++) {
      const x = tensor(new Float32Array(n * 3).fill(1), { shape: [n, 3] })
      const got = x.matmul(w.unsqueeze(1)).sum().item()
      const one = w.sum().item()
      expect(Math.abs(got - n * one)).toBeLessThan(1e-3 * n)
    }
    expect(planStatistics().size).toBeLessThanOrEqual(planStatistics().capacity)
  })
})

describe('bad data', () => {
  it('names the index, the range and the line of a gather that fails', () => {
    const table = randn([5, 3])
    const rows = table.indexSelect(0, tensor([1, 7]))
    expect(() => rows.dataSync()).toThrow(IndexError)
    expect(() => table.indexSelect(0, tensor([1, 9])).dataSync()).toThrow(/5/)
    try {
      table.indexSelect(0, tensor([-8])).dataSync()
    } catch (error) {
      expect(String((error as Error).message)).toMatch(/lazy-traps\.test\.ts/)
    }
  })

  it('throws for an integer divided by zero, and goes on afterwards', () => {
    const zero = tensor([0, 1])
    expect(() => tensor([4, 5]).floorDivide(zero).array()).toThrow(ArithmeticError)
    expect(
      tensor([4, 5])
        .floorDivide(tensor([2, 2]))
        .array(),
    ).toEqual([2, 2])
  })

  it('leaves variables alone when a step fails', () => {
    const w = variable(randn([4, 2]))
    const before = w.dataSync()
    w.assign(w.detach().add(w.detach().indexSelect(0, tensor([0, 1, 2, 99]))))
    expect(() => w.dataSync()).toThrow(IndexError)
    expect(w.dataSync()).toEqual(before)
    w.assign(w.detach().add(1))
    expect(w.dataSync()).toEqual(before.map((v: number) => Math.fround(v + 1)))
  })
})

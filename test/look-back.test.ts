// What is read after a step, or after something failed: values as they were, or an error, never others.

import {
  compile,
  full,
  IndexError,
  keep,
  noGrad,
  Parameter,
  type Tensor,
  tensor,
  variable,
} from 'tessera'
import { describe, expect, it } from 'vitest'

/** More than a flush keeps unasked. */
const LARGE = [100, 100]

const first = (x: Tensor | null): number => (x as Tensor).dataSync()[0] as number
const outOfRange = (): Tensor =>
  tensor([1, 2, 3])
    .gather(0, tensor([7]))
    .cast('float32')
const cell = (value: number) => variable(full(LARGE, value), { requiresGrad: false })

describe('gradients read after an update written by hand', () => {
  /** One step on Σ p², with `earlier` added to the gradient before or after the backward pass. */
  function step(earlier: Tensor, when: 'before' | 'after') {
    const p = new Parameter(full(LARGE, 2))
    if (when === 'before') p.grad = earlier
    p.square().sum().backward()
    const own = p.grad as Tensor
    if (when === 'after') p.grad = earlier.add(own)
    noGrad(() => p.assign(p.sub((p.grad as Tensor).mul(0.5))))
    expect(first(p)).toBe(2 - 0.5 * 9)
    return { p, own }
  }

  it('are those the update used', () => {
    const earlier = full(LARGE, 5).realize()
    const { p, own } = step(earlier, 'after')
    expect(first(own)).toBe(4)
    expect(first(p.grad)).toBe(9)
  })

  it('are each their own where equal plans deliver different ones', () => {
    const earlier = full(LARGE, 5).realize()
    expect(first(step(earlier, 'after').own)).toBe(4)
    expect(first(step(earlier, 'before').p.grad)).toBe(9)
  })
})

describe('after a failure', () => {
  it('a value is not made from what a failed update left behind', () => {
    const w = cell(1)
    w.assign(w.add(1)).realize()
    const old = w.mul(10)
    w.assign(w.add(1)).realize()
    w.assign(w.add(100).add(outOfRange()))
    expect(() => w.dataSync()).toThrow(IndexError)
    expect(first(w)).toBe(3)
    expect(() => old.dataSync()).toThrow('Variable')
    w.assign(w.add(1))
    expect(first(w)).toBe(4)
  })

  it('nor from what a failed compiled call left behind', () => {
    const w = cell(1)
    const update = compile((at: Tensor) => {
      w.assign(w.add(tensor([1, 2, 3]).gather(0, at).cast('float32')))
    })
    update(tensor([0]))
    const old = w.mul(10)
    update(tensor([0]))
    expect(() => update(tensor([7]))).toThrow(IndexError)
    expect(first(w)).toBe(3)
    expect(() => old.dataSync()).toThrow('Variable')
  })

  it('assignments that have nothing to do with it are there', () => {
    const w = variable([1, 2])
    w.assign(w.add(1))
    expect(() => outOfRange().dataSync()).toThrow(IndexError)
    expect(w.array()).toEqual([2, 3])
  })

  it('those that fail themselves are dropped together', () => {
    const [v, w] = [variable([1]), variable([1])]
    v.assign(v.add(1))
    w.assign(outOfRange())
    expect(() => tensor([1]).add(1).dataSync()).toThrow(IndexError)
    expect([v.item(), w.item()]).toEqual([1, 1])
  })
})

describe('keep', () => {
  it('keeps the value a variable has now, under any name', () => {
    const w = cell(1)
    w.assign(w.add(1))
    const kept = [w, w.cast('float32'), w.reshape(LARGE)].map((x) => keep(x))
    for (let i = 0; i < 3; i++) w.assign(w.add(1)).realize()
    expect(kept.map(first)).toEqual([2, 2, 2])
    expect(first(w)).toBe(5)
  })

  it('keeps the way of gradients', () => {
    const p = new Parameter(full(LARGE, 3))
    keep(p).square().sum().backward()
    expect(first(p.grad)).toBe(6)
  })
})

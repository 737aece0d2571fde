// Where gradients end: at frozen variables, compiled functions, and graphs that were used up.

import {
  compile,
  DTypeError,
  F,
  GradientError,
  grad,
  nn,
  noGrad,
  optim,
  type Tensor,
  TraceError,
  tensor,
  variable,
} from 'tessera'
import { describe, expect, it } from 'vitest'

describe('a variable that is frozen or thawed between calls', () => {
  const make = (frozen: boolean) => {
    const [a, b] = [variable([1]), variable([1])]
    a.requiresGrad = !frozen
    const optimizer = new optim.SGD([a, b], { lr: 0.5 })
    const step = compile(() => {
      optimizer.zeroGrad()
      a.mul(b).sum().backward()
      optimizer.step()
    })
    step()
    return { a, b, step }
  }

  it('stays as it is once it is frozen', () => {
    const { a, step } = make(false)
    expect(a.item()).toBe(0.5)
    a.requiresGrad = false
    step()
    expect(a.item()).toBe(0.5)
    a.requiresGrad = true
    step()
    expect(a.item()).not.toBe(0.5)
    expect(step.plans).toBe(2)
  })

  it('is trained once it is thawed', () => {
    const { a, step } = make(true)
    expect(a.item()).toBe(1)
    a.requiresGrad = true
    step()
    expect(a.item()).toBe(0.75)
  })
})

describe('requiresGrad', () => {
  it('holds from the next use on, also with an assignment pending', () => {
    const [p, q] = [variable([1]), variable([1])]
    p.assign(p.add(1))
    p.requiresGrad = false
    p.mul(q).sum().backward()
    expect([p.grad, q.grad?.item()]).toEqual([null, 2])
    p.assign(p.add(1))
    p.requiresGrad = true
    p.mul(q).sum().backward()
    expect(p.grad?.item()).toBe(1)
  })

  it('is for floats, and not changed inside of a trace', () => {
    const whole = variable(tensor([1]))
    expect(() => {
      whole.requiresGrad = true
    }).toThrow(DTypeError)
    const p = variable([1])
    const inside = compile(() => {
      p.requiresGrad = false
      return p.mul(2)
    })
    expect(() => inside()).toThrow(TraceError)
    expect(p.requiresGrad).toBe(true)
  })
})

describe('the result of a compiled function', () => {
  const net = new nn.Linear(2, 1)
  const forward = compile((x: Tensor) => net.call(x))
  const x = variable([[1, 2]]).detach()

  it('lets no backward pass go through it unnoticed', () => {
    expect(() => forward(x).sum().backward()).toThrow(GradientError)
    const penalty = net.weight.square().sum()
    expect(() => forward(x).sum().add(penalty).backward()).toThrow('compiled function')
    forward(x).detach().sum().add(penalty).backward()
    expect(net.weight.grad).not.toBe(null)
  })

  it('is a value like any other without', () => {
    expect(F.mseLoss(forward(x), forward(x)).item()).toBe(0)
    const constant = noGrad(() => forward(x))
    const w = variable([3])
    w.mul(constant).sum().backward()
    expect(w.grad?.item()).toBe(constant.item())
  })
})

describe('a value whose graph was used up', () => {
  const make = () => {
    const w = variable([3])
    const y = w.square()
    y.sum().backward()
    expect(w.grad?.item()).toBe(6)
    w.grad = null
    return { w, y }
  }

  it('lets no other pass go through it unnoticed, however far above', () => {
    const { w, y } = make()
    expect(() => y.mul(2).sum().add(w.sum()).backward()).toThrow('used up')
    noGrad(() => y.mul(2))
      .mul(w)
      .sum()
      .backward()
    expect(w.grad?.item()).toBe(18)
  })

  it('is a constant where it is detached, and no gradient in integers', () => {
    const { w, y } = make()
    y.detach().mul(w).sum().backward()
    y.argmax().cast('float32').mul(w).sum().backward()
    expect(w.grad?.item()).toBe(9)
  })

  it('can be what gradients are asked by', () => {
    const { y } = make()
    expect(grad((x: Tensor) => x.square().sum())(y).item()).toBe(18)
    const other = variable([1])
    other.assign(y)
    other.square().sum().backward()
    expect(other.grad?.item()).toBe(18)
  })
})

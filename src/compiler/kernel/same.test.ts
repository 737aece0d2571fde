import { describe, expect, it } from 'vitest'
import { affine, ofVar, plus } from './affine.js'
import { KernelBuilder } from './builder.js'
import type { Kernel } from './ir.js'
import { doSame, Firsts } from './same.js'

interface Parts {
  readonly buffer?: string
  readonly length?: number
  readonly value?: number
  readonly offset?: number
  readonly swapped?: boolean
}

/** y[16·chunk + i] = x[offset + i] + value, with index variables of its own. */
function kernel({ buffer = 'x', length = 32, value = 1, offset = 0, swapped }: Parts = {}): Kernel {
  const k = new KernelBuilder('shift', 2)
  const x = k.buffer(buffer, 'f32', 'read', length)
  const y = k.buffer('y', 'f32', 'write', 32)
  k.loop('i', 16, (i) => {
    k.vector('j', affine(16), 16, (j) => {
      const loaded = k.load(x, plus(swapped ? i : j, offset))
      k.store(y, plus(ofVar(k.chunk, 16), j), k.set('add', loaded, k.const('f32', value)))
    })
  })
  return k.finish()
}

describe('kernels are the same', () => {
  it('whatever their variables are numbered, and their buffers called', () => {
    const firsts = new Firsts()
    const first = kernel()
    expect(firsts.of(first)).toBe(first)
    expect(firsts.of(kernel())).toBe(first)
    expect(firsts.of(kernel({ buffer: 'z' }))).toBe(first)
  })

  it('and not where anything that counts differs', () => {
    const others: Parts[] = [
      { length: 48 },
      { value: -1 },
      { value: 0 },
      { value: -0 },
      { offset: 1 },
      { swapped: true },
    ]
    const firsts = new Firsts()
    const found = [{}, ...others].map((p) => firsts.of(kernel(p)))
    expect(new Set(found).size).toBe(found.length)
  })

  it('or where more is asked for', () => {
    const firsts = new Firsts((a, b) => doSame(a, b) && a.buffers[0]?.name === b.buffers[0]?.name)
    const [x, z] = [kernel(), kernel({ buffer: 'z' })]
    expect(firsts.of(x)).toBe(x)
    expect(firsts.of(z)).toBe(z)
    expect(firsts.of(kernel({ buffer: 'z' }))).toBe(z)
  })
})

it('the first of kernels that are the same can be forgotten, and no other is', () => {
  const firsts = new Firsts()
  const [first, other, next] = [kernel(), kernel({ value: 2 }), kernel()]
  for (const k of [first, other]) firsts.of(k)
  firsts.forget(first)
  expect(firsts.of(next)).toBe(next)
  expect(firsts.of(kernel())).toBe(next)
  expect(firsts.of(kernel({ value: 2 }))).toBe(other)
})

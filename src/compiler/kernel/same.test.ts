import { describe, expect, it } from 'vitest'
import { affine, ofVar, plus } from './affine.js'
import { KernelBuilder } from './builder.js'
import type { Kernel } from './ir.js'
import { KernelMap, sharing } from './same.js'

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
    const share = sharing()
    const first = kernel()
    expect(share(first)).toBe(first)
    expect(share(kernel())).toBe(first)
    expect(share(kernel({ buffer: 'z' }))).toBe(first)
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
    const share = sharing()
    const shared = [{}, ...others].map((p) => share(kernel(p)))
    expect(new Set(shared).size).toBe(shared.length)
  })
})

describe('a map by what kernels do', () => {
  it('finds, replaces and forgets what was said about an equal kernel', () => {
    const map = new KernelMap<string>()
    map.set(kernel(), 'one')
    map.set(kernel({ value: 2 }), 'two')
    expect(map.get(kernel({ buffer: 'z' }))).toBe('one')
    expect(map.get(kernel({ value: 3 }))).toBeUndefined()
    map.set(kernel(), 'first')
    expect(map.get(kernel())).toBe('first')
    map.prune((value) => value === 'first')
    expect(map.get(kernel())).toBeUndefined()
    expect(map.get(kernel({ value: 2 }))).toBe('two')
  })
})

// Signatures: equal for kernels that do the same, and for no others.

import { expect, test } from 'vitest'
import { affine, plus, times } from './affine.js'
import { KernelBuilder } from './builder.js'
import type { Kernel, MemoryType } from './ir.js'
import { signatureOf } from './signature.js'

const STANDARD = {
  name: 'k',
  buffer: 'x',
  type: 'f32' as MemoryType,
  length: 64,
  grid: 2,
  count: 24,
  lanes: 16,
  start: 0,
  coefficient: 1,
  offset: 3,
  factor: 0.5,
  fn: 'add' as 'add' | 'sub',
  guard: 'ge' as 'ge' | 'lt',
  otherwise: false,
  bounded: false,
  when: false,
  code: 1,
}

/** A kernel with a bit of everything. */
function kernel(change: Partial<typeof STANDARD> = {}): Kernel {
  const o = { ...STANDARD, ...change }
  const k = new KernelBuilder(o.name, o.grid)
  const x = k.buffer(o.buffer, o.type, 'read', o.length)
  const y = k.buffer('y', 'f32', 'write', 64)
  const count = o.bounded ? { min: [affine(o.count), affine(40)] as const } : affine(o.count)
  k.loop(
    'j',
    2,
    (j) => {
      k.vector('i', count, o.lanes, (i) => {
        const at = plus(plus(times(i, o.coefficient), times(j, 8)), o.offset)
        const v = k.convert('f32', k.load(x, at))
        const w = k.set(o.fn, v, k.const('f32', o.factor))
        const positive = k.set('lt', k.const('f32', 0), w)
        k.status(positive, o.code)
        const store = () => k.store(y, i, w, o.when ? positive : undefined)
        k.when(i, o.guard, affine(2), store, o.otherwise ? store : undefined)
      })
    },
    { from: affine(o.start) },
  )
  return k.finish()
}

test('names and numbers of variables do not count', () => {
  const first = signatureOf(kernel())
  expect(signatureOf(kernel())).toBe(first)
  expect(signatureOf(kernel({ name: 'other', buffer: 'z' }))).toBe(first)
})

test('everything else does', () => {
  const changes: Partial<typeof STANDARD>[] = [
    {},
    { type: 'f64' },
    { type: 'i32' },
    { length: 65 },
    { grid: 3 },
    { count: 25 },
    { lanes: 32 },
    { start: 1 },
    { coefficient: 2 },
    { offset: 4 },
    { factor: 0 },
    { factor: -0 },
    { factor: 0.5000000000000001 },
    { fn: 'sub' },
    { guard: 'lt' },
    { otherwise: true },
    { bounded: true },
    { when: true },
    { code: 2 },
  ]
  expect(new Set(changes.map((c) => signatureOf(kernel(c)))).size).toBe(changes.length)
})

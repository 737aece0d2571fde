// Kernels that want more registers than any machine has: what does not fit goes to memory and comes back.

import { describe, test } from 'vitest'
import { values } from '../../../src/compiler/contract/fixtures.js'
import { plus, times } from '../../../src/compiler/kernel/affine.js'
import { KernelBuilder } from '../../../src/compiler/kernel/builder.js'
import type { Affine, Kernel, Reg } from '../../../src/compiler/kernel/ir.js'
import type { Subject } from './subject.js'
import { sample } from './values.js'

/** A polynomial with as many coefficients, by Horner's rule. */
export function polynomial(coefficients: number): Kernel {
  const k = new KernelBuilder(`polynomial of ${coefficients}`)
  const x = k.buffer('x', 'f32', 'read', 67)
  const y = k.buffer('y', 'f32', 'write', 67)
  k.vector('i', 67, 16, (i) => {
    const v = k.load(x, i)
    let p = k.const('f32', 1)
    for (let j = 0; j < coefficients; j++) p = k.set('fma', p, v, k.const('f32', 1 / (j + 3)))
    k.store(y, i, p)
  })
  return k.finish()
}

export function testPressure({ check }: Subject): void {
  describe('too many values', () => {
    test.each(['f32', 'f64', 'i32', 'i64'] as const)('of %s alive at once', (type) => {
      for (const n of [3, 16, 45]) {
        for (const lanes of [1, 8, 16]) {
          const k = new KernelBuilder(`${type} ${n} ${lanes}`)
          const x = k.buffer('x', type, 'read', n + 40)
          const y = k.buffer('y', type, 'write', n)
          const body = (i: Affine): void => {
            const loaded = Array.from({ length: 40 }, (_, j) => k.load(x, plus(i, j)))
            let sum = k.set('sub', loaded[39]!, loaded[0]!)
            for (const v of loaded) sum = k.set('sub', v, sum)
            k.store(y, i, sum)
          }
          if (lanes === 1) k.loop('i', n, body)
          else k.vector('i', n, lanes, body)
          check(k.finish(), [sample(type, n + 40, 1), sample(type, n, 2)])
        }
      }
    })

    test('conditions alive at once', () => {
      for (const n of [5, 33]) {
        const k = new KernelBuilder('conditions')
        const x = k.buffer('x', 'f32', 'read', n + 20)
        const y = k.buffer('y', 'u8', 'write', n)
        k.vector('i', n, 16, (i) => {
          const zero = k.const('f32', 0)
          const below = Array.from({ length: 20 }, (_, j) =>
            k.set('lt', k.load(x, plus(i, j)), zero),
          )
          let odd = below[19]!
          for (const b of below) odd = k.set('xor', b, odd)
          for (const b of below) odd = k.set('xor', k.set('and', b, odd), odd)
          k.store(y, i, k.convert('i32', odd))
        })
        check(k.finish(), [sample('f32', n + 20, 3), sample('u8', n, 1)])
      }
    })

    test('accumulators, more than registers', () => {
      for (const rows of [20, 33]) {
        const [columns, depth] = [19, 7]
        const k = new KernelBuilder(`dot ${rows}`)
        const a = k.buffer('a', 'f32', 'read', rows * depth)
        const b = k.buffer('b', 'f32', 'read', depth * columns)
        const c = k.buffer('c', 'f32', 'write', rows * columns)
        k.vector('j', columns, 32, (j) => {
          const sums = Array.from({ length: rows }, () => k.accumulator('f32', 0))
          k.loop('k', depth, (d) => {
            const right = k.load(b, plus(times(d, columns), j))
            for (const [i, s] of sums.entries()) {
              k.update(s, 'fma', k.load(a, plus(d, i * depth)), right, s)
            }
          })
          for (const [i, s] of sums.entries()) k.store(c, plus(j, i * columns), s)
        })
        check(k.finish(), [
          values(rows * depth, 1),
          values(depth * columns, 2),
          values(rows * columns, 3),
        ])
      }
    })

    test('pointers, and divisions that insist on registers', () => {
      const [n, buffers] = [6, 24]
      const k = new KernelBuilder('pointers', 2)
      const xs = Array.from({ length: buffers }, (_, j) =>
        k.buffer(`x${j}`, 'i64', 'readwrite', 2 * n * (j + 1)),
      )
      k.loop('i', n, (i) => {
        k.loop('j', 2, (j) => {
          const at = (b: number): Affine => times(plus(times(i, 2), j), b + 1)
          let last: Reg = k.index('i64', plus(times(i, 3), 1))
          for (const [b, x] of xs.entries()) {
            const v = k.load(x, at(b))
            last = k.set(
              'add',
              k.set(b % 2 ? 'div' : 'rem', v, k.set('or', last, k.const('i64', 1))),
              v,
            )
            k.store(x, at(b), last)
          }
        })
      })
      check(
        k.finish(),
        xs.map((x, j) => sample('i64', x.length, j)),
      )
    })

    test('constants', () => {
      check(polynomial(40), [values(67, 1), values(67, 2)])
    })
  })
}

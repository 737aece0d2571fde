// What an emitter has to get right about loops, guards and reductions.

import { describe, test } from 'vitest'
import { affine, ofVar, plus, times } from '../../../src/compiler/kernel/affine.js'
import { KernelBuilder } from '../../../src/compiler/kernel/builder.js'
import type { Subject } from './subject.js'
import { sample } from './values.js'

/** Declares tests of loops, guards, reductions, scratch memory and faults. */
export function testLoops({ check }: Subject): void {
  describe('loops', () => {
    test.each([4, 8, 16, 32])('reductions in %i lanes combine in order', (lanes) => {
      for (const type of ['f32', 'f64', 'i32', 'i64'] as const) {
        for (const fn of ['add', 'mul', 'min', 'max'] as const) {
          for (const n of [0, 5, 67]) {
            for (const dynamic of [false, true]) {
              const k = new KernelBuilder(`${fn} ${type} ${lanes} ${n}`, dynamic ? 2 : 1)
              const x = k.buffer('x', type, 'read', Math.max(1, n))
              const y = k.buffer('y', type, 'write', 2)
              const acc = k.accumulator(type, fn === 'mul' ? 1 : 0, lanes)
              const count = dynamic ? plus(times(ofVar(k.chunk), -n), n) : affine(n)
              k.vector('i', count, lanes, (i) => k.update(acc, fn, acc, k.load(x, i)))
              k.store(y, ofVar(k.chunk), k.combine(acc, fn))
              const data = sample(type, Math.max(1, n), 4)
              if (!(data instanceof BigInt64Array)) {
                for (let i = 0; i < data.length; i++) data[i] = Math.sin(i + 1) * 50
              }
              check(k.finish(), [data, sample(type, 2, 1)])
            }
          }
        }
      }
    })

    test('loops that go round once, or not at all, wherever they begin', () => {
      const n = 20
      for (const rounds of [-1, 0, 1, 2]) {
        for (const step of [1, 2]) {
          const k = new KernelBuilder(`${rounds} by ${step}`, 3)
          const x = k.buffer('x', 'f32', 'read', 8 * n)
          const y = k.buffer('y', 'f32', 'readwrite', 8 * n)
          const from = ofVar(k.chunk, 2)
          const options = { from, step }
          k.loop(
            'row',
            plus(from, rounds),
            (row) => {
              const line = times(row, n)
              k.vector('i', n, 16, (i) => k.store(y, plus(line, i), k.load(x, plus(line, i))))
              k.loop('again', 3, (a) =>
                k.store(y, plus(line, a), k.load(x, plus(line, times(a, 2)))),
              )
            },
            options,
          )
          check(k.finish(), [sample('f32', 8 * n, 1), sample('f32', 8 * n, 2)])
        }
      }
    })

    test('loops inside vector loops, with rows and tails', () => {
      for (const [rows, columns, depth] of [
        [4, 8, 9],
        [3, 13, 5],
        [6, 33, 1],
      ] as const) {
        for (const type of ['f32', 'f64', 'i32', 'i64'] as const) {
          const k = new KernelBuilder(`dot ${type}`)
          const a = k.buffer('a', type, 'read', rows * depth)
          const b = k.buffer('b', type, 'read', depth * columns)
          const c = k.buffer('c', type, 'write', rows * columns)
          k.vector('j', columns, 8, (j) => {
            const sums = Array.from({ length: rows }, () => k.accumulator(type, 0))
            k.loop('k', depth, (d) => {
              const right = k.load(b, plus(times(d, columns), j))
              for (const [i, sum] of sums.entries()) {
                const left = k.load(a, plus(d, i * depth))
                if (type === 'f32' || type === 'f64') k.update(sum, 'fma', left, right, sum)
                else k.update(sum, 'add', k.set('mul', left, right), sum)
              }
            })
            for (const [i, sum] of sums.entries()) k.store(c, plus(j, i * columns), sum)
          })
          check(k.finish(), [
            sample(type, rows * depth, 1),
            sample(type, depth * columns, 2),
            sample(type, rows * columns, 3),
          ])
        }
      }
    })

    test('unrolled windows with guards at the border', () => {
      const [h, w] = [5, 19]
      const k = new KernelBuilder('window', h)
      const x = k.buffer('x', 'f32', 'read', h * w)
      const y = k.buffer('y', 'f32', 'write', h * w)
      const row = ofVar(k.chunk)
      k.vector('j', w, 8, (j) => {
        const sum = k.accumulator('f32', 0)
        k.loop('di', 3, (di) => {
          const i = plus(plus(row, di), -1)
          k.when(i, 'ge', affine(0), () => {
            k.when(i, 'lt', affine(h), () => {
              k.loop(
                'dj',
                3,
                (dj) => {
                  const c = plus(plus(j, dj), -1)
                  k.when(c, 'ge', affine(0), () => {
                    k.when(
                      c,
                      'lt',
                      affine(w),
                      () => k.update(sum, 'add', sum, k.load(x, plus(times(i, w), c))),
                      () => k.update(sum, 'sub', sum, k.const('f32', 100)),
                    )
                  })
                },
                { unroll: true },
              )
            })
          })
        })
        k.store(y, plus(times(row, w), j), sum)
      })
      check(k.finish(), [
        Float32Array.from({ length: h * w }, (_, i) => Math.cos(i)),
        sample('f32', h * w, 1),
      ])
    })

    test('bounds that depend on outer loops, steps, and loops that do not run', () => {
      const k = new KernelBuilder('triangle', 3)
      const y = k.buffer('y', 'i32', 'readwrite', 3 * 100)
      const base = times(ofVar(k.chunk), 100)
      k.loop('i', 10, (i) => {
        k.loop(
          'j',
          { min: [plus(i, 3), affine(9)] },
          (j) => {
            const at = plus(plus(base, times(i, 10)), j)
            k.store(y, at, k.set('add', k.load(y, at), k.index('i32', plus(times(i, 100), j))))
          },
          { from: i, step: 2 },
        )
        k.loop('never', plus(i, -20), (j) => k.store(y, j, k.const('i32', 7)))
        k.vector('v', plus(i, -5), 4, (v) => {
          k.store(y, plus(plus(base, v), 90), k.index('i32', plus(v, i)))
        })
      })
      check(k.finish(), [sample('i32', 300, 1)])
    })

    test('values from before a guard are still there after it', () => {
      for (const n of [7, 16, 30]) {
        const k = new KernelBuilder('guard')
        const x = k.buffer('x', 'f32', 'read', n)
        const y = k.buffer('y', 'f32', 'write', 2 * n)
        k.vector('i', n, 16, (i) => {
          const a = k.load(x, i)
          const b = k.set('mul', a, a)
          const r = k.accumulator('f32', 3)
          k.when(
            plus(times(i, 2), -9),
            'lt',
            affine(8),
            () => k.move(r, k.set('add', a, b)),
            () => k.when(i, 'eq', affine(12), () => k.move(r, b)),
          )
          k.store(y, i, r)
          k.store(y, plus(i, n), k.set('sub', r, k.const('f32', 1)))
        })
        check(k.finish(), [sample('f32', n, 1), sample('f32', 2 * n, 2)])
      }
    })

    test('scratch memory and a status', () => {
      const n = 37
      const k = new KernelBuilder('scratch', 2)
      const x = k.buffer('x', 'f32', 'read', 2 * n)
      const y = k.buffer('y', 'f32', 'write', 2 * n)
      const s = k.scratch('s', 'f32', n)
      const t = k.scratch('t', 'f64', n)
      const base = times(ofVar(k.chunk), n)
      k.vector('i', n, 16, (i) => {
        const v = k.load(x, plus(base, i))
        k.store(s, i, k.set('add', v, v))
        k.store(t, i, k.convert('f64', v))
      })
      k.vector('i', n, 16, (i) => {
        const v = k.load(s, plus(times(i, -1), n - 1))
        const u = k.convert('f32', k.load(t, i))
        k.status(k.set('lt', v, k.const('f32', -190)), 5)
        k.status(k.set('lt', v, k.const('f32', -195)), 4)
        k.status(k.set('lt', v, k.const('f32', -198)), 6)
        k.store(y, plus(base, i), k.set('sub', v, u))
      })
      const data = Float32Array.from({ length: 2 * n }, (_, i) => i)
      check(k.finish(), [data, sample('f32', 2 * n, 1)])
      data[11] = -100
      check(k.finish(), [data, sample('f32', 2 * n, 1)])
    })
  })
}

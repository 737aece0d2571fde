// What an emitter has to get right about loads and stores, at every distance and in every order.

import { describe, test } from 'vitest'
import { affine, ofVar, plus, times } from '../../../src/compiler/kernel/affine.js'
import { KernelBuilder } from '../../../src/compiler/kernel/builder.js'
import type { Affine, BufferDecl, MemoryType } from '../../../src/compiler/kernel/ir.js'
import { forEach, SHAPES } from './forms.js'
import type { Subject } from './subject.js'
import { sample } from './values.js'

/** Declares tests of loads and stores of every kind. */
export function testAddresses({ check }: Subject): void {
  describe('addresses', () => {
    const KINDS: readonly MemoryType[] = ['f32', 'f64', 'i32', 'i64', 'u8']
    const copy = (
      name: string,
      type: MemoryType,
      sizes: readonly [number, number],
      fill: (k: KernelBuilder, x: BufferDecl, y: BufferDecl) => void,
    ): void => {
      const k = new KernelBuilder(`${name} ${type}`)
      const x = k.buffer('x', type, 'read', sizes[0])
      const y = k.buffer('y', type, 'write', sizes[1])
      fill(k, x, y)
      check(k.finish(), [sample(type, sizes[0], 1), sample(type, sizes[1], 2)])
    }

    test.each(KINDS)('loads of %s at every stride', (type) => {
      for (const stride of [0, 1, 2, 3, -1, -2, 5, 1000, 20000, -20000]) {
        for (const n of [3, 16, 21]) {
          const span = Math.abs(stride) * (n - 1) + 1
          copy(`stride ${stride} n ${n}`, type, [span, n], (k, x, y) => {
            k.vector('i', n, 16, (i) => {
              const at = plus(times(i, stride), stride < 0 ? span - 1 : 0)
              k.store(y, i, k.load(x, at))
            })
          })
        }
      }
    })

    test.each(KINDS)('stores of %s at every stride', (type) => {
      for (const stride of [0, 1, 2, -1, 7, -9000]) {
        for (const n of [3, 16, 21]) {
          const span = Math.abs(stride) * (n - 1) + 1
          copy(`stride ${stride} n ${n}`, type, [n, span], (k, x, y) => {
            k.vector('i', n, 8, (i) => {
              const at = plus(times(i, stride), stride < 0 ? span - 1 : 0)
              k.store(y, at, k.load(x, i))
            })
          })
        }
      }
    })

    test.each(KINDS)('transposes of %s', (type) => {
      for (const n of [1, 3, 4, 7, 8, 16, 21, 33]) {
        for (const [side, lanes] of [
          [4, 16],
          [5, 8],
          [8, 4],
          [9, 32],
        ] as const) {
          for (const stride of [side, side + 3, -side, -1100]) {
            const last = Math.abs(stride) * (n - 1)
            const [first, span] = [stride < 0 ? last : 0, last + side]
            copy(`turn ${side} ${lanes} ${n} ${stride}`, type, [side * n, span], (k, x, y) => {
              k.vector('i', n, lanes, (i) => {
                const rows = Array.from({ length: side }, (_, r) => k.load(x, plus(i, r * n)))
                for (const [r, row] of rows.entries()) {
                  k.store(y, plus(times(i, stride), first + r), row)
                }
              })
            })
          }
        }
      }
    })

    test.each(KINDS)('quotients and remainders of %s, by lane and not', (type) => {
      for (const by of [1, 2, 3, 7, 8, 641, 65537]) {
        for (const n of [5, 16, 37]) {
          const size = n * 3 + 20
          copy(`divmod ${by} n ${n}`, type, [size, 2 * n], (k, x, y) => {
            k.vector('i', n, 16, (i) => {
              const { quotient, remainder } = k.divmod(plus(times(i, 3), 4), by)
              const bounded = by > 40 ? ofVar(quotient) : plus(ofVar(quotient), ofVar(remainder))
              k.store(y, i, k.load(x, plus(bounded, 1)))
            })
            k.loop('j', n, (j) => {
              const { quotient, remainder } = k.divmod(plus(times(j, 3), 4), by)
              const bounded = by > 40 ? ofVar(quotient) : plus(ofVar(quotient), ofVar(remainder))
              k.store(y, plus(j, n), k.load(x, bounded))
            })
          })
        }
      }
    })

    test.each(KINDS)('a pool spread over its windows, of %s', (type) => {
      // Width of a line, size of a window, lines: lanes that want near neighbours, and far ones.
      for (const [width, size, lines] of [
        [26, 2, 4],
        [15, 3, 6],
        [8, 2, 2],
        [64, 4, 4],
        [60, 30, 30],
      ] as const) {
        const [n, positions] = [width * lines, (width / size) * (lines / size)]
        copy(`pool ${width} ${size}`, type, [positions, 2 * n], (k, x, y) => {
          k.vector('i', n, 16, (i) => {
            const line = k.divmod(i, width * size)
            const column = k.divmod(ofVar(k.divmod(i, size).quotient), width / size)
            const at = plus(times(ofVar(line.quotient), width / size), ofVar(column.remainder))
            k.store(y, i, k.load(x, at))
            const tap = ofVar(k.divmod(i, size).remainder)
            if (type !== 'u8') k.store(y, plus(i, n), k.index(type, plus(times(tap, 3), 1)))
          })
        })
      }
    })

    test('many long tables of quotients', () => {
      const [n, divisors] = [4096, [3, 5, 6, 7, 9, 10, 11, 12, 13, 14]]
      copy('tables', 'f32', [n, n], (k, x, y) => {
        k.vector('i', n, 16, (i) => {
          const values = divisors.map((by) => k.load(x, ofVar(k.divmod(i, by).quotient)))
          k.store(
            y,
            i,
            values.reduce((a, b) => k.set('add', a, b)),
          )
        })
      })
    })

    test.each(KINDS)('gathers and scatters of %s', (type) => {
      for (const shape of SHAPES) {
        for (const scale of [1, 3]) {
          const n = 23
          const k = new KernelBuilder(`gather ${type} ${shape}`)
          const at = k.buffer('at', 'i32', 'read', n)
          const x = k.buffer('x', type, 'read', 200)
          const y = k.buffer('y', type, 'readwrite', n)
          const z = k.buffer('z', type, 'readwrite', 200)
          forEach(k, n, shape, (i) => {
            const offset = k.load(at, i)
            const v = k.gather(x, plus(i, 2), offset, scale)
            k.store(y, i, v)
            k.emit({ op: 'scatter', buffer: z, at: affine(1), offset, scale, from: v })
          })
          const offsets = Int32Array.from({ length: n }, (_, i) => (i * 17) % 40)
          check(k.finish(), [
            offsets,
            sample(type, 200, 1),
            sample(type, n, 2),
            sample(type, 200, 3),
          ])
        }
      }
    })

    test.each(KINDS)('an element of %s that all lanes gather', (type) => {
      for (const n of [1, 2, 5, 16, 17, 35]) {
        const rows = 5
        const k = new KernelBuilder(`gather one ${type} ${n}`)
        const at = k.buffer('at', 'i32', 'read', 1)
        const x = k.buffer('x', type, 'read', 40)
        const y = k.buffer('y', type, 'readwrite', rows * n)
        k.loop('row', rows, (row) => {
          k.vector('i', n, 8, (i) => {
            const v = k.gather(x, times(row, 2), k.load(at, affine(0)), 3)
            k.store(y, plus(times(row, n), i), v)
          })
        })
        check(k.finish(), [Int32Array.of(4), sample(type, 40, 1), sample(type, rows * n, 2)])
      }
    })

    test.each(KINDS)('rows of %s that data choose', (type) => {
      const places = [3, 0, 3, 1]
      for (const shape of SHAPES) {
        for (const stride of [1, 2, -1, 5]) {
          for (const n of [3, 16, 37]) {
            const width = Math.abs(stride) * (n - 1) + 1
            const first = stride < 0 ? width - 1 : 0
            const k = new KernelBuilder(`rows ${type} ${shape} ${stride} ${n}`)
            const at = k.buffer('at', 'i32', 'read', places.length)
            const x = k.buffer('x', type, 'read', 4 * width)
            const y = k.buffer('y', type, 'readwrite', places.length * n)
            const z = k.buffer('z', type, 'readwrite', 4 * width)
            k.loop('row', places.length, (row) => {
              const offset = k.load(at, row)
              forEach(k, n, shape, (i) => {
                const here = plus(times(i, stride), first)
                const v = k.gather(x, here, offset, width)
                k.store(y, plus(times(row, n), i), v)
                k.emit({ op: 'scatter', buffer: z, at: here, offset, scale: width, from: v })
              })
            })
            check(k.finish(), [
              Int32Array.from(places),
              sample(type, 4 * width, 1),
              sample(type, places.length * n, 2),
              sample(type, 4 * width, 3),
            ])
          }
        }
      }
    })

    test.each(KINDS)('stores of %s under a condition', (type) => {
      for (const n of [1, 4, 6, 16, 35]) {
        const k = new KernelBuilder(`masked store ${type} ${n}`)
        const c = k.buffer('c', 'u8', 'read', n)
        const x = k.buffer('x', type, 'read', n)
        const y = k.buffer('y', type, 'readwrite', 2 * n)
        const z = k.buffer('z', type, 'readwrite', n)
        k.vector('i', n, 16, (i) => {
          const when = k.convert('bool', k.load(c, i))
          k.store(y, i, k.load(x, i), when)
        })
        k.vector('i', n, 16, (i) => {
          const when = k.convert('bool', k.load(c, i))
          k.store(y, plus(times(i, 2), 0), k.load(x, i), when)
        })
        k.loop('i', n, (i) => {
          const when = k.convert('bool', k.load(c, i))
          k.store(z, i, k.load(x, i), when)
        })
        const bits = Uint8Array.from({ length: n }, (_, i) => ((i * 5) % 3 === 0 ? 1 : 0))
        check(k.finish(), [bits, sample(type, n, 1), sample(type, 2 * n, 2), sample(type, n, 3)])
      }
    })

    test.each(KINDS)('many buffers of %s that are gone through alike', (type) => {
      const rows = 4
      for (const shape of SHAPES) {
        for (const n of [3, 16, 37]) {
          const k = new KernelBuilder(`alike ${type} ${shape} ${n}`, 2)
          const sources = Array.from({ length: 5 }, (_, b) =>
            k.buffer(`x${b}`, type, 'read', 2 * rows * n + 10),
          )
          const results = sources.map((_, b) => k.buffer(`y${b}`, type, 'write', 4 * rows * n + 1))
          const copy = (at: Affine, from: Affine): void => {
            for (const [b, y] of results.entries())
              k.store(y, at, k.load(sources[b]!, plus(from, b)))
          }
          k.loop('row', rows, (row) => {
            const line = plus(times(ofVar(k.chunk), rows * n), times(row, n))
            forEach(k, n, shape, (i) => {
              // Neighbours, some of them, and what all lanes share.
              copy(plus(line, i), plus(line, i))
              k.when(i, 'lt', plus(row, 2), () => {
                copy(plus(plus(line, i), 2 * rows * n), plus(line, 1))
              })
            })
          })
          check(k.finish(), [
            ...sources.map((_, b) => sample(type, 2 * rows * n + 10, b)),
            ...results.map((_, b) => sample(type, 4 * rows * n + 1, b + 5)),
          ])
        }
      }
    })

    test('quotients of many buffers that are gone through alike', () => {
      const k = new KernelBuilder('alike, by quotients')
      const sources = Array.from({ length: 5 }, (_, b) => k.buffer(`x${b}`, 'f32', 'read', 60))
      const y = k.buffer('y', 'f32', 'write', 5 * 60)
      k.loop('i', 15, (i) => {
        const { quotient, remainder } = k.divmod(i, 5)
        const line = plus(times(ofVar(quotient), 20), times(ofVar(remainder), 4))
        k.vector('j', 4, 4, (j) => {
          for (const [b, x] of sources.entries()) {
            k.store(y, plus(plus(times(i, 4), j), 60 * b), k.load(x, plus(line, j)))
          }
        })
      })
      check(k.finish(), [...sources.map((_, b) => sample('f32', 60, b)), sample('f32', 300, 5)])
    })

    test('indices as values', () => {
      for (const type of ['f32', 'f64', 'i32', 'i64'] as const) {
        for (const shape of SHAPES) {
          const k = new KernelBuilder(`index ${type} ${shape}`)
          const y = k.buffer('y', type, 'write', 27)
          forEach(k, 27, shape, (i) => k.store(y, i, k.index(type, plus(times(i, -3), 5))))
          check(k.finish(), [sample(type, 27, 1)])
        }
      }
    })
  })
}

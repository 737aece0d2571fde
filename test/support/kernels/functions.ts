// What an emitter has to get right about functions and conversions: the interpreter's values, bit for bit.

import { describe, expect, test } from 'vitest'
import { affine } from '../../../src/compiler/kernel/affine.js'
import { KernelBuilder } from '../../../src/compiler/kernel/builder.js'
import { MEMORY_ARRAY } from '../../../src/compiler/kernel/interpret.js'
import type { Fn, RegType } from '../../../src/compiler/kernel/ir.js'
import { isDefined } from '../../../src/compiler/kernel/lanewise.js'
import { asMemory, asReg, mapKernel, memoryOf, SHAPES, slotsFor } from './forms.js'
import type { Subject } from './subject.js'
import { FLOATS, INTEGERS, LONGS, sample } from './values.js'

/** Lengths with and without tails, of every number of lanes. */
const LENGTHS = [1, 2, 3, 4, 7, 16, 17, 22, 33]

const FNS: readonly Fn[] = [
  ...(['add', 'sub', 'mul', 'div', 'rem', 'min', 'max', 'and', 'or', 'xor'] as const),
  ...(['neg', 'abs', 'sqrt', 'floor', 'ceil', 'trunc', 'round', 'not'] as const),
  ...(['fma', 'shl', 'shr', 'ushr', 'eq', 'ne', 'lt', 'le', 'select'] as const),
]
const ARITY: Partial<Record<Fn, number>> = {
  neg: 1,
  abs: 1,
  sqrt: 1,
  floor: 1,
  ceil: 1,
  trunc: 1,
  round: 1,
  not: 1,
  fma: 3,
  select: 3,
}
const TYPES: readonly RegType[] = ['f32', 'f64', 'i32', 'i64', 'bool']
const COMPARE: ReadonlySet<Fn> = new Set(['eq', 'ne', 'lt', 'le'])
const SHIFTS: ReadonlySet<Fn> = new Set(['shl', 'shr', 'ushr'])

/** Declares tests of every function and conversion, for every type they are defined for. */
export function testFunctions({ check, run }: Subject): void {
  describe.each(FNS)('%s', (fn) => {
    const types = TYPES.filter((t) => isDefined(fn, t))
    test.each(types)('of %s', (type) => {
      const arity = ARITY[fn] ?? 2
      const argTypes: RegType[] =
        fn === 'select' ? ['bool', type, type] : new Array<RegType>(arity).fill(type)
      const result = COMPARE.has(fn) ? 'bool' : type
      for (const shape of SHAPES) {
        for (const n of shape === 'vector' ? LENGTHS : [3, 25]) {
          const kernel = mapKernel(
            `${fn} ${type} ${shape} ${n}`,
            n,
            shape,
            argTypes,
            (k, args) => {
              // Counts outside the type's bits, and zero divisors, are for lowerings to exclude.
              const mask = type === 'i64' ? 63 : 31
              if (SHIFTS.has(fn)) args[1] = k.set('and', args[1]!, k.const(type, mask))
              if ((fn === 'div' || fn === 'rem') && (type === 'i32' || type === 'i64')) {
                args[1] = k.set('or', args[1]!, k.const(type, 1))
              }
              return k.set(fn, ...args)
            },
            result,
          )
          check(kernel, slotsFor(n, argTypes, result))
        }
      }
    })
  })

  describe('every pair of special values', () => {
    const list = { f32: FLOATS, f64: FLOATS, i32: INTEGERS, i64: LONGS } as const
    const types = ['f32', 'f64', 'i32', 'i64'] as const
    const fns = FNS.filter((fn) => ARITY[fn] === undefined && !SHIFTS.has(fn))
    const cases = fns.flatMap((fn) =>
      types.filter((t) => isDefined(fn, t)).map((type) => [fn, type] as const),
    )
    test.each(cases)('%s of %s', (fn, type) => {
      const n = list[type].length ** 2
      const divides = (fn === 'div' || fn === 'rem') && (type === 'i32' || type === 'i64')
      for (const shape of ['scalar', 'vector'] as const) {
        const kernel = mapKernel(
          `${fn} ${type} ${shape}`,
          n,
          shape,
          [type, type],
          (k, [x, y]) => {
            // A divisor of zero is for lowerings to exclude.
            const zero = k.const(type, 0)
            const y1 = divides ? k.set('select', k.set('eq', y!, zero), k.const(type, -1), y!) : y!
            return k.set(fn, x!, y1)
          },
          COMPARE.has(fn) ? 'bool' : type,
        )
        const slots = slotsFor(n, [type, type], COMPARE.has(fn) ? 'bool' : type)
        for (let i = 0; i < n; i++) {
          slots[0]![i] = list[type][Math.floor(i / list[type].length)]!
          slots[1]![i] = list[type][i % list[type].length]!
        }
        check(kernel, slots)
      }
    })
  })

  describe('scale', () => {
    test.each([
      ['f32', 250],
      ['f64', 2000],
    ] as const)('of %s, down to denormals and up to infinity', (type, most) => {
      const n = 2 * most + 1
      for (const shape of SHAPES) {
        const kernel = mapKernel(
          `scale ${type} ${shape}`,
          n,
          shape,
          [type, type],
          (k, [x, y]) => k.set('scale', x!, y!),
          type,
        )
        const slots = slotsFor(n, [type, type], type)
        for (let i = 0; i < n; i++) {
          slots[0]![i] = (i % 2 === 0 ? 1 : -1) * (0.7 + ((i * 0.618) % 1))
          slots[1]![i] = i - most
        }
        check(kernel, slots)
      }
    })
  })

  describe('constants as arguments', () => {
    const cases: readonly (readonly [Fn, RegType, number])[] = [
      ...[0, -0, 1.5, Number.NaN].flatMap((c) =>
        (['min', 'max'] as const).flatMap((fn) => [
          [fn, 'f32', c] as const,
          [fn, 'f64', c] as const,
        ]),
      ),
      ...(['shl', 'shr', 'ushr'] as const).flatMap((fn) => [
        [fn, 'i32', 5] as const,
        [fn, 'i64', 37] as const,
      ]),
      ['div', 'i32', 7],
      ['rem', 'i32', -7],
      ['div', 'i64', 10],
    ]
    test.each(cases)('%s %s %d', (fn, type, constant) => {
      for (const shape of SHAPES) {
        for (const first of [false, true]) {
          if (first && fn !== 'min' && fn !== 'max') continue
          const kernel = mapKernel(
            `${fn} ${type} ${constant} ${shape}`,
            29,
            shape,
            [type],
            (k, [x]) => {
              const c = k.const(type, constant)
              return first ? k.set(fn, c, x!) : k.set(fn, x!, c)
            },
            type,
          )
          check(kernel, slotsFor(29, [type], type))
        }
      }
    })

    test('division by zero does not trap', () => {
      for (const type of ['i32', 'i64'] as const) {
        for (const shape of SHAPES) {
          const kernel = mapKernel(
            'by zero',
            9,
            shape,
            [type, type],
            (k, [a, b]) => k.set('div', a!, b!),
            type,
          )
          const slots = slotsFor(9, [type, type], type)
          slots[1] = new MEMORY_ARRAY[type](9)
          expect(run(kernel, slots)).toBe(0)
        }
      }
    })
  })

  describe('conversions', () => {
    const pairs = TYPES.flatMap((from) =>
      TYPES.filter((to) => to !== from).map((to) => [from, to] as const),
    )
    test.each(pairs)('%s to %s', (from, to) => {
      for (const shape of SHAPES) {
        for (const n of shape === 'vector' ? LENGTHS : [3, 25]) {
          const name = `${from}>${to} ${shape} ${n}`
          const kernel = mapKernel(name, n, shape, [from], (k, [x]) => k.convert(to, x!), to)
          check(kernel, slotsFor(n, [from], to))
        }
      }
    })

    test.each([
      ['f32', 'i32'],
      ['i32', 'f32'],
      ['f64', 'i64'],
      ['i64', 'f64'],
    ] as const)('the bits of %s as %s', (from, to) => {
      for (const shape of SHAPES) {
        const kernel = mapKernel(
          `${from}=${to} ${shape}`,
          21,
          shape,
          [from],
          (k, [x]) => k.bitcast(to, x!),
          to,
        )
        const slots = slotsFor(21, [from], to)
        // The bits of a NaN are the engine's.
        if (from === 'f32' || from === 'f64')
          for (let i = 0; i < 21; i++) if (Number.isNaN(slots[0]![i])) slots[0]![i] = 3 as never
        check(kernel, slots)
      }
    })

    test('uniform values convert too', () => {
      for (const from of TYPES) {
        for (const to of TYPES) {
          if (from === to) continue
          const k = new KernelBuilder(`uniform ${from}>${to}`)
          const x = k.buffer('x', memoryOf(from), 'readwrite', 4)
          const y = k.buffer('y', memoryOf(to), 'write', 10)
          k.vector('i', 10, 8, (i) => {
            // A store to the buffer keeps the load inside the loop.
            const v = k.load(x, affine(1))
            k.store(y, i, asMemory(k, k.convert(to, asReg(k, from, v))))
            k.store(x, affine(2), v)
          })
          check(k.finish(), [sample(memoryOf(from), 4, 3), sample(memoryOf(to), 10, 1)])
        }
      }
    })
  })
}

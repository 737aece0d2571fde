// Emitted kernels against the interpreter of the kernel IR, bit for bit.

import { describe, expect, test } from 'vitest'
import { affine, ofVar, plus, times } from '../../../compiler/kernel/affine.js'
import { KernelBuilder } from '../../../compiler/kernel/builder.js'
import { interpretKernel, MEMORY_ARRAY, type Memory } from '../../../compiler/kernel/interpret.js'
import type {
  Affine,
  Bound,
  BufferDecl,
  Fn,
  Kernel,
  MemoryType,
  Reg,
  RegType,
} from '../../../compiler/kernel/ir.js'
import { isDefined } from '../../../compiler/kernel/lanewise.js'
import { detectEngine } from '../engine.js'
import { runKernel } from './harness.js'

const { relaxed } = detectEngine()

/** Runs a kernel both ways on copies of the slots and compares every byte (any NaN equals any NaN). */
function check(kernel: Kernel, slots: readonly Memory[]): void {
  const expected = slots.map((s) => s.slice())
  const got = slots.map((s) => s.slice())
  const status = interpretKernel(kernel, expected, { fused: relaxed })
  expect(runKernel(kernel, got, relaxed), kernel.name).toBe(status)
  for (const [i, e] of expected.entries()) {
    for (let at = 0; at < e.length; at++) {
      if (!Object.is(e[at], got[i]![at])) {
        throw new Error(`${kernel.name}: slot ${i}, element ${at}: ${got[i]![at]} not ${e[at]}`)
      }
    }
  }
}

const FLOATS = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  3,
  7.25,
  -7.25,
  1e-40,
  -1e-45,
  1e10,
  -3e9,
  2147483648,
  1e20,
  3e38,
  -3e38,
  16777217,
  0.1,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
]
const INTEGERS = [
  0,
  1,
  -1,
  2,
  3,
  -3,
  7,
  31,
  -31,
  100,
  -100,
  65535,
  1 << 20,
  2147483647,
  -2147483648,
]
const LONGS = [
  ...INTEGERS.map(BigInt),
  2n ** 40n + 17n,
  -(2n ** 53n) - 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
]

/** A slot of `n` values of a type; `shift` gives another order. */
function sample(type: MemoryType, n: number, shift: number): Memory {
  const at = <T>(list: readonly T[], i: number): T =>
    list[(i * 7 + shift * 5 + (i >> 4)) % list.length]!
  const out = new MEMORY_ARRAY[type](n)
  for (let i = 0; i < n; i++) {
    if (out instanceof BigInt64Array) out[i] = at(LONGS, i)
    else if (type === 'f32' || type === 'f64') out[i] = at(FLOATS, i)
    else if (type === 'u8') out[i] = at(INTEGERS, i) & 255
    else out[i] = at(INTEGERS, i)
  }
  return out
}

const memoryOf = (t: RegType): MemoryType => (t === 'bool' ? 'u8' : t)
const asReg = (k: KernelBuilder, t: RegType, r: Reg): Reg =>
  t === 'bool' ? k.convert('bool', r) : r
const asMemory = (k: KernelBuilder, r: Reg): Reg => (r.type === 'bool' ? k.convert('i32', r) : r)

type Shape = 'scalar' | 'vector' | 'dynamic' | 'guarded'
const SHAPES: readonly Shape[] = ['scalar', 'vector', 'dynamic', 'guarded']

/** Runs `body` for every i below n: one by one, in lanes, with an unknown count, or where i is odd. */
function forEach(k: KernelBuilder, n: number, shape: Shape, body: (i: Affine) => void): void {
  if (shape === 'scalar') {
    k.loop('i', n, body)
  } else if (shape === 'dynamic') {
    const count: Bound = { min: [affine(64), plus(ofVar(k.chunk), n)] }
    k.vector('i', count, 16, body)
  } else if (shape === 'vector') {
    k.vector('i', n, 16, body)
  } else {
    k.vector('i', n, 8, (i) => k.when(i, 'ge', affine(3), () => body(i)))
  }
}

/** out[i] = make(x[i], y[i], z[i]). */
function mapKernel(
  name: string,
  n: number,
  shape: Shape,
  types: readonly RegType[],
  make: (k: KernelBuilder, args: Reg[]) => Reg,
  result: RegType,
): Kernel {
  const k = new KernelBuilder(name)
  const xs = types.map((t, i) => k.buffer(`x${i}`, memoryOf(t), 'read', n))
  const y = k.buffer('y', memoryOf(result), 'write', n)
  forEach(k, n, shape, (i) => {
    const args = xs.map((x, j) => asReg(k, types[j]!, k.load(x, i)))
    k.store(y, i, asMemory(k, make(k, args)))
  })
  return k.finish()
}

const slotsFor = (n: number, types: readonly RegType[], result: RegType): Memory[] => [
  ...types.map((t, j) => sample(memoryOf(t), n, j)),
  sample(memoryOf(result), n, 9),
]

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

describe('constants as arguments', () => {
  const cases: readonly (readonly [Fn, RegType, number])[] = [
    ...[0, -0, 1.5, Number.NaN].flatMap((c) =>
      (['min', 'max'] as const).flatMap((fn) => [[fn, 'f32', c] as const, [fn, 'f64', c] as const]),
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
        expect(runKernel(kernel, slots, relaxed)).toBe(0)
      }
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
        check(k.finish(), [offsets, sample(type, 200, 1), sample(type, n, 2), sample(type, 200, 3)])
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
      k.store(y, plus(base, i), k.set('sub', v, u))
    })
    const data = Float32Array.from({ length: 2 * n }, (_, i) => i)
    check(k.finish(), [data, sample('f32', 2 * n, 1)])
    data[11] = -100
    check(k.finish(), [data, sample('f32', 2 * n, 1)])
  })
})

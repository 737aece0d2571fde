// Transcendental functions over all exponents, against double precision; and their special values.

import { describe, expect, it } from 'vitest'
import { withinTurn } from '../../../test/support/angles.js'
import { erf as exactErf, power } from '../../ir/primitives/special.js'
import { KernelBuilder } from '../kernel/builder.js'
import { interpretKernel } from '../kernel/interpret.js'
import type { Reg } from '../kernel/ir.js'
import * as math from './index.js'

type Float = 'f32' | 'f64'
const ARRAY = { f32: Float32Array, f64: Float64Array } as const

/** f of every x, by the interpreter; with `fma` in one rounding or in two. */
function run(
  type: Float,
  f: (k: KernelBuilder, ...x: Reg[]) => Reg,
  xs: readonly (readonly number[])[],
  fused = true,
) {
  const n = (xs[0] as number[]).length
  const k = new KernelBuilder('function')
  const inputs = xs.map((_, i) => k.buffer(`x${i}`, type, 'read', n))
  const y = k.buffer('y', type, 'write', n)
  k.vector('i', n, 16, (i) => k.store(y, i, f(k, ...inputs.map((b) => k.load(b, i)))))
  const out = new ARRAY[type](n)
  interpretKernel(k.finish(), [...xs.map((x) => ARRAY[type].from(x)), out], { fused })
  return out
}

/** Distance of neighbours at a magnitude. */
function ulp(type: Float, x: number): number {
  const [smallest, bits] = type === 'f32' ? [2 ** -126, 23] : [2 ** -1022, 52]
  return 2 ** (Math.floor(Math.log2(Math.max(Math.abs(x), smallest))) - bits)
}

/** Both signs, `each` mantissas for every exponent in a range. */
function everywhere(low: number, high: number, each: number): number[] {
  const out: number[] = []
  for (let e = low; e <= high; e++) {
    for (let i = 0; i < each; i++) {
      const x = Math.fround((1 + ((i * 0.618033988) % 1)) * 2 ** e)
      out.push(x, -x)
    }
  }
  return out
}

interface Case {
  readonly f: (k: KernelBuilder, x: Reg) => Reg
  readonly exact: (x: number) => number
  /** Units in the last place, float32 and float64. */
  readonly within: readonly [number, number]
  /** Exponents of float64 arguments: more are outside of what the function promises. */
  readonly exponents?: readonly [number, number]
}

const CASES: Readonly<Record<string, Case>> = {
  exp: { f: math.exp, exact: Math.exp, within: [1, 2] },
  expm1: { f: math.expm1, exact: Math.expm1, within: [2, 2] },
  log: { f: math.log, exact: Math.log, within: [1.5, 2] },
  log1p: { f: math.log1p, exact: Math.log1p, within: [1.5, 2] },
  sin: { f: math.sin, exact: ofAngle(Math.sin), within: [2, 2], exponents: [-149, 19] },
  cos: { f: math.cos, exact: ofAngle(Math.cos), within: [2, 2], exponents: [-149, 19] },
  tanh: { f: math.tanh, exact: Math.tanh, within: [1.5, 4] },
  erf: { f: math.erf, exact: exactErf, within: [2, 2] },
}

/** A function of an angle, which engines reduce as they like: large ones are reduced before. */
function ofAngle(f: (x: number) => number): (x: number) => number {
  return (x) => f(Number.isFinite(x) && Math.abs(x) >= 2 ** 24 ? withinTurn(x) : x)
}

/** What formulas may be off more where products are rounded before they are added to. */
const UNFUSED = 1

const SPECIAL = [0, -0, Number.NaN, Infinity, -Infinity]

for (const [name, { f, exact, within, exponents }] of Object.entries(CASES)) {
  describe(name, () => {
    for (const [i, type] of (['f32', 'f64'] as const).entries()) {
      it.each([true, false])(`${type} is within ${within[i]} ulp, fused: %s`, (fused) => {
        const [low, high] = (type === 'f64' && exponents) || [-149, 127]
        const xs = everywhere(low, high, 16)
        xs.push(...Array.from({ length: 2000 }, (_, j) => Math.fround((j - 1000) * 0.0913)))
        const ys = run(type, f, [xs], fused)
        const most = (within[i] as number) + (fused ? 0 : UNFUSED)
        xs.forEach((x, j) => {
          const want = exact(x)
          const rounded = type === 'f32' ? Math.fround(want) : want
          const got = ys[j] as number
          if (!Number.isFinite(rounded)) expect(got).toBe(rounded)
          else {
            const error = Math.abs(got - want) / ulp(type, want)
            if (!(error <= most)) expect.fail(`${x}: ${got}, ${error} ulp off`)
          }
        })
      })

      it(`${type} is exact at special values`, () => {
        const ys = run(type, f, [SPECIAL])
        expect(Array.from(ys)).toEqual(SPECIAL.map(exact))
      })
    }
  })
}

describe('pow', () => {
  const values = [0, -0, 1, -1, 2, -2, 0.5, 3, -3, 2.5, Infinity, -Infinity, Number.NaN, 1e-40]
  const pairs = values.flatMap((a) => values.map((b) => [Math.fround(a), b] as const))

  it.each(['f32', 'f64'] as const)('follows C at special values of %s', (type) => {
    const ys = run(type, math.pow, [pairs.map(([a]) => a), pairs.map(([, b]) => b)])
    pairs.forEach(([a, b], i) => {
      const want = new ARRAY[type]([power(a, b)])[0]!
      if (!Object.is(ys[i], want) && !(Math.abs((ys[i] as number) - want) <= ulp(type, want))) {
        expect.fail(`${a} to the ${b}: ${ys[i]}, expected ${want}`)
      }
    })
  })

  it('is within an ulp, and equals the plain operations where there are some', () => {
    const bases = Array.from({ length: 600 }, (_, i) => Math.fround(10 ** ((i - 300) / 20)))
    for (const b of [-1, 0.5, 1, 2, 0.3, -2.7]) {
      const ys = run('f32', math.pow, [bases, bases.map(() => Math.fround(b))])
      bases.forEach((a, i) => {
        const want = a ** Math.fround(b)
        const error = Math.abs((ys[i] as number) - want) / ulp('f32', want)
        if (Math.fround(want) < Infinity && !(error <= 0.51))
          expect.fail(`${a} to the ${b}: ${ys[i]}`)
      })
      const plain = {
        [-1]: (a: number) => 1 / a,
        0.5: Math.sqrt,
        1: (a: number) => a,
        2: (a: number) => a * a,
      }[b]
      if (plain) expect(Array.from(ys)).toEqual(bases.map((a) => Math.fround(plain(a))))
    }
  })

  it.each([true, false])('float64 is within 2 ulp everywhere, fused: %s', (fused) => {
    const a: number[] = []
    const b: number[] = []
    for (let e = -1074; e < 1024; e += 3) {
      for (let j = 0; j < 24; j++) {
        const base = (1 + ((j * Math.SQRT2) % 1)) * 2 ** e
        // Results over the whole range of doubles, and a little beyond it.
        const exponent = (1080 * Math.sin(7 * j + e)) / Math.max(1e-3, Math.abs(Math.log2(base)))
        a.push(base)
        b.push(exponent)
      }
    }
    // Close to 1, where large exponents magnify what the logarithm lacks.
    for (let j = 1; j < 4000; j++) {
      a.push(1 + (j % 2 === 0 ? j : -j) * 2 ** -(20 + (j % 30)))
      b.push(700 / Math.log(a.at(-1)!) / (1 + (j % 7)))
    }
    const ys = run('f64', math.pow, [a, b], fused)
    a.forEach((base, i) => {
      const want = base ** b[i]!
      if (Object.is(ys[i], want)) return
      const error = Math.abs(ys[i]! - want) / ulp('f64', want)
      if (!(error <= 2)) expect.fail(`${base} to the ${b[i]}: ${ys[i]}, ${want}; ${error} ulp`)
    })
  })
})

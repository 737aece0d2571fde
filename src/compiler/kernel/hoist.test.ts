// Hoisted kernels compute what they did, with each quotient computed once.

import { expect, test } from 'vitest'
import { ofVar, plus, times } from './affine.js'
import { KernelBuilder } from './builder.js'
import { hoistInvariants } from './hoist.js'
import { interpretKernel } from './interpret.js'
import type { Kernel, Stmt } from './ir.js'
import { walk } from './walk.js'

/** y[i] = x[(i / 6) · 10 + i mod 6 + column], written as often as `columns` says, each with divisions of its own. */
function padded(n: number, columns: number, guarded: boolean): Kernel {
  const k = new KernelBuilder('padded')
  const x = k.buffer('x', 'i32', 'read', 200)
  const y = k.buffer('y', 'i32', 'readwrite', n * columns)
  k.vector('i', n, 16, (i) => {
    for (let column = 0; column < columns; column++) {
      const copy = (): void => {
        const { quotient, remainder } = k.divmod(i, 6)
        const half = k.divmod(ofVar(remainder), 2)
        const at = plus(times(ofVar(quotient), 10), ofVar(half.quotient))
        const v = k.load(x, plus(plus(at, times(ofVar(half.remainder), 3)), column))
        k.store(y, plus(times(i, columns), column), v)
      }
      if (guarded) k.when(i, 'ge', plus(times(i, 0), 5 * column), copy)
      else copy()
    }
  })
  return k.finish()
}

const divisions = (kernel: Kernel): Stmt[] => {
  const found: Stmt[] = []
  walk(kernel.body, (s) => {
    if (s.op === 'divide' || s.op === 'modulo') found.push(s)
  })
  return found
}

function run(kernel: Kernel, n: number): number[] {
  const out = new Int32Array(n)
  interpretKernel(kernel, [Int32Array.from({ length: 200 }, (_, i) => i * i), out])
  return [...out]
}

test('quotients that are equal are computed once', () => {
  const kernel = padded(50, 4, false)
  const hoisted = hoistInvariants(kernel)
  expect(divisions(kernel)).toHaveLength(16)
  expect(divisions(hoisted)).toHaveLength(4)
  expect(run(hoisted, 200)).toEqual(run(kernel, 200))
})

test('one that a guard keeps to itself is computed again elsewhere', () => {
  const kernel = padded(50, 4, true)
  const hoisted = hoistInvariants(kernel)
  expect(divisions(hoisted)).toHaveLength(16)
  expect(run(hoisted, 200)).toEqual(run(kernel, 200))
})

test('loops and guards go by the quotient that is left', () => {
  const k = new KernelBuilder('bounds')
  const y = k.buffer('y', 'i32', 'readwrite', 40)
  k.loop('i', 8, (i) => {
    k.store(y, plus(i, 32), k.index('i32', ofVar(k.divmod(i, 3).quotient)))
    const again = ofVar(k.divmod(i, 3).quotient)
    k.loop('j', again, (j) => {
      k.when(j, 'lt', again, () => k.store(y, plus(times(i, 4), j), k.index('i32', again)))
    })
  })
  const kernel = k.finish()
  const [before, after] = [kernel, hoistInvariants(kernel)].map((each) => {
    const out = new Int32Array(40)
    interpretKernel(each, [out])
    return [...out]
  })
  expect(after).toEqual(before)
  expect(before![29]).toBe(2)
})

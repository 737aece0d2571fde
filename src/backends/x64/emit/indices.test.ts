// Indices that registers of 32 bits do not hold are refused, not computed wrong.

import { describe, expect, test } from 'vitest'
import { ShapeError } from '../../../base/errors.js'
import { ofVar, plus, times } from '../../../compiler/kernel/affine.js'
import { KernelBuilder } from '../../../compiler/kernel/builder.js'
import type { Affine } from '../../../compiler/kernel/ir.js'
import { compileKernel } from './kernel.js'

const FAR = 2 ** 32

/** A kernel that copies n elements from places that `at` tells. */
function copying(n: number, at: (k: KernelBuilder, i: Affine) => Affine, lanes = 16) {
  const k = new KernelBuilder('far')
  const x = k.buffer('x', 'f32', 'read', FAR)
  const y = k.buffer('y', 'f32', 'write', n)
  const body = (i: Affine): void => k.store(y, i, k.load(x, at(k, i)))
  if (lanes === 1) k.loop('i', n, body)
  else k.vector('i', n, lanes, body)
  return k.finish()
}

describe.each(['avx2', 'avx512'] as const)('on %s', (cpu) => {
  const quotient = (k: KernelBuilder, i: Affine): Affine => ofVar(k.divmod(i, 7).quotient)

  test.each([1, 16])('quotients of numbers from 2^31 on, in %i lanes', (lanes) => {
    expect(() => compileKernel(copying(FAR, quotient, lanes), cpu)).toThrow(ShapeError)
    expect(() => compileKernel(copying(2 ** 31, quotient, lanes), cpu)).not.toThrow()
  })

  test('lanes far apart', () => {
    const apart = (step: number) => copying(64, (_, i) => times(i, step))
    expect(() => compileKernel(apart(2 ** 26), cpu)).toThrow(ShapeError)
    expect(() => compileKernel(apart(2 ** 24), cpu)).not.toThrow()
  })

  test('quotients that are far apart', () => {
    const rows = (stride: number) => copying(8192, (k, i) => plus(times(quotient(k, i), stride), 3))
    expect(() => compileKernel(rows(2 ** 22), cpu)).toThrow(ShapeError)
    expect(() => compileKernel(rows(2 ** 20), cpu)).not.toThrow()
  })
})

// Programs made at random: however they are run, they compute the same.
//
// TESSERA_PROGRAMS multiplies how many are tried, TESSERA_SEED chooses others.

import fc from 'fast-check'
import { compile, manualSeed, type Tensor, valueAndGrad } from 'tessera'
import { describe, expect, it } from 'vitest'
import { DTYPE_NAMES, type TypedArray } from '../src/base/dtype.js'
import { MOVES, type Move, SMOOTH_MOVES } from './support/moves.js'
import {
  bitsOf,
  inputTensors,
  magnitude,
  onReference,
  type Program,
  programs,
  results,
  run,
  SEED,
} from './support/programs.js'

const times = Number(process.env.TESSERA_PROGRAMS ?? 1)
const budget = (count: number): fc.Parameters<unknown> => ({
  numRuns: Math.ceil(count * times),
  seed: Number(process.env.TESSERA_SEED ?? 7),
})

type Moves = Readonly<Record<string, Move>>

/** Fails unless two lists of tensors have the same bits, and names the first element that has not. */
function expectSame(got: readonly Tensor[], want: readonly Tensor[], how: string): void {
  expect(got.length).toBe(want.length)
  got.forEach((x, i) => {
    expect(`${x.dtype} [${x.shape}]`, how).toBe(`${want[i]!.dtype} [${want[i]!.shape}]`)
    expectBits(x.values(), want[i]!.values(), `${how}: result ${i}, ${x.dtype} [${x.shape}]`)
  })
}

function expectBits(got: TypedArray, want: TypedArray, what: string): void {
  const [a, b] = [bitsOf(got), bitsOf(want)]
  const at = a.findIndex((x, i) => x !== b[i])
  if (at >= 0) expect.fail(`${what}: element ${at} is ${got[at]}, not ${want[at]}`)
}

/** Values: as one plan, operation by operation, and as a flush sees them. */
function checkValues(program: Program, moves: Moves): void {
  const lazy = run(program, moves, inputTensors(program))
  if (lazy.length === 0) return
  const made = lazy.map((v) => v.x)
  const expected = onReference(made)
  const want = results(lazy)

  const stepwise = run(program, moves, inputTensors(program), (x) => void x.realize())
  expectSame(results(stepwise), want, 'operation by operation')
  const compiled = compile((xs: Tensor[]) => results(run(program, moves, xs)))
  manualSeed(SEED)
  expectSame(compiled(inputTensors(program)), want, 'compiled')
  manualSeed(SEED)
  expectSame(compiled(inputTensors(program)), want, 'compiled, a second time')
  compiled.clear()

  const tolerance = 1e-4 * magnitude(expected)
  lazy.forEach(({ x, exact }, i) => {
    const what = `value ${i}, ${x.dtype} [${x.shape}]`
    const reference = expected[i]!.data
    if (exact) expectBits(x.values(), reference, `${what}, against the reference`)
    else expectNear(x.values() as Float32Array, reference as Float32Array, tolerance, what)
  })
}

function expectNear(got: Float32Array, want: Float32Array, tolerance: number, what: string): void {
  expect(got.length, what).toBe(want.length)
  for (let i = 0; i < got.length; i++) {
    const [x, y] = [got[i] as number, want[i] as number]
    if (Object.is(x, y) || Math.abs(x - y) <= tolerance) continue
    expect.fail(`${what}: element ${i} is ${x}, the reference's ${y}`)
  }
}

/** One number of what a program makes of its floats. */
function lossOf(program: Program, moves: Moves, each?: (x: Tensor) => void) {
  return (floats: Tensor[], rest: Tensor[]): Tensor => {
    const made = run(program, moves, [...floats, ...rest], each)
    const loss = made
      .slice(-3)
      .filter(({ x }) => x.dtype === 'float32' || x.dtype === 'float64')
      .map(({ x }) => x.tanh().cast('float32').sum())
      .reduce((sum, x) => sum.add(x), (floats[0] as Tensor).cast('float32').sum())
    each?.(loss)
    return loss
  }
}

function checkGradients(program: Program, moves: Moves): void {
  const isFloat = (x: Tensor): boolean => x.dtype === 'float32' || x.dtype === 'float64'
  const split = (): [floats: Tensor[], rest: Tensor[]] => {
    const all = inputTensors(program)
    return [all.filter(isFloat), all.filter((x) => !isFloat(x))]
  }
  if (split()[0].length === 0) return
  const both = valueAndGrad(lossOf(program, moves))
  const lazy = both(...split())
  const made = [lazy.value, ...lazy.grads]
  const expected = onReference(made)

  const stepwise = valueAndGrad(lossOf(program, moves, (x) => void x.realize()))(...split())
  expectSame([stepwise.value, ...stepwise.grads], made, 'operation by operation')
  const compiled = compile(both)
  manualSeed(SEED)
  const { value, grads } = compiled(...split())
  expectSame([value, ...grads], made, 'compiled')
  compiled.clear()

  const tolerance = 5e-4 * magnitude(expected)
  made.forEach((x, i) => {
    expectNear(x.values() as Float32Array, expected[i]!.data as Float32Array, tolerance, `#${i}`)
  })
}

describe('programs made at random', () => {
  it('compute the same bits however they are run, and what the reference computes', {
    timeout: 60_000 * Math.max(1, times),
  }, () => {
    const any = programs({ moves: MOVES, dtypes: DTYPE_NAMES, longest: 14 })
    fc.assert(
      fc.property(any, (p) => checkValues(p, MOVES)),
      budget(80),
    )
  })

  it('have the same gradients however they are run, near those of the reference', {
    timeout: 60_000 * Math.max(1, times),
  }, () => {
    const smooth = programs({
      moves: SMOOTH_MOVES,
      dtypes: ['float32', 'float32', 'float64', 'bool'],
      longest: 10,
    })
    fc.assert(
      fc.property(smooth, (p) => checkGradients(p, SMOOTH_MOVES)),
      budget(50),
    )
  })
})

// Programs made at random: inputs and a list of moves, which fast-check can shrink, and the ways to run
// them that have to agree.

import fc from 'fast-check'
import { type DType, manualSeed, type Tensor, tensor } from 'tessera'
import { evaluateGraph } from '../../src/backends/reference/evaluate.js'
import { Storage } from '../../src/backends/storage.js'
import { allocate, DTYPES, type TypedArray } from '../../src/base/dtype.js'
import { type Node, topological } from '../../src/ir/node.js'
import type { NDArray } from '../../src/ir/op.js'
import { Chooser, DoesNotFit, type Move, type Value } from './moves.js'
import { uniform } from './samples.js'

export interface ProgramInput {
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly seed: number
}

export interface Program {
  readonly inputs: readonly ProgramInput[]
  /** Names of moves, and the numbers each chooses by. */
  readonly moves: readonly (readonly [move: string, ...picks: number[]])[]
  /** Values larger than this are not made. */
  readonly limit: number
}

// ---- Making them -----------------------------------------------------------------------------------

const AXIS = fc.constantFrom<number>(1, 2, 3, 4, 5, 7, 8, 0, 16, 17, 33)
const SMALL_SHAPE = fc
  .array(AXIS, { maxLength: 3 })
  .map((shape) => (shape.reduce((n, d) => n * d, 1) > 600 ? shape.slice(0, 2) : shape))
/** More than the 16 KiB that every flush keeps, and more than one thread's worth. */
const LARGE_SHAPE = fc.constantFrom<number[]>([70, 131], [3, 41, 67], [9001], [64, 128])

export interface Making {
  readonly moves: Readonly<Record<string, Move>>
  readonly dtypes: readonly DType[]
  readonly longest: number
}

export function programs({ moves, dtypes, longest }: Making): fc.Arbitrary<Program> {
  const made = (shape: fc.Arbitrary<number[]>, limit: number): fc.Arbitrary<Program> =>
    fc.record({
      inputs: fc.array(
        fc.record({ shape, dtype: fc.constantFrom(...dtypes), seed: fc.nat(1000) }),
        { minLength: 1, maxLength: 4 },
      ),
      moves: fc.array(
        fc.tuple(fc.constantFrom(...Object.keys(moves)), ...Array(6).fill(fc.nat(5000))),
        { minLength: 1, maxLength: longest },
      ) as fc.Arbitrary<Program['moves']>,
      limit: fc.constant(limit),
    })
  return fc.oneof(
    { weight: 5, arbitrary: made(SMALL_SHAPE, 2000) },
    { weight: 1, arbitrary: made(LARGE_SHAPE, 20_000) },
  )
}

/** Multiples of 1/8, small whole numbers, truth values; now and then a corner of the dtype. */
export function inputArray({ shape, dtype, seed }: ProgramInput): TypedArray {
  const next = uniform(seed)
  const { kind } = DTYPES[dtype]
  const data = allocate(
    dtype,
    shape.reduce((n, d) => n * d, 1),
  )
  for (let i = 0; i < data.length; i++) {
    const u = next()
    const steps = Math.floor(next() * 65) - 32
    let v: number
    if (kind === 'bool') v = steps & 1
    else if (kind === 'float') v = u < 0.05 ? -0 : steps / 8
    else v = kind === 'uint' ? (u < 0.05 ? 255 : Math.abs(steps)) : steps
    if (data instanceof BigInt64Array) data[i] = u < 0.05 ? -(2n ** 62n) : BigInt(v)
    else data[i] = dtype === 'int32' && u < 0.05 ? -(2 ** 31) : v
  }
  return data
}

export const inputTensors = ({ inputs }: Program): Tensor[] =>
  inputs.map((spec) => tensor(inputArray(spec), { shape: [...spec.shape], dtype: spec.dtype }))

// ---- Running them ----------------------------------------------------------------------------------

/** Where random draws start in each run. */
export const SEED = 11

/** The values a program makes of its inputs, in order; `each` sees every one as it is made. */
export function run(
  program: Program,
  moves: Readonly<Record<string, Move>>,
  inputs: readonly Tensor[],
  each: (x: Tensor) => void = () => {},
): Value[] {
  manualSeed(SEED)
  const pool: Value[] = inputs.map((x) => ({ x, exact: true }))
  for (const [name, ...picks] of program.moves) {
    let made: Value
    try {
      made = (moves[name] as Move)(new Chooser(pool, picks))
    } catch (error) {
      if (error instanceof DoesNotFit) continue
      throw error
    }
    if (made.x.size > program.limit || made.x.ndim > 5) continue
    each(made.x)
    pool.push(made)
  }
  return pool.slice(inputs.length)
}

/** The last values, whatever they are. */
export const results = (values: readonly Value[]): Tensor[] => values.slice(-3).map((v) => v.x)

// ---- Comparing -------------------------------------------------------------------------------------

/** The bits of a value. NaN is NaN, whatever bits say so. */
export function bitsOf(data: TypedArray): string[] {
  const hex = (n: number): string => (n >>> 0).toString(16)
  if (data instanceof Float32Array) {
    const words = new Uint32Array(data.slice().buffer)
    return Array.from(data, (v, i) => (Number.isNaN(v) ? 'NaN' : hex(words[i] as number)))
  }
  if (data instanceof Float64Array) {
    const words = new BigUint64Array(data.slice().buffer)
    return Array.from(data, (v, i) => (Number.isNaN(v) ? 'NaN' : String(words[i])))
  }
  return Array.from(data as Int32Array, String)
}

function one(dtype: DType, value: number): TypedArray {
  const data = allocate(dtype, 1)
  data[0] = (data instanceof BigInt64Array ? BigInt(value) : value) as never
  return data
}

/** What the reference makes of tensors that have not been computed. */
export function onReference(tensors: readonly Tensor[]): NDArray[] {
  const roots = tensors.map((x) => x.node)
  const bindings = new Map<Node, NDArray>()
  for (const node of topological(roots, (n) => n.value !== null)) {
    const { value, shape, dtype } = node
    if (value === null) continue
    const data = value instanceof Storage ? value.read() : one(dtype, value as number)
    bindings.set(node, { shape: shape as number[], dtype, data })
  }
  return evaluateGraph(roots, bindings)
}

/** Largest finite magnitude. */
export function magnitude(arrays: readonly NDArray[]): number {
  let largest = 1
  for (const { data } of arrays) {
    for (const v of data) {
      const size = Math.abs(Number(v))
      if (size > largest && size < Number.POSITIVE_INFINITY) largest = size
    }
  }
  return largest
}

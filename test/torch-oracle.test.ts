// Values and gradients of the table's samples against PyTorch, in double precision.
//
// Runs where a Python with PyTorch is found: the one TESSERA_PYTHON names, else `python3`.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import { DTYPES, type DType, isFloat } from '../src/base/dtype.js'
import * as b from '../src/ir/build.js'
import type { Node } from '../src/ir/node.js'
import { type Attrs, type NDArray, OPS, type Sample } from '../src/ir/op.js'
import { parameter } from '../src/ir/primitives/source.js'
import { gradients } from '../src/transforms/grad.js'
import { instantiate, sampleArray, sampleName, uniform } from './support/samples.js'

/** What PyTorch is asked about. */
const COVERED = `
  neg abs exp expm1 log log1p sqrt sin cos tanh erf floor round
  add sub mul div rem pow max min and or xor shl shr eq lt le select cast bitcast
  reduceSum reduceProd reduceMax reduceMin
  relu sigmoid silu softplus gelu leakyRelu elu softmax logSoftmax logSumExp linear attention
  crossEntropy nllLoss mseLoss l1Loss smoothL1Loss huberLoss
  binaryCrossEntropy binaryCrossEntropyWithLogits sgdUpdate adamUpdate adamwUpdate`
  .trim()
  .split(/\s+/)

/** Computed in their own dtypes, which is what they are about. */
const NARROW: ReadonlySet<string> = new Set(['cast', 'bitcast'])
/** Only their values are compared: PyTorch does not differentiate its optimizers. */
const NO_GRADIENTS: ReadonlySet<string> = new Set(['sgdUpdate', 'adamUpdate', 'adamwUpdate'])

/** Losses whose weights PyTorch does not differentiate by: only the first two inputs are compared. */
const WEIGHTED = /^(crossEntropy|nllLoss|binaryCrossEntropy.*)$/

/** Samples whose gradient differs from PyTorch's on purpose, by operation and note. */
const OTHER_GRADIENT: ReadonlySet<string> = new Set([
  // The product of the others does not contain the NaN itself; PyTorch divides by it.
  'reduceProd NaN, infinities',
  // Nothing equals NaN, so that no element is the largest.
  'reduceMax NaN, infinities',
  'reduceMin NaN, infinities',
  // The slope at NaN is NaN here, that of the positive branch there.
  'elu corners',
  // Their bound 1e-12 is rounded to float32 even in double precision.
  'binaryCrossEntropy extremes',
])

interface Encoded {
  readonly shape: readonly number[]
  readonly dtype: string
  readonly bytes: string
}
interface Answer {
  readonly results: readonly Encoded[]
  readonly grads: readonly Encoded[]
  readonly error?: string
}

function encode({ shape, dtype, data }: NDArray): Encoded {
  const { buffer, byteOffset, byteLength } = data
  const bytes = Buffer.from(new Uint8Array(buffer, byteOffset, byteLength)).toString('base64')
  return { shape, dtype: data instanceof Float64Array ? 'float64' : dtype, bytes }
}

function decode({ dtype, bytes }: Encoded): (number | bigint)[] {
  const { buffer } = Uint8Array.from(Buffer.from(bytes, 'base64'))
  return Array.from<number | bigint>(new DTYPES[dtype as DType].array(buffer))
}

interface Case {
  readonly op: string
  readonly sample: Sample
  readonly request: object
  readonly results: readonly NDArray[]
  readonly grads: readonly (NDArray | null)[]
}

const everywhere = (x: Node): number[] => x.shape.map((_, i) => i)

function makeCase(name: string, sample: Sample): Case {
  const op = OPS.get(name)!
  const { inputs, results, bindings } = instantiate(op, sample, 5)
  const compared = WEIGHTED.test(name) ? inputs.slice(0, 2) : inputs
  const wrt = compared.filter((x) => isFloat(x.dtype))
  const outs = results.filter((y) => isFloat(y.dtype))
  const differentiates = wrt.length > 0 && outs.length > 0 && !NO_GRADIENTS.has(name)
  const seeds: Node[] = []
  if (differentiates) {
    const next = uniform(9)
    for (const y of outs) {
      const seed = parameter(y.shape, y.dtype)
      const shape = y.shape as readonly number[]
      const array = sampleArray({ shape, dtype: 'float64' }, next)
      bindings.set(seed, { ...array, dtype: y.dtype })
      seeds.push(seed)
    }
  }
  const precise = !NARROW.has(name)
  const terms = seeds.map((s, i) => b.reduceSum(b.mul(outs[i]!, s), everywhere(s)))
  const grads = differentiates ? gradients(terms, wrt) : []
  const flowing = grads.filter((g) => g !== null)
  const values = evaluateGraph([...results, ...flowing], bindings, { precise })
  const found = values.slice(results.length)
  return {
    op: name,
    sample,
    request: {
      op: name,
      attrs: sample.attrs as Attrs,
      wide: precise,
      inputs: inputs.map((x) => encode(bindings.get(x)!)),
      wrt: differentiates ? wrt.map((x) => inputs.indexOf(x)) : [],
      seeds: seeds.map((s) => encode(bindings.get(s)!)),
    },
    results: values.slice(0, results.length),
    grads: grads.map((g) => (g === null ? null : found.shift()!)),
  }
}

function findPython(): string | null {
  const named = process.env.TESSERA_PYTHON
  const python = named ?? 'python3'
  if (spawnSync(python, ['-c', 'import torch']).status === 0) return python
  if (named !== undefined) throw new Error(`TESSERA_PYTHON is ${named}, which has no PyTorch`)
  return null
}

function ask(python: string, cases: readonly Case[]): Answer[] {
  const script = fileURLToPath(new URL('./support/torch_oracle.py', import.meta.url))
  const input = JSON.stringify(cases.map((c) => c.request))
  const { status, stdout, stderr } = spawnSync(python, ['-W', 'ignore', script], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (status !== 0) throw new Error(`PyTorch failed:\n${stderr}`)
  return JSON.parse(stdout) as Answer[]
}

function expectSame(actual: NDArray | null, expected: Encoded, what: string): void {
  if (actual !== null) expect(actual.shape, what).toEqual(expected.shape)
  decode(expected).forEach((e, i) => {
    const a = actual === null ? 0 : actual.data[i]!
    const message = `${what}[${i}]: ${a}, PyTorch has ${e}`
    if (typeof a === 'bigint' || typeof e === 'bigint') expect(a, message).toBe(e)
    else if (!Number.isFinite(e) || !Number.isFinite(a)) expect(a, message).toBe(e)
    else expect(Math.abs(a - e), message).toBeLessThanOrEqual(1e-11 * (1e-3 + Math.abs(e)))
  })
}

const python = findPython()
if (python === null) {
  console.warn('\n  PyTorch was not found: the live comparison is SKIPPED.')
  console.warn('  Set TESSERA_PYTHON to a Python that has it (pip install torch numpy).\n')
}

describe.skipIf(python === null)('PyTorch agrees', () => {
  if (python === null) return
  const cases = COVERED.flatMap((name) =>
    OPS.get(name)!
      .samples()
      .map((s) => makeCase(name, s)),
  )
  const answers = ask(python, cases)
  it.each(cases.map((c, i) => [c.op, sampleName(c.sample), c, answers[i]!] as const))(
    '%s %s',
    (op, _, { sample, results, grads }, answer) => {
      expect(answer.error).toBeUndefined()
      expect(results.length).toBe(answer.results.length)
      for (const [i, r] of results.entries()) expectSame(r, answer.results[i]!, `result ${i}`)
      if (OTHER_GRADIENT.has(`${op} ${sample.note}`)) return
      for (const [i, g] of grads.entries()) expectSame(g, answer.grads[i]!, `gradient ${i}`)
    },
  )
})

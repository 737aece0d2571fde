// Every operation of the table on its own samples: types, values, and gradients of both orders against
// finite differences in double precision.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../src/backends/reference/evaluate.js'
import { DTYPES, isFloat } from '../src/base/dtype.js'
import * as b from '../src/ir/build.js'
import type { Node } from '../src/ir/node.js'
import type { NDArray, Op, Sample } from '../src/ir/op.js'
import { parameter } from '../src/ir/primitives/source.js'
import { verify } from '../src/ir/verify.js'
import { isExpanded } from '../src/transforms/expand.js'
import { expandComposites, gradients } from '../src/transforms/grad.js'
import { instantiate, sampleName, TABLE, uniform } from './support/samples.js'

/** Primitives from floats to floats that have no gradient rule, on purpose. */
const NOT_DIFFERENTIABLE: ReadonlySet<string> = new Set()

const everywhere = (x: Node): number[] => x.shape.map((_, i) => i)
const inner = (x: Node, y: Node): Node => b.reduceSum(b.mul(x, y), everywhere(x))
const total = (terms: readonly Node[]): Node =>
  terms.map((t) => b.cast(t, 'float64')).reduce((x, y) => b.add(x, y))

/** A function of some parameters, and where it is taken. */
interface Point {
  readonly of: Node
  readonly wrt: readonly Node[]
  readonly bindings: ReadonlyMap<Node, NDArray>
}

const precise = (roots: readonly Node[], bindings: ReadonlyMap<Node, NDArray>): number[][] =>
  evaluateGraph(roots, bindings, { precise: true }).map((a) => Array.from(a.data as Float64Array))

/** Random numbers bound to parameters shaped like the given nodes. */
function noise(like: readonly Node[], bindings: Map<Node, NDArray>, seed: number): Node[] {
  const next = uniform(seed)
  return like.map((x) => {
    const node = parameter(x.shape, x.dtype)
    const data = new Float64Array(x.shape.reduce<number>((n, d) => n * (d as number), 1))
    for (let i = 0; i < data.length; i++) data[i] = 2 * next() - 1
    bindings.set(node, { shape: x.shape as readonly number[], dtype: x.dtype, data })
    return node
  })
}

const STEP = 1e-4
/** Five-point central difference: error of order STEP⁴. */
const STENCIL = [
  [-2, 1 / 12],
  [-1, -8 / 12],
  [1, 8 / 12],
  [2, -1 / 12],
] as const

/** The slope of a scalar along a direction, by finite differences. */
function slope({ of, wrt, bindings }: Point, direction: readonly NDArray[]): number {
  let sum = 0
  for (const [k, weight] of STENCIL) {
    const moved = new Map(bindings)
    for (const [i, node] of wrt.entries()) {
      const at = bindings.get(node)!
      const along = direction[i]!.data as Float64Array
      const data = Float64Array.from(at.data as Float64Array, (v, j) => v + k * STEP * along[j]!)
      moved.set(node, { ...at, data })
    }
    sum += weight * precise([of], moved)[0]![0]!
  }
  return sum / STEP
}

/** Compares gradients along a random direction with finite differences. */
function expectSlope(point: Point, grads: readonly (Node | null)[], seed: number): void {
  const bindings = new Map(point.bindings)
  const directions = noise(point.wrt, bindings, seed)
  const found = grads.flatMap((g, i) => (g === null ? [] : [inner(g, directions[i]!)]))
  verify(found)
  const exact = found.length === 0 ? 0 : precise([total(found)], bindings)[0]![0]!
  const measured = slope(
    point,
    directions.map((d) => bindings.get(d)!),
  )
  expect(Math.abs(exact - measured), `gradient ${exact}, difference ${measured}`).toBeLessThan(
    1e-6 * (1 + Math.abs(measured)),
  )
}

function checkValues(op: Op, sample: Sample): void {
  const { results, bindings, inputs } = instantiate(op, sample)
  verify(results)
  const expanded = expandComposites(results)
  verify(expanded)
  expect(isExpanded(expanded)).toBe(true)
  if (op.expand === undefined) {
    expect(
      expanded.every((r, i) => r === results[i]),
      'identity is kept',
    ).toBe(true)
  }
  const arrays = evaluateGraph(results, bindings)
  for (const [i, array] of arrays.entries()) {
    const { shape, dtype } = results[i]!
    expect(array.shape).toEqual(shape)
    expect(expanded[i]!.shape).toEqual(shape)
    expect(expanded[i]!.dtype).toBe(dtype)
    expect(array.data).toBeInstanceOf(DTYPES[dtype].array)
    expect(array.data.length).toBe(array.shape.reduce((n, d) => n * d, 1))
  }
  // Inputs are values others may hold: no evaluation writes to them.
  const again = instantiate(op, sample)
  for (const [i, x] of inputs.entries()) {
    expect(bindings.get(x)!.data).toEqual(again.bindings.get(again.inputs[i]!)!.data)
  }
}

function checkGradients(op: Op, sample: Sample): void {
  const { results, inputs, bindings } = instantiate(op, sample)
  const wrt = inputs.filter((x) => isFloat(x.dtype))
  const outs = results.filter((y) => isFloat(y.dtype))
  const weights = noise(outs, bindings, 11)
  const loss = total(outs.map((y, i) => inner(y, weights[i]!)))
  const first = gradients([loss], wrt)
  expectSlope({ of: loss, wrt, bindings }, first, 12)

  const flowing = first.filter((g) => g !== null)
  if (flowing.length === 0) return
  const second = noise(flowing, bindings, 13)
  const slopes = total(flowing.map((g, i) => inner(g, second[i]!)))
  // With respect to the weights too: the rules' own gradients are rules as well.
  const all = [...wrt, ...weights]
  expectSlope({ of: slopes, wrt: all, bindings }, gradients([slopes], all), 14)
}

/** Whether a sample goes from floats to floats. */
const flows = (op: Op, sample: Sample): boolean =>
  sample.inputs.some((x) => isFloat(x.dtype ?? 'float32')) &&
  instantiate(op, sample).results.some((y) => isFloat(y.dtype))

describe.each(TABLE)('%s', (name, op) => {
  const samples = op.samples()

  it.each(samples.map((s) => [sampleName(s), s] as const))('evaluates %s', (_, sample) => {
    checkValues(op, sample)
  })

  const differentiable = samples.filter((s) => flows(op, s))
  if (differentiable.length === 0 || NOT_DIFFERENTIABLE.has(name)) return
  it('has a gradient', () => {
    expect(op.vjp ?? op.expand).toBeDefined()
  })
  const smooth = differentiable.filter((s) => s.smooth !== false)
  if (smooth.length === 0) return
  it.each(smooth.map((s) => [sampleName(s), s] as const))('differentiates %s', (_, sample) => {
    checkGradients(op, sample)
  })
})

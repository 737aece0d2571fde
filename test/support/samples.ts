// The samples of the table, made into arrays and graphs: what every suite over the table starts from.

import { allocate, DTYPES } from '../../src/base/dtype.js'
import { sizeOf } from '../../src/base/shape.js'
import * as b from '../../src/ir/build.js'
import '../../src/ir/composites/index.js'
import { apply, type Node } from '../../src/ir/node.js'
import { type NDArray, OPS, type Op, type Sample, type SampleInput } from '../../src/ir/op.js'
import '../../src/ir/primitives/index.js'
import { parameter } from '../../src/ir/primitives/source.js'

/** Uniform numbers in [0, 1), the same for the same seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const DEFAULT_RANGE = { float: [-2, 2], int: [-5, 5], uint: [0, 10], bool: [0, 1] } as const

export function sampleArray(input: SampleInput, next: () => number): NDArray {
  const { shape, dtype = 'float32', values } = input
  const { kind } = DTYPES[dtype]
  const [low, high] = input.range ?? DEFAULT_RANGE[kind]
  const draw = (): number =>
    kind === 'float' ? low + next() * (high - low) : low + Math.floor(next() * (high - low + 1))
  const data = allocate(dtype, sizeOf(shape))
  for (let i = 0; i < data.length; i++) {
    const v = values === undefined ? draw() : values[i]!
    if (data instanceof BigInt64Array) data[i] = BigInt(v)
    else data[i] = v
  }
  return { shape, dtype, data }
}

/** A sample as a graph: parameters with their values, and a node for each result. */
export interface Instance {
  readonly op: Op
  readonly sample: Sample
  readonly inputs: readonly Node[]
  readonly results: readonly Node[]
  readonly bindings: Map<Node, NDArray>
}

export function instantiate(op: Op, sample: Sample, seed = 1): Instance {
  const next = uniform(seed)
  const bindings = new Map<Node, NDArray>()
  const inputs = sample.inputs.map((input) => {
    const node = parameter(input.shape, input.dtype ?? 'float32')
    bindings.set(node, sampleArray(input, next))
    return node
  })
  const node = apply(op, inputs, sample.attrs)
  const results = node.outputs === null ? [node] : node.outputs.map((_, i) => b.output(node, i))
  return { op, sample, inputs, results, bindings }
}

/** What distinguishes a sample in a test's name. */
export function sampleName({ inputs, attrs, note }: Sample): string {
  const types = inputs.map((x) => `${x.dtype ?? 'float32'}[${x.shape.join(', ')}]`)
  const words = Object.entries(attrs).map(([k, v]) => `${k}=${String(v)}`)
  return [...types, ...words, ...(note === undefined ? [] : [`(${note})`])].join(' ')
}

/** Every operation that has samples, with them. */
export const TABLE: readonly (readonly [string, Op])[] = [...OPS].filter(
  ([, op]) => op.samples().length > 0,
)

// Loops in the graph: a body applied to one element of some sequences after the other, with a state it
// hands from step to step. Recurrent layers are scans, and so are their gradients (scangrad.ts).

import { type Dim, dimFits } from '../../base/dim.js'
import { DTypeError, ShapeError, ValueError } from '../../base/errors.js'
import { formatShape, type Shape } from '../../base/shape.js'
import { Body } from '../body.js'
import * as b from '../build.js'
import { evaluateNodes } from '../evaluate.js'
import type { Node, TensorType } from '../node.js'
import { define, type NDArray, type Sample, type SampleInput } from '../op.js'
import { scanGradient } from './scangrad.js'
import { parameter } from './source.js'

export type { ScanAttrs } from '../build.js'

const typeOf = ({ shape, dtype }: TensorType): string => `${dtype} ${formatShape(shape)}`

/** One value is used in the place of another: they have to be of one type. */
function checkType(what: string, expected: TensorType, given: TensorType): void {
  const { shape } = expected
  const same =
    shape.length === given.shape.length && shape.every((d, i) => dimFits(d, given.shape[i]!))
  if (!same) {
    throw new ShapeError('scan', `${what} of type ${typeOf(expected)}`, typeOf(given), {
      expected: shape,
      received: given.shape,
    })
  }
  if (expected.dtype === given.dtype) return
  throw new DTypeError('scan', `${what} of type ${typeOf(expected)}`, typeOf(given))
}

/** The type of one element of a sequence. */
function elementOf(sequence: TensorType, length: Dim): TensorType {
  const [first, ...shape] = sequence.shape
  if (first === undefined || !dimFits(first, length)) {
    const expected = `a sequence of ${length} elements on axis 0`
    throw new ShapeError('scan', expected, typeOf(sequence), { shape: sequence.shape })
  }
  return { shape, dtype: sequence.dtype }
}

/**
 * Runs the body `length` times. Each step gets the shared values, the state and one element of each
 * sequence, in order (from the last to the first if `reverse`), and gives the next state and one element
 * of each result; results lie where their sequences' elements do. After
 * [`jax.lax.scan`](https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html).
 */
export const scanOp = define<b.ScanAttrs>({
  name: 'scan',
  attrs: { body: 'body', shared: 'int', carries: 'int', length: 'dims', reverse: 'flag' },
  infer: (inputs, { body, shared, carries, length }) => {
    const steps = length[0]
    if (length.length !== 1 || steps === undefined) {
      throw new ValueError('scan', 'one length', formatShape(length as Shape))
    }
    if (inputs.length !== body.inputs.length) {
      throw new ValueError(
        'scan',
        `${body.inputs.length} inputs, as the body has`,
        `${inputs.length}`,
      )
    }
    const first = shared + carries
    body.inputs.forEach((inside, i) => {
      const given = inputs[i]!
      const what = i < shared ? 'a shared value' : i < first ? 'a carry' : 'an element'
      checkType(what, inside, i < first ? given : elementOf(given, steps))
    })
    const next = body.outputs.slice(0, carries)
    if (next.length < carries) {
      throw new ValueError('scan', `a body with at least ${carries} results`, `${next.length}`)
    }
    next.forEach((out, i) => {
      checkType('a carry', body.inputs[shared + i]!, out)
    })
    const type = ({ shape, dtype }: TensorType): TensorType => ({ shape, dtype })
    return [
      ...inputs.slice(shared, first).map(type),
      ...body.outputs.slice(carries).map(({ shape, dtype }) => ({
        shape: [steps, ...shape],
        dtype,
      })),
    ]
  },
  vjp: scanGradient,
  evaluate: (inputs, { body, shared, carries, length, reverse }, types, ctx) => {
    const steps = length[0] as number
    const fixed = inputs.slice(0, shared)
    const sequences = inputs.slice(shared + carries)
    const stacked = types.slice(carries).map((type) => ctx.allocate(type))
    let carry = inputs.slice(shared, shared + carries)
    for (let step = 0; step < steps; step++) {
      const at = reverse ? steps - 1 - step : step
      const given = [...fixed, ...carry, ...sequences.map((x) => element(x, at))]
      const values = new Map(body.inputs.map((node, i) => [node, [given[i]!] as const]))
      const results = evaluateNodes(body.outputs, values, ctx)
      carry = results.slice(0, carries)
      stacked.forEach((all, i) => {
        element(all, at).data.set(results[carries + i]!.data as never)
      })
    }
    return [...carry, ...stacked]
  },
  samples: () => SAMPLES(),
})

/** One element of a sequence: a view of its data. */
function element({ shape: [, ...shape], dtype, data }: NDArray, at: number): NDArray {
  const size = shape.reduce((a, d) => a * d, 1)
  return { shape, dtype, data: data.subarray(at * size, (at + 1) * size) }
}

// ---- samples -----------------------------------------------------------------------------------

interface Example {
  readonly shared?: readonly SampleInput[]
  readonly carry?: readonly SampleInput[]
  /** Types of whole sequences. */
  readonly sequences?: readonly SampleInput[]
  readonly length: number
  readonly reverse?: boolean
  readonly step: (...inputs: Node[]) => readonly Node[]
  readonly note: string
  readonly smooth?: boolean
}

function sampleOf(example: Example): Sample<b.ScanAttrs> {
  const { shared = [], carry = [], sequences = [], length, reverse = false, step, note } = example
  const inputs = [
    ...[...shared, ...carry].map((x) => parameter(x.shape, x.dtype ?? 'float32')),
    ...sequences.map((x) => parameter(x.shape.slice(1), x.dtype ?? 'float32')),
  ]
  return {
    inputs: [...shared, ...carry, ...sequences],
    attrs: {
      body: new Body(inputs, step(...inputs)),
      shared: shared.length,
      carries: carry.length,
      length: [length],
      reverse,
    },
    note,
    ...(example.smooth === undefined ? {} : { smooth: example.smooth }),
  }
}

const MATMUL: b.DotAttrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
const small: readonly [number, number] = [-0.7, 0.7]

const recurrent = (w: Node, h: Node, x: Node): readonly Node[] => {
  const next = b.tanh(b.add(b.dot([h, w], MATMUL), x))
  return [next, next]
}

const SAMPLES = (): readonly Sample<b.ScanAttrs>[] => [
  sampleOf({
    shared: [{ shape: [3, 3], range: small }],
    carry: [{ shape: [2, 3] }],
    sequences: [{ shape: [4, 2, 3] }],
    length: 4,
    step: (w, h, x) => recurrent(w!, h!, x!),
    note: 'recurrent',
  }),
  sampleOf({
    shared: [{ shape: [5, 5], dtype: 'float64', range: small }],
    carry: [{ shape: [16, 5], dtype: 'float64' }],
    sequences: [{ shape: [3, 16, 5], dtype: 'float64' }],
    length: 3,
    reverse: true,
    step: (w, h, x) => recurrent(w!, h!, x!),
    note: 'recurrent, from the end',
  }),
  sampleOf({
    carry: [{ shape: [] }],
    sequences: [{ shape: [5] }],
    length: 5,
    step: (sum, x) => [b.add(sum!, x!), b.mul(sum!, x!)],
    note: 'running sum',
  }),
  sampleOf({
    shared: [{ shape: [3] }],
    carry: [{ shape: [3] }],
    sequences: [{ shape: [2, 3] }],
    length: 2,
    step: (c, s, x) => [b.add(b.mul(s!, c!), b.sin(x!)), b.mul(c!, c!)],
    note: 'shared factor',
  }),
  sampleOf({
    carry: [{ shape: [2] }, { shape: [2] }],
    length: 6,
    step: (x, y) => [y!, b.add(x!, b.sin(y!))],
    note: 'no sequence, carries that change places',
  }),
  sampleOf({
    sequences: [{ shape: [3, 2] }, { shape: [3] }],
    length: 3,
    step: (x, s) => [b.mul(x!, b.broadcastTo(s!, [2])), s!, x!],
    note: 'no carry',
  }),
  sampleOf({
    carry: [{ shape: [], dtype: 'int32', values: [3] }, { shape: [2] }],
    sequences: [{ shape: [4, 2] }],
    length: 4,
    step: (n, s, x) => [
      b.add(n!, b.constant(1, 'int32')),
      b.add(s!, b.mul(x!, b.broadcastTo(b.cast(n!, 'float32'), [2]))),
      n!,
    ],
    note: 'counter',
  }),
  sampleOf({
    carry: [{ shape: [2] }],
    sequences: [{ shape: [0, 2] }],
    length: 0,
    step: (s, x) => [b.add(s!, x!), x!],
    note: 'no steps',
  }),
  sampleOf({
    carry: [{ shape: [0, 2] }],
    sequences: [{ shape: [3, 0, 2] }],
    length: 3,
    step: (s, x) => [b.add(s!, x!), x!],
    note: 'empty elements',
  }),
  sampleOf({
    shared: [{ shape: [4, 2], range: small }],
    carry: [{ shape: [2] }],
    length: 3,
    step: (xs, s) => {
      const [inner, x] = [parameter([2], 'float32'), parameter([2], 'float32')]
      const body = new Body([inner, x], [b.add(b.tanh(inner), x), inner])
      const attrs = { body, shared: 0, carries: 1, length: [4], reverse: true }
      const loop = b.scan([s!, xs!], attrs)
      return [b.output(loop, 0), b.reduceSum(b.output(loop, 1), [0])]
    },
    note: 'a scan in a scan',
  }),
]

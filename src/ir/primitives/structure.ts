// Nodes that shape the graph rather than numbers: gradient barriers, projections, writes to variables.

import { IndexError } from '../../base/errors.js'
import { Node, type TensorType } from '../node.js'
import { type Attrs, define, NO_ATTRS } from '../op.js'

/** The value unchanged, through which no gradient flows. */
export const stopGradient = define<Attrs>({
  name: 'stopGradient',
  attrs: {},
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  vjp: () => [null],
  evaluate: ([x]) => [x!],
  samples: () => [
    { inputs: [{ shape: [2, 3] }], attrs: NO_ATTRS, smooth: false },
    { inputs: [{ shape: [0], dtype: 'int32' }], attrs: NO_ATTRS, note: 'empty' },
  ],
})

export interface OutputAttrs extends Attrs {
  readonly index: number
}

/** All results of what may be a node with several. */
export const resultsOf = (x: TensorType): readonly TensorType[] =>
  (x instanceof Node ? x.outputs : null) ?? [x]

/**
 * Result `index` of an operation with several. Its one input stands for all results: executors hand
 * `evaluate` every one of them, and reverse mode routes the gradient by `index`.
 */
export const output = define<OutputAttrs>({
  name: 'output',
  attrs: { index: 'int' },
  infer: ([x], { index }) => {
    const all = resultsOf(x!)
    const type = all[index]
    if (type === undefined) {
      throw new IndexError('output', `an index below ${all.length}`, String(index))
    }
    return { shape: type.shape, dtype: type.dtype }
  },
  evaluate: (results, { index }) => [results[index]!],
  samples: () => [],
})

export interface AssignAttrs extends Attrs {
  readonly cell: number
}

/**
 * Makes its input the value of variable `cell`, once the plan has run, and passes it on. The runtime
 * reads the effect from the plan; evaluation only passes the value.
 */
export const assign = define<AssignAttrs>({
  name: 'assign',
  attrs: { cell: 'int' },
  stateful: true,
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  vjp: ({ grad }) => [grad],
  evaluate: ([x]) => [x!],
  samples: () => [{ inputs: [{ shape: [3] }], attrs: { cell: 0 } }],
})

// Where the largest or smallest element is. Indices carry no gradient.

import { ShapeError } from '../../base/errors.js'
import { formatShape, sizeOf, stridesOf } from '../../base/shape.js'
import { type Attrs, define, type Op, type Sample } from '../op.js'
import { checkAxis } from './check.js'
import { offsets, storage } from './host.js'

export interface ArgAttrs extends Attrs {
  readonly axis: number
}

/** `beats(a, b)`: whether a later element `a` takes the place of `b`, the best so far. */
function defineArg(name: string, beats: (a: number, b: number) => boolean): Op<ArgAttrs> {
  return define<ArgAttrs>({
    name,
    attrs: { axis: 'int' },
    infer: ([x], { axis }) => {
      checkAxis(name, axis, x!.shape)
      if (x!.shape[axis] === 0) {
        throw new ShapeError(name, `at least one element on axis ${axis}`, formatShape(x!.shape))
      }
      return { shape: x!.shape.filter((_, i) => i !== axis), dtype: 'int32' }
    },
    vjp: () => [null],
    evaluate: ([x], { axis }, types, ctx) => {
      const out = ctx.allocate(types[0]!)
      const data = storage(x!.data)
      const strides = stridesOf(x!.shape)
      const rest = strides.filter((_, i) => i !== axis)
      const starts = offsets(out.shape, { start: 0, strides: rest })
      for (let o = 0; o < sizeOf(out.shape); o++) {
        let best = 0
        let value = data[starts[o]!]!
        // The first NaN stays, whatever follows.
        for (let i = 1; i < x!.shape[axis]! && !Number.isNaN(value); i++) {
          const candidate = data[starts[o]! + i * strides[axis]!]!
          if (Number.isNaN(candidate) || beats(candidate, value)) {
            best = i
            value = candidate
          }
        }
        out.data[o] = best
      }
      return [out]
    },
    samples: argSamples,
  })
}

const argSamples = (): readonly Sample<ArgAttrs>[] => [
  { inputs: [{ shape: [7] }], attrs: { axis: 0 } },
  { inputs: [{ shape: [1] }], attrs: { axis: 0 }, note: 'size 1' },
  { inputs: [{ shape: [3, 17] }], attrs: { axis: 1 } },
  { inputs: [{ shape: [5, 3] }], attrs: { axis: 0 } },
  { inputs: [{ shape: [2, 5, 3] }], attrs: { axis: 1 } },
  { inputs: [{ shape: [0, 3] }], attrs: { axis: 1 }, note: 'empty' },
  { inputs: [{ shape: [6], values: [1, 3, 3, -2, -2, 0] }], attrs: { axis: 0 }, note: 'tie' },
  {
    inputs: [{ shape: [2, 4], values: [1, Number.NaN, 5, Number.NaN, Number.NaN, 7, -7, 0] }],
    attrs: { axis: 1 },
    note: 'NaN',
  },
  {
    inputs: [{ shape: [3], values: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 0] }],
    attrs: { axis: 0 },
    note: 'infinite',
  },
  { inputs: [{ shape: [3, 4], dtype: 'int32' }], attrs: { axis: 1 } },
  { inputs: [{ shape: [3, 4], dtype: 'int64' }], attrs: { axis: 0 } },
  { inputs: [{ shape: [5], dtype: 'uint8', range: [0, 255] }], attrs: { axis: 0 } },
  { inputs: [{ shape: [4], dtype: 'bool', values: [0, 1, 0, 1] }], attrs: { axis: 0 } },
]

/** Index (int32) of the first largest element along `axis`; the first NaN wins. The axis disappears. */
export const argMaxOp = defineArg('argMax', (a, b) => a > b)
/** Index (int32) of the first smallest element along `axis`; the first NaN wins. */
export const argMinOp = defineArg('argMin', (a, b) => a < b)

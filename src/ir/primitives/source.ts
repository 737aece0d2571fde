// Where values come from: parameters, constants, counting. (Random bits live in random.ts.)

import type { DType } from '../../base/dtype.js'
import { DTypeError, IndexError } from '../../base/errors.js'
import { formatShape, SCALAR, type Shape, staticShape, stridesOf } from '../../base/shape.js'
import { apply, leaf, type Node } from '../node.js'
import { type Attrs, define, type NDArray, NO_ATTRS } from '../op.js'

/** A value that is handed in when a plan runs: a tensor's data, a variable, a placeholder. */
export const param = define<Attrs>({
  name: 'param',
  attrs: {},
  infer: () => {
    throw new DTypeError('param', 'a type given where the parameter is made', 'none')
  },
  samples: () => [],
})

export const parameter = (shape: Shape, dtype: DType): Node =>
  leaf(param as never, NO_ATTRS, shape, dtype)

export interface ConstAttrs extends Attrs {
  readonly value: number
  readonly dtype: DType
}

/**
 * A scalar that is part of the program: 0, 1, a shape-derived count. Scalars a user may vary are
 * parameters instead, so that a new value needs no new plan.
 */
export const constant = define<ConstAttrs>({
  name: 'const',
  attrs: { value: 'number', dtype: 'dtype' },
  infer: (_, { dtype }) => ({ shape: SCALAR, dtype }),
  evaluate: (_, { value, dtype }, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    if (out.data instanceof BigInt64Array) out.data[0] = BigInt(Math.trunc(value))
    else out.data[0] = dtype === 'bool' ? Number(value !== 0) : value
    return [out]
  },
  samples: () => [
    { inputs: [], attrs: { value: 2.5, dtype: 'float32' } },
    { inputs: [], attrs: { value: -3, dtype: 'int32' } },
    { inputs: [], attrs: { value: 1, dtype: 'bool' } },
    { inputs: [], attrs: { value: 7, dtype: 'int64' } },
    { inputs: [], attrs: { value: Number.NaN, dtype: 'float32' }, note: 'NaN' },
  ],
})

export const scalar = (value: number, dtype: DType): Node => apply(constant, [], { value, dtype })

export interface IotaAttrs extends Attrs {
  readonly shape: Shape
  readonly axis: number
  readonly dtype: DType
}

/** Each element's own coordinate along `axis`. */
export const iota = define<IotaAttrs>({
  name: 'iota',
  attrs: { shape: 'dims', axis: 'int', dtype: 'dtype' },
  infer: (_, { shape, axis, dtype }) => {
    if (axis < 0 || axis >= shape.length) {
      throw new IndexError('iota', `an axis of ${formatShape(shape)}`, String(axis))
    }
    return { shape, dtype }
  },
  evaluate: (_, { axis }, types, ctx) => {
    const out: NDArray = ctx.allocate(types[0]!)
    const shape = staticShape('iota', types[0]!.shape)
    const stride = stridesOf(shape)[axis]!
    const n = shape[axis]!
    const { data } = out
    for (let i = 0; i < data.length; i++) {
      const v = Math.floor(i / stride) % n
      if (data instanceof BigInt64Array) data[i] = BigInt(v)
      else data[i] = v
    }
    return [out]
  },
  samples: () => [
    { inputs: [], attrs: { shape: [5], axis: 0, dtype: 'int32' } },
    { inputs: [], attrs: { shape: [3, 4], axis: 0, dtype: 'float32' } },
    { inputs: [], attrs: { shape: [2, 17], axis: 1, dtype: 'int64' } },
    { inputs: [], attrs: { shape: [0, 3], axis: 1, dtype: 'int32' }, note: 'empty' },
  ],
})

// The affine map of a fully connected layer.

import { dimFits } from '../../base/dim.js'
import { ShapeError } from '../../base/errors.js'
import { formatShape } from '../../base/shape.js'
import * as b from '../build.js'
import { apply, type Node } from '../node.js'
import { type Attrs, define, NO_ATTRS } from '../op.js'
import { checkFloat, checkSameDType, checkSameShape } from '../primitives/check.js'

const linearOp = define<Attrs>({
  name: 'linear',
  attrs: {},
  infer: ([x, weight, bias]) => {
    checkFloat('linear', x!)
    checkSameDType('linear', 'a weight', x!, weight!)
    const features = x!.shape.at(-1)
    const fits =
      weight!.shape.length === 2 && features !== undefined && dimFits(features, weight!.shape[1]!)
    if (!fits) {
      const expected =
        weight!.shape.length === 2
          ? `input with ${formatShape([weight!.shape[1]!]).slice(1, -1)} features on the last axis (weight is ${formatShape(weight!.shape)})`
          : 'a weight of shape [out, in]'
      const received = weight!.shape.length === 2 ? x!.shape : weight!.shape
      throw new ShapeError('linear', expected, formatShape(received))
    }
    const outFeatures = weight!.shape[0]!
    if (bias !== undefined) {
      checkSameDType('linear', 'a bias', x!, bias)
      checkSameShape('linear', 'a bias', [outFeatures], bias.shape)
    }
    return { shape: [...x!.shape.slice(0, -1), outFeatures], dtype: x!.dtype }
  },
  expand: ([x, weight, bias]) => {
    const y = b.dot([x!, weight!], {
      leftBatch: [],
      rightBatch: [],
      leftContract: [x!.shape.length - 1],
      rightContract: [1],
    })
    return bias === undefined ? y : b.add(y, b.broadcastTo(bias, y.shape))
  },
  samples: () => [
    { inputs: [{ shape: [4, 3] }, { shape: [5, 3] }, { shape: [5] }], attrs: NO_ATTRS },
    { inputs: [{ shape: [4, 3] }, { shape: [5, 3] }], attrs: NO_ATTRS, note: 'no bias' },
    {
      inputs: [{ shape: [3] }, { shape: [2, 3] }, { shape: [2] }],
      attrs: NO_ATTRS,
      note: 'vector',
    },
    {
      inputs: [
        { shape: [2, 3, 4], dtype: 'float64' },
        { shape: [2, 4], dtype: 'float64' },
        { shape: [2], dtype: 'float64' },
      ],
      attrs: NO_ATTRS,
    },
    {
      inputs: [{ shape: [0, 3] }, { shape: [5, 3] }, { shape: [5] }],
      attrs: NO_ATTRS,
      note: 'empty batch',
    },
  ],
})

/**
 * x·weightᵀ + bias, for x [..., in], weight [out, in] and bias [out]: [..., out].
 * Throws ShapeError or DTypeError where they do not fit.
 */
export const linear = (x: Node, weight: Node, bias: Node | null = null): Node =>
  apply(linearOp, bias === null ? [x, weight] : [x, weight, bias], NO_ATTRS)

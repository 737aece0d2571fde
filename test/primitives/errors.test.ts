// What shape and dtype rules say when they refuse.

import { describe, expect, it } from 'vitest'
import { evaluateGraph } from '../../src/backends/reference/evaluate.js'
import type { DType } from '../../src/base/dtype.js'
import { DTypeError, IndexError, ShapeError, ValueError } from '../../src/base/errors.js'
import * as b from '../../src/ir/build.js'
import { convBias } from '../../src/ir/composites/conv.js'
import { batchNorm, layerNorm } from '../../src/ir/composites/norm.js'
import { avgPool, maxPool } from '../../src/ir/composites/pool.js'
import { convAttrs } from '../../src/ir/primitives/convsamples.js'
import '../../src/ir/primitives/index.js'
import { parameter } from '../../src/ir/primitives/source.js'

const of = (...shape: number[]) => parameter(shape, 'float32')
const as = (dtype: DType, ...shape: number[]) => parameter(shape, dtype)
const zero = b.constant(0, 'float32')
const index = b.constant(0, 'int32')

const plain = convAttrs(2)
const matmul: b.DotAttrs = { leftBatch: [], rightBatch: [], leftContract: [1], rightContract: [0] }
const window = { size: [3], strides: [1], dilation: [1] }

const REFUSALS: readonly (readonly [() => unknown, new (...args: never[]) => Error, string])[] = [
  [
    () => b.reshape(of(2, 3), [4, 2]),
    ShapeError,
    'reshape: Expected a shape with 6 elements (input is [2, 3]). Received [4, 2].',
  ],
  [
    () => b.reshape(of(2, 3), [-2, -3]),
    ShapeError,
    'reshape: Expected a shape with 6 elements (input is [2, 3]). Received [-2, -3].',
  ],
  [
    () => b.transpose(of(2, 3), [1]),
    ShapeError,
    'transpose: Expected every axis of [2, 3]. Received axes [1].',
  ],
  [
    () => b.transpose(of(2, 3), [1, 1]),
    IndexError,
    'transpose: Expected each axis once. Received axes [1, 1].',
  ],
  [
    () => b.reverse(of(2, 3), [2]),
    IndexError,
    'reverse: Expected an axis of [2, 3], counted from 0. Received 2.',
  ],
  [
    () => b.broadcast(of(2, 1), [3, 4]),
    ShapeError,
    'broadcast: Expected a shape of rank 2 that differs only where [2, 1] is 1. Received [3, 4].',
  ],
  [
    () => b.slice(of(5), [2], [6]),
    IndexError,
    'slice: Expected 0 <= start <= stop <= 5 on axis 0 (input is [5]). Received start 2, stop 6.',
  ],
  [
    () => b.slice(of(5), [0], [5], [0]),
    ValueError,
    'slice: Expected steps of at least 1. Received [0].',
  ],
  [
    () => b.slice(of(5, 2), [0], [5]),
    ValueError,
    'slice: Expected 2 starts, one per axis. Received [0].',
  ],
  [
    () => b.pad(of(3), zero, [-2], [-2]),
    ShapeError,
    'pad: Expected paddings that crop no more than there is (input is [3]). Received low -2 and high -2 on axis 0.',
  ],
  [
    () => b.pad(as('int32', 3), zero, [1], [1]),
    DTypeError,
    'pad: Expected a fill of dtype int32. Received float32.',
  ],
  [
    () => b.concat([of(2, 3), of(3, 2)], 0),
    ShapeError,
    'concat: Expected tensors that differ from [2, 3] on axis 0 only. Received [3, 2].',
  ],
  [
    () => b.concat([of(2), as('int32', 2)], 0),
    DTypeError,
    'concat: Expected tensors of dtype float32. Received int32.',
  ],
  [
    () => b.argMax(of(3, 0), 1),
    ShapeError,
    'argMax: Expected at least one element on axis 1. Received [3, 0].',
  ],
  [
    () => b.dot([of(2, 3), of(4, 2)], matmul),
    ShapeError,
    'dot: Expected contracted axes of equal sizes (axes [1] and [0]). Received [2, 3] and [4, 2].',
  ],
  [
    () => b.dot([as('bool', 2, 3), as('bool', 3, 2)], matmul),
    DTypeError,
    'dot: Expected a dtype with arithmetic. Received bool.',
  ],
  [
    () => b.conv([of(8, 1, 28, 28), of(32, 3, 3, 3)], plain),
    ShapeError,
    'conv: Expected input with 3 channels (weight is [32, 3, 3, 3]). Received [8, 1, 28, 28].',
  ],
  [
    () => b.conv([of(8, 4, 28, 28), of(32, 3, 3, 3)], { ...plain, groups: 2 }),
    ShapeError,
    'conv: Expected input with 6 channels in 2 groups (weight is [32, 3, 3, 3]). Received [8, 4, 28, 28].',
  ],
  [
    () => b.conv([of(8, 4, 9, 9), of(5, 2, 3, 3)], { ...plain, groups: 2 }),
    ShapeError,
    'conv: Expected output channels in 2 equal groups. Received weight of shape [5, 2, 3, 3].',
  ],
  [
    () => b.conv([of(3, 4, 9, 9), of(4, 4, 3, 3)], { ...plain, batchGroups: 2 }),
    ShapeError,
    'conv: Expected a batch in 2 equal groups. Received input of shape [3, 4, 9, 9].',
  ],
  [
    () => b.conv([of(1, 3, 4, 4), of(2, 3, 5, 5)], plain),
    ShapeError,
    'conv: Expected a padded input at least as large as the kernel on spatial axis 0 (5, not empty). Received 4 (input is [1, 3, 4, 4], low [0, 0], high [0, 0]).',
  ],
  [
    () => b.conv([of(1, 3, 4), of(2, 3, 5, 5)], plain),
    ShapeError,
    'conv: Expected input [batch, channels, ...spatial] and weight [out, channels / groups, ...spatial] of one rank. Received [1, 3, 4] and [2, 3, 5, 5].',
  ],
  [
    () => b.conv([of(1, 3, 9, 9), of(2, 3, 3, 3)], { ...plain, strides: [0, 1] }),
    ValueError,
    'conv: Expected strides of at least 1. Received [0, 1].',
  ],
  [
    () => b.unfold(of(4, 2), window),
    ShapeError,
    'unfold: Expected an axis of at least 3 to slide a window of [3] along. Received 2 (input is [4, 2]).',
  ],
  [
    () => b.fold(of(4, 3), { ...window, spatial: [5] }),
    ShapeError,
    'fold: Expected windows of shape [3, 3]. Received [4, 3].',
  ],
  [
    () => b.gather(of(4), of(2), 0),
    DTypeError,
    'gather: Expected indices of dtype int32. Received float32.',
  ],
  [
    () => b.scatterAdd(of(4, 2), as('int32', 3), of(3, 3), 0),
    ShapeError,
    'scatterAdd: Expected updates of shape [3, 2]. Received [3, 3].',
  ],
  [
    () => b.dynamicSlice(of(4, 2), [index], [2, 2]),
    ValueError,
    'dynamicSlice: Expected 2 starts (input is [4, 2]). Received 1.',
  ],
  [
    () => b.dynamicSlice(of(4), [index], [5]),
    ShapeError,
    'dynamicSlice: Expected a block that fits in [4]. Received [5].',
  ],
  [
    () => b.dynamicUpdate(of(4), of(2), [zero]),
    DTypeError,
    'dynamicUpdate: Expected starts of dtype int32. Received float32.',
  ],
  [
    () => convBias(of(8, 3, 9, 9), of(4, 3, 3, 3), of(3), plain),
    ShapeError,
    'convBias: Expected a bias of shape [4]. Received [3].',
  ],
  [
    () => maxPool(of(2, 3, 4), [2, 2]),
    ShapeError,
    'maxPool: Expected input [batch, channels, ...spatial] of rank 4. Received [2, 3, 4].',
  ],
  [
    () => avgPool(of(2, 3, 4), [5]),
    ShapeError,
    'avgPool: Expected a padded input at least as large as the window on spatial axis 0 (5). Received 4 (input is [2, 3, 4]).',
  ],
  [
    () => layerNorm(of(2, 3), of(2), null, { rank: 1 }),
    ShapeError,
    'layerNorm: Expected a weight of shape [3]. Received [2].',
  ],
  [
    () => layerNorm(of(2, 3), null, null, { rank: 3 }),
    ValueError,
    'layerNorm: Expected a rank from 1 to 2 (input is [2, 3]). Received 3.',
  ],
  [
    () => batchNorm(as('int32', 2, 3), null, null),
    DTypeError,
    'batchNorm: Expected a float dtype. Received int32.',
  ],
]

describe('rules refuse in words', () => {
  const named = REFUSALS.map(([call, type, message]) => [message, call, type] as const)
  it.each(named)('%s', (message, call, type) => {
    expect(call).toThrow(type)
    expect(call).toThrow(message)
  })
})

describe('an index outside its range', () => {
  it.each([
    ['gather', -1, () => b.gather(b.full(1, [5, 2], 'float32'), b.constant(-1, 'int32'), 0)],
    ['gather', 5, () => b.gather(b.full(1, [5, 2], 'float32'), b.constant(5, 'int32'), 0)],
    [
      'scatterAdd',
      7,
      () => b.scatterAdd(b.full(1, [5], 'float32'), b.constant(7, 'int32'), zero, 0),
    ],
    [
      'scatterSet',
      -5,
      () => b.scatterSet(b.full(1, [5], 'float32'), b.constant(-5, 'int32'), zero, 0),
    ],
  ])('%s: %i', (name, received, build) => {
    const run = () => evaluateGraph([build()])
    expect(run).toThrow(IndexError)
    expect(run).toThrow(`${name}: Expected an index in [0, 5) on axis 0. Received ${received}.`)
  })
})

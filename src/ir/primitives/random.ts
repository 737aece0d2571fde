// Random bits: a cipher of each element's position, so that every backend draws the same.

import { DTypeError, ShapeError } from '../../base/errors.js'
import { formatShape, type Shape, sizeOf } from '../../base/shape.js'
import { broadcastTo, iota, reshape, threefry } from '../build.js'
import { type Attrs, define, NO_ATTRS } from '../op.js'
import { checkSame } from './elementwise.js'
import { INTEGERS, threefry2x32 } from './threefry.js'

/**
 * The first word of Threefry-2x32's block for the counter (x, 0), element by element. Inputs: two words of key,
 * and x; all int32, of equal shape. One operation rather than the hundred it consists of: graphs that draw
 * stay small.
 */
define<Attrs>({
  name: 'threefry',
  attrs: {},
  infer: ([seed, draw, x]) => {
    if (x!.dtype !== 'int32') throw new DTypeError('threefry', 'int32 counters', x!.dtype)
    checkSame('threefry', seed!, x!)
    checkSame('threefry', draw!, x!)
    return { shape: x!.shape, dtype: 'int32' }
  },
  vjp: () => [null, null, null],
  evaluate: ([seed, draw, x], _, types, ctx) => {
    const out = ctx.allocate(types[0]!)
    const [k0, k1, counter, to] = [seed!, draw!, x!, out].map((a) => a.data as Int32Array)
    for (let i = 0; i < to!.length; i++) {
      to![i] = threefry2x32(INTEGERS, [k0![i]!, k1![i]!], [counter![i]!, 0])[0]
    }
    return [out]
  },
  samples: () => [
    { inputs: [words([], 0), words([], 0), words([], 0)], attrs: NO_ATTRS, note: 'scalar' },
    { inputs: [words([17], 42), words([17], -7), words([17], 2 ** 31 - 9)], attrs: NO_ATTRS },
    { inputs: [words([3, 5], -1), words([3, 5], 1), words([3, 5], -3)], attrs: NO_ATTRS },
    {
      inputs: [words([0, 3], 0), words([0, 3], 0), words([0, 3], 0)],
      attrs: NO_ATTRS,
      note: 'empty',
    },
  ],
})

/** A sample whose elements count on from `first`. */
const words = (shape: readonly number[], first: number) => ({
  shape,
  dtype: 'int32' as const,
  values: Array.from({ length: sizeOf(shape) }, (_, i) => (first + i) | 0),
})

export interface RandomBitsAttrs extends Attrs {
  readonly shape: Shape
}

/**
 * 32 random bits an element, as int32. Inputs: seed and draw, two int32 scalars that are the key.
 * Element i (in row-major order) is the first word of Threefry's block for the counter (i, 0).
 */
export const randomBits = define<RandomBitsAttrs>({
  name: 'randomBits',
  attrs: { shape: 'dims' },
  infer: (inputs, { shape }) => {
    for (const key of inputs) {
      if (key.dtype !== 'int32') throw new DTypeError('randomBits', 'int32 keys', key.dtype)
      if (key.shape.length > 0) {
        throw new ShapeError('randomBits', 'keys that are scalars', formatShape(key.shape))
      }
    }
    return { shape, dtype: 'int32' }
  },
  vjp: () => [null, null],
  expand: ([seed, draw], { shape }) => {
    const count = sizeOf(shape)
    const [k0, k1] = [broadcastTo(seed!, [count]), broadcastTo(draw!, [count])]
    return reshape(threefry(k0, k1, iota([count], 0, 'int32')), shape)
  },
  samples: () => [
    { inputs: [key(0), key(0)], attrs: { shape: [5] } },
    { inputs: [key(42), key(7)], attrs: { shape: [3, 17] } },
    { inputs: [key(-1), key(2147483647)], attrs: { shape: [] }, note: 'scalar' },
    { inputs: [key(1), key(2)], attrs: { shape: [0, 3] }, note: 'empty' },
  ],
})

const key = (value: number) => ({ shape: [], dtype: 'int32', values: [value] }) as const

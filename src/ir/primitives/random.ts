// Random bits: Threefry-2x32, written out in integer primitives, so that every backend draws the same.

import { DTypeError, ShapeError } from '../../base/errors.js'
import { formatShape, type Shape, sizeOf } from '../../base/shape.js'
import {
  add,
  and,
  broadcastTo,
  fullLike,
  iota,
  or,
  reshape,
  shl,
  shr,
  xor,
  zerosLike,
} from '../build.js'
import type { Node } from '../node.js'
import { type Attrs, define } from '../op.js'

/** Rotation distances of Threefry-2x32, a round each, over and over. */
const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const
const ROUNDS = 20
/** The key schedule's parity constant, from Skein. */
const PARITY = 0x1bd11bda

function rotateLeft(x: Node, distance: number): Node {
  // The shift to the right copies the sign, so the bits that come around are cut out by a mask.
  const around = shr(x, fullLike(x, 32 - distance))
  return or(shl(x, fullLike(x, distance)), and(around, fullLike(x, 2 ** distance - 1)))
}

/**
 * The block cipher behind the generator: encrypts two words of counter under two words of key
 * (all int32, of one shape). Threefry-2x32 with 20 rounds, from Salmon et al., "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011.
 */
export function threefry2x32(
  key: readonly [Node, Node],
  counter: readonly [Node, Node],
): readonly [Node, Node] {
  const parity = xor(xor(key[0], key[1]), fullLike(key[0], PARITY))
  const schedule = [key[0], key[1], parity] as const
  let x0 = add(counter[0], key[0])
  let x1 = add(counter[1], key[1])
  for (let round = 0; round < ROUNDS; round++) {
    x0 = add(x0, x1)
    x1 = xor(rotateLeft(x1, ROTATIONS[round % ROTATIONS.length]!), x0)
    if (round % 4 === 3) {
      const injection = (round + 1) / 4
      x0 = add(x0, schedule[injection % 3]!)
      const next = schedule[(injection + 1) % 3]!
      x1 = add(x1, add(next, fullLike(next, injection)))
    }
  }
  return [x0, x1]
}

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
    const position = iota([count], 0, 'int32')
    const key = [broadcastTo(seed!, [count]), broadcastTo(draw!, [count])] as const
    return reshape(threefry2x32(key, [position, zerosLike(position)])[0], shape)
  },
  samples: () => [
    { inputs: [key(0), key(0)], attrs: { shape: [5] } },
    { inputs: [key(42), key(7)], attrs: { shape: [3, 17] } },
    { inputs: [key(-1), key(2147483647)], attrs: { shape: [] }, note: 'scalar' },
    { inputs: [key(1), key(2)], attrs: { shape: [0, 3] }, note: 'empty' },
  ],
})

const key = (value: number) => ({ shape: [], dtype: 'int32', values: [value] }) as const

// Dropout: elements zeroed at random, the others scaled up, so that the mean stays.

import { DTypeError, ValueError } from '../../base/errors.js'
import * as b from '../build.js'
import { apply, type Node } from '../node.js'
import { type Attrs, define } from '../op.js'
import { checkFloat } from '../primitives/check.js'
import { times } from './math.js'

export interface DropoutAttrs extends Attrs {
  readonly p: number
}

const BITS = 24

/**
 * True with probability 1 − p: where (bits >>> 8) · 2⁻²⁴ ≥ p. The comparison is made in integers,
 * where both sides are exact.
 */
export function keepMask(seed: Node, draw: Node, p: number, like: Node): Node {
  const bits = b.randomBits(seed, draw, like.shape)
  // `shr` copies the sign of an int32; the mask makes the shift logical.
  const high = b.and(b.shr(bits, b.fullLike(bits, 32 - BITS)), b.fullLike(bits, 2 ** BITS - 1))
  return b.le(b.fullLike(high, Math.ceil(p * 2 ** BITS)), high)
}

const dropoutOp = define<DropoutAttrs>({
  name: 'dropout',
  attrs: { p: 'number' },
  infer: ([x, ...keys], { p }) => {
    checkFloat('dropout', x!)
    for (const { dtype } of keys) {
      if (dtype !== 'int32') throw new DTypeError('dropout', 'a seed and a draw of int32', dtype)
    }
    if (!(p >= 0 && p <= 1)) throw new ValueError('dropout', 'p in [0, 1]', String(p))
    return { shape: x!.shape, dtype: x!.dtype }
  },
  expand: ([x, seed, draw], { p }) => {
    if (p === 0) return x!
    if (p === 1) return b.zerosLike(x!)
    return b.select(keepMask(seed!, draw!, p, x!), times(x!, 1 / (1 - p)), b.zerosLike(x!))
  },
  samples: () => {
    const key = (value: number) => ({ shape: [], dtype: 'int32' as const, values: [value] })
    return [
      { inputs: [{ shape: [4, 5] }, key(7), key(1)], attrs: { p: 0.5 } },
      { inputs: [{ shape: [9], dtype: 'float64' }, key(3), key(2)], attrs: { p: 0.1 } },
      { inputs: [{ shape: [6] }, key(3), key(2)], attrs: { p: 0 }, note: 'keeps all' },
      { inputs: [{ shape: [6] }, key(3), key(2)], attrs: { p: 1 }, note: 'drops all' },
      { inputs: [{ shape: [0] }, key(3), key(2)], attrs: { p: 0.5 }, note: 'empty' },
    ]
  },
})

/**
 * Each element is 0 with probability p and else x / (1 − p); which ones is a pure function of the
 * int32 scalars `seed` and `draw`. Srivastava et al., JMLR 15 (2014). Throws ValueError for p
 * outside [0, 1].
 */
export const dropout = (x: Node, seed: Node, draw: Node, p: number): Node =>
  apply(dropoutOp, [x, seed, draw], { p })

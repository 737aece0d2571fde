import { describe, expect, it } from 'vitest'
import type { DType } from '../base/dtype.js'
import { VerifyError } from '../base/errors.js'
import * as b from './build.js'
import { Node } from './node.js'
import { type Attrs, NO_ATTRS, OPS } from './op.js'
import './primitives/index.js'
import { parameter } from './primitives/source.js'
import { verify } from './verify.js'

const x = parameter([2, 3], 'float32')

/** A node no builder would make. */
const made = (
  op: string,
  inputs: readonly Node[],
  attrs: Attrs = NO_ATTRS,
  shape: readonly number[] = [2, 3],
  dtype: DType = 'float32',
): Node => new Node(OPS.get(op)!, inputs, attrs, shape, dtype, null)

describe('verify', () => {
  it('accepts what builders make', () => {
    verify([b.reduceSum(b.mul(x, b.fullLike(x, 2)), [0, 1]), b.concat([x, x, x], 0)])
  })

  it.each([
    ['a wrong shape', made('neg', [x], NO_ATTRS, [3, 2]), 'results float32[2, 3]'],
    ['a wrong dtype', made('eq', [x, x]), 'results bool[2, 3]'],
    ['a missing attribute', made('reduceSum', [x]), 'attributes [axes]'],
    ['an unknown attribute', made('neg', [x], { axes: [1] }), 'attributes []'],
    ['a wrong kind', made('cast', [x], { dtype: 'float8' }), 'attribute dtype of kind dtype'],
    ['a fraction', made('reduceSum', [x], { axes: [0.5] }, [3]), 'attribute axes of kind ints'],
    ['too few inputs', made('add', [x]), '2 to 2 inputs'],
    ['too many inputs', made('neg', [x, x]), '1 to 1 inputs'],
    ['what the operation refuses', made('add', [x, b.iota([2, 3], 0, 'int32')]), 'equal dtype'],
    ['a negative size', parameter([-1], 'float32'), 'sizes of at least 0'],
  ])('refuses %s', (_, node, message) => {
    expect(() => verify([b.abs(b.neg(x)), node])).toThrow(VerifyError)
    expect(() => verify([node])).toThrow(message)
  })

  it('refuses a cycle, and an operation that is not in the table', () => {
    const inputs = [x]
    const node = made('neg', inputs)
    inputs[0] = node
    expect(() => verify([node])).toThrow('a cycle')
    const stranger = { ...OPS.get('neg')! }
    expect(() => verify([new Node(stranger, [x], NO_ATTRS, [2, 3], 'float32', null)])).toThrow(
      'an operation of the table',
    )
  })
})

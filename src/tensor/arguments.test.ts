// Which calls a trace fits, and the leaves of their arguments.

import { describe, expect, test } from 'vitest'
import { parameter } from '../ir/primitives/source.js'
import { fits, leavesOf, patternOf } from './arguments.js'
import { ones } from './create.js'

const patterned = (...args: unknown[]) => patternOf(args, (x) => parameter(x.shape, x.dtype))
const x = ones([2, 3])

describe('a pattern', () => {
  test.each([
    ['tensors of equal types', [x, [x]], [ones([2, 3]), [ones([2, 3])]], true],
    ['another shape', [x], [ones([3, 2])], false],
    ['another dtype', [x], [ones([2, 3], { dtype: 'int32' })], false],
    ['a number for a tensor', [x], [1], false],
    ['a tensor for a number', [1], [x], false],
    ['NaN for NaN', [Number.NaN], [Number.NaN], true],
    ['another number', [1], [2], false],
    ['fewer arguments', [x, x], [x], false],
    ['more arguments', [x], [x, x], false],
    ['undefined for none', [x], [x, undefined], false],
    ['another nesting', [[x], x], [x, [x]], false],
    ['equal keys', [{ a: x, b: 1 }], [{ a: x, b: 1 }], true],
    ['other keys', [{ a: x }], [{ b: x }], false],
    ['keys in another order', [{ a: x, b: x }], [{ b: x, a: x }], false],
    ['an array for an object', [{ 0: x }], [[x]], false],
    ['an object for an array', [[x]], [{ 0: x }], false],
    ['null for an object', [{}], [null], false],
  ] as const)('is compared with %s', (_, then, now, expected) => {
    expect(fits(patterned(...then), now)).toBe(expected)
  })
})

test('leaves are listed in order', () => {
  expect(leavesOf([x, { a: [1, x], b: 'c' }, 2])).toEqual([x, 1, x, 'c', 2])
  expect(leavesOf([x, 1])).toEqual([x, 1])
})

// Functions of two elements, of equal shape and dtype: arithmetic, extrema, bits.

import { DTYPES, type DType } from '../../base/dtype.js'
import { ArithmeticError } from '../../base/errors.js'
import * as b from '../build.js'
import type { Node } from '../node.js'
import { type Attrs, define, NO_ATTRS, type Sample, type SampleInput } from '../op.js'
import { type BinaryKernel, checkDType, checkSame, mapBinary } from './elementwise.js'
import { power } from './special.js'

/** What a gradient rule sees: operands, result and its gradient. */
interface Seen {
  readonly x: Node
  readonly y: Node
  readonly result: Node
  readonly grad: Node
}

interface BinaryRule {
  readonly kernel: BinaryKernel
  /** Gradients of the operands, each computed only when it is needed; absent without floats. */
  readonly dx?: (s: Seen) => Node
  readonly dy?: (s: Seen) => Node
  /** Where float samples are drawn from; default [-2, 2]. */
  readonly ranges?: readonly [SampleInput['range'], SampleInput['range']]
  /** Where integer samples may not be zero. */
  readonly divides?: boolean
  /** Special values to pair with each other; for the kinks and corners of the function. */
  readonly corners?: readonly (readonly [number, number])[]
}

function nonZero<T extends number | bigint>(where: string, divisor: T): T {
  // biome-ignore lint/suspicious/noDoubleEquals: 0 and 0n alike
  if (divisor == 0) throw new ArithmeticError(where, 'a divisor other than zero', '0')
  return divisor
}

/** Whether a shift by `count` moves every bit out; negative counts are very large unsigned ones. */
const shiftsOut = (count: number | bigint, bits: number): boolean => count < 0 || count >= bits

/** a/b rounded towards zero. */
function truncatedQuotient(x: Node, y: Node): Node {
  const q = b.div(x, y)
  return b.select(b.lt(q, b.zerosLike(q)), b.neg(b.floor(b.neg(q))), b.floor(q))
}

/** The gradient to the operand that `wins` is true for; half of it where the two are equal. */
function toWinner({ x, y, grad }: Seen, loses: Node): Node {
  const half = b.mul(grad, b.fullLike(grad, 0.5))
  return b.select(b.eq(x, y), half, b.select(loses, b.zerosLike(grad), grad))
}

/** b·a^(b−1), and 0 for b = 0 even where a is 0: constants have no slope. */
function powerBase({ x, y, grad }: Seen): Node {
  const [zero, one] = [b.zerosLike(x), b.fullLike(x, 1)]
  // a^(b−1) would be infinite there, and 0·∞ is NaN; replace the base before, not the product after,
  // so that gradients of this gradient are finite too.
  const flat = b.and(b.eq(y, zero), b.not(b.lt(zero, b.abs(x))))
  const base = b.select(flat, one, x)
  return b.mul(grad, b.mul(y, b.pow(base, b.sub(y, one))))
}

/** a^b·log a, and 0 where a = 0 and b ≥ 0, as PyTorch has it. */
function powerExponent({ x, y, result, grad }: Seen): Node {
  const zero = b.zerosLike(x)
  const flat = b.and(b.eq(x, zero), b.le(zero, y))
  const log = b.log(b.select(flat, b.fullLike(x, 1), x))
  return b.mul(grad, b.mul(b.select(flat, zero, result), log))
}

const bitsOf = (dtype: DType): number => DTYPES[dtype].bytes * 8
const NAN_CORNERS = [
  [Number.NaN, 1],
  [1, Number.NaN],
  [Infinity, -Infinity],
  [Infinity, Infinity],
  [0, -0],
  [-0, 0],
  [1, 1],
  [1, 0],
] as const

const RULES: Readonly<Record<string, BinaryRule>> = {
  add: {
    kernel: { float: (x, y) => x + y, int: (x, y) => x + y, long: (x, y) => x + y },
    dx: ({ grad }) => grad,
    dy: ({ grad }) => grad,
  },
  sub: {
    kernel: { float: (x, y) => x - y, int: (x, y) => x - y, long: (x, y) => x - y },
    dx: ({ grad }) => grad,
    dy: ({ grad }) => b.neg(grad),
  },
  mul: {
    kernel: { float: (x, y) => x * y, int: Math.imul, long: (x, y) => x * y },
    dx: ({ grad, y }) => b.mul(grad, y),
    dy: ({ grad, x }) => b.mul(grad, x),
  },
  div: {
    kernel: {
      float: (x, y) => x / y,
      int: (x, y) => Math.trunc(x / nonZero('div', y)),
      long: (x, y) => x / nonZero('div', y),
    },
    dx: ({ grad, y }) => b.div(grad, y),
    dy: ({ grad, y, result }) => b.neg(b.mul(grad, b.div(result, y))),
    ranges: [undefined, [0.5, 2]],
    divides: true,
  },
  rem: {
    kernel: {
      float: (x, y) => x % y,
      int: (x, y) => x % nonZero('rem', y),
      long: (x, y) => x % nonZero('rem', y),
    },
    dx: ({ grad }) => grad,
    dy: ({ grad, x, y }) => b.neg(b.mul(grad, truncatedQuotient(x, y))),
    ranges: [
      [2.1, 2.9],
      [0.8, 0.95],
    ],
    divides: true,
    corners: [...NAN_CORNERS, [-5.5, 2], [5.5, -2], [3, Infinity]],
  },
  pow: {
    kernel: { float: power },
    dx: powerBase,
    dy: powerExponent,
    ranges: [[0.3, 2], undefined],
    corners: [...NAN_CORNERS, [-2, 3], [-2, 0.5], [0, 0], [0, 2], [0, -1], [-1, Infinity]],
  },
  max: {
    kernel: {
      // Not Math.max itself: kernels get a third argument.
      float: (x, y) => Math.max(x, y),
      int: (x, y) => Math.max(x, y),
      long: (x, y) => (x > y ? x : y),
      bool: (x, y) => x | y,
    },
    dx: (s) => toWinner(s, b.lt(s.x, s.y)),
    dy: (s) => toWinner(s, b.lt(s.y, s.x)),
  },
  min: {
    kernel: {
      float: (x, y) => Math.min(x, y),
      int: (x, y) => Math.min(x, y),
      long: (x, y) => (x < y ? x : y),
      bool: (x, y) => x & y,
    },
    dx: (s) => toWinner(s, b.lt(s.y, s.x)),
    dy: (s) => toWinner(s, b.lt(s.x, s.y)),
  },
  and: { kernel: { int: (x, y) => x & y, long: (x, y) => x & y, bool: (x, y) => x & y } },
  or: { kernel: { int: (x, y) => x | y, long: (x, y) => x | y, bool: (x, y) => x | y } },
  xor: { kernel: { int: (x, y) => x ^ y, long: (x, y) => x ^ y, bool: (x, y) => x ^ y } },
  shl: {
    kernel: {
      int: (x, n, dtype) => (shiftsOut(n, bitsOf(dtype)) ? 0 : x << n),
      long: (x, n) => (shiftsOut(n, 64) ? 0n : x << n),
    },
  },
  shr: {
    kernel: {
      // uint8 elements are never negative here, so that their shift is logical, as it should be.
      int: (x, n, dtype) => x >> (shiftsOut(n, bitsOf(dtype)) ? 31 : n),
      long: (x, n) => x >> (shiftsOut(n, 64) ? 63n : n),
    },
  },
}

const INT_PAIRS = [
  [7, 2],
  [-7, 2],
  [7, -2],
  [-(2 ** 31), -1],
  [2 ** 31 - 1, 2],
  [65537, 65537],
  [1, 31],
  [-1, 40],
  [5, -3],
] as const
const UINT_PAIRS = [
  [200, 100],
  [3, 7],
  [255, 9],
  [16, 16],
] as const

function pairs(dtype: DType, list: readonly (readonly [number, number])[], note: string): Sample {
  const side = (k: 0 | 1) => ({ shape: [list.length], dtype, values: list.map((p) => p[k]) })
  return { inputs: [side(0), side(1)], attrs: NO_ATTRS, note, smooth: false }
}

function samplesOf({ kernel, ranges, corners }: BinaryRule): Sample[] {
  const out: Sample[] = []
  const both = (shape: number[], dtype: DType, note?: string): void => {
    const side = (range: SampleInput['range']) => ({ shape, dtype, ...(range && { range }) })
    const inputs = [side(ranges?.[0]), side(ranges?.[1])]
    out.push({ inputs, attrs: NO_ATTRS, ...(note && { note }) })
  }
  if (kernel.float) {
    both([], 'float32', 'scalar')
    both([3, 5], 'float32')
    both([17], 'float64')
    both([0, 3], 'float32', 'empty')
    out.push(pairs('float32', corners ?? NAN_CORNERS, 'corners'))
  }
  if (kernel.int) {
    out.push(pairs('int32', INT_PAIRS, 'wraps'))
    out.push(pairs('uint8', UINT_PAIRS, 'wraps'))
    out.push(pairs('int64', [...INT_PAIRS, [-(2 ** 63), -1], [2 ** 40, 2 ** 40 + 1]], 'wraps'))
  }
  if (kernel.bool) {
    const all = [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const
    out.push(pairs('bool', all, 'truth table'))
  }
  return out
}

for (const [name, rule] of Object.entries(RULES)) {
  const { kernel, dx, dy } = rule
  define<Attrs>({
    name,
    attrs: {},
    infer: ([x, y]) => {
      checkSame(name, x!, y!)
      checkDType(name, kernel, x!.dtype)
      return { shape: x!.shape, dtype: x!.dtype }
    },
    ...(dx &&
      dy && {
        vjp: ({ node: result, inputs, grad, needs }) => {
          const seen = { x: inputs[0]!, y: inputs[1]!, result, grad }
          return [needs(0) ? dx(seen) : null, needs(1) ? dy(seen) : null]
        },
      }),
    evaluate: ([x, y], _, types, ctx) => [mapBinary(kernel, x!, y!, types[0]!, ctx)],
    samples: () => samplesOf(rule),
  })
}

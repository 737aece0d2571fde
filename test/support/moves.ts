// The moves of random programs: each takes values there are and makes one more, by calls as users write
// them. A move that does not fit what there is answers with null.

import {
  arange,
  concat,
  conv2d,
  type DType,
  F,
  full,
  maxPool2d,
  stack,
  type Tensor,
  tensor,
  where,
} from 'tessera'

/** A value of a program. */
export interface Value {
  readonly x: Tensor
  /**
   * Whether every device computes the same bits: true of everything but rounding sums of floats and
   * of functions such as exp. What jumps (floor, comparisons, positions) is only applied to these.
   */
  readonly exact: boolean
}

/** Chooses values and numbers for a move, from numbers that were drawn for it. */
export class Chooser {
  private at = 0

  constructor(
    private readonly pool: readonly Value[],
    private readonly picks: readonly number[],
  ) {}

  /** A whole number below `n`. */
  below(n: number): number {
    return n <= 0 ? 0 : (this.picks[this.at++ % this.picks.length] as number) % n
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** A value for which `fits` holds; stops the move if there is none. */
  value(fits: (v: Value) => boolean = () => true): Value {
    const list = this.pool.filter(fits)
    if (list.length === 0) throw new DoesNotFit()
    // Young values first: programs grow deep rather than wide.
    return list[list.length - 1 - this.below(list.length)] as Value
  }

  axis(x: Tensor): number {
    if (x.ndim === 0) throw new DoesNotFit()
    return this.below(x.ndim)
  }
}

export class DoesNotFit extends Error {}

function require(fits: boolean): void {
  if (!fits) throw new DoesNotFit()
}

export type Move = (c: Chooser) => Value

// ---- What fits -------------------------------------------------------------------------------------

export const sizes = (x: Tensor): readonly number[] => x.shape as readonly number[]
const isFloat = ({ x }: Value): boolean => x.dtype === 'float32' || x.dtype === 'float64'
const isInteger = ({ x }: Value): boolean => ['int32', 'int64', 'uint8'].includes(x.dtype)
const isNumeric = (v: Value): boolean => v.x.dtype !== 'bool'
const isBool = ({ x }: Value): boolean => x.dtype === 'bool'
const isExact = ({ exact }: Value): boolean => exact
const any = (): boolean => true
const both =
  (...tests: ((v: Value) => boolean)[]) =>
  (v: Value): boolean =>
    tests.every((test) => test(v))

/** Whether two shapes broadcast. */
const meets =
  ({ x }: Value) =>
  ({ x: y }: Value): boolean => {
    const [a, b] = [sizes(x), sizes(y)]
    return a.every((n, i) => {
      const m = b[b.length - a.length + i]
      return m === undefined || m === n || m === 1 || n === 1
    })
  }

// ---- What comes out --------------------------------------------------------------------------------

const exactly = (x: Tensor, ...from: Value[]): Value => ({
  x,
  exact: from.every((v) => v.exact),
})
const roughly = (x: Tensor): Value => ({ x, exact: false })

// ---- Moves -----------------------------------------------------------------------------------------

const unary =
  (f: (x: Tensor) => Tensor, fits: (v: Value) => boolean, out = exactly): Move =>
  (c) => {
    const v = c.value(fits)
    return out(f(v.x), v)
  }

const binary =
  (f: (x: Tensor, y: Tensor) => Tensor, fits: (v: Value) => boolean, out = exactly): Move =>
  (c) => {
    const v = c.value(fits)
    const w = c.value(both(fits, meets(v)))
    return c.below(2) === 0 ? out(f(v.x, w.x), v, w) : out(f(w.x, v.x), v, w)
  }

const reduce =
  (
    f: (x: Tensor, how: { axis: number[]; keepDims: boolean }) => Tensor,
    fits: (v: Value) => boolean,
    out: (x: Tensor, v: Value) => Value = exactly,
  ): Move =>
  (c) => {
    const v = c.value(fits)
    const all = sizes(v.x).map((_, i) => i)
    const some = all.filter(() => c.below(2) === 0)
    return out(f(v.x, { axis: some.length === 0 ? all : some, keepDims: c.below(2) === 0 }), v)
  }

/** Along one axis, which must not be empty. */
const along =
  (
    f: (x: Tensor, axis: number, c: Chooser) => Tensor,
    fits: (v: Value) => boolean = any,
    out = exactly,
  ): Move =>
  (c) => {
    const v = c.value(fits)
    const axis = c.axis(v.x)
    require((sizes(v.x)[axis] as number) > 0)
    return out(f(v.x, axis, c), v)
  }

const nonEmpty = ({ x }: Value): boolean => x.size > 0
const SCALARS = [0, 1, -1, 2, 0.5, 3, -2.25, 0.1, 1e-3, 7]
const WHOLE = [0, 1, -1, 2, 3, -5, 100]
const DTYPES: readonly DType[] = ['float32', 'float64', 'int32', 'int64', 'uint8', 'bool']
const FLOATS: readonly DType[] = ['float32', 'float64']

const dividing = (n: number): number[] =>
  Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0)

const positions = (c: Chooser, n: number, count: number): Tensor =>
  tensor(
    Array.from({ length: count }, () => c.below(n)),
    { dtype: c.one(['int32', 'int64'] as const), shape: [count] },
  )

/** Moves along which gradients flow. */
export const SMOOTH_MOVES: Readonly<Record<string, Move>> = {
  add: binary((x, y) => x.add(y), isFloat),
  sub: binary((x, y) => x.sub(y), isFloat),
  mul: binary((x, y) => x.mul(y), isFloat),
  div: binary((x, y) => x.div(y.abs().add(1)), isFloat),
  addScalar: (c) => unary((x) => x.add(c.one(SCALARS)), isFloat)(c),
  mulScalar: (c) => unary((x) => x.mul(c.one(SCALARS)), isFloat)(c),
  fromScalar: (c) => unary((x) => x.neg().add(c.one(SCALARS)).mul(c.one(SCALARS)), isFloat)(c),
  neg: unary((x) => x.neg(), isFloat),
  abs: unary((x) => x.abs(), both(isFloat, isExact)),
  square: unary((x) => x.square(), isFloat),
  tanh: unary((x) => x.tanh(), isFloat, roughly),
  sigmoid: unary((x) => x.sigmoid(), isFloat, roughly),
  erf: unary((x) => x.erf(), isFloat, roughly),
  gelu: unary((x) => x.tanh().gelu(), isFloat, roughly),
  exp: unary((x) => x.square().neg().exp(), isFloat, roughly),
  log: unary((x) => x.square().add(1).log(), isFloat, roughly),
  sqrt: unary((x) => x.square().add(0.25).sqrt(), isFloat, roughly),
  sin: unary((x) => x.tanh().sin(), isFloat, roughly),
  cos: unary((x) => x.sigmoid().cos(), isFloat, roughly),
  relu: unary((x) => x.relu(), both(isFloat, isExact)),
  maximum: binary((x, y) => x.maximum(y), both(isFloat, isExact)),
  minimum: binary((x, y) => x.minimum(y), both(isFloat, isExact)),
  sum: reduce((x, how) => x.sum(how), isFloat, roughly),
  mean: reduce((x, how) => x.mean(how), both(isFloat, nonEmpty), roughly),
  max: reduce((x, how) => x.max(how), both(isFloat, isExact, nonEmpty)),
  softmax: along((x, axis) => x.softmax(axis), isFloat, roughly),
  logSoftmax: along((x, axis) => x.tanh().logSoftmax(axis), isFloat, roughly),
  logSumExp: along((x, axis) => x.tanh().logSumExp(axis), isFloat, roughly),
  matmul: (c) => {
    const v = c.value((w) => isFloat(w) && w.x.ndim > 0)
    const inner = sizes(v.x).at(-1)
    const w = c.value(({ x }) => x.ndim === 2 && x.dtype === v.x.dtype && x.shape[0] === inner)
    return roughly(v.x.matmul(w.x).tanh())
  },
  gram: (c) => {
    const v = c.value((w) => isFloat(w) && w.x.ndim >= 2)
    return roughly(v.x.matmul(v.x.transpose(-2, -1)).tanh())
  },
  convolve: (c) => {
    const v = c.value((w) => isFloat(w) && w.x.ndim >= 2 && w.x.size > 0 && w.x.size <= 600)
    const [h, w] = sizes(v.x).slice(-2) as [number, number]
    const image = v.x.reshape([-1, 1, h, w])
    const side = 1 + c.below(Math.min(3, h, w))
    const kernel = image.narrow(0, 0, 1).narrow(2, 0, side).narrow(3, 0, side)
    const padding = c.below(side)
    return roughly(conv2d(image, kernel, { padding, stride: 1 + c.below(2) }).tanh())
  },
  pool: (c) => {
    const v = c.value((w) => isFloat(w) && w.exact && w.x.ndim >= 2 && w.x.size > 0)
    const [h, w] = sizes(v.x).slice(-2) as [number, number]
    require(h >= 2 && w >= 2)
    return exactly(maxPool2d(v.x.reshape([-1, 1, h, w]), 2, { stride: 1 + c.below(2) }), v)
  },
  dropout: unary((x) => F.dropout(x, { p: 0.3, training: true }), isFloat, roughly),
  counted: (c) => {
    const [rows, columns] = [1 + c.below(5), 1 + c.below(9)]
    const x = arange(rows * columns, { dtype: c.one(FLOATS) })
    return exactly(c.below(2) === 0 ? x : x.reshape([rows, columns]))
  },
  constant: (c) => exactly(full([1 + c.below(4), 1 + c.below(9)], c.one(SCALARS))),
  castFloat: (c) => {
    const dtype = c.one(FLOATS)
    return unary((x) => x.cast(dtype), isFloat)(c)
  },

  reshape: (c) => {
    const v = c.value()
    const n = v.x.size
    const rows = n === 0 ? 0 : c.one(dividing(n))
    const shape = n === 0 ? [0, 3] : c.below(3) === 0 ? [n] : [rows, n / rows]
    return exactly(v.x.reshape(shape), v)
  },
  permute: (c) => {
    const v = c.value()
    const axes = sizes(v.x).map((_, i) => i)
    for (let i = axes.length - 1; i > 0; i--) {
      const j = c.below(i + 1)
      ;[axes[i], axes[j]] = [axes[j] as number, axes[i] as number]
    }
    return exactly(v.x.permute(axes), v)
  },
  flip: along((x, axis) => x.flip(axis)),
  roll: along((x, axis, c) => x.roll(c.below(7) - 3, axis)),
  slice: along((x, axis, c) => {
    const n = sizes(x)[axis] as number
    const start = c.below(n + 1)
    const range = `${start}:${start + c.below(n + 1)}:${1 + c.below(3)}`
    return x.at([...sizes(x).map((_, i) => (i === axis ? range : ':'))])
  }),
  pick: along((x, axis, c) => x.select(axis, c.below(sizes(x)[axis] as number))),
  pad: along((x, axis, c) => {
    const pairs = sizes(x).map((_, i) => (i === axis ? [c.below(3), c.below(3)] : [0, 0]))
    return x.pad(pairs as [number, number][], { value: x.dtype === 'bool' ? 0 : c.one(WHOLE) })
  }),
  crop: along((x, axis, c) => {
    require((sizes(x)[axis] as number) >= 3)
    const pairs = sizes(x).map((_, i) => (i === axis ? [-c.below(2), -c.below(2)] : [0, 0]))
    return x.pad(pairs as [number, number][])
  }),
  reflect: along((x, axis, c) => {
    const n = sizes(x)[axis] as number
    const pairs = sizes(x).map((_, i) => (i === axis ? [c.below(n), c.below(n)] : [0, 0]))
    return x.pad(pairs as [number, number][], { mode: 'reflect' })
  }),
  concat: (c) => {
    const v = c.value()
    const axis = c.axis(v.x)
    const w = c.value(
      ({ x }) =>
        x.dtype === v.x.dtype &&
        x.ndim === v.x.ndim &&
        sizes(x).every((n, i) => i === axis || n === sizes(v.x)[i]),
    )
    return exactly(concat([v.x, w.x, v.x], axis), v, w)
  },
  stack: (c) => {
    const v = c.value()
    const w = c.value(({ x }) => x.dtype === v.x.dtype && String(x.shape) === String(v.x.shape))
    return exactly(stack([v.x, w.x], c.below(v.x.ndim + 1)), v, w)
  },
  spread: (c) => {
    const v = c.value()
    return exactly(v.x.unsqueeze(0).broadcastTo([1 + c.below(3), ...sizes(v.x)]), v)
  },
  tile: (c) => {
    const v = c.value()
    return exactly(v.x.tile(sizes(v.x).map(() => 1 + c.below(2))), v)
  },
  rows: along((x, axis, c) => {
    const n = sizes(x)[axis] as number
    return x.indexSelect(axis, positions(c, n, c.below(5)))
  }),
  addRows: along(
    (x, axis, c) => {
      const n = sizes(x)[axis] as number
      const at = positions(c, n, 1 + c.below(4))
      return x.indexAdd(axis, at, x.indexSelect(axis, at))
    },
    isFloat,
    roughly,
  ),
  triangle: (c) => {
    const v = c.value((w) => w.x.ndim >= 2)
    const diagonal = c.below(3) - 1
    return exactly(c.below(2) === 0 ? v.x.triu(diagonal) : v.x.tril(diagonal), v)
  },
  where: (c) => {
    const condition = c.value(isBool)
    const v = c.value(meets(condition))
    const w = c.value((y) => y.x.dtype === v.x.dtype && String(y.x.shape) === String(v.x.shape))
    return exactly(where(condition.x, v.x, w.x), v, w, condition)
  },
}

const comparable = both(isExact, isNumeric)

/** Moves through which no gradient flows: jumps, and everything about integers. */
const OTHER_MOVES: Readonly<Record<string, Move>> = {
  addAny: binary((x, y) => x.add(y), isExact),
  subAny: binary((x, y) => x.sub(y), comparable),
  mulAny: binary((x, y) => x.mul(y), isExact),
  maximumAny: binary((x, y) => x.maximum(y), isExact),
  minimumAny: binary((x, y) => x.minimum(y), isExact),
  addWhole: (c) => unary((x) => x.add(c.one(WHOLE)), isExact)(c),
  scaleAny: (c) => unary((x) => x.mul(c.one(SCALARS)), isExact)(c),
  negAny: unary((x) => x.neg(), both(isNumeric, isExact)),
  sign: unary((x) => x.sign(), both(isNumeric, isExact)),
  floor: unary((x) => x.floor(), both(isFloat, isExact)),
  ceil: unary((x) => x.ceil(), both(isFloat, isExact)),
  round: unary((x) => x.round(), both(isFloat, isExact)),
  trunc: unary((x) => x.trunc(), both(isFloat, isExact)),
  floorDivide: binary((x, y) => x.floorDivide(y.cast(x.dtype).maximum(1)), isInteger),
  remainder: binary((x, y) => x.remainder(y.cast(x.dtype).maximum(1)), isInteger),
  fmod: binary((x, y) => x.fmod(y.cast(x.dtype).maximum(1)), isInteger),
  and: binary(
    (x, y) => x.bitwiseAnd(y),
    (v) => isInteger(v) || isBool(v),
  ),
  or: binary(
    (x, y) => x.bitwiseOr(y),
    (v) => isInteger(v) || isBool(v),
  ),
  xor: binary(
    (x, y) => x.bitwiseXor(y),
    (v) => isInteger(v) || isBool(v),
  ),
  shift: (c) => unary((x) => x.bitwiseLeftShift(c.below(9)), isInteger)(c),
  shiftBack: (c) => unary((x) => x.bitwiseRightShift(c.below(9)), isInteger)(c),
  lt: binary((x, y) => x.lt(y), isExact),
  le: binary((x, y) => x.le(y), isExact),
  eq: binary((x, y) => x.eq(y), isExact),
  ne: binary((x, y) => x.ne(y), isExact),
  isPositive: unary((x) => x.gt(0), comparable),
  not: unary((x) => x.logicalNot(), isExact),
  isNaN: unary((x) => x.isNaN(), both(isFloat, isExact)),
  cast: (c) => {
    const dtype = c.one(DTYPES)
    return unary((x) => x.cast(dtype), isExact)(c)
  },
  sumAny: reduce(
    (x, how) => x.sum(how),
    (v) => !isFloat(v),
  ),
  prod: reduce(
    (x, how) => x.prod(how),
    (v) => !isFloat(v),
  ),
  maxAny: reduce((x, how) => x.max(how), both(isExact, nonEmpty)),
  minAny: reduce((x, how) => x.min(how), both(isExact, nonEmpty)),
  all: reduce((x, how) => x.all(how), isBool),
  any: reduce((x, how) => x.any(how), isBool),
  argmax: along((x, axis) => x.argmax(axis), comparable),
  argmin: along((x, axis) => x.argmin(axis), comparable),
  matmulAny: (c) => {
    const v = c.value((w) => isInteger(w) && w.x.ndim > 0)
    const inner = sizes(v.x).at(-1)
    const w = c.value((y) => isInteger(y) && y.x.ndim === 2 && y.x.shape[0] === inner)
    return exactly(v.x.matmul(w.x), v, w)
  },
  countedAny: (c) => {
    const [rows, columns] = [1 + c.below(5), 1 + c.below(9)]
    return exactly(arange(rows * columns, { dtype: c.one(DTYPES) }).reshape([rows, columns]))
  },
  oneHot: (c) => {
    const v = c.value((w) => isInteger(w) && w.x.size <= 100)
    return exactly(v.x.oneHot(1 + c.below(5)), v)
  },
  look: (c) => {
    // Positions that were computed, and not only written down.
    const v = c.value((w) => w.x.ndim > 0 && w.x.size > 0)
    const axis = c.axis(v.x)
    const n = sizes(v.x)[axis] as number
    const at = c.value((w) => isInteger(w) && w.x.size <= 50)
    return exactly(v.x.take(at.x.cast('int32').remainder(n), axis), v, at)
  },
  setRows: along((x, axis, c) => {
    const n = sizes(x)[axis] as number
    const at = positions(c, n, 1 + c.below(4))
    return x.indexCopy(axis, at, x.flip(axis).indexSelect(axis, at))
  }),
  mean: reduce((x, how) => x.mean(how), both(isInteger, nonEmpty), roughly),
  divide: binary((x, y) => x.div(y.maximum(1)), isInteger),
}

export const MOVES: Readonly<Record<string, Move>> = { ...OTHER_MOVES, ...SMOOTH_MOVES }

// The operations of `Tensor` as functions, for those who like `add(a, b)` better than `a.add(b)`.
//
// Each calls the method of its name, which has the documentation. Arguments may be tensors or what
// tensors are made of; a plain number takes the dtype of the tensor beside it, as in methods.

import { promoteScalar } from '../base/dtype.js'
import { asTensor, scalar, type TensorLike } from './create.js'
import { Tensor } from './tensor.js'

/** The names of the methods that make something of a tensor. */
type MethodOf<R> = {
  [K in keyof Tensor]: Tensor[K] extends (...args: never[]) => R ? K : never
}[keyof Tensor]

/** A method as a function of the tensor and the method's arguments. */
type FreeFunction<K extends keyof Tensor> = Tensor[K] extends (...args: infer A) => infer R
  ? (x: TensorLike, ...args: A) => R
  : never

type Callable = (this: Tensor, ...args: unknown[]) => unknown

function method<K extends MethodOf<unknown>>(name: K): FreeFunction<K> {
  const call = (x: TensorLike, ...args: unknown[]): unknown => {
    const own = asTensor(x)
    return (own[name] as unknown as Callable).apply(own, args)
  }
  return call as unknown as FreeFunction<K>
}

/** The first operand as a tensor: a plain number takes the dtype it would have beside the second. */
function first(x: TensorLike, second: TensorLike): Tensor {
  if (typeof x !== 'number') return asTensor(x)
  return second instanceof Tensor
    ? scalar(x, { dtype: promoteScalar(second.dtype, x) })
    : asTensor(x)
}

type BinaryName = {
  [K in keyof Tensor]: Tensor[K] extends (other: Tensor) => Tensor ? K : never
}[keyof Tensor]

/** A method of two operands as a function. */
function binary(name: BinaryName): (x: TensorLike, y: TensorLike) => Tensor {
  return (x, y) => {
    const own = first(x, y)
    const other = typeof y === 'number' || typeof y === 'boolean' ? y : asTensor(y)
    return (own[name] as Callable).call(own, other) as Tensor
  }
}

// ---- two operands, which broadcast ----------------------------------------------------------------

/** x + y. See `Tensor.add`. */
export const add = binary('add')
/** x - y. See `Tensor.sub`. */
export const sub = binary('sub')
/** x · y. See `Tensor.mul`. */
export const mul = binary('mul')
/** x / y, a float; see `floorDivide`. See `Tensor.div`. */
export const div = binary('div')
/** ⌊x / y⌋ in the operands' dtype. See `Tensor.floorDivide`. */
export const floorDivide = binary('floorDivide')
/** Remainder with the sign of the divisor. See `Tensor.remainder`. */
export const remainder = binary('remainder')
/** Remainder with the sign of the dividend. See `Tensor.fmod`. */
export const fmod = binary('fmod')
/** x to the power of y. See `Tensor.pow`. */
export const pow = binary('pow')
/** The larger of the two; NaN wins. See `Tensor.maximum`. */
export const maximum = binary('maximum')
/** The smaller of the two; NaN wins. See `Tensor.minimum`. */
export const minimum = binary('minimum')
/** Whether x = y. See `Tensor.eq`. */
export const eq = binary('eq')
/** Whether x ≠ y. See `Tensor.ne`. */
export const ne = binary('ne')
/** Whether x < y. See `Tensor.lt`. */
export const lt = binary('lt')
/** Whether x ≤ y. See `Tensor.le`. */
export const le = binary('le')
/** Whether x > y. See `Tensor.gt`. */
export const gt = binary('gt')
/** Whether x ≥ y. See `Tensor.ge`. */
export const ge = binary('ge')
/** Whether both are non-zero. See `Tensor.logicalAnd`. */
export const logicalAnd = binary('logicalAnd')
/** Whether one is non-zero. See `Tensor.logicalOr`. */
export const logicalOr = binary('logicalOr')
/** Whether exactly one is non-zero. See `Tensor.logicalXor`. */
export const logicalXor = binary('logicalXor')
/** Bitwise and, of integers or bool. See `Tensor.bitwiseAnd`. */
export const bitwiseAnd = binary('bitwiseAnd')
/** Bitwise or, of integers or bool. See `Tensor.bitwiseOr`. */
export const bitwiseOr = binary('bitwiseOr')
/** Bitwise exclusive or, of integers or bool. See `Tensor.bitwiseXor`. */
export const bitwiseXor = binary('bitwiseXor')
/** Bits moved up. See `Tensor.bitwiseLeftShift`. */
export const bitwiseLeftShift = binary('bitwiseLeftShift')
/** Bits moved down, copying the sign. See `Tensor.bitwiseRightShift`. */
export const bitwiseRightShift = binary('bitwiseRightShift')

// ---- elementwise ----------------------------------------------------------------------------------

/** -x. See `Tensor.neg`. */
export const neg = method('neg')
/** |x|. See `Tensor.abs`. */
export const abs = method('abs')
/** -1, 0 or 1; NaN stays NaN. See `Tensor.sign`. */
export const sign = method('sign')
/** x². See `Tensor.square`. */
export const square = method('square')
/** 1 / x. See `Tensor.reciprocal`. */
export const reciprocal = method('reciprocal')
/** eˣ. See `Tensor.exp`. */
export const exp = method('exp')
/** eˣ - 1, accurate near 0. See `Tensor.expm1`. */
export const expm1 = method('expm1')
/** Natural logarithm; NaN for negative values. See `Tensor.log`. */
export const log = method('log')
/** log(1 + x), accurate near 0. See `Tensor.log1p`. */
export const log1p = method('log1p')
/** Logarithm to the base 2. See `Tensor.log2`. */
export const log2 = method('log2')
/** Logarithm to the base 10. See `Tensor.log10`. */
export const log10 = method('log10')
/** √x; NaN for negative values. See `Tensor.sqrt`. */
export const sqrt = method('sqrt')
/** 1 / √x. See `Tensor.rsqrt`. */
export const rsqrt = method('rsqrt')
/** Sine, of radians. See `Tensor.sin`. */
export const sin = method('sin')
/** Cosine, of radians. See `Tensor.cos`. */
export const cos = method('cos')
/** Tangent, of radians. See `Tensor.tan`. */
export const tan = method('tan')
/** Hyperbolic tangent. See `Tensor.tanh`. */
export const tanh = method('tanh')
/** Gauss's error function. See `Tensor.erf`. */
export const erf = method('erf')
/** The next integer below. See `Tensor.floor`. */
export const floor = method('floor')
/** The next integer above. See `Tensor.ceil`. */
export const ceil = method('ceil')
/** The nearest integer, halves to even. See `Tensor.round`. */
export const round = method('round')
/** The next integer towards zero. See `Tensor.trunc`. */
export const trunc = method('trunc')
/** Whether x is zero. See `Tensor.logicalNot`. */
export const logicalNot = method('logicalNot')
/** max(x, 0). See `Tensor.relu`. */
export const relu = method('relu')
/** 1 / (1 + exp(-x)). See `Tensor.sigmoid`. */
export const sigmoid = method('sigmoid')
/** x · sigmoid(x). See `Tensor.silu`. */
export const silu = method('silu')
/** log(1 + exp(x)). See `Tensor.softplus`. */
export const softplus = method('softplus')
/** x · Φ(x), or with `{ approximate: 'tanh' }` its approximation. See `Tensor.gelu`. */
export const gelu = method('gelu')
/** x where positive, else slope · x. See `Tensor.leakyRelu`. */
export const leakyRelu = method('leakyRelu')
/** x where positive, else alpha · (exp(x) - 1). See `Tensor.elu`. */
export const elu = method('elu')
/** exp(x) / Σ exp(x) along an axis (default: the last). See `Tensor.softmax`. */
export const softmax = method('softmax')
/** The logarithm of `softmax`. See `Tensor.logSoftmax`. */
export const logSoftmax = method('logSoftmax')
/** The values in another dtype. See `Tensor.cast`. */
export const cast = method('cast')
/** Values kept within `{ min, max }`. See `Tensor.clamp`. */
export const clamp = method('clamp')

// ---- reductions -----------------------------------------------------------------------------------

/** Sum over axes (default: all). See `Tensor.sum`. */
export const sum = method('sum')
/** Product over axes (default: all). See `Tensor.prod`. */
export const prod = method('prod')
/** Mean over axes (default: all). See `Tensor.mean`. */
export const mean = method('mean')
/** Largest value over axes (default: all). See `maximum` for two tensors. See `Tensor.max`. */
export const max = method('max')
/** Smallest value over axes (default: all). See `minimum` for two tensors. See `Tensor.min`. */
export const min = method('min')
/** Largest values along an axis, and where they are. See `Tensor.maxWithIndices`. */
export const maxWithIndices = method('maxWithIndices')
/** Smallest values along an axis, and where they are. See `Tensor.minWithIndices`. */
export const minWithIndices = method('minWithIndices')
/** Index of the first largest value along an axis (default: flattened). See `Tensor.argmax`. */
export const argmax = method('argmax')
/** Index of the first smallest value along an axis (default: flattened). See `Tensor.argmin`. */
export const argmin = method('argmin')
/** Whether all values over axes are non-zero. See `Tensor.all`. */
export const all = method('all')
/** Whether any value over axes is non-zero. See `Tensor.any`. */
export const any = method('any')
/** Standard deviation over axes; correction 1 by default. See `Tensor.std`. */
export const std = method('std')
/** The p-norm over axes; p = 2 by default. See `Tensor.norm`. */
export const norm = method('norm')
/** log Σ exp(x) over axes (default: all). See `Tensor.logSumExp`. */
export const logSumExp = method('logSumExp')
/** Variance over axes; correction 1 by default. `var` is a reserved word. See `Tensor.var`. */
export const variance = method('var')

// ---- shape ----------------------------------------------------------------------------------------

/** The values in another shape; one size may be -1. See `Tensor.reshape`. */
export const reshape = method('reshape')
/** Axes `start` to `end` as one. See `Tensor.flatten`. */
export const flatten = method('flatten')
/** Axes in another order. See `Tensor.permute`. */
export const permute = method('permute')
/** Two axes exchanged. See `Tensor.swapAxes`. */
export const swapAxes = method('swapAxes')
/** Axes put at other positions. See `Tensor.moveAxis`. */
export const moveAxis = method('moveAxis')
/** Without axes of size 1. See `Tensor.squeeze`. */
export const squeeze = method('squeeze')
/** With new axes of size 1. See `Tensor.unsqueeze`. */
export const unsqueeze = method('unsqueeze')
/** Another name for `unsqueeze`. See `Tensor.expandDims`. */
export const expandDims = method('expandDims')
/** Repeated to fit a shape. See `Tensor.broadcastTo`. */
export const broadcastTo = method('broadcastTo')
/** The whole tensor repeated along axes. See `Tensor.tile`. */
export const tile = method('tile')
/** Each element repeated. See `Tensor.repeatInterleave`. */
export const repeatInterleave = method('repeatInterleave')
/** In reverse order along axes (default: all). See `Tensor.flip`. */
export const flip = method('flip')
/** Shifted along axes, around the end. See `Tensor.roll`. */
export const roll = method('roll')
/** Values put around. See `Tensor.pad`. */
export const pad = method('pad')
/** A range of an axis. See `Tensor.narrow`. */
export const narrow = method('narrow')
/** Pieces of given sizes along an axis. See `Tensor.split`. */
export const split = method('split')
/** Pieces of equal size along an axis. See `Tensor.chunk`. */
export const chunk = method('chunk')
/** The slices along an axis. See `Tensor.unbind`. */
export const unbind = method('unbind')

// ---- indexing -------------------------------------------------------------------------------------

/** One element along an axis for each of an index. See `Tensor.gather`. */
export const gather = method('gather')
/** `gather` in NumPy's order of arguments. See `Tensor.takeAlongAxis`. */
export const takeAlongAxis = method('takeAlongAxis')
/** Slices at positions of an axis, or elements of the flattened tensor. See `Tensor.take`. */
export const take = method('take')
/** Slices at the positions in a vector. See `Tensor.indexSelect`. */
export const indexSelect = method('indexSelect')
/** A copy with elements along an axis replaced. See `Tensor.scatter`. */
export const scatter = method('scatter')
/** A copy with values added to elements along an axis. See `Tensor.scatterAdd`. */
export const scatterAdd = method('scatterAdd')
/** A copy with slices added at positions. See `Tensor.indexAdd`. */
export const indexAdd = method('indexAdd')
/** A copy with slices replaced at positions. See `Tensor.indexCopy`. */
export const indexCopy = method('indexCopy')
/** The elements where a mask holds, as a vector. See `Tensor.maskedSelect`. */
export const maskedSelect = method('maskedSelect')
/** A copy with a value where a mask holds. See `Tensor.maskedFill`. */
export const maskedFill = method('maskedFill')
/** Coordinates of the elements that are not zero. See `Tensor.nonzero`. */
export const nonzero = method('nonzero')
/** Rows with a 1 at each value's position. See `Tensor.oneHot`. */
export const oneHot = method('oneHot')
/** Zeros below the diagonal. See `Tensor.triu`. */
export const triu = method('triu')
/** Zeros above the diagonal. See `Tensor.tril`. */
export const tril = method('tril')
/** The diagonal of the last two axes. See `Tensor.diagonal`. */
export const diagonal = method('diagonal')

// ---- products -------------------------------------------------------------------------------------

/** Matrix product, of stacks and vectors too. See `Tensor.matmul`. */
export const matmul = binary('matmul')
/** Inner product of two vectors. See `Tensor.dot`. */
export const dot = binary('dot')
/** Product of two matrices. See `Tensor.mm`. */
export const mm = binary('mm')
/** Products of two stacks of matrices. See `Tensor.bmm`. */
export const bmm = binary('bmm')
/** Product of a matrix and a vector. See `Tensor.mv`. */
export const mv = binary('mv')
/** All products of the elements of two vectors. See `Tensor.outer`. */
export const outer = binary('outer')

// Elementwise operations: arithmetic, comparison, logic, the usual functions of one variable.

import { checkDType, type DType, isFloat, promote } from '../base/dtype.js'
import { broadcastShapes } from '../base/shape.js'
import * as b from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { detached, expose, requireKind, TensorCore } from './core.js'
import { asFloat, meet, type Operand, operandNode } from './operand.js'
import type { Tensor } from './tensor.js'

const NUMERIC = ['float', 'int', 'uint'] as const

/** Applies a binary builder to operands at their common dtype and shape. */
function binary(where: string, x: Operand, y: Operand, build: (x: Node, y: Node) => Node): Tensor {
  const [p, q] = meet(where, x, y)
  return expose(build(p, q))
}

/** As `binary`, for operations that have no meaning on truth values: bool counts as int32. */
function numeric(where: string, x: Operand, y: Operand, build: (x: Node, y: Node) => Node): Tensor {
  const [p, q] = meet(where, x, y)
  if (p.dtype !== 'bool') return expose(build(p, q))
  return expose(build(b.cast(p, 'int32'), b.cast(q, 'int32')))
}

/** See `Tensor`. */
export abstract class ArithmeticTensor extends TensorCore {
  /** Elementwise sum; shapes broadcast. Mirrors `torch.add`. */
  add(other: Operand): Tensor {
    return numeric('add', this, other, b.add)
  }

  /** Elementwise difference. */
  sub(other: Operand): Tensor {
    return numeric('sub', this, other, b.sub)
  }

  /** Elementwise product. */
  mul(other: Operand): Tensor {
    return numeric('mul', this, other, b.mul)
  }

  /** Elementwise quotient. Of integers it is a float32, as in `torch.div`; see `floorDivide`. */
  div(other: Operand): Tensor {
    const [x, y] = meet('div', this, other)
    return expose(b.div(asFloat(x), asFloat(y)))
  }

  /**
   * Quotient rounded down, in the operands' dtype. Throws `ArithmeticError` for an integer divided by
   * zero, when the result is computed. Mirrors `torch.floor_divide`.
   */
  floorDivide(other: Operand): Tensor {
    return numeric('floorDivide', this, other, (x, y) => {
      if (isFloat(x.dtype)) return b.floor(b.div(x, y))
      const q = b.div(x, y)
      const inexact = b.ne(b.mul(q, y), x)
      const negative = b.xor(b.lt(x, b.zerosLike(x)), b.lt(y, b.zerosLike(y)))
      return b.select(b.and(inexact, negative), b.sub(q, b.fullLike(q, 1)), q)
    })
  }

  /** Remainder with the sign of the divisor. Mirrors `torch.remainder` (Python's `%`). */
  remainder(other: Operand): Tensor {
    return numeric('remainder', this, other, (x, y) => {
      const r = b.rem(x, y)
      const zero = b.zerosLike(r)
      const wrongSide = b.and(b.ne(r, zero), b.xor(b.lt(r, zero), b.lt(y, zero)))
      return b.select(wrongSide, b.add(r, y), r)
    })
  }

  /** Remainder with the sign of the dividend. Mirrors `torch.fmod`. */
  fmod(other: Operand): Tensor {
    return numeric('fmod', this, other, b.rem)
  }

  /** `this` to the power of `exponent`. */
  pow(exponent: Operand): Tensor {
    if (exponent === 2) return this.square()
    return numeric('pow', this, exponent, b.pow)
  }

  /** The larger of the two; NaN wins. */
  maximum(other: Operand): Tensor {
    return binary('maximum', this, other, b.max)
  }

  /** The smaller of the two; NaN wins. */
  minimum(other: Operand): Tensor {
    return binary('minimum', this, other, b.min)
  }

  /** Values kept within [min, max]; either bound may be left out. NaN stays NaN. */
  clamp(options: { min?: Operand; max?: Operand }): Tensor {
    let out = this as unknown as Tensor
    if (options.min !== undefined) out = out.maximum(options.min)
    if (options.max !== undefined) out = out.minimum(options.max)
    return out
  }

  neg(): Tensor {
    requireKind('neg', this.node, NUMERIC, 'a numeric tensor')
    return expose(b.neg(this.node))
  }

  abs(): Tensor {
    return expose(b.abs(this.node))
  }

  /** -1, 0 or 1; NaN stays NaN. */
  sign(): Tensor {
    const x = this.node
    const zero = b.zerosLike(x)
    const signed = b.select(b.lt(x, zero), b.fullLike(x, -1), x)
    return expose(b.select(b.lt(zero, x), b.fullLike(x, 1), signed))
  }

  square(): Tensor {
    const x = this.dtype === 'bool' ? b.cast(this.node, 'int32') : this.node
    return expose(b.mul(x, x))
  }

  /** 1 / x. */
  reciprocal(): Tensor {
    const x = asFloat(this.node)
    return expose(b.div(b.fullLike(x, 1), x))
  }

  exp(): Tensor {
    return expose(b.exp(asFloat(this.node)))
  }

  /** exp(x) - 1, accurate near 0. */
  expm1(): Tensor {
    return expose(b.expm1(asFloat(this.node)))
  }

  /** Natural logarithm; NaN for negative values. */
  log(): Tensor {
    return expose(b.log(asFloat(this.node)))
  }

  /** log(1 + x), accurate near 0. */
  log1p(): Tensor {
    return expose(b.log1p(asFloat(this.node)))
  }

  log2(): Tensor {
    return this.log().mul(Math.LOG2E)
  }

  log10(): Tensor {
    return this.log().mul(Math.LOG10E)
  }

  sqrt(): Tensor {
    return expose(b.sqrt(asFloat(this.node)))
  }

  /** 1 / √x. */
  rsqrt(): Tensor {
    const root = b.sqrt(asFloat(this.node))
    return expose(b.div(b.fullLike(root, 1), root))
  }

  sin(): Tensor {
    return expose(b.sin(asFloat(this.node)))
  }

  cos(): Tensor {
    return expose(b.cos(asFloat(this.node)))
  }

  tan(): Tensor {
    const x = asFloat(this.node)
    return expose(b.div(b.sin(x), b.cos(x)))
  }

  tanh(): Tensor {
    return expose(b.tanh(asFloat(this.node)))
  }

  /** Gauss's error function. */
  erf(): Tensor {
    return expose(b.erf(asFloat(this.node)))
  }

  floor(): Tensor {
    return expose(isFloat(this.dtype) ? b.floor(this.node) : this.node)
  }

  ceil(): Tensor {
    if (!isFloat(this.dtype)) return expose(this.node)
    return expose(b.neg(b.floor(b.neg(this.node))))
  }

  /** To the nearest integer, halves to even, as NumPy and PyTorch do. */
  round(): Tensor {
    return expose(isFloat(this.dtype) ? b.round(this.node) : this.node)
  }

  /** Towards zero. */
  trunc(): Tensor {
    if (!isFloat(this.dtype)) return expose(this.node)
    const x = this.node
    const down = b.floor(b.abs(x))
    return expose(b.select(b.lt(x, b.zerosLike(x)), b.neg(down), down))
  }

  // ---- comparison: results are bool -----------------------------------------------------------------

  eq(other: Operand): Tensor {
    return binary('eq', this, other, b.eq)
  }

  ne(other: Operand): Tensor {
    return binary('ne', this, other, b.ne)
  }

  lt(other: Operand): Tensor {
    return binary('lt', this, other, b.lt)
  }

  le(other: Operand): Tensor {
    return binary('le', this, other, b.le)
  }

  gt(other: Operand): Tensor {
    return binary('gt', this, other, (x, y) => b.lt(y, x))
  }

  ge(other: Operand): Tensor {
    return binary('ge', this, other, (x, y) => b.le(y, x))
  }

  isNaN(): Tensor {
    return expose(b.ne(this.node, this.node))
  }

  isFinite(): Tensor {
    const x = asFloat(this.node)
    return expose(b.lt(b.abs(x), b.fullLike(x, Number.POSITIVE_INFINITY)))
  }

  isInf(): Tensor {
    const x = asFloat(this.node)
    return expose(b.eq(b.abs(x), b.fullLike(x, Number.POSITIVE_INFINITY)))
  }

  // ---- logic: any dtype counts as bool by being non-zero ----------------------------------------------

  logicalAnd(other: Operand): Tensor {
    return logical('logicalAnd', this, other, b.and)
  }

  logicalOr(other: Operand): Tensor {
    return logical('logicalOr', this, other, b.or)
  }

  logicalXor(other: Operand): Tensor {
    return logical('logicalXor', this, other, b.xor)
  }

  logicalNot(): Tensor {
    return expose(b.not(b.cast(this.node, 'bool')))
  }

  // ---- bits: integers and bool ------------------------------------------------------------------------

  bitwiseAnd(other: Operand): Tensor {
    return bits('bitwiseAnd', this, other, b.and)
  }

  bitwiseOr(other: Operand): Tensor {
    return bits('bitwiseOr', this, other, b.or)
  }

  bitwiseXor(other: Operand): Tensor {
    return bits('bitwiseXor', this, other, b.xor)
  }

  bitwiseLeftShift(other: Operand): Tensor {
    return bits('bitwiseLeftShift', this, other, b.shl)
  }

  bitwiseRightShift(other: Operand): Tensor {
    return bits('bitwiseRightShift', this, other, b.shr)
  }

  // ---- other ------------------------------------------------------------------------------------------

  /** The values in another dtype. Floats become integers by dropping the fraction. Mirrors `torch.to`. */
  cast(dtype: DType): Tensor {
    return expose(b.cast(this.node, checkDType('cast', dtype)))
  }

  /** `this` where `condition` holds, else `other`. Mirrors `torch.Tensor.where`. */
  where(condition: Operand, other: Operand): Tensor {
    return where(condition, this, other)
  }

  /** `value` where `mask` holds, else `this`. */
  maskedFill(mask: Operand, value: Operand): Tensor {
    const filled = where(mask, value, this)
    return filled.dtype === this.dtype ? filled : filled.cast(this.dtype)
  }

  /** The value without a gradient path. Mirrors `torch.detach`. */
  detach(): Tensor {
    return expose(detached(this.node))
  }
}

function logical(where: string, x: Operand, y: Operand, build: (x: Node, y: Node) => Node): Tensor {
  const [p, q] = meet(where, x, y)
  return expose(build(b.cast(p, 'bool'), b.cast(q, 'bool')))
}

function bits(where: string, x: Operand, y: Operand, build: (x: Node, y: Node) => Node): Tensor {
  const [p, q] = meet(where, x, y)
  requireKind(where, p, ['bool', 'int', 'uint'], 'integers or bool')
  return expose(build(p, q))
}

/**
 * `a` where `condition` holds, else `b`, elementwise; the three broadcast together. Mirrors
 * `torch.where`.
 */
export function where(condition: Operand, x: Operand, y: Operand): Tensor {
  const c = b.cast(operandNode('where', condition), 'bool')
  const [p, q] = meet('where', x, y)
  const shape = broadcastShapes('where', c.shape, p.shape)
  const dtype = promote(p.dtype, q.dtype)
  return expose(
    b.select(
      b.broadcastTo(c, shape),
      b.broadcastTo(b.cast(p, dtype), shape),
      b.broadcastTo(b.cast(q, dtype), shape),
    ),
  )
}

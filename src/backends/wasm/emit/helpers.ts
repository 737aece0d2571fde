// Functions that kernels call for what is rare or long: masked stores, integer division, remainders.

import { FunctionBody } from '../encode/function.js'
import type { ModuleBuilder } from '../encode/module.js'
import type { LaneMemoryOp, ValueType } from '../encode/opcodes.js'

/** Stores the lanes whose bits are set, and touches no other memory. */
function storeMasked(halves: number, op: LaneMemoryOp, bytes: number): FunctionBody {
  const parameters: ValueType[] = ['i32', 'v128', ...(halves === 2 ? ['v128' as const] : []), 'i32']
  const f = new FunctionBody({ parameters, results: [] })
  const bits = parameters.length - 1
  for (let l = 0; l < 4; l++) {
    f.get(bits)
    f.i32(1 << l)
    f.op('i32.and')
    f.if(() => {
      f.get(0)
      f.get(1 + (halves === 2 ? l >> 1 : 0))
      f.laneMemory(op, l * bytes, halves === 2 ? l & 1 : l)
    })
  }
  return f
}

/** a / b or a rem b, rounded to zero, that never traps: by 0 gives 0, by -1 wraps. */
function divide(type: 'i32' | 'i64', op: 'div_s' | 'rem_s'): FunctionBody {
  const f = new FunctionBody({ parameters: [type, type], results: [type] })
  const constant = (n: number): void => (type === 'i32' ? f.i32(n) : f.i64(BigInt(n)))
  f.get(1)
  f.op(`${type}.eqz`)
  f.if(() => {
    constant(0)
    f.op('return')
  })
  f.get(1)
  constant(-1)
  f.op(`${type}.eq`)
  f.if(() => {
    constant(0)
    if (op === 'div_s') {
      f.get(0)
      f.op(`${type}.sub`)
    }
    f.op('return')
  })
  f.get(0)
  f.get(1)
  f.op(`${type}.${op}`)
  return f
}

/**
 * The remainder of x / y with the sign of x, exact: y is doubled until it exceeds half of |x|, then
 * subtracted where it fits and halved again. Every step is exact.
 */
function floatRemainder(): FunctionBody {
  const f = new FunctionBody({ parameters: ['f64', 'f64'], results: ['f64'] })
  const [x, y] = [0, 1]
  const [rest, small, t] = [f.local('f64'), f.local('f64'), f.local('f64')]
  f.get(x)
  f.op('f64.abs')
  f.set(rest)
  f.get(y)
  f.op('f64.abs')
  f.tee(small)
  f.set(t)
  // Not (|x| < ∞ and |y| > 0): NaN, as is x · NaN. Written so that NaN operands end here too.
  f.get(rest)
  f.f64(Number.POSITIVE_INFINITY)
  f.op('f64.lt')
  f.get(small)
  f.f64(0)
  f.op('f64.gt')
  f.op('i32.and')
  f.op('i32.eqz')
  f.if(() => {
    f.f64(Number.NaN)
    f.op('return')
  })
  f.block(() => {
    f.loop(() => {
      f.get(t)
      f.get(t)
      f.op('f64.add')
      f.get(rest)
      f.op('f64.le')
      f.op('i32.eqz')
      f.branchIf(1)
      f.get(t)
      f.get(t)
      f.op('f64.add')
      f.set(t)
      f.branch(0)
    })
  })
  f.block(() => {
    f.loop(() => {
      f.get(rest)
      f.get(t)
      f.op('f64.ge')
      f.if(() => {
        f.get(rest)
        f.get(t)
        f.op('f64.sub')
        f.set(rest)
      })
      f.get(t)
      f.get(small)
      f.op('f64.le')
      f.branchIf(1)
      f.get(t)
      f.f64(0.5)
      f.op('f64.mul')
      f.set(t)
      f.branch(0)
    })
  })
  f.get(rest)
  f.get(x)
  f.op('f64.copysign')
  return f
}

const HELPERS = {
  storeMasked8: () => storeMasked(1, 'v128.store8_lane', 1),
  storeMasked32: () => storeMasked(1, 'v128.store32_lane', 4),
  storeMasked64: () => storeMasked(2, 'v128.store64_lane', 8),
  div_i32: () => divide('i32', 'div_s'),
  div_i64: () => divide('i64', 'div_s'),
  rem_i32: () => divide('i32', 'rem_s'),
  rem_i64: () => divide('i64', 'rem_s'),
  rem_float: floatRemainder,
} as const

export type Helper = keyof typeof HELPERS

export class Helpers {
  private readonly added = new Map<Helper, number>()

  constructor(private readonly module: ModuleBuilder) {}

  /** The helper's function index; it is added to the module when first asked for. */
  index(name: Helper): number {
    let index = this.added.get(name)
    if (index === undefined) {
      index = this.module.add(HELPERS[name]())
      this.added.set(name, index)
    }
    return index
  }
}

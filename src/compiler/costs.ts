// Elementwise operations, and what an element of each costs: what decides between computing it again where
// it is used, and storing it once.

import { isFloat } from '../base/dtype.js'
import type { Node } from '../ir/node.js'

/** Additions of vectors, roughly, that take as long. */
const COSTS = {
  neg: 1,
  abs: 1,
  sqrt: 4,
  floor: 1,
  round: 1,
  exp: 14,
  expm1: 20,
  log: 30,
  log1p: 36,
  sin: 90,
  cos: 90,
  tanh: 20,
  erf: 30,
  cast: 1,
  bitcast: 1,
  add: 1,
  sub: 1,
  mul: 1,
  div: 4,
  rem: 8,
  pow: 180,
  max: 1,
  min: 1,
  and: 1,
  or: 1,
  xor: 1,
  shl: 1,
  shr: 1,
  eq: 1,
  lt: 1,
  le: 1,
  select: 1,
  threefry: 120,
} as const

/** The name of an elementwise operation: each has an entry in the table of how it is lowered, too. */
export type Elementwise = keyof typeof COSTS

const costs: ReadonlyMap<string, number> = new Map(Object.entries(COSTS))

export const isElementwise = (op: string): op is Elementwise => costs.has(op)

/** The remainder of floats takes a loop: it is exact, however far apart they are. */
const FLOAT_REM = 680

/** What an element of any node costs. Operations that find their operands elsewhere cost a load. */
export const laneCost = ({ op, dtype }: Node): number =>
  op.name === 'rem' && isFloat(dtype) ? FLOAT_REM : (costs.get(op.name) ?? 1)

// What instructions of WebAssembly are called that single values and lanes have alike: what follows the dot.

import type { Fn } from '../../../compiler/kernel/ir.js'

export const FLOAT: Partial<Record<Fn, string>> = {
  add: 'add',
  sub: 'sub',
  mul: 'mul',
  div: 'div',
  min: 'min',
  max: 'max',
  neg: 'neg',
  abs: 'abs',
  sqrt: 'sqrt',
  floor: 'floor',
  ceil: 'ceil',
  trunc: 'trunc',
  round: 'nearest',
  eq: 'eq',
  ne: 'ne',
  lt: 'lt',
  le: 'le',
}

export const INTEGER: Partial<Record<Fn, string>> = {
  add: 'add',
  sub: 'sub',
  mul: 'mul',
  eq: 'eq',
  ne: 'ne',
  lt: 'lt_s',
  le: 'le_s',
}

// The tree that makes one value of many lanes: lane l with l + lanes/2, again and again.

import type { Fn, Reg } from '../../../compiler/kernel/ir.js'
import { isFloat, isWide, type Numeric, SUFFIX } from './isa/isa.js'
import type { VectorBits, VReg } from './machine/code.js'
import { partSize, type State } from './state.js'

function pair(e: State, fn: Fn, type: Numeric, a: VReg, b: VReg, bits: VectorBits): VReg {
  const { code, isa } = e
  const out = code.vector()
  if (fn === 'min' || fn === 'max') isa.extremum(out, fn, type, a, b, bits)
  else if (isFloat(type)) code.v(`v${fn}${SUFFIX[type]}`, bits, out, a, b)
  else if (fn === 'add') code.v(`vpadd${SUFFIX[type]}`, bits, out, a, b)
  else if (type === 'i32') code.v('vpmulld', bits, out, a, b)
  else isa.multiplyLongs(out, a, b, bits)
  return out
}

/** Combines registers that together hold the lanes in order; lane 0 of `dst` gets the result. */
function combineVectors(
  e: State,
  dst: VReg,
  fn: Fn,
  type: Numeric,
  vectors: readonly VReg[],
  width: VectorBits,
): void {
  const { code, isa } = e
  let list = vectors.slice()
  while (list.length > 1) {
    const half = list.length / 2
    list = list.slice(0, half).map((v, i) => pair(e, fn, type, v, list[i + half]!, width))
  }
  let last = list[0]!
  let bits = width
  // Upper halves onto lower ones, down to one register of 128 bits …
  while (bits > 128) {
    const upper = isa.half(last, 1, bits)
    bits = bits === 512 ? 256 : 128
    last = pair(e, fn, type, last, upper, bits)
  }
  // … and its lanes: 64 bits, then 32.
  for (const order of isWide(type) ? [0xee] : [0xee, 0x55]) {
    const moved = code.vector()
    code.v('vpshufd', 128, moved, last, order)
    last = pair(e, fn, type, last, moved, 128)
  }
  isa.copy(dst, last, 128)
}

/** Combines the lanes of an accumulator, l with l + lanes/2 and so on, into a scalar. */
export function emitCombine(e: State, dst: Reg, from: Reg, fn: Fn): void {
  const { isa, registers } = e
  const type = from.type as Numeric
  const size = partSize(from.lanes, isa.lanes)
  const halves = isa.halves(type, size)
  const outer = { ...e.lanes, size }
  // Registers in lane order.
  const vectors = Array.from({ length: (from.lanes / size) * halves }, (_, i) =>
    registers.get(from, Math.floor(i / halves), i % halves, outer),
  )
  registers.assign(dst, 0, 0, e.lanes, (out) =>
    combineVectors(e, out, fn, type, vectors, isa.width(type, size)),
  )
}

// Stores of squares (see compiler/kernel/squares.ts): eight shuffles turn four registers.

import { SIDE, type Store } from '../../../compiler/kernel/squares.js'
import { accessOf, pointerOf } from './access.js'
import { imm, mem, type VReg, view } from './machine/code.js'
import { isWhole, type State } from './state.js'

/** Stores a part of a square: lane l of all four registers, side by side, for each l that takes part. */
export function storeSquare(e: State, square: readonly Store[], part: number): void {
  const { code, isa, lanes, registers } = e
  const a = accessOf(e, square[0]!)
  const pointer = pointerOf(e, square[0]!, a)
  const bits = isa.width('f32', lanes.size)
  const pair = (op: string, x: VReg, y: VReg): VReg => {
    const out = code.vector()
    code.v(op, bits, out, x, y)
    return out
  }
  const [r0, r1, r2, r3] = square.map((s) => registers.get(s.from, part, 0, lanes)) as [
    VReg,
    VReg,
    VReg,
    VReg,
  ]
  // In each group of four lanes: lanes 0 and 1, then 2 and 3, of two registers each …
  const turned: VReg[] = []
  for (const half of ['l', 'h']) {
    const left = pair(`vunpck${half}ps`, r0, r1)
    const right = pair(`vunpck${half}ps`, r2, r3)
    // … and one lane of all four.
    turned.push(pair('vunpcklpd', left, right), pair('vunpckhpd', left, right))
  }
  const active = isWhole(lanes, part) ? lanes.size : lanes.mask!.prefix![part]!
  for (let lane = 0; lane < active; lane++) {
    const group = Math.floor(lane / SIDE)
    const from = turned[lane % SIDE]!
    const to = mem(pointer, a.bytes + a.laneBytes * (lanes.size * part + lane))
    if (group === 0) code.emit('vmovups', [to, view(from, 128)])
    else code.emit(isa.extract, [to, view(from, bits), imm(group)])
  }
}

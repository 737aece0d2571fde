// Transposes: four stores in a row whose lanes are far apart, but which lie side by side, write the
// transpose of four registers. Turning them takes eight shuffles and one store of 16 bytes a lane, where
// single elements would take four a lane. Packing for matrix products is made of these.

import type { Stmt } from '../../../compiler/kernel/ir.js'
import { accessOf, pointerOf } from './loads.js'
import { imm, mem, type VReg, view } from './machine/code.js'
import { isWhole, type Of, type State } from './state.js'

type Store = Of<'store'>
const SIDE = 4

/** For each store of a square of a run: the whole square. */
export function findSquares(e: State, run: readonly Stmt[]): Map<Stmt, readonly Store[]> {
  const squares = new Map<Stmt, readonly Store[]>()
  const { lanes } = e
  if (lanes.size === 1 || (lanes.mask && lanes.mask.prefix === null)) return squares
  for (let i = 0; i + SIDE <= run.length; ) {
    const four = run.slice(i, i + SIDE)
    if (isSquare(e, four)) {
      for (const s of four) squares.set(s, four)
      i += SIDE
    } else {
      i++
    }
  }
  return squares
}

function isSquare(e: State, four: readonly Stmt[]): four is readonly Store[] {
  const [first] = four
  if (first?.op !== 'store') return false
  const a = accessOf(e, first)
  if (Math.abs(a.laneBytes) < 16 || !a.near) return false
  return four.every((s, i) => {
    if (s.op !== 'store' || s.when !== undefined) return false
    const b = accessOf(e, s)
    return (
      (s.buffer.type === 'f32' || s.buffer.type === 'i32') &&
      !e.registers.isUniform(s.from) &&
      b.pointer === a.pointer &&
      b.varying.length === 0 &&
      b.laneBytes === a.laneBytes &&
      b.bytes === a.bytes + 4 * i
    )
  })
}

/** Stores a part of a square: lane l of all four registers, side by side, for each l that takes part. */
export function storeSquare(e: State, square: readonly Store[], part: number): void {
  const { code, isa, lanes, registers } = e
  const a = accessOf(e, square[0]!)
  const pointer = pointerOf(e, a)
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
  const extract = isa.level === 'avx2' ? 'vextractf128' : 'vextractf32x4'
  for (let lane = 0; lane < active; lane++) {
    const group = Math.floor(lane / SIDE)
    const from = turned[lane % SIDE]!
    const to = mem(pointer, a.bytes + a.laneBytes * (lanes.size * part + lane))
    if (group === 0) code.emit('vmovups', [to, view(from, 128)])
    else code.emit(extract, [to, view(from, bits), imm(group)])
  }
}

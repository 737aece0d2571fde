// What vectors cannot do: a loop over the lanes of a part, whose operands wait in the stack frame.

import { type Code, type Mem, mem, type VectorBits, type VReg, view } from './machine/code.js'

/** A register, and how its lanes lie. */
interface LaneOperand {
  readonly reg: VReg
  readonly bits: VectorBits
  /** Bytes of a lane. */
  readonly size: 4 | 8
}

export interface LaneLoop {
  /** How many lanes there are. */
  readonly lanes: number
  readonly operands: readonly LaneOperand[]
  /** The register that gets the results. */
  readonly result?: LaneOperand
  /** A bit for each lane that takes part; all do where it is left out. */
  readonly active?: VReg | null
}

/**
 * Emits `body` once, in a loop over lanes. It gets where the current lane of each operand is, and where to
 * put that of the result.
 */
export function laneLoop(
  code: Code,
  { lanes, operands, result, active }: LaneLoop,
  body: (at: readonly Mem[], to: Mem) => void,
): void {
  const store = (bits: VectorBits, place: Mem, reg: VReg): void =>
    code.emit('vmovups', [place, view(reg, bits)])
  const places = operands.map((o) => {
    const place = code.frame(64)
    store(o.bits, mem(place), o.reg)
    return place
  })
  const to = code.frame(64)
  const skip = code.label()
  const counter = code.gp()
  const at = (place: (typeof places)[number], size: 4 | 8): Mem =>
    lanes === 1 ? mem(place) : mem(place, 0, { index: counter, scale: size })
  const round = (): void => {
    if (active) {
      code.g('bt', active, lanes === 1 ? 0 : counter)
      code.jump('jnc', skip)
    }
    body(
      operands.map((o, i) => at(places[i]!, o.size)),
      at(to, result?.size ?? 4),
    )
    code.bind(skip)
  }
  if (lanes === 1) {
    round()
  } else {
    const top = code.label()
    code.g('mov', counter, 0)
    code.bind(top)
    code.inLoop(() => {
      round()
      code.g('add', counter, 1)
      code.g('cmp', counter, lanes)
      code.jump('jl', top)
    })
  }
  if (result) code.v('vmovups', result.bits, result.reg, mem(to))
}

// Division where vectors have no instruction for it: by way of float64, or lane by lane.

import { isWide } from './isa/isa.js'
import { laneLoop } from './lane-loop.js'
import type { Call } from './lanewise.js'
import { imm, type Mem, type VReg, view } from './machine/code.js'

/** 32-bit quotients by way of float64, which is exact; dividing by zero and INT_MIN / -1 cannot trap. */
export function divide32(call: Call, dst: VReg): void {
  const { e, bits, args } = call
  const { code, isa } = e
  const lanes = call.lanes
  const wide = isa.width('f64', lanes)
  const halves: VReg[] = []
  for (let half = 0; half < isa.halves('f64', lanes); half++) {
    const [a, b] = args.map((r) => {
      const out = code.vector()
      const from = isa.half(r, half, bits)
      code.emit('vcvtdq2pd', [view(out, wide), view(from, wide === 512 ? 256 : 128)])
      return out
    })
    const [q, out] = [code.vector(), code.vector()]
    code.v('vdivpd', wide, q, a!, b!)
    code.emit('vcvttpd2dq', [view(out, wide === 512 ? 256 : 128), view(q, wide)])
    halves.push(out)
  }
  const [low, high] = halves
  if (high) isa.join(dst, low!, high, bits)
  else isa.copy(dst, low!, bits)
}

/** Computes a function lane by lane. */
function oneByOne(call: Call, body: (a: Mem, b: Mem, to: Mem) => void): void {
  const { e, bits, dst, args, type, lanes } = call
  const size = isWide(type) ? 8 : 4
  const operands = args.map((reg) => ({ reg, bits, size }) as const)
  const result = { reg: dst, bits, size } as const
  laneLoop(e.code, { lanes, operands, result }, ([a, b], to) => body(a!, b!, to))
}

/** 64-bit division, guarded: by 0 gives 0, and by -1 is a negation. */
export function divideOneByOne(call: Call, fn: 'div' | 'rem'): void {
  const { code } = call.e
  const [rax, rdx] = [code.reg('gp', 0), code.reg('gp', 2)]
  oneByOne(call, (a, b, to) => {
    const [divisor, result] = [code.gp(), code.gp()]
    const [done, negate] = [code.label(), code.label()]
    code.g('mov', divisor, b)
    code.g('mov', result, 0)
    code.g('test', divisor, divisor)
    code.jump('je', done)
    code.g('cmp', divisor, -1)
    code.jump('je', negate)
    code.g('mov', rax, a)
    code.emit('cqo', [], { reads: [rax], writes: [rdx] })
    code.emit('idiv', [view(divisor, 64)], { reads: [rax, rdx], writes: [rax, rdx] })
    code.g('mov', result, fn === 'div' ? rax : rdx)
    code.jump('jmp', done)
    code.bind(negate)
    if (fn === 'div') {
      code.g('mov', result, a)
      code.g('neg', result)
    }
    code.bind(done)
    code.emit('mov', [to, view(result, 64)])
  })
}

/** The remainder of truncating division, exact, by the x87's partial remainders. */
export function remainderOneByOne(call: Call): void {
  const { e, type } = call
  const { code } = e
  const ax = code.reg('gp', 0)
  const size = type === 'f64' ? 64 : 32
  oneByOne(call, (a, b, to) => {
    const again = code.label()
    code.emit(`fld${size}`, [b])
    code.emit(`fld${size}`, [a])
    code.bind(again)
    code.emit('fprem', [])
    code.emit('fnstsw', [view(ax, 16)])
    code.emit('test', [view(ax, 32), imm(0x400)])
    code.jump('jne', again)
    // The divisor is below, and has to go as well.
    code.emit('fxch', [])
    code.emit(`fstp${size}`, [to])
    code.emit(`fstp${size}`, [to])
  })
}

// Register allocation on code written by hand.

import { describe, expect, test } from 'vitest'
import { allocate, type RegisterFile, registerFile } from './allocate.js'
import { Code, mem, r64, type VReg, view } from './code.js'
import { SYSTEM_V } from './convention.js'
import { countsOf, dropDead, foldLoads } from './fold.js'
import { intervalsOf } from './intervals.js'
import { formatCode } from './print.js'
import { constantLoads, rewriteSpills } from './spill.js'
import { foldSpreads } from './spreads.js'

const avx2 = registerFile('avx2', SYSTEM_V)
const never = (): boolean => false
const small: RegisterFile = { gp: [0, 1, 3], vector: [0, 1], mask: [1] }

/** A counted loop that adds `step` to `sum`. */
function loop(code: Code): { sum: VReg; step: VReg; counter: VReg } {
  const [sum, step, counter] = [code.gp(), code.gp(), code.gp()]
  code.g('mov', sum, 0)
  code.g('mov', step, 3)
  code.g('mov', counter, 0)
  const top = code.label()
  code.bind(top)
  code.inLoop(() => {
    code.g('add', sum, step)
    code.g('add', counter, 1)
    code.g('cmp', counter, 10)
    code.jump('jl', top)
  })
  return { sum, step, counter }
}

describe('intervals', () => {
  test('what a loop reads lives until the loop ends', () => {
    const code = new Code()
    const { step, sum } = loop(code)
    const last = 2 * (code.instructions.length - 1)
    code.emit('mov', [mem(code.frame(8)), r64(sum)])
    const of = (r: VReg) => intervalsOf(code).find((i) => i.reg === r)!
    expect(of(step).start).toBe(3)
    expect(of(step).end).toBeGreaterThanOrEqual(last)
    expect(of(sum).end).toBe(last + 2)
  })

  test('what is written in a branch and read after it lives from before the branch', () => {
    const code = new Code()
    const [a, b] = [code.gp(), code.gp()]
    const skip = code.label()
    code.g('mov', a, 1)
    code.g('mov', b, 2)
    code.g('cmp', a, 1)
    code.jump('je', skip)
    code.g('mov', b, 5)
    code.bind(skip)
    code.g('add', a, b)
    code.emit('mov', [mem(code.frame(8)), r64(a)])
    const b1 = intervalsOf(code).find((i) => i.reg === b)!
    expect([b1.start, b1.end]).toEqual([3, 12])
  })
})

describe('allocation', () => {
  test('values that are alive together have different registers', () => {
    const code = new Code()
    const { sum, step, counter } = loop(code)
    code.emit('mov', [mem(code.frame(8)), r64(sum)])
    const { homes, spilled } = allocate(code, avx2, never)
    expect(spilled).toEqual([])
    expect(new Set([sum, step, counter].map((r) => homes[r.id])).size).toBe(3)
  })

  test('a copy of a value that dies takes its register', () => {
    const code = new Code()
    const [a, b] = [code.vector(), code.vector()]
    code.v('vzero', 256, a)
    code.v('vmovaps', 256, b, a)
    code.emit('vmovups', [mem(code.frame(32)), view(b, 256)])
    const { homes } = allocate(code, avx2, never)
    expect(homes[b.id]).toBe(homes[a.id])
  })

  test('values alive over an instruction that insists on a register stay clear of it', () => {
    const code = new Code()
    const { sum } = loop(code)
    const rax = code.reg('gp', 0)
    code.g('mov', rax, 1)
    code.g('add', sum, rax)
    code.emit('mov', [mem(code.frame(8)), r64(sum)])
    const { homes } = allocate(code, avx2, never)
    expect(homes[sum.id]).not.toBe(0)
  })

  test('the value used least, and longest, is the one that goes', () => {
    const code = new Code()
    const idle = code.gp()
    code.g('mov', idle, 7)
    const { sum } = loop(code)
    code.g('add', sum, idle)
    code.emit('mov', [mem(code.frame(8)), r64(sum)])
    const { spilled } = allocate(code, small, never)
    expect(spilled).toEqual([idle])
    rewriteSpills(code, spilled, constantLoads(code), 256, false)
    expect(allocate(code, small, never).spilled).toEqual([])
    expect(formatCode(code.instructions)).toContain('mov [frame + 8], ')
  })

  test('constants are read from memory again, not from the stack', () => {
    const code = new Code()
    const [c, x] = [code.vector(), code.vector()]
    const place = code.constant(new Uint8Array(32).fill(1))
    code.v('vmovups', 256, c, mem(place))
    code.v('vmovups', 256, x, mem(code.frame(32)))
    code.v('vaddps', 256, x, c, x)
    code.emit('vmovups', [mem(code.frame(32)), view(x, 256)])
    const constants = constantLoads(code)
    expect(constants.map((load) => load !== undefined)).toEqual([true, false])
    rewriteSpills(code, [c], constants, 256, false)
    expect(formatCode(code.instructions)).toContain(`vaddps v${x.id}, v${x.id}, [pool]`)
  })
})

describe('folding', () => {
  test('a load used once becomes an operand, unless its memory or pointer may have changed', () => {
    const between: readonly ((code: Code, p: VReg, x: VReg) => void)[] = [
      () => {},
      (code, p) => code.g('add', p, 64),
      (code, p, x) => code.emit('vmovups', [mem(p), view(x, 512)]),
      (code) => code.bind(code.label()),
    ]
    const folded = between.map((change) => {
      const code = new Code()
      const [p, x, y] = [code.gp(), code.vector(), code.vector()]
      code.g('mov', p, 0)
      code.v('vzero', 512, x)
      code.v('vbroadcastss', 512, y, mem(p, 4))
      change(code, p, x)
      code.v('vfmadd231ps', 512, x, y, x)
      foldLoads(code, countsOf(code), true)
      return formatCode(code.instructions).includes('{spread}')
    })
    expect(folded).toEqual([true, false, false, false])
  })

  test('some spread loads become operands of all their users, as many as loads have room', () => {
    /** A tile's step: so many rows of some registers; the pointer may move after the first of a row. */
    const step = (rows: number, registers: number, moves = false): string[] => {
      const code = new Code()
      const p = code.gp()
      const lanes = Array.from({ length: registers }, () => code.vector())
      code.g('mov', p, 0)
      for (const [i, x] of lanes.entries()) code.v('vmovups', 512, x, mem(p, 64 * i))
      for (let i = 0; i < rows; i++) {
        const splat = code.vector()
        code.v('vbroadcastss', 512, splat, mem(p, 4 * i))
        for (const [j, x] of lanes.entries()) {
          code.v('vfmadd231ps', 512, code.vector(), splat, x)
          if (moves && j === 0) code.g('add', p, 4)
        }
      }
      foldSpreads(code, countsOf(code))
      return formatCode(code.instructions).split('\n')
    }
    const counts = (lines: string[]) =>
      ['{spread}', 'vbroadcastss'].map((s) => lines.filter((line) => line.includes(s)).length)
    // 24 multiply-adds leave room for 20 loads: 2 registers, 6 elements loaded once, 6 twice.
    expect(counts(step(12, 2))).toEqual([12, 6])
    expect(counts(step(2, 2))).toEqual([0, 2])
    expect(counts(step(12, 2, true))).toEqual([0, 12])
    // 27 leave room for 22: 3 registers, 4 elements loaded once, 5 three times.
    expect(counts(step(9, 3))).toEqual([15, 4])
  })

  test('what nobody reads is not computed', () => {
    const code = new Code()
    const [a, b, c] = [code.vector(), code.vector(), code.vector()]
    code.v('vzero', 256, a)
    code.v('vaddps', 256, b, a, a)
    code.v('vmulps', 256, c, b, b)
    dropDead(code)
    expect(code.instructions).toEqual([])
  })
})

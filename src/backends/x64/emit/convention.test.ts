// Kernels by other systems' calling conventions, called as those call: they find their arguments, compute the
// same, and leave the registers alone that are not theirs.

import { describe, expect, test } from 'vitest'
import { LEVELS } from '../../../../test/support/kernels/x64.js'
import { plus } from '../../../compiler/kernel/affine.js'
import { KernelBuilder } from '../../../compiler/kernel/builder.js'
import { interpretKernel } from '../../../compiler/kernel/interpret.js'
import type { Kernel } from '../../../compiler/kernel/ir.js'
import { Assembler, gp64, mem, qword, rax, rdi, rsp, xmm } from '../assembler/index.js'
import { addressOf } from '../native/arrays.js'
import { Code, callable } from '../native/code.js'
import { type CpuLevel, emitKernel } from './kernel.js'
import { type Convention, SYSTEM_V, WIN64 } from './machine/convention.js'

/** What `caller` is given: the function, its four arguments, and where to note its registers. */
const GIVEN = {
  target: 0,
  arguments: 8,
  general: 40,
  vector: 40 + 8 * 16,
  bytes: 40 + 24 * 16,
} as const
const OURS = [3, 5, 12, 13, 14, 15]
/** Windows wants room for four words above the return address, whatever it calls. */
const SHADOW = 32

/** void f(given): calls a function by a convention, with a pattern in all registers it should preserve. */
function caller({ arguments: places, general, vector }: Convention): Uint8Array {
  const a = new Assembler()
  for (const n of [...OURS, 7]) a.push(gp64(n))
  a.sub(rsp, SHADOW)
  for (const n of vector) {
    a.movabs(rax, BigInt(1000 + n))
    a.vmovq(xmm(n), rax)
    a.vpunpcklqdq(xmm(n), xmm(n), xmm(n))
  }
  a.mov(rax, rdi)
  for (const [i, n] of places.entries())
    a.mov(gp64(n), mem({ base: rax, disp: GIVEN.arguments + 8 * i }))
  for (const n of general) a.mov(gp64(n), 2000 + n)
  a.call(qword({ base: rax, disp: GIVEN.target }))
  a.mov(rax, mem({ base: rsp, disp: SHADOW }))
  for (const n of general) a.mov(mem({ base: rax, disp: GIVEN.general + 8 * n }), gp64(n))
  for (const n of vector) a.vmovups(mem({ base: rax, disp: GIVEN.vector + 16 * n }), xmm(n))
  a.add(rsp, SHADOW)
  for (const n of [7, ...[...OURS].reverse()]) a.pop(gp64(n))
  a.ret()
  return a.finish()
}

/** y[i] from forty neighbours of x[i], all of them alive at once, by way of scratch memory. */
function crowded(n: number): Kernel {
  const k = new KernelBuilder('crowded')
  const x = k.buffer('x', 'f32', 'read', n + 40)
  const y = k.buffer('y', 'f32', 'write', n)
  const t = k.scratch('t', 'f32', n)
  k.vector('i', n, 16, (i) => {
    const all = Array.from({ length: 40 }, (_, j) => k.load(x, plus(i, j)))
    let sum = k.set('sub', all[39]!, all[0]!)
    for (const v of all) sum = k.set('sub', v, sum)
    k.status(k.set('lt', sum, k.const('f32', -1e9)), 1)
    k.store(t, i, sum)
  })
  k.vector('i', n, 16, (i) => k.store(y, i, k.load(t, i)))
  return k.finish()
}

function call(kernel: Kernel, level: CpuLevel, convention: Convention, x: Float32Array, n: number) {
  const [code, via] = [
    Code.load(emitKernel(kernel, level, convention)),
    Code.load(caller(convention)),
  ]
  const [y, scratch, fault] = [new Float32Array(n), new Float32Array(n + 32), new Int32Array(2)]
  const slots = BigUint64Array.of(BigInt(addressOf(x)), BigInt(addressOf(y)))
  const given = new BigUint64Array(GIVEN.bytes / 8)
  const scratchAt = 64 * Math.ceil(addressOf(scratch) / 64)
  const words = [code.address, 0, scratchAt, addressOf(slots), addressOf(fault)]
  given.set(words.map(BigInt))
  callable(via.address, 'void', ['int64_t'])(addressOf(given))
  code.free()
  via.free()
  const general = convention.general.map((r) => Number(given[GIVEN.general / 8 + r]!))
  const vector = convention.vector.flatMap((r) => {
    const at = GIVEN.vector / 8 + 2 * r
    return [Number(given[at]!), Number(given[at + 1]!)]
  })
  return { y, fault: fault[0], general, vector }
}

describe.each(LEVELS)('on %s', (level) => {
  test.each([
    ['System V', SYSTEM_V],
    ['Windows', WIN64],
  ])('a kernel for %s', (_, convention) => {
    const n = 37
    const kernel = crowded(n)
    const x = Float32Array.from({ length: n + 40 }, (_, i) => Math.sin(i))
    const want = new Float32Array(n)
    interpretKernel(kernel, [x, want])
    const { y, fault, general, vector } = call(kernel, level, convention, x, n)
    expect(y).toEqual(want)
    expect(fault).toBe(0)
    expect(general).toEqual(convention.general.map((r) => 2000 + r))
    expect(vector).toEqual(convention.vector.flatMap((r) => [1000 + r, 1000 + r]))
  })
})

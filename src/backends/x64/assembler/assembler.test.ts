// What the tables do not say: jumps, labels, alignment, data, constants, errors, the listing.

import { describe, expect, test } from 'vitest'
import { ValueError } from '../../../base/errors.js'
import { Assembler, byte, dword, eax, k, mem, r13, rax, rcx, rsp, xmm, ymm, zmm } from './index.js'

const hex = (a: Assembler): string => Buffer.from(a.finish()).toString('hex')
const filled = (n: number): number[] => new Array<number>(n).fill(0xcc)

describe('jumps', () => {
  test.each([
    [127, 'eb7f'],
    [128, 'e980000000'],
  ])('forward over %i bytes', (distance, expected) => {
    const a = new Assembler()
    const end = a.label()
    a.jmp(end)
    a.db(filled(distance))
    a.bind(end)
    expect(hex(a)).toBe(expected + 'cc'.repeat(distance))
  })

  test.each([
    [126, '7580'],
    [127, '0f857bffffff'],
  ])('backward over %i bytes', (distance, expected) => {
    const a = new Assembler()
    const start = a.bind(a.label())
    a.db(filled(distance))
    a.jne(start)
    expect(hex(a)).toBe('cc'.repeat(distance) + expected)
  })

  test('one that grows pushes another out of reach', () => {
    const a = new Assembler()
    const [near, far] = [a.label(), a.label()]
    a.je(near) // 126 bytes and the jump within: 128, or 132 once that is long
    a.jmp(far)
    a.db(filled(124))
    a.bind(near)
    a.db(filled(10))
    a.bind(far)
    const code = a.finish()
    expect([...code.subarray(0, 7)]).toEqual([0x0f, 0x84, 129, 0, 0, 0, 0xe9])
    expect(near.offset).toBe(6 + 129)
    expect(far.offset).toBe(code.length)
  })

  test('calls are near, and reach labels on either side', () => {
    const a = new Assembler()
    const f = a.label('f')
    a.call(f)
    a.ret()
    a.bind(f)
    a.ret()
    expect(hex(a)).toBe('e801000000c3c3')
  })

  test('land where they should whatever is aligned in between', () => {
    for (let gap = 0; gap < 140; gap++) {
      const a = new Assembler()
      const [loop, end] = [a.label(), a.label()]
      a.db(filled(gap % 13))
      a.jmp(end)
      a.db(filled(gap))
      a.align(64)
      a.bind(loop)
      a.jmp(loop)
      a.bind(end)
      a.ret()
      const code = a.finish()
      expect(loop.offset % 64).toBe(0)
      expect([...code.subarray(loop.offset, loop.offset + 2)]).toEqual([0xeb, 0xfe])
      const at = gap % 13
      const view = new DataView(code.buffer)
      const target =
        code[at] === 0xeb ? at + 2 + view.getInt8(at + 1) : at + 5 + view.getInt32(at + 1, true)
      expect(target).toBe(end.offset)
      expect(code[target]).toBe(0xc3)
    }
  })
})

describe('labels and data', () => {
  test('distances to labels count what follows them in the instruction', () => {
    const a = new Assembler()
    const data = a.label('data')
    a.cmp(mem({ label: data, size: 4 }), 1)
    a.lea(rax, mem({ label: data, disp: 4 }))
    a.bind(data)
    a.db([254, 255, 255, 255, 7])
    expect(hex(a)).toBe('833d0700000001' + '488d0504000000' + 'feffffff' + '07')
  })

  test('constants are kept once, aligned, the most aligned first', () => {
    const a = new Assembler()
    const one = a.float32(1)
    const lanes = a.constant(Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7))
    expect(a.float32(1)).toBe(one)
    a.vbroadcastss(xmm(0), mem({ label: one }))
    a.vmovaps(ymm(1), mem({ label: lanes }))
    a.ret()
    const code = a.finish()
    expect(lanes.offset).toBe(32)
    expect(one.offset).toBe(64)
    expect(code.length).toBe(68)
    expect(new DataView(code.buffer).getFloat32(one.offset, true)).toBe(1)
    expect(new DataView(code.buffer).getInt32(5, true)).toBe(one.offset - 9)
  })

  test('equal bytes with a stronger alignment are another constant', () => {
    const a = new Assembler()
    const loose = a.constant(Int32Array.of(1, 2))
    const strict = a.constant(Int32Array.of(1, 2), 64)
    expect(strict).not.toBe(loose)
    expect(a.constant(Int32Array.of(1, 2), 64)).toBe(strict)
    expect(a.constant(Int32Array.of(1, 2))).toBe(loose)
    a.ret()
    a.finish()
    expect(strict.offset).toBe(64)
  })

  test('a label in use has to be bound, once', () => {
    const a = new Assembler()
    const label = a.label('nowhere')
    a.jmp(label)
    expect(() => a.finish()).toThrow(/every label in use to be bound.*nowhere/)
    a.bind(label)
    expect(() => a.bind(label)).toThrow(ValueError)
  })

  test('nothing comes after the end', () => {
    const a = new Assembler()
    a.ret()
    expect(a.finish()).toBe(a.finish())
    expect(() => a.ret()).toThrow(ValueError)
    expect(() => a.db([1])).toThrow(ValueError)
    expect(() => a.float32(1)).toThrow(ValueError)
  })
})

describe('mistakes', () => {
  const a = new Assembler()

  test('are type errors where TypeScript can see them', () => {
    // @ts-expect-error a general register among vectors
    expect(() => a.vaddps(rax, ymm(1), ymm(2))).toThrow(ValueError)
    // @ts-expect-error too few
    expect(() => a.vaddps(ymm(0), ymm(1))).toThrow(ValueError)
    // @ts-expect-error 32 bits in an address
    expect(() => mem({ base: eax })).toThrow(ValueError)
    // @ts-expect-error a vector where a mask belongs
    expect(() => a.vcmpps(k(1), zmm(0), zmm(1), zmm(2))).toThrow(ValueError)
    // @ts-expect-error no mask in VEX
    expect(() => a.vblendps(ymm(0), ymm(1), ymm(2), 1, { mask: k(1) })).toThrow(ValueError)
    // @ts-expect-error one address for a gather
    expect(() => a.vgatherdps(zmm(0), mem({ base: rax }), { mask: k(1) })).toThrow(ValueError)
  })

  test.each([
    ['lengths differ', () => a.vaddps(ymm(0), zmm(1), ymm(2))],
    ['widths differ', () => a.add(rax, eax)],
    ['two in memory', () => a.mov(mem({ base: rax }) as never, mem({ base: rcx }) as never)],
    ['no immediate of 64 bits', () => a.add(rax, 2 ** 31)],
    ['an immediate of 8 bits', () => a.shl(rax, 256)],
    ['high registers in VEX', () => a.vhaddps(xmm(0), xmm(16), xmm(1))],
    ['k0 masks nothing', () => a.vaddps(zmm(0), zmm(1), zmm(2), { mask: k(0) })],
    ['zeroing without a mask', () => a.vaddps(zmm(0), zmm(1), zmm(2), { zero: true })],
    ['zeroing memory', () => a.vmovups(mem({ base: rax }), zmm(0), { mask: k(1), zero: true })],
    ['rounding of memory', () => a.vaddps(zmm(0), zmm(1), mem({ base: rax }), { rounding: 'up' })],
    ['rounding of 256 bits', () => a.vaddps(ymm(0), ymm(1), ymm(2), { rounding: 'up' })],
    ['a gather without a mask', () => a.vgatherdps(zmm(0), mem({ index: zmm(1), base: rax }))],
    ['broadcast of bytes', () => a.vpaddb(zmm(0), zmm(1), mem({ base: rax, broadcast: true }))],
    ['another size', () => a.vaddps(ymm(0), ymm(1), dword({ base: rax }))],
    ['the size is open', () => a.inc(mem({ base: rax }))],
    ['the size is open', () => a.movzx(eax, mem({ base: rax }))],
    ['the size is open', () => a.vcvtpd2ps(xmm(0), mem({ base: rax, broadcast: true }))],
    ['no such register', () => a.vaddps(xmm(32), xmm(0), xmm(0))],
    ['a register that cannot be an index', () => mem({ base: rax, index: rsp })],
    ['a displacement of 33 bits', () => mem({ base: rax, disp: 2 ** 31 })],
  ])('%s', (_, mistake) => {
    expect(mistake).toThrow(ValueError)
  })

  test('say what was expected, in the syntax of the manual', () => {
    expect(() => a.vpaddb(zmm(0), zmm(1), mem({ base: rax, broadcast: true }))).toThrow(
      /^vpaddb: Expected operands of one of its forms: `v\{kz\}, v, v\/m/,
    )
  })

  test('sizes can be said', () => {
    const b = new Assembler()
    b.inc(byte({ base: r13 }))
    b.vcvtpd2ps(xmm(0), mem({ base: rax, broadcast: true, size: 32 }))
    expect(hex(b)).toBe('41fe4500' + '62f1fd385a00')
  })
})

test('options that ask for nothing change nothing', () => {
  const a = new Assembler()
  a.vaddps(ymm(0), ymm(1), ymm(2), {})
  a.vaddps(ymm(0), ymm(1), ymm(2), undefined)
  expect(hex(a)).toBe('c5f458c2'.repeat(2))
})

test('the listing has offsets, bytes, labels and text', () => {
  const a = new Assembler({ listing: true })
  const loop = a.bind(a.label('loop'))
  a.vfmadd231ps(zmm(0), zmm(1), mem({ base: rax, disp: 4, broadcast: true }), { mask: k(1) })
  a.dec(rcx)
  a.jne(loop)
  a.align(16)
  a.bind(a.label('end'))
  a.ret()
  expect(a.listing()).toBe(
    [
      'loop:',
      '     0  62 f2 75 59 b8 40 01             vfmadd231ps zmm0{k1}, zmm1, dword ptr [rax+4]{1to16}',
      '     7  48 ff c9                         dec rcx',
      '     a  75 f4                            jne loop',
      'end:',
      '    10  c3                               ret',
    ].join('\n'),
  )
})

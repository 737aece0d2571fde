// Executable memory, host memory and the processor's features.

import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test } from 'vitest'
import { DeviceError, OutOfMemoryError } from '../../../base/errors.js'
import { chooseLevel, decodeCpu, detectCpu } from '../cpu.js'
import { x64Available } from '../device.js'
import { canRun, guarded } from '../harness.js'
import { Arrays, addressOf, LINE, zeroed } from './arrays.js'
import { Code, callable, codeBytes } from './code.js'
import { deny, ERRNO } from './libc.js'
import { Pages, viewOf } from './pages.js'

/** lea rax, [rdi + rsi]; ret */
const ADD = Uint8Array.of(0x48, 0x8d, 0x04, 0x37, 0xc3)

describe.skipIf(!canRun())('executable memory', () => {
  afterEach(() => {
    deny('mmap', null)
    deny('mprotect', null)
  })

  test('runs code and is freed', () => {
    const before = codeBytes()
    const code = Code.load(ADD)
    const add = callable(code.address, 'int64_t', ['int64_t', 'int64_t'])
    expect(add(40, 2)).toBe(42)
    expect(codeBytes()).toBe(before + 4096)
    code.free()
    code.free()
    expect(codeBytes()).toBe(before)
  })

  test('is never writable and executable', () => {
    const code = Code.load(ADD)
    const maps = readFileSync('/proc/self/maps', 'utf8')
    const start = code.address.toString(16)
    const own = maps.split('\n').find((line) => line.startsWith(start))
    if (own !== undefined) expect(own).toContain(' r-xp ')
    // Neighbouring mappings with equal rights are shown as one.
    const inside = maps.split('\n').filter((line) => {
      const [from, to] = line
        .split(' ')[0]!
        .split('-')
        .map((x) => Number.parseInt(x, 16))
      return from! <= code.address && code.address < to!
    })
    expect(inside.map((line) => line.split(' ')[1])).toEqual(['r-xp'])
    code.free()
  })

  test('comes and goes a thousand times', () => {
    const before = codeBytes()
    const big = new Uint8Array(50_000).fill(0xc3)
    for (let i = 0; i < 1000; i++) Code.load(big).free()
    expect(codeBytes()).toBe(before)
  })

  test.each([
    ['mprotect', ERRNO.EACCES, 'EACCES from mprotect'],
    ['mmap', ERRNO.ENOMEM, 'ENOMEM from mmap'],
  ] as const)('denied by %s is a typed error, and a device less', (call, errno, text) => {
    const before = codeBytes()
    deny(call, errno)
    expect(() => Code.load(ADD)).toThrow(DeviceError)
    expect(() => Code.load(ADD)).toThrow(text)
    try {
      Code.load(ADD)
    } catch (error) {
      expect((error as DeviceError).data).toEqual({ call, errno })
    }
    const { available, detail } = x64Available()
    expect(available).toBe(false)
    expect(detail).toContain(text)
    deny(call, null)
    expect(x64Available().available).toBe(true)
    expect(codeBytes()).toBe(before)
  })
})

describe.skipIf(!canRun())('memory', () => {
  test('of the system starts where huge pages may', () => {
    const small = Pages.map(100, 'a test')
    expect(small.bytes).toBe(4096)
    const bytes = new Uint8Array(viewOf(small.address, small.bytes))
    expect(bytes.every((b) => b === 0)).toBe(true)
    bytes.fill(7)
    small.free()
    const large = Pages.map(5 << 20, 'a test')
    expect(large.address % (2 << 20)).toBe(0)
    new Uint8Array(viewOf(large.address, large.bytes)).fill(1)
    large.free()
  })

  test('that cannot be had is a typed error', () => {
    deny('mmap', ERRNO.ENOMEM)
    expect(() => Pages.map(100, 'an arena')).toThrow(OutOfMemoryError)
    deny('mmap', null)
    expect(() => viewOf(4096, 2 ** 32)).toThrow(OutOfMemoryError)
  })

  test('of arrays that cannot be had is a typed error', () => {
    expect(() => new Arrays().make('uint8', 2 ** 52)).toThrow(OutOfMemoryError)
  })

  test('of arrays is aligned, theirs alone, and where it is said to be', () => {
    const arrays = new Arrays()
    const made = [1, 7, 16, 1000, 1024, 1025, 3, 100_000, 20, 0, 5].map((n) =>
      arrays.make('float32', n),
    )
    for (const [i, { array, address }] of made.entries()) {
      expect(address % LINE).toBe(0)
      if (array.length > 0) expect(addressOf(array)).toBe(address)
      array.fill(i as never)
    }
    for (const [i, { array }] of made.entries()) {
      expect((array as Float32Array).every((v) => v === i)).toBe(true)
    }
    for (let i = 0; i < 5000; i++) {
      const { array, address } = arrays.make('int32', 1 + (i % 300))
      expect(address % LINE).toBe(0)
      if (i % 97 === 0) expect(addressOf(array)).toBe(address)
    }
    expect(zeroed(100).address % LINE).toBe(0)
  })

  test('of arrays stays where it is while garbage is collected', () => {
    const arrays = new Arrays()
    const { array, address } = arrays.make('float64', 3)
    array.fill(42 as never)
    for (let i = 0; i < 2000; i++) arrays.make('float32', 5000)
    globalThis.gc?.()
    expect(addressOf(array)).toBe(address)
    expect(new Float64Array(viewOf(address, 24))[2]).toBe(42)
  })

  test('of arrays that a collection found dead is there for the next ones', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as (how: { type: 'minor' }) => void
    const arrays = new Arrays()
    const addresses = (): number[] =>
      Array.from({ length: 4 }, () => arrays.make('float32', 1 << 20).address)
    // Once for what is garbage already.
    collect({ type: 'minor' })
    let again = 0
    for (let i = 0; i < 20; i++) {
      const before = addresses()
      collect({ type: 'minor' })
      // What others allocate in between may take such a place, or leave one a few bytes further on.
      again += addresses().filter((a) => before.some((b) => Math.abs(a - b) <= LINE)).length
      collect({ type: 'minor' })
    }
    expect(again).toBeGreaterThan(0.5 * 20 * 4)
  })

  test('between guard pages may be used to the last byte', () => {
    for (const first of [false, true]) {
      const { buffer, free } = guarded(100, first)
      const bytes = new Uint8Array(buffer)
      bytes.fill(3)
      expect(bytes[99]).toBe(3)
      free()
    }
  })
})

describe('the processor', () => {
  const cpuinfo = (): string[] | null => {
    try {
      const line = readFileSync('/proc/cpuinfo', 'utf8').match(/^flags\s*:(.*)$/m)
      return line ? line[1]!.trim().split(' ') : null
    } catch {
      return null
    }
  }

  test.skipIf(!canRun())('is what the system says it is', () => {
    const cpu = detectCpu()
    const flags = cpuinfo()
    if (flags === null) return
    expect(cpu.avx2).toBe(['avx2', 'fma', 'bmi1', 'bmi2'].every((f) => flags.includes(f)))
    const wide = ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl']
    expect(cpu.avx512).toBe(wide.every((f) => flags.includes(f)))
    expect(cpu.vnni).toBe(cpu.avx512 && flags.includes('avx512_vnni'))
    expect(cpu.bf16).toBe(cpu.avx512 && flags.includes('avx512_bf16'))
    expect(cpu.rdtscp).toBe(flags.includes('rdtscp'))
    expect(cpu.cache.l1).toBeGreaterThanOrEqual(16 << 10)
    expect(cpu.cache.l2).toBeGreaterThan(cpu.cache.l1)
  })

  const leaf = (a = 0, b = 0, c = 0, d = 0) => ({ a, b, c, d })
  /** A processor with AVX2 and AVX-512, whose system saves the registers that `xcr0` says. */
  const decoded = (xcr0: number, without = 0) =>
    decodeCpu(
      (n) => {
        if (n === 0) return leaf(7)
        if (n === 1) return leaf(0, 0, (1 << 12) | (1 << 27) | (1 << 28))
        if (n !== 7) return leaf()
        return leaf(0, (0xc003_0128 & ~without) >>> 0, 1 << 11)
      },
      () => xcr0,
    )

  test('counts for what the system saves of it', () => {
    expect(decoded(0xe7)).toMatchObject({ avx2: true, avx512: true, vnni: true, bf16: false })
    expect(decoded(0x07)).toMatchObject({ avx2: true, avx512: false, vnni: false })
    expect(decoded(0x01)).toMatchObject({ avx2: false, avx512: false })
    expect(decoded(0xe7, 1 << 31)).toMatchObject({ avx2: true, avx512: false })
    expect(decoded(0xe7, 1 << 5)).toMatchObject({ avx2: false, avx512: false })
  })

  test('is used as TESSERA_CPU says', () => {
    const [both, half, none] = [decoded(0xe7), decoded(0x07), decoded(1)]
    expect(chooseLevel(both, '')).toEqual({ level: 'avx512' })
    expect(chooseLevel(both, 'avx2')).toEqual({ level: 'avx2' })
    expect(chooseLevel(half, '')).toEqual({ level: 'avx2' })
    expect(chooseLevel(half, 'avx512')).toHaveProperty('reason')
    expect(chooseLevel(none, '')).toHaveProperty('reason')
    expect(chooseLevel(both, 'none')).toHaveProperty('reason')
    expect(chooseLevel(both, 'sse')).toHaveProperty('reason')
  })
})

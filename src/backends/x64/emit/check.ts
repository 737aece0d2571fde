// For tests: kernels on every instruction set this machine has, against the interpreter of the kernel IR.

import { interpretKernel, MEMORY_ARRAY, type Memory } from '../../../compiler/kernel/interpret.js'
import type { Kernel, MemoryType } from '../../../compiler/kernel/ir.js'
import { levelsHere, runKernel } from './harness.js'

const LEVELS = levelsHere()

/**
 * Runs a kernel on copies of the slots, whose memory ends, then starts, where no memory is, and compares
 * every bit with what the interpreter gives (any NaN equals any NaN).
 * @param placements whether buffers end at forbidden pages; false: they start at them
 */
export function check(
  kernel: Kernel,
  slots: readonly Memory[],
  placements: readonly boolean[] = [true, false],
): void {
  const expected = slots.map((s) => s.slice())
  const status = interpretKernel(kernel, expected)
  for (const cpu of LEVELS) {
    for (const atEnd of placements) {
      const got = slots.map((s) => s.slice())
      const fault = runKernel(kernel, got, cpu, atEnd)
      if (fault !== status)
        throw new Error(`${kernel.name} on ${cpu}: fault ${fault} not ${status}`)
      for (const [i, e] of expected.entries()) {
        for (let at = 0; at < e.length; at++) {
          if (Object.is(e[at], got[i]![at])) continue
          const where = `${kernel.name} on ${cpu}: slot ${i}, element ${at}`
          throw new Error(`${where}: ${got[i]![at]} not ${e[at]}`)
        }
      }
    }
  }
}

export const FLOATS = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  3,
  7.25,
  -7.25,
  1e-40,
  -1e-45,
  1e10,
  -3e9,
  2147483648,
  1e20,
  3e38,
  -3e38,
  16777217,
  0.1,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
]
export const INTEGERS = [
  0,
  1,
  -1,
  2,
  3,
  -3,
  7,
  31,
  -31,
  100,
  -100,
  65535,
  1 << 20,
  2147483647,
  -2147483648,
]
export const LONGS = [
  ...INTEGERS.map(BigInt),
  2n ** 40n + 17n,
  -(2n ** 53n) - 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
]

/** A slot of `n` values of a type; `shift` gives another order. */
export function sample(type: MemoryType, n: number, shift: number): Memory {
  const at = <T>(list: readonly T[], i: number): T =>
    list[(i * 7 + shift * 5 + (i >> 4)) % list.length]!
  const out = new MEMORY_ARRAY[type](n)
  for (let i = 0; i < n; i++) {
    if (out instanceof BigInt64Array) out[i] = at(LONGS, i)
    else if (type === 'f32' || type === 'f64') out[i] = at(FLOATS, i)
    else if (type === 'u8') out[i] = at(INTEGERS, i) & 255
    else out[i] = at(INTEGERS, i)
  }
  return out
}

// Values that are hard on arithmetic: zeros of both signs, halves, denormals, ends of ranges, NaN.

import { MEMORY_ARRAY, type Memory } from '../../../src/compiler/kernel/interpret.js'
import type { MemoryType } from '../../../src/compiler/kernel/ir.js'

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

// Random words in kernels.

import { threefry2x32, type Words } from '../../ir/primitives/threefry.js'
import type { KernelBuilder } from '../kernel/builder.js'
import type { Reg } from '../kernel/ir.js'

/** The first word of Threefry's block for the counter (x, 0), under two words of key; all i32. */
export function threefry(k: KernelBuilder, [key0, key1, x]: readonly [Reg, Reg, Reg]): Reg {
  const constant = (word: number): Reg => k.const('i32', word)
  const words: Words<Reg> = {
    constant,
    add: (a, b) => k.set('add', a, b),
    xor: (a, b) => k.set('xor', a, b),
    rotateLeft: (a, places) =>
      k.set('or', k.set('shl', a, constant(places)), k.set('ushr', a, constant(32 - places))),
  }
  return threefry2x32(words, [key0, key1], [x, constant(0)])[0]
}

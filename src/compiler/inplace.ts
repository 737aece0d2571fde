// Which result of a kernel may lie where one of its operands does: each element of the operand is read
// just before the result's element of the same place is written, and never elsewhere.

import { affineEqual } from './coordinates/space.js'
import type { Kernel, Stmt } from './kernel/ir.js'
import { bodiesOf } from './kernel/walk.js'

/**
 * Whether the kernel's buffer `to` may be the same memory as `from` (by number of declaration). Kernels
 * write every element once, so it is enough that every load of `from` is followed, in the same block
 * of statements, by a store to `to` at the same address.
 */
export function mayShare(kernel: Kernel, from: number, to: number): boolean {
  let loads = 0
  const check = (body: readonly Stmt[]): boolean => {
    for (let i = 0; i < body.length; i++) {
      const s = body[i] as Stmt
      for (const inner of bodiesOf(s)) if (!check(inner)) return false
      const indirect = s.op === 'gather' || s.op === 'scatter'
      if (indirect && (s.buffer.id === from || s.buffer.id === to)) return false
      if (s.op === 'load' && s.buffer.id === to) return false
      if (s.op !== 'load' || s.buffer.id !== from) continue
      loads++
      const stored = body.some(
        (t, j) => j > i && t.op === 'store' && t.buffer.id === to && affineEqual(t.at, s.at),
      )
      if (!stored) return false
    }
    return true
  }
  return check(kernel.body) && loads > 0
}

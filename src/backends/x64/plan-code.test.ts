// What is known of code, when plans go.

import { describe, expect, test, vi } from 'vitest'
import { ofVar } from '../../compiler/kernel/affine.js'
import { KernelBuilder } from '../../compiler/kernel/builder.js'
import type { Kernel } from '../../compiler/kernel/ir.js'
import { collectGarbage } from '../harness.js'
import { canRun } from './harness.js'
import { CodeCache } from './plan-code.js'
import { type X64Target, x64Target } from './target.js'

/** y[i] = x[i] of so many elements. */
function copy(n: number): Kernel {
  const k = new KernelBuilder('copy', n)
  const [x, y] = [k.buffer('x', 'f32', 'read', n), k.buffer('y', 'f32', 'write', n)]
  k.store(y, ofVar(k.chunk), k.load(x, ofVar(k.chunk)))
  return k.finish()
}

describe.skipIf(!canRun())('code that is known', () => {
  const cache = (): CodeCache => new CodeCache(x64Target() as X64Target)

  test('is forgotten with the last plan that has it', () => {
    const known = cache()
    const [first, second] = [known.codeOf([copy(3), copy(4)]), known.codeOf([copy(4)])]
    expect(known.size).toBe(2)
    first.free()
    expect(known.size).toBe(2)
    second.free()
    expect(known.size).toBe(0)
  })

  test('is forgotten when plans are lost', async () => {
    const known = cache()
    const kept = known.codeOf([copy(1)])
    for (let n = 2; n < 50; n++) known.codeOf([copy(n)])
    // A collection in the same turn would find them held by weak references that were made in it.
    await vi.waitFor(() => {
      collectGarbage()
      expect(known.size).toBe(1)
    })
    const again = known.codeOf([copy(1), copy(2)])
    expect(again.functions).toBe(2)
    expect(known.size).toBe(2)
    again.free()
    kept.free()
    expect(known.size).toBe(0)
  })
})

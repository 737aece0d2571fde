// The machine code of a plan: all its kernels, one after another in one block.

import type { Kernel } from '../../compiler/kernel/ir.js'
import { Code } from './native/code.js'
import { roundUp } from './native/pages.js'
import type { Segment } from './segments.js'
import type { X64Target } from './target.js'

/** Machine code of a kernel: `void f(i64 chunk, void* scratch, void** slots, i32* fault)`. */
export interface EmittedKernel {
  readonly bytes: Uint8Array
}
export type Emit = (kernel: Kernel, target: X64Target) => EmittedKernel

/** Kernels start on cache lines, which the vectors among their constants need too. */
const ALIGNMENT = 64

export class PlanCode {
  private readonly offsets = new Map<Kernel, number>()
  private readonly code: Code | null
  /** Bytes of instructions and constants. */
  readonly bytes: number

  constructor(segments: readonly Segment[], target: X64Target, emit: Emit) {
    const parts: Uint8Array[] = []
    let at = 0
    for (const { command } of segments.flatMap((s) => s.phases.flat())) {
      if (command.op !== 'kernel' || this.offsets.has(command.kernel)) continue
      const { bytes } = emit(command.kernel, target)
      this.offsets.set(command.kernel, at)
      parts.push(bytes)
      at = roundUp(at + bytes.length, ALIGNMENT)
    }
    this.bytes = at
    // Between kernels there is nothing to run: trap.
    const whole = new Uint8Array(at).fill(0xcc)
    let next = 0
    for (const part of parts) {
      whole.set(part, next)
      next = roundUp(next + part.length, ALIGNMENT)
    }
    this.code = at === 0 ? null : Code.load(whole)
  }

  get kernels(): number {
    return this.offsets.size
  }

  /** Where a kernel's function is. */
  addressOf(kernel: Kernel): number {
    return this.code!.address + this.offsets.get(kernel)!
  }

  free(): void {
    this.code?.free()
  }
}

// For tests and benchmarks: one kernel in a module of its own, run on arrays.

import type { Memory } from '../../../compiler/kernel/interpret.js'
import type { Kernel } from '../../../compiler/kernel/ir.js'
import { ModuleBuilder } from '../encode/module.js'
import { FAULT_WORD, HEAP, PAGE, SLACK } from '../memory/layout.js'
import { Helpers } from './helpers.js'
import { emitKernel, scratchOf } from './kernel.js'

export interface LoadedKernel {
  readonly memory: WebAssembly.Memory
  readonly bytes: Uint8Array
  /** Runs one chunk on buffers at these addresses. */
  readonly run: (chunk: number, scratch: number, ...slots: number[]) => void
}

/** Memory of all kernels here: making one takes longer than running a small kernel. */
let memory: WebAssembly.Memory | null = null

function memoryOf(bytes: number): WebAssembly.Memory {
  memory ??= new WebAssembly.Memory({ initial: 64, maximum: 65536 })
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE)
  if (missing > 0) memory.grow(missing)
  return memory
}

export function loadKernel(kernel: Kernel, relaxed: boolean, bytesNeeded: number): LoadedKernel {
  const module = new ModuleBuilder(false)
  const index = module.add(emitKernel(kernel, new Helpers(module), { relaxed, shared: false }))
  module.export('run', index)
  const bytes = module.finish()
  const memory = memoryOf(bytesNeeded)
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
  return { memory, bytes, run: instance.exports.run as LoadedKernel['run'] }
}

/** Runs all chunks on copies of `slots`, which then get the results. @returns the status word */
export function runKernel(kernel: Kernel, slots: readonly Memory[], relaxed: boolean): number {
  const size = slots.reduce((sum, s) => sum + s.byteLength + 128, 256) + scratchOf(kernel).bytes
  const { memory, run } = loadKernel(kernel, relaxed, HEAP + size + SLACK)
  const bytes = new Uint8Array(memory.buffer)
  // What lies around buffers must not matter, and must not be written.
  const guard = 0xc5
  bytes.fill(guard, HEAP, HEAP + size)
  new Int32Array(memory.buffer)[FAULT_WORD / 4] = 0
  let next = HEAP
  const reserve = (length: number): number => {
    const at = next + 64
    next = (at + length + 63) & ~63
    return at
  }
  const addresses = slots.map((s) => reserve(s.byteLength))
  const scratch = reserve(scratchOf(kernel).bytes)
  const view = (s: Memory): Uint8Array => new Uint8Array(s.buffer, s.byteOffset, s.byteLength)
  for (const [i, s] of slots.entries()) bytes.set(view(s), addresses[i])
  for (let chunk = kernel.grid - 1; chunk >= 0; chunk--) run(chunk, scratch, ...addresses)
  for (const [i, s] of slots.entries()) {
    const at = addresses[i]!
    view(s).set(bytes.subarray(at, at + s.byteLength))
    for (const around of [at - 16, at + s.byteLength]) {
      if (bytes.subarray(around, around + 16).some((b) => b !== guard)) {
        throw new Error(`${kernel.name}: wrote outside slot ${i}`)
      }
    }
  }
  return new Int32Array(memory.buffer)[FAULT_WORD / 4]!
}

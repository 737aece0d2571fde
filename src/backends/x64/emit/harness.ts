// For tests and benchmarks: kernels as native functions, run on memory between pages nobody may touch.

import type { Memory } from '../../../compiler/kernel/interpret.js'
import type { Kernel } from '../../../compiler/kernel/ir.js'
import { scratchLayout } from '../../../compiler/kernel/scratch.js'
import { detectCpu } from '../cpu.js'
import { Code, callable } from '../native/code.js'
import { whyNoKoffi } from '../native/koffi.js'
import { libc, MAP, PROT } from '../native/libc.js'
import { PAGE, roundUp, viewOf } from '../native/pages.js'
import { type CpuLevel, emitKernel } from './kernel.js'

/** The instruction sets whose code can be run here; none without a way to native code. */
export function levelsHere(): CpuLevel[] {
  const why = whyNoKoffi()
  if (why !== '') {
    console.warn(`x64: emitted kernels are NOT TESTED: ${why}`)
    return []
  }
  const cpu = detectCpu()
  return (['avx2', 'avx512'] as const).filter((level) => cpu[level])
}

/** Memory with a forbidden page on either side, one block after another. */
class GuardedMemory {
  private readonly address: number
  readonly view: Uint8Array
  private next = 0
  private readonly forbidden: number[] = []

  constructor(private readonly bytes: number) {
    this.address = libc().mmap(0, bytes, PROT.read | PROT.write, MAP.private | MAP.anonymous, -1)
    if (this.address < 0) throw new Error('no memory for tests')
    this.view = new Uint8Array(viewOf(this.address, bytes))
  }

  /** Forgets all blocks. */
  reset(): void {
    for (const at of this.forbidden) libc().mprotect(at, PAGE, PROT.read | PROT.write)
    this.forbidden.length = 0
    this.next = 0
  }

  /** A block that ends (or starts) where a forbidden page starts (or ends). @returns its offset */
  block(bytes: number, atEnd: boolean): number {
    const pages = roundUp(Math.max(1, bytes), PAGE)
    const start = this.next + PAGE
    if (start + pages + PAGE > this.bytes) throw new Error('too much memory for tests')
    this.forbid(this.next)
    this.forbid(start + pages)
    this.next = start + pages
    return atEnd ? start + pages - bytes : start
  }

  private forbid(offset: number): void {
    const at = this.address + offset
    if (this.forbidden.includes(at)) return
    libc().mprotect(at, PAGE, PROT.none)
    this.forbidden.push(at)
  }

  addressOf(offset: number): number {
    return this.address + offset
  }
}

let shared: GuardedMemory | null = null
const memory = (): GuardedMemory => {
  shared ??= new GuardedMemory(64 << 20)
  shared.reset()
  return shared
}

const emitted = new WeakMap<Kernel, Map<CpuLevel, Uint8Array>>()

/** A kernel's code, written once for all the ways to run it. */
function codeOf(kernel: Kernel, cpu: CpuLevel): Uint8Array {
  const levels = emitted.get(kernel) ?? new Map<CpuLevel, Uint8Array>()
  emitted.set(kernel, levels)
  const code = levels.get(cpu) ?? emitKernel(kernel, cpu)
  levels.set(cpu, code)
  return code
}

/** A native function of a kernel: (chunk, scratch, slots, fault), all numbers and addresses. */
export function loadKernel(kernel: Kernel, cpu: CpuLevel) {
  const code = Code.load(codeOf(kernel, cpu))
  const run = callable(code.address, 'void', ['int64_t', 'uint64_t', 'uint64_t', 'uint64_t'])
  return { run, code }
}

/** What surrounds a block on its own pages. */
const AROUND = 0xc5

/**
 * Runs all chunks on copies of `slots`, which then get the results.
 * @param atEnd whether buffers end at forbidden pages, or start at them
 * @returns the fault word
 */
export function runKernel(
  kernel: Kernel,
  slots: readonly Memory[],
  cpu: CpuLevel,
  atEnd = true,
): number {
  const m = memory()
  const bytesOf = (s: Memory): Uint8Array => new Uint8Array(s.buffer, s.byteOffset, s.byteLength)
  const places = slots.map((s) => m.block(s.byteLength, atEnd))
  const scratch = m.block(roundUp(scratchLayout(kernel).bytes, 64), true)
  const table = m.block(8 * slots.length + 8, false)
  const fault = m.block(4, true)
  const pageOf = (at: number): Uint8Array => m.view.subarray(at - (at % PAGE), at)
  for (const [i, s] of slots.entries()) {
    const at = places[i]!
    if (atEnd) pageOf(at).fill(AROUND)
    m.view.set(bytesOf(s), at)
  }
  const pointers = new DataView(m.view.buffer)
  for (const [i, at] of places.entries()) {
    pointers.setBigUint64(table + 8 * i, BigInt(m.addressOf(at)), true)
  }
  pointers.setInt32(fault, 0, true)
  const { run, code } = loadKernel(kernel, cpu)
  const args = [m.addressOf(scratch), m.addressOf(table), m.addressOf(fault)]
  for (let chunk = kernel.grid - 1; chunk >= 0; chunk--) run(chunk, ...args)
  code.free()
  for (const [i, s] of slots.entries()) {
    const at = places[i]!
    bytesOf(s).set(m.view.subarray(at, at + s.byteLength))
    if (atEnd && pageOf(at).some((b) => b !== AROUND)) {
      throw new Error(`${kernel.name}: wrote before slot ${i}`)
    }
  }
  return pointers.getInt32(fault, true)
}

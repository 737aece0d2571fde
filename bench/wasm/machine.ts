// Runs kernels as WebAssembly on one thread, without anything else of the framework around them, and
// measures what the processor can do at best.

import { Helpers } from '../../src/backends/wasm/emit/helpers.js'
import { emitKernel, scratchOf } from '../../src/backends/wasm/emit/kernel.js'
import { ModuleBuilder } from '../../src/backends/wasm/encode/module.js'
import { detectEngine } from '../../src/backends/wasm/engine.js'
import { HEAP, MOST_PAGES, PAGE, SLACK } from '../../src/backends/wasm/memory/layout.js'
import { Workspace } from '../../src/compiler/contract/fixtures.js'
import {
  type BufferRef,
  KernelAssembly,
  type KernelCall,
} from '../../src/compiler/kernel/assembly.js'
import { MEMORY_ARRAY, type Memory } from '../../src/compiler/kernel/interpret.js'
import type { Target } from '../../src/compiler/kernel/ir.js'
import { BYTES } from '../../src/compiler/kernel/ir.js'

export const engine = detectEngine()

/** The target of this machine's WebAssembly. */
export const wasmTarget = (rows: number, lanes: number): Target => ({
  name: 'wasm',
  nativeLanes: 4,
  mapLanes: 16,
  fusedMultiplyAdd: engine.fused,
  tile: { rows, lanes },
  maxBuffers: 64,
  cache: { l1: 32 << 10, l2: 1 << 20 },
})

export interface Program {
  run(): void
  read(ref: BufferRef): Memory
  readonly compileMs: number
  readonly codeBytes: number
  /** Chunks of each kernel. */
  readonly chunks: readonly number[]
}

/** Compiles kernels that run one after another on the buffers of a workspace. */
export function compile(w: Workspace, calls: readonly KernelCall[]): Program {
  const began = performance.now()
  const module = new ModuleBuilder(false)
  const helpers = new Helpers(module)
  const features = { relaxed: engine.relaxed, shared: false }
  let scratchBytes = 0
  for (const [i, { kernel }] of calls.entries()) {
    module.export(`kernel${i}`, module.add(emitKernel(kernel, helpers, features)))
    scratchBytes = Math.max(scratchBytes, scratchOf(kernel).bytes)
  }
  const bytes = module.finish()
  const addresses = new Map<number, number>()
  let top = HEAP
  for (const ref of calls.flatMap((c) => c.args)) {
    if (addresses.has(ref.id)) continue
    addresses.set(ref.id, top)
    // Not a power of two apart, as an arena's offsets would not be either.
    top = ((top + ref.length * BYTES[ref.type] + 63) & ~63) + 192
  }
  const scratch = (top + 4095) & ~4095
  const initial = Math.ceil((scratch + scratchBytes + SLACK) / PAGE)
  const memory = new WebAssembly.Memory({ initial, maximum: MOST_PAGES })
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
  const compileMs = performance.now() - began
  const view = (ref: BufferRef): Memory =>
    new MEMORY_ARRAY[ref.type](memory.buffer, addresses.get(ref.id)!, ref.length)
  for (const ref of calls.flatMap((c) => c.args)) {
    // All buffers here are of types that copy as numbers do.
    ;(view(ref) as Float32Array).set(w.memory.get(ref.id) as Float32Array)
  }
  const steps = calls.map(({ kernel, args }, i) => {
    const run = exports[`kernel${i}`] as (
      chunk: number,
      scratch: number,
      ...slots: number[]
    ) => void
    const slots = args.map((a) => addresses.get(a.id)!)
    return (): void => {
      for (let chunk = 0; chunk < kernel.grid; chunk++) run(chunk, scratch, ...slots)
    }
  })
  return {
    run: () => {
      for (const step of steps) step()
    },
    read: view,
    compileMs,
    codeBytes: bytes.length,
    chunks: calls.map((c) => c.kernel.grid),
  }
}

/** Long runs are interrupted by other programs more often, so they get more tries. */
const LEAST_ROUNDS = 25

/** The shortest seconds of each of several programs, run in turns for about `seconds`. */
export function time(runs: readonly (() => void)[], seconds: number): number[] {
  // The engine compiles twice: quickly at first, well when it has seen a function run.
  for (const run of runs) {
    const warm = performance.now() + 150
    while (performance.now() < warm) run()
  }
  // Other programs slow this one down now and then but never speed it up: the minimum is the machine's.
  const best = runs.map(() => Number.POSITIVE_INFINITY)
  const end = performance.now() + seconds * 1e3
  for (let round = 0; performance.now() < end || round < LEAST_ROUNDS; round++) {
    for (const [i, run] of runs.entries()) {
      const start = performance.now()
      run()
      best[i] = Math.min(best[i]!, (performance.now() - start) / 1e3)
    }
  }
  return best
}

/** Multiply-adds on registers only: what 128-bit code can do at best. */
export function peakProgram(): { run(): void; readonly flops: number } {
  const w = new Workspace(wasmTarget(4, 8))
  const ref = w.buffer('x', 'f32', 4)
  const k = new KernelAssembly('peak', 1)
  const x = k.use(ref, 'readwrite')
  const steps = 100_000
  const chains = 10
  k.vector('n', 4, 4, (n) => {
    const a = k.load(x, n)
    const sums = Array.from({ length: chains }, () => k.accumulator('f32', 0))
    k.loop('k', steps, () => {
      for (const s of sums) k.update(s, 'fma', a, a, s)
    })
    let total = sums[0]!
    for (const s of sums.slice(1)) total = k.set('add', total, s)
    k.store(x, n, total)
  })
  w.fill(ref, [1e-20, 1e-20, 1e-20, 1e-20])
  const p = compile(w, [k.call()])
  return { run: p.run, flops: 2 * 4 * chains * steps }
}

/** Bytes a second of reading one large array and writing another. */
export function copyBandwidth(): number {
  const w = new Workspace(wasmTarget(4, 8))
  const length = 16 << 20
  const from = w.buffer('from', 'f32', length)
  const to = w.buffer('to', 'f32', length)
  const k = new KernelAssembly('copy', 1)
  const [a, b] = [k.use(from, 'read'), k.use(to, 'write')]
  k.vector('i', length, 16, (i) => k.store(b, i, k.load(a, i)))
  const p = compile(w, [k.call()])
  return (8 * length) / time([p.run], 0.3)[0]!
}

// Runs kernels as WebAssembly on one thread, without anything else of the framework around them, and
// measures what the processor can do at best.

import { detectEngine } from '../../src/backends/wasm/engine.js'
import { emitPlan } from '../../src/backends/wasm/plan-module.js'
import { Workspace } from '../../src/compiler/contract/fixtures.js'
import { MEMORY_ARRAY, MEMORY_BYTES, type Memory } from '../../src/compiler/kernel/interpret.js'
import type { Command, PlanBuffer, Target } from '../../src/compiler/kernel/ir.js'
import {
  type BufferRef,
  KernelAssembly,
  type KernelCall,
} from '../../src/compiler/lower/assembly.js'

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
  readonly kernels: readonly string[]
}

const START = 2 << 20

/** Compiles kernels that run one after another on the buffers of a workspace. */
export function compile(w: Workspace, calls: readonly KernelCall[]): Program {
  const addresses = new Map<number, number>()
  const refs: BufferRef[] = []
  const index = (ref: BufferRef): number => {
    const known = refs.findIndex((r) => r.id === ref.id)
    return known >= 0 ? known : refs.push(ref) - 1
  }
  const commands: Command[] = calls.flatMap(({ kernel, args }) => [
    { op: 'kernel' as const, kernel, args: args.map(index) },
    { op: 'barrier' as const },
  ])
  let top = START
  const buffers: PlanBuffer[] = refs.map((r, i) => {
    const bytes = r.length * MEMORY_BYTES[r.type]
    addresses.set(r.id, top)
    // Not a power of two apart, as an arena's offsets would not be either.
    top = ((top + bytes + 63) & ~63) + 192
    return { kind: 'input', index: i, bytes }
  })
  const began = performance.now()
  const plan = { buffers, commands, arenaBytes: 0, scratchBytes: 0, faults: [] }
  const module = emitPlan(plan, { relaxed: engine.relaxed, shared: false })
  const table = top
  const scratch = (table + 4 * (refs.length + module.counters) + 4095) & ~4095
  const end = scratch + module.scratchBytes + 65536
  const memory = new WebAssembly.Memory({ initial: Math.ceil(end / 65536), maximum: 65536 })
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes), {
    env: { memory },
  })
  const compileMs = performance.now() - began
  const words = new Int32Array(memory.buffer, table, refs.length)
  for (const [i, r] of refs.entries()) {
    words[i] = addresses.get(r.id)!
    const data = w.memory.get(r.id)!
    const to = new MEMORY_ARRAY[r.type](memory.buffer, words[i], r.length)
    ;(to as Float32Array).set(data as Float32Array)
  }
  const run = instance.exports.run0 as (
    thread: number,
    threads: number,
    table: number,
    scratch: number,
  ) => void
  return {
    run: () => run(0, 1, table, scratch),
    read: (ref) => new MEMORY_ARRAY[ref.type](memory.buffer, addresses.get(ref.id)!, ref.length),
    compileMs,
    codeBytes: module.bytes.length,
    kernels: calls.map((c) => c.kernel.name),
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

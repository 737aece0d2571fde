// Kernels timed by themselves, on one thread, beside the processor's peak.

import { loadKernel } from '../../src/backends/x64/emit/harness.js'
import { compileKernel } from '../../src/backends/x64/emit/kernel.js'
import { Pages, viewOf } from '../../src/backends/x64/native/pages.js'
import type { X64Target } from '../../src/backends/x64/target.js'
import { KernelBuilder } from '../../src/compiler/kernel/builder.js'
import type { Kernel } from '../../src/compiler/kernel/ir.js'
import { scratchLayout } from '../../src/compiler/kernel/scratch.js'

export interface Program {
  readonly run: () => void
  readonly compileMs: number
  readonly codeBytes: number
}

/** Kernels that run one after another, on buffers given by number. */
export function program(
  calls: readonly { readonly kernel: Kernel; readonly args: readonly number[] }[],
  buffers: readonly { readonly bytes: number; readonly fill?: Float32Array }[],
  level: X64Target['level'],
  showText = false,
): Program {
  const places = buffers.map(({ bytes, fill }) => {
    const { address } = Pages.map(bytes + 4096, 'the benchmark')
    if (fill) new Float32Array(viewOf(address, fill.byteLength)).set(fill)
    return address
  })
  const scratchBytes = Math.max(0, ...calls.map((c) => scratchLayout(c.kernel).bytes))
  const scratch = Pages.map(scratchBytes + 4096, 'the benchmark').address
  const fault = Pages.map(4096, 'the benchmark').address
  let codeBytes = 0
  const began = performance.now()
  const steps = calls.map(({ kernel, args }) => {
    if (showText) console.log(compileKernel(kernel, level).text())
    const { run, code } = loadKernel(kernel, level)
    codeBytes += code.bytes
    const table = Pages.map(4096, 'the benchmark').address
    new BigUint64Array(viewOf(table, 4096)).set(args.map((a) => BigInt(places[a]!)))
    const step = (): void => {
      for (let chunk = 0; chunk < kernel.grid; chunk++) run(chunk, scratch, table, fault)
    }
    return { step, code }
  })
  const compileMs = performance.now() - began
  return {
    // Steps hold on to their code, which goes when nobody does.
    run: () => {
      for (const { step } of steps) step()
    },
    compileMs,
    codeBytes,
  }
}

/** The shortest seconds of several programs, run in turns: others only ever slow one down. */
export function time(runs: readonly (() => void)[], seconds: number): number[] {
  for (const run of runs) for (let i = 0; i < 3; i++) run()
  const best = runs.map(() => Number.POSITIVE_INFINITY)
  const end = performance.now() + 1e3 * seconds
  for (let round = 0; performance.now() < end || round < 5; round++) {
    for (const [i, run] of runs.entries()) {
      const start = performance.now()
      run()
      best[i] = Math.min(best[i]!, (performance.now() - start) / 1e3)
    }
  }
  return best
}

/** Multiply-adds on registers alone. */
export function peak(target: X64Target): { readonly run: () => void; readonly flops: number } {
  const k = new KernelBuilder('peak')
  const lanes = target.nativeLanes
  const x = k.buffer('x', 'f32', 'readwrite', lanes)
  const [chains, steps] = [12, 20_000]
  k.vector('n', lanes, lanes, (n) => {
    const a = k.load(x, n)
    const sums = Array.from({ length: chains }, () => k.accumulator('f32', 0))
    k.loop('k', steps, () => {
      for (let u = 0; u < 2; u++) for (const s of sums) k.update(s, 'fma', a, a, s)
    })
    let total = sums[0]!
    for (const s of sums.slice(1)) total = k.set('add', total, s)
    k.store(x, n, total)
  })
  const fill = new Float32Array(lanes).fill(1e-20)
  const p = program([{ kernel: k.finish(), args: [0] }], [{ bytes: 4 * lanes, fill }], target.level)
  return { run: p.run, flops: 2 * 2 * lanes * chains * steps }
}

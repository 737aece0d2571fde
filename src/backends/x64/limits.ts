// What this machine does at best, measured: arithmetic on registers alone, and streams through memory.

import { ofVar, plus } from '../../compiler/kernel/affine.js'
import { KernelBuilder } from '../../compiler/kernel/builder.js'
import type { Kernel, Plan, PlanBuffer } from '../../compiler/kernel/ir.js'
import type { Executable } from '../device.js'
import type { Ports } from '../ports.js'
import type { Limits } from '../profile.js'
import { Storage } from '../storage.js'
import type { X64Target } from './target.js'

/** What is measured with: a device, by what is needed of it. */
export interface Measured {
  readonly target: X64Target
  readonly threads: number
  buildPlan(plan: Plan, ports: Ports): Executable
}

/** Chunks for each thread, so that one that comes late finds some left. */
const CHUNKS = 16
/** Independent sums, more than two multiply-adds a cycle of four cycles each need. */
const CHAINS = 12
const STEPS = 1000
/** Elements of an array that no cache keeps. */
const STREAM = 16 << 20
const LANES = 64
/** Milliseconds to try: threads come when the system lets them. */
const PATIENCE = 80

/** Multiply-adds on registers. */
function arithmetic({ target, threads }: Measured): Kernel {
  const lanes = target.nativeLanes
  const k = new KernelBuilder('multiply-adds on registers', CHUNKS * threads)
  const x = k.buffer('x', 'f32', 'write', k.grid * lanes)
  k.vector('lane', lanes, lanes, (lane) => {
    const one = k.const('f32', 0.5)
    const sums = Array.from({ length: CHAINS }, () => k.accumulator('f32', 1))
    k.loop('step', STEPS, () => {
      for (let twice = 0; twice < 2; twice++) for (const s of sums) k.update(s, 'fma', one, s, one)
    })
    const total = sums.reduce((a, b) => k.set('add', a, b))
    k.store(x, plus(lane, ofVar(k.chunk, lanes)), total)
  })
  k.flops = k.grid * 2 * lanes * CHAINS * 2 * STEPS
  return k.finish()
}

/** A loop over all elements of an array, so many a chunk. */
function stream(name: string, { threads }: Measured, write: boolean): Kernel {
  const k = new KernelBuilder(name, CHUNKS * threads)
  const each = Math.floor(STREAM / k.grid / LANES) * LANES
  const x = k.buffer('x', 'f32', 'read', STREAM)
  const y = k.buffer('y', 'f32', 'write', STREAM)
  const first = ofVar(k.chunk, each)
  if (write) {
    k.vector('i', each, LANES, (i) => k.store(y, plus(first, i), k.load(x, plus(first, i))))
  } else {
    const total = k.accumulator('f32', 0, LANES)
    k.vector('i', each, LANES, (i) => k.update(total, 'add', total, k.load(x, plus(first, i))))
    k.store(y, ofVar(k.chunk), k.combine(total, 'add'))
  }
  k.bytes = (write ? 8 : 4) * each * k.grid
  return k.finish()
}

/** Runs a kernel again and again, and gives the shortest time in nanoseconds. */
function shortest(device: Measured, kernel: Kernel, arrays: readonly Storage[]): number {
  const buffers: PlanBuffer[] = kernel.buffers.map((b, i) =>
    i === kernel.buffers.length - 1
      ? { kind: 'output', index: 0, bytes: 4 * b.length }
      : { kind: 'input', index: i, bytes: 4 * b.length },
  )
  const ports = kernel.buffers.map((b) => ({ dtype: 'float32' as const, length: b.length }))
  const args = kernel.buffers.map((_, i) => i)
  const executable = device.buildPlan(
    {
      buffers,
      commands: [{ op: 'kernel', kernel, args }],
      arenaBytes: 0,
      scratchBytes: 0,
      faults: [],
    },
    { inputs: ports.slice(0, -1), outputs: ports.slice(-1) },
  )
  let best = Number.POSITIVE_INFINITY
  const end = performance.now() + PATIENCE
  while (performance.now() < end) {
    const start = performance.now()
    executable.run(arrays.slice(0, -1), arrays.slice(-1))
    best = Math.min(best, performance.now() - start)
  }
  executable.dispose()
  return best * 1e6
}

const filled = (n: number): Storage => Storage.of('float32', new Float32Array(n).fill(1))

/** Measures the limits with all the device's threads. Takes some tenths of a second. */
export function measureLimits(device: Measured): Limits {
  const peak = arithmetic(device)
  const small = filled(peak.buffers[0]!.length)
  const flops = peak.flops / shortest(device, peak, [small])
  const [x, y] = [filled(STREAM), filled(STREAM)]
  const rates = [false, true].map((write) => {
    const kernel = stream(write ? 'copy' : 'read', device, write)
    return kernel.bytes / shortest(device, kernel, [x, y])
  })
  return { flops, bytes: Math.max(...rates) }
}

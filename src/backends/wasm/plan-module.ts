// A plan as one WebAssembly module: its kernels, and a function for each stretch of commands between host
// calls, which all threads run together.

import type { Command, Kernel, Plan } from '../../compiler/kernel/ir.js'
import { Helpers } from './emit/helpers.js'
import { emitKernel, scratchLayout } from './emit/kernel.js'
import type { Features } from './emit/state.js'
import { FunctionBody } from './encode/function.js'
import { ModuleBuilder } from './encode/module.js'
import { BARRIER } from './memory/layout.js'

export type HostCommand = Extract<Command, { op: 'host' }>
type KernelCommand = Extract<Command, { op: 'kernel' }>
type CopyCommand = Extract<Command, { op: 'copy' }>

/** Commands that threads run without leaving generated code, and the host call after them. */
export interface Segment {
  readonly commands: readonly Exclude<Command, HostCommand>[]
  readonly host: HostCommand | null
  /** Estimated nanoseconds of the commands that threads can share. */
  readonly shareable: number
}

export interface PlanModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly segments: readonly Segment[]
  /** Words after the plan's table of addresses from which threads draw chunks; zero before a run. */
  readonly counters: number
  /** Scratch memory a thread needs. */
  readonly scratchBytes: number
  readonly kernels: number
}

/** What a thread can do in a nanosecond, roughly; for deciding what is worth sharing. */
const FLOPS_PER_NS = 20
const BYTES_PER_NS = 10
/** Kernels shorter than this are run by one thread: others would come too late. */
const WORTH_SHARING = 3000
/** Copies of more bytes than this are shared. */
const LARGE_COPY = 1 << 17

const nanoseconds = (k: Kernel): number =>
  Math.max(k.flops / FLOPS_PER_NS, k.bytes / BYTES_PER_NS, 20 * k.grid)

const isShared = (c: Command): boolean =>
  (c.op === 'kernel' && c.kernel.grid > 1 && nanoseconds(c.kernel) > WORTH_SHARING) ||
  (c.op === 'copy' && c.bytes > LARGE_COPY)

export function splitSegments(commands: readonly Command[]): Segment[] {
  const segments: Segment[] = []
  let current: Exclude<Command, HostCommand>[] = []
  const close = (host: HostCommand | null): void => {
    let shareable = 0
    for (const c of current) {
      if (c.op === 'kernel' && isShared(c)) shareable += nanoseconds(c.kernel)
      if (c.op === 'copy' && isShared(c)) shareable += c.bytes / BYTES_PER_NS
    }
    segments.push({ commands: current, host, shareable })
    current = []
  }
  for (const c of commands) {
    if (c.op === 'host') close(c)
    else current.push(c)
  }
  if (current.length > 0 || segments.length === 0) close(null)
  return segments
}

/** Parameters of a segment's function. */
const THREAD = 0
const THREADS = 1
const TABLE = 2
const SCRATCH = 3

export function emitPlan(plan: Plan, features: Features): PlanModule {
  const module = new ModuleBuilder(features.shared)
  const helpers = new Helpers(module)
  const segments = splitSegments(plan.commands)
  const kernels = new Map<Kernel, number>()
  let scratchBytes = 0
  const functionOf = (kernel: Kernel): number => {
    let index = kernels.get(kernel)
    if (index === undefined) {
      index = module.add(emitKernel(kernel, helpers, features))
      kernels.set(kernel, index)
      scratchBytes = Math.max(scratchBytes, scratchLayout(kernel).bytes)
    }
    return index
  }
  for (const s of segments) {
    for (const c of s.commands) if (c.op === 'kernel') functionOf(c.kernel)
  }
  // Threads' scratch areas start on pages of their own.
  scratchBytes = (scratchBytes + 4095) & ~4095
  const barrier = features.shared ? module.add(emitBarrier()) : -1
  const writer = new SegmentWriter(plan, features.shared, scratchBytes, barrier, functionOf)
  for (const [i, s] of segments.entries()) module.export(`run${i}`, module.add(writer.write(s)))
  return {
    bytes: module.finish(),
    segments,
    counters: writer.counters,
    scratchBytes,
    kernels: new Set(kernels.values()).size,
  }
}

class SegmentWriter {
  /** Counters used so far; each shared command has its own. */
  counters = 0

  constructor(
    private readonly plan: Plan,
    private readonly shared: boolean,
    private readonly scratchBytes: number,
    private readonly barrier: number,
    private readonly functionOf: (kernel: Kernel) => number,
  ) {}

  write(segment: Segment): FunctionBody {
    const f = new FunctionBody({ parameters: ['i32', 'i32', 'i32', 'i32'], results: [] })
    f.get(SCRATCH)
    f.get(THREAD)
    f.i32(this.scratchBytes)
    f.op('i32.mul')
    f.op('i32.add')
    f.set(SCRATCH)
    // A barrier between commands that only the first thread runs would hold up everybody for nothing.
    let wanted = false
    let othersBusy = false
    for (const c of segment.commands) {
      if (c.op === 'barrier') {
        wanted = true
        continue
      }
      const shares = this.shared && isShared(c)
      if (wanted && (shares || othersBusy)) {
        this.wait(f)
        wanted = false
        othersBusy = false
      }
      if (shares) othersBusy = true
      if (shares || !this.shared) this.command(f, c, shares)
      else this.onFirst(f, () => this.command(f, c, false))
    }
    if (this.shared) this.wait(f)
    return f
  }

  private wait(f: FunctionBody): void {
    f.get(THREADS)
    f.call(this.barrier)
  }

  private onFirst(f: FunctionBody, body: () => void): void {
    f.get(THREAD)
    f.op('i32.eqz')
    f.if(body)
  }

  private command(f: FunctionBody, c: KernelCommand | CopyCommand, shares: boolean): void {
    if (c.op === 'copy') this.copy(f, c, shares)
    else if (c.kernel.grid === 1) this.call(f, c, () => f.i32(0))
    else if (shares) this.drawChunks(f, c)
    else {
      const chunk = f.local('i32')
      f.i32(0)
      f.set(chunk)
      this.chunks(f, c, chunk, () => f.i32(c.kernel.grid))
      f.release('i32', chunk)
    }
  }

  private address(f: FunctionBody, buffer: number): void {
    f.get(TABLE)
    f.memory('i32.load', 4 * buffer)
  }

  private call(f: FunctionBody, { kernel, args }: KernelCommand, chunk: () => void): void {
    chunk()
    f.get(SCRATCH)
    for (const buffer of args) this.address(f, buffer)
    f.call(this.functionOf(kernel))
  }

  /** Runs chunks from `chunk`, which is below the limit, up to the limit. */
  private chunks(f: FunctionBody, c: KernelCommand, chunk: number, limit: () => void): void {
    f.loop(() => {
      this.call(f, c, () => f.get(chunk))
      f.get(chunk)
      f.i32(1)
      f.op('i32.add')
      f.tee(chunk)
      limit()
      f.op('i32.lt_s')
      f.branchIf(0)
    })
  }

  /** Threads take the next few chunks off a counter until there are none left. */
  private drawChunks(f: FunctionBody, c: KernelCommand): void {
    const { grid } = c.kernel
    const counter = 4 * (this.plan.buffers.length + this.counters++)
    const [chunk, end, share] = [f.local('i32'), f.local('i32'), f.local('i32')]
    // An eighth of a thread's fair share at a time, so that a thread that is held up delays little.
    f.i32(grid)
    f.get(THREADS)
    f.i32(3)
    f.op('i32.shl')
    f.op('i32.div_u')
    f.i32(1)
    f.op('i32.add')
    f.set(share)
    f.loop(() => {
      f.get(TABLE)
      f.get(share)
      f.memory('i32.atomic.rmw.add', counter)
      f.tee(chunk)
      f.i32(grid)
      f.op('i32.lt_s')
      f.if(() => {
        f.get(chunk)
        f.get(share)
        f.op('i32.add')
        f.tee(end)
        f.i32(grid)
        f.get(end)
        f.i32(grid)
        f.op('i32.lt_s')
        f.op('select')
        f.set(end)
        this.chunks(f, c, chunk, () => f.get(end))
        f.branch(1)
      })
    })
    for (const local of [chunk, end, share]) f.release('i32', local)
  }

  private copy(f: FunctionBody, c: CopyCommand, shares: boolean): void {
    if (!shares) {
      this.address(f, c.to)
      this.address(f, c.from)
      f.i32(c.bytes)
      f.memoryCopy()
      return
    }
    // Thread t copies bytes t·share … of the whole, share being a multiple of a page.
    const [from, count] = [f.local('i32'), f.local('i32')]
    f.i32(Math.ceil(c.bytes / 4096))
    f.get(THREADS)
    f.op('i32.add')
    f.i32(1)
    f.op('i32.sub')
    f.get(THREADS)
    f.op('i32.div_u')
    f.i32(12)
    f.op('i32.shl')
    f.tee(count)
    f.get(THREAD)
    f.op('i32.mul')
    f.tee(from)
    f.i32(c.bytes)
    f.op('i32.lt_u')
    f.if(() => {
      for (const buffer of [c.to, c.from]) {
        this.address(f, buffer)
        f.get(from)
        f.op('i32.add')
      }
      f.get(count)
      f.i32(c.bytes)
      f.get(from)
      f.op('i32.sub')
      f.get(count)
      f.i32(c.bytes)
      f.get(from)
      f.op('i32.sub')
      f.op('i32.lt_u')
      f.op('select')
      f.memoryCopy()
    })
    for (const local of [from, count]) f.release('i32', local)
  }
}

/** How often a thread looks whether the barrier has opened before it goes to sleep. */
const BARRIER_SPINS = 20_000
/** Nanoseconds after which a sleeper looks whether all is well. */
const BARRIER_NAP = 200_000_000n

/** barrier(threads): returns when all threads have called it. */
function emitBarrier(): FunctionBody {
  const f = new FunctionBody({ parameters: ['i32'], results: [] })
  const [opened, spins] = [f.local('i32'), f.local('i32')]
  f.get(0)
  f.i32(1)
  f.op('i32.le_s')
  f.if(() => f.op('return'))
  f.i32(0)
  f.memory('i32.atomic.load', BARRIER.opened)
  f.set(opened)
  f.i32(0)
  f.i32(1)
  f.memory('i32.atomic.rmw.add', BARRIER.arrived)
  f.i32(1)
  f.op('i32.add')
  f.get(0)
  f.op('i32.eq')
  f.if(() => {
    // The last to arrive opens it.
    f.i32(0)
    f.i32(0)
    f.memory('i32.atomic.store', BARRIER.arrived)
    f.i32(0)
    f.i32(1)
    f.memory('i32.atomic.rmw.add', BARRIER.opened)
    f.op('drop')
    f.i32(0)
    f.memory('i32.atomic.load', BARRIER.sleepers)
    f.if(() => {
      f.i32(0)
      f.i32(-1)
      f.memory('memory.atomic.notify', BARRIER.opened)
      f.op('drop')
    })
    f.op('return')
  })
  f.loop(() => {
    f.i32(0)
    f.memory('i32.atomic.load', BARRIER.opened)
    f.get(opened)
    f.op('i32.ne')
    f.if(() => f.op('return'))
    f.get(spins)
    f.i32(1)
    f.op('i32.add')
    f.tee(spins)
    f.i32(BARRIER_SPINS)
    f.op('i32.lt_s')
    f.branchIf(0)
    // Whoever opens it sees the sleeper, or the sleeper sees that it has opened and does not sleep.
    f.i32(0)
    f.i32(1)
    f.memory('i32.atomic.rmw.add', BARRIER.sleepers)
    f.op('drop')
    f.i32(0)
    f.get(opened)
    f.i64(BARRIER_NAP)
    f.memory('memory.atomic.wait32', BARRIER.opened)
    f.op('drop')
    // A thread that failed never comes: better to fail as well than to wait for it.
    f.i32(0)
    f.memory('i32.atomic.load', BARRIER.broken)
    f.if(() => f.op('unreachable'))
    f.i32(0)
    f.i32(-1)
    f.memory('i32.atomic.rmw.add', BARRIER.sleepers)
    f.op('drop')
    f.branch(0)
  })
  return f
}

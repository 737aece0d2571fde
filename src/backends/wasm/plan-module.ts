// A plan as one WebAssembly module: its kernels, and a function for each stretch of commands between host
// calls, which all threads run together.

import type { Command, Kernel, Plan } from '../../compiler/kernel/ir.js'
import { Helpers } from './emit/helpers.js'
import { emitKernel, scratchOf } from './emit/kernel.js'
import type { Features } from './emit/state.js'
import { FunctionBody } from './encode/function.js'
import { ModuleBuilder } from './encode/module.js'
import { addTeamFunctions, CLOSED, type TeamFunctions } from './threads/team.js'

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
/** Nanoseconds of work to take at a time. */
const DRAW_WORTH = 3000
/** Copies of more bytes than this are shared, in pieces of so many. */
const LARGE_COPY = 1 << 17
const COPY_PIECE = 1 << 15

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

/**
 * Commands between which all threads have to meet. A barrier between commands that only the first thread
 * runs would hold up everybody for nothing.
 */
function phasesOf(segment: Segment): (KernelCommand | CopyCommand)[][] {
  const phases: (KernelCommand | CopyCommand)[][] = [[]]
  let wanted = false
  let othersBusy = false
  for (const c of segment.commands) {
    if (c.op === 'barrier') {
      wanted = true
      continue
    }
    const shares = isShared(c)
    if (wanted && (shares || othersBusy)) {
      phases.push([])
      wanted = false
      othersBusy = false
    }
    if (shares) othersBusy = true
    phases.at(-1)!.push(c)
  }
  return phases
}

/** Parameters of a segment's function. */
const THREAD = 0
const THREADS = 1
const JOB = 2
const TABLE = 3
const SCRATCH = 4

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
      scratchBytes = Math.max(scratchBytes, scratchOf(kernel).bytes)
    }
    return index
  }
  for (const s of segments) {
    for (const c of s.commands) if (c.op === 'kernel') functionOf(c.kernel)
  }
  // Threads' scratch areas start on pages of their own.
  scratchBytes = (scratchBytes + 4095) & ~4095
  const team = features.shared ? addTeamFunctions(module) : null
  const writer = new SegmentWriter(plan, team, scratchBytes, functionOf)
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
    /** Null where memory is not shared and there is one thread. */
    private readonly team: TeamFunctions | null,
    private readonly scratchBytes: number,
    private readonly functionOf: (kernel: Kernel) => number,
  ) {}

  write(segment: Segment): FunctionBody {
    const { team } = this
    const parameters = ['i32', 'i32', 'i32', 'i32', 'i32'] as const
    const f = new FunctionBody({ parameters, results: [] })
    f.get(SCRATCH)
    f.get(THREAD)
    f.i32(this.scratchBytes)
    f.op('i32.mul')
    f.op('i32.add')
    f.set(SCRATCH)
    if (!team) {
      for (const c of segment.commands) if (c.op !== 'barrier') this.command(f, c, false)
      return f
    }
    const phases = phasesOf(segment)
    const first = f.local('i32')
    f.get(THREAD)
    f.if(() => {
      f.get(JOB)
      f.call(team.join)
      f.tee(first)
      f.i32(0)
      f.op('i32.lt_s')
      f.if(() => f.op('return'))
    })
    // A thread enters at the phase it joins, and goes through all from there.
    const enter = (phase: number): void =>
      f.block(() => {
        if (phase > 0) {
          enter(phase - 1)
          this.phase(f, phases[phase - 1]!, phase - 1, phase, team)
        } else {
          f.get(first)
          f.branchTable(phases.map((_, i) => i))
        }
      })
    enter(phases.length - 1)
    this.phase(f, phases.at(-1)!, phases.length - 1, CLOSED, team)
    return f
  }

  private phase(
    f: FunctionBody,
    commands: readonly (KernelCommand | CopyCommand)[],
    number: number,
    next: number,
    team: TeamFunctions,
  ): void {
    for (const c of commands) {
      if (isShared(c)) {
        this.command(f, c, true)
        continue
      }
      f.get(THREAD)
      f.op('i32.eqz')
      f.if(() => this.command(f, c, false))
    }
    f.get(JOB)
    f.if(() => {
      f.get(JOB)
      f.i32(number)
      f.i32(next)
      f.call(team.finish)
    })
  }

  private command(f: FunctionBody, c: KernelCommand | CopyCommand, shares: boolean): void {
    if (c.op === 'copy') {
      this.copy(f, c, shares)
      return
    }
    const { grid } = c.kernel
    if (grid === 1) {
      this.call(f, c, () => f.i32(0))
      return
    }
    if (shares) {
      this.draw(f, grid, nanoseconds(c.kernel) / grid, (chunk) =>
        this.call(f, c, () => f.get(chunk)),
      )
      return
    }
    const chunk = f.local('i32')
    f.i32(0)
    f.set(chunk)
    this.count(
      f,
      chunk,
      () => f.i32(grid),
      () => this.call(f, c, () => f.get(chunk)),
    )
    f.release('i32', chunk)
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

  /** Runs `body` for numbers from `at`, which is below the limit, up to the limit. */
  private count(f: FunctionBody, at: number, limit: () => void, body: () => void): void {
    f.loop(() => {
      body()
      f.get(at)
      f.i32(1)
      f.op('i32.add')
      f.tee(at)
      limit()
      f.op('i32.lt_s')
      f.branchIf(0)
    })
  }

  /**
   * Threads take the next few numbers below `total` off a counter until there are none left.
   * @param each estimated nanoseconds of one
   */
  private draw(f: FunctionBody, total: number, each: number, body: (at: number) => void): void {
    const counter = 4 * (this.plan.buffers.length + this.counters++)
    const [at, end, share] = [f.local('i32'), f.local('i32'), f.local('i32')]
    // Enough to make up for the drawing, but at most an eighth of a thread's fair share: everybody waits
    // in the end for a thread that the system has put aside.
    const enough = Math.max(1, Math.min(total, Math.ceil(DRAW_WORTH / Math.max(1, each))))
    f.i32(total)
    f.get(THREADS)
    f.i32(3)
    f.op('i32.shl')
    f.op('i32.div_u')
    f.i32(1)
    f.op('i32.add')
    f.tee(share)
    f.i32(enough)
    f.get(share)
    f.i32(enough)
    f.op('i32.lt_s')
    f.op('select')
    f.set(share)
    f.loop(() => {
      f.get(TABLE)
      f.get(share)
      f.memory('i32.atomic.rmw.add', counter)
      f.tee(at)
      f.i32(total)
      f.op('i32.lt_s')
      f.if(() => {
        f.get(at)
        f.get(share)
        f.op('i32.add')
        f.tee(end)
        f.i32(total)
        f.get(end)
        f.i32(total)
        f.op('i32.lt_s')
        f.op('select')
        f.set(end)
        this.count(
          f,
          at,
          () => f.get(end),
          () => body(at),
        )
        f.branch(1)
      })
    })
    for (const local of [at, end, share]) f.release('i32', local)
  }

  private copy(f: FunctionBody, c: CopyCommand, shares: boolean): void {
    if (!shares) {
      this.address(f, c.to)
      this.address(f, c.from)
      f.i32(c.bytes)
      f.memoryCopy()
      return
    }
    const pieces = Math.ceil(c.bytes / COPY_PIECE)
    this.draw(f, pieces, COPY_PIECE / BYTES_PER_NS, (piece) => {
      for (const buffer of [c.to, c.from]) {
        this.address(f, buffer)
        f.get(piece)
        f.i32(COPY_PIECE)
        f.op('i32.mul')
        f.op('i32.add')
      }
      // The last piece is shorter.
      f.i32(COPY_PIECE)
      f.i32(c.bytes - (pieces - 1) * COPY_PIECE)
      f.get(piece)
      f.i32(pieces - 1)
      f.op('i32.lt_s')
      f.op('select')
      f.memoryCopy()
    })
  }
}

// A plan as one WebAssembly module: its kernels, and a function for each stretch of commands between host
// calls, which all threads run together.

import type { Kernel, Plan } from '../../compiler/kernel/ir.js'
import {
  CLOSED,
  COPY_PIECE,
  type CopyCommand,
  type KernelCommand,
  type Segment,
  splitSegments,
  type Task,
} from '../segments.js'
import { COSTS } from './costs.js'
import { Helpers } from './emit/helpers.js'
import { emitKernel, scratchOf } from './emit/kernel.js'
import type { Features } from './emit/state.js'
import { FunctionBody } from './encode/function.js'
import { ModuleBuilder } from './encode/module.js'
import { addTeamFunctions, type TeamFunctions } from './threads/team.js'

export interface PlanModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly segments: readonly Segment[]
  /** Words after the plan's table of addresses from which threads draw chunks; zero before a run. */
  readonly counters: number
  /** Scratch memory a thread needs. */
  readonly scratchBytes: number
  readonly kernels: number
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
  const segments = splitSegments(plan.commands, COSTS, { chains: false })
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
    for (const { command: c } of s.phases.flat()) if (c.op === 'kernel') functionOf(c.kernel)
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

  write({ phases }: Segment): FunctionBody {
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
      for (const task of phases.flat()) this.alone(f, task.command)
      return f
    }
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
    tasks: readonly Task[],
    number: number,
    next: number,
    team: TeamFunctions,
  ): void {
    for (const task of tasks) {
      if (task.shared) {
        this.shared(f, task)
        continue
      }
      f.get(THREAD)
      f.op('i32.eqz')
      f.if(() => this.alone(f, task.command))
    }
    f.get(JOB)
    f.if(() => {
      f.get(THREAD)
      f.get(JOB)
      f.i32(number)
      f.i32(next)
      f.call(team.finish)
    })
  }

  /** All of a command. */
  private alone(f: FunctionBody, c: KernelCommand | CopyCommand): void {
    if (c.op === 'copy') {
      this.address(f, c.to)
      this.address(f, c.from)
      f.i32(c.bytes)
      f.memoryCopy()
      return
    }
    const { grid } = c.kernel
    if (grid === 1) {
      this.call(f, c, () => f.i32(0))
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

  /** As many of a task's pieces as this thread gets. */
  private shared(f: FunctionBody, task: Task): void {
    const { command: c } = task
    this.draw(f, task, (piece) => {
      if (c.op === 'kernel') this.call(f, c, () => f.get(piece))
      else this.copyPiece(f, c, piece, task.pieces - 1)
    })
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

  /** Threads take the next few of a task's pieces off a counter until there are none left. */
  private draw(f: FunctionBody, task: Task, body: (piece: number) => void): void {
    const { pieces: total } = task
    const counter = 4 * (this.plan.buffers.length + this.counters++)
    const [at, end, share] = [f.local('i32'), f.local('i32'), f.local('i32')]
    // Enough to make up for the drawing, but at most an eighth of a thread's fair share: everybody waits
    // in the end for a thread that the system has put aside.
    const enough = Math.min(total, task.draw)
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

  private copyPiece(f: FunctionBody, c: CopyCommand, piece: number, last: number): void {
    for (const buffer of [c.to, c.from]) {
      this.address(f, buffer)
      f.get(piece)
      f.i32(COPY_PIECE)
      f.op('i32.mul')
      f.op('i32.add')
    }
    // The last piece is shorter.
    f.i32(COPY_PIECE)
    f.i32(c.bytes - last * COPY_PIECE)
    f.get(piece)
    f.i32(last)
    f.op('i32.lt_s')
    f.op('select')
    f.memoryCopy()
  }
}

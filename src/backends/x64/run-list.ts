// A plan in memory: a table of its buffers' addresses, and for each segment a job with the commands that
// machine code walks (see threads/walk.ts). All of it lies in one block, which never moves.

import type { Plan } from '../../compiler/kernel/ir.js'
import {
  CLOSED,
  type CopyCommand,
  commandsOf,
  gridOf,
  type KernelCommand,
  type Segment,
  type Task,
} from '../segments.js'
import { LINE, zeroed } from './native/arrays.js'
import { roundUp } from './native/pages.js'
import { COMMAND, COUNTER_BYTES, frameBytes, JOB, KIND } from './threads/layout.js'

/** Where functions are. */
export interface Functions {
  /** Of the command's kernel. */
  kernel(command: KernelCommand | CopyCommand): number
}

const HIGH = 2 ** 32

/** Hands out places in a block before there is one. */
class Layout {
  bytes = 0
  place(bytes: number): number {
    const at = this.bytes
    this.bytes += roundUp(Math.max(bytes, 1), LINE)
    return at
  }
}

/** What a plan wants besides what machine code has to have. */
export interface Wishes {
  /** Bytes for each input that may be copied in; 0 for those that never are. */
  readonly inputs: readonly number[]
  /** Whether threads note the time before the first task of a phase, and after each. */
  readonly stamps: boolean
}

export class RunList {
  /** Offsets of the places asked for; -1 where none was. */
  readonly inputs: readonly number[]
  readonly address: number
  readonly bytes: Uint8Array
  /** Address of each segment's job. */
  readonly jobs: readonly number[]
  /** Times a thread notes in a run of all jobs, in order. */
  stamps = 0
  private readonly words: Uint32Array
  private readonly jobAt: readonly number[]
  private readonly fault: number
  /** Everything before this changes from run to run, or says where memory is. */
  private readonly changing: number

  constructor(plan: Plan, segments: readonly Segment[], functions: Functions, wishes: Wishes) {
    const layout = new Layout()
    const tasks = segments.map((s) => s.phases.flat())
    const copies = tasks.flat().filter((t) => t.command.op === 'copy').length
    const table = layout.place(8 * (plan.buffers.length + copies))
    this.fault = layout.place(4)
    this.jobAt = segments.map(() => layout.place(JOB.bytes))
    this.inputs = wishes.inputs.map((bytes) => (bytes > 0 ? layout.place(bytes) : -1))
    this.changing = layout.bytes
    const phases = segments.map((s) => layout.place(8 * s.phases.length))
    const commands = segments.map((s, i) =>
      layout.place(
        COMMAND.bytes * (sum(tasks[i]!, length) + s.phases.length + stampsOf(s, wishes)),
      ),
    )
    const args = tasks.map((list) => layout.place(4 * sum(list, allArgs)))
    const counters = tasks.map((list) => layout.place(COUNTER_BYTES * sum(list, isShared)))
    const constants = plan.buffers.map((b) => (b.kind === 'constant' ? layout.place(b.bytes) : -1))

    const { array, address } = zeroed(layout.bytes)
    this.bytes = array
    this.address = address
    this.words = new Uint32Array(array.buffer, array.byteOffset, layout.bytes / 4)
    this.jobs = this.jobAt.map((at) => address + at)
    plan.buffers.forEach((b, i) => {
      if (b.kind !== 'constant') return
      array.set(b.data, constants[i]!)
      this.bind(i, address + constants[i]!)
    })
    let entry = plan.buffers.length
    segments.forEach((segment, s) => {
      const job = this.jobAt[s]!
      this.pointer(job + JOB.phases, address + phases[s]!)
      this.pointer(job + JOB.table, address + table)
      this.pointer(job + JOB.fault, address + this.fault)
      this.pointer(job + JOB.counters, address + counters[s]!)
      this.word(job + JOB.counts, sum(tasks[s]!, isShared))
      const most = Math.max(0, ...tasks[s]!.flatMap(commandsOf).map(argCount))
      this.word(job + JOB.frame, frameBytes(most))
      let command = commands[s]!
      let arg = args[s]!
      let counter = counters[s]!
      const noteTime = (): void => {
        if (!wishes.stamps) return
        this.word(command + COMMAND.kind, KIND.stamp)
        this.word(command + COMMAND.phase, this.stamps++)
        command += COMMAND.bytes
      }
      segment.phases.forEach((phase, p) => {
        this.pointer(phases[s]! + 8 * p, address + command)
        noteTime()
        for (const task of phase) {
          const { pieces, links } = task
          for (const [i, c] of commandsOf(task).entries()) {
            const kind = i > 0 ? KIND.link : task.shared ? KIND.shared : KIND.alone
            this.pointer(command + COMMAND.kernel, functions.kernel(c))
            this.pointer(command + COMMAND.args, address + arg)
            this.word(command + COMMAND.argCount, argCount(c))
            this.word(command + COMMAND.pieces, pieces)
            this.word(command + COMMAND.each, gridOf(c) / Math.max(1, pieces))
            this.word(command + COMMAND.continues, i < links.length ? 1 : 0)
            this.word(command + COMMAND.kind, kind)
            this.word(command + COMMAND.draw, Math.min(task.draw, pieces))
            if (c.op === 'copy') this.bind(entry, c.bytes)
            const list = c.op === 'copy' ? [c.to, c.from, entry++] : c.args
            for (const buffer of list) {
              this.word(arg, buffer)
              arg += 4
            }
            if (i === 0 && task.shared) {
              this.pointer(command + COMMAND.counter, address + counter)
              counter += COUNTER_BYTES
            }
            command += COMMAND.bytes
          }
          noteTime()
        }
        const last = p === segment.phases.length - 1
        this.word(command + COMMAND.kind, last ? KIND.end : KIND.barrier)
        this.word(command + COMMAND.phase, p)
        this.word(command + COMMAND.next, last ? CLOSED : p + 1)
        command += COMMAND.bytes
      })
    })
  }

  /** Sets the address of a plan's buffer. */
  bind(buffer: number, address: number): void {
    this.words[2 * buffer] = address
    this.words[2 * buffer + 1] = address / HIGH
  }

  /** The address of a plan's buffer. */
  addressOf(buffer: number): number {
    return this.words[2 * buffer]! + this.words[2 * buffer + 1]! * HIGH
  }

  /** Says on how many threads a segment runs, and whether those that sleep are woken for it. */
  share(segment: number, threads: number, wake: boolean): void {
    this.word(this.jobAt[segment]! + JOB.threads, threads)
    this.word(this.jobAt[segment]! + JOB.wake, wake ? 1 : 0)
  }

  /** Says where threads' scratch memory is. */
  scratch(address: number, stride: number): void {
    for (const at of this.jobAt) {
      this.pointer(at + JOB.scratch, address)
      this.pointer(at + JOB.stride, stride)
    }
  }

  /** Says where threads note times. */
  stampsAt(address: number, stride: number): void {
    for (const at of this.jobAt) {
      this.pointer(at + JOB.stamps, address)
      this.pointer(at + JOB.stampStride, stride)
    }
  }

  get faultCode(): number {
    return this.words[this.fault >> 2]!
  }

  clearFault(): void {
    this.words[this.fault >> 2] = 0
  }

  /** What a run changes, to be put back after another run in its midst. */
  save(): Uint8Array {
    return this.bytes.slice(0, this.changing)
  }

  restore(saved: Uint8Array): void {
    this.bytes.set(saved)
  }

  private word(at: number, value: number): void {
    this.words[at >> 2] = value
  }

  private pointer(at: number, value: number): void {
    this.words[at >> 2] = value
    this.words[(at >> 2) + 1] = value / HIGH
  }
}

const stampsOf = ({ phases }: Segment, { stamps }: Wishes): number =>
  stamps ? phases.reduce((total, phase) => total + phase.length + 1, 0) : 0

const sum = (tasks: readonly Task[], of: (task: Task) => number): number =>
  tasks.reduce((total, task) => total + of(task), 0)

const isShared = (task: Task): number => (task.shared ? 1 : 0)

const length = (task: Task): number => 1 + task.links.length

const argCount = (c: KernelCommand | CopyCommand): number => (c.op === 'copy' ? 3 : c.args.length)

const allArgs = (task: Task): number =>
  commandsOf(task).reduce((total, c) => total + argCount(c), 0)

// A segment as machine code walks it (see threads/walk.ts): a job, the commands of its phases one after
// another, and the numbers of the buffers that these work on.

import {
  CLOSED,
  type CopyCommand,
  commandsOf,
  gridOf,
  type KernelCommand,
  type Segment,
  type Task,
} from '../segments.js'
import { COMMAND, COUNTER_BYTES, frameBytes, JOB, KIND } from './threads/layout.js'

const HIGH = 2 ** 32

/** Sets a word of memory that machine code reads, at an offset in bytes. */
export function setWord(words: Uint32Array, at: number, value: number): void {
  words[at >> 2] = value
}

export function setPointer(words: Uint32Array, at: number, address: number): void {
  words[at >> 2] = address
  words[(at >> 2) + 1] = address / HIGH
}

export const getPointer = (words: Uint32Array, at: number): number =>
  words[at >> 2]! + words[(at >> 2) + 1]! * HIGH

/** Bytes that the parts of a job take besides the job itself. */
export interface Sizes {
  /** Addresses of phases. */
  readonly phases: number
  readonly commands: number
  readonly args: number
  readonly counters: number
}

const argCount = (c: KernelCommand | CopyCommand): number => (c.op === 'copy' ? 3 : c.args.length)

/** @param stamps whether threads note the time before the first task of a phase, and after each */
export function sizesOf({ phases }: Segment, stamps: boolean): Sizes {
  const tasks = phases.flat()
  const commands = tasks.flatMap(commandsOf)
  const notes = stamps ? tasks.length + phases.length : 0
  return {
    phases: 8 * phases.length,
    // Each phase ends with a command, too.
    commands: COMMAND.bytes * (commands.length + phases.length + notes),
    args: 4 * commands.reduce((sum, c) => sum + argCount(c), 0),
    counters: COUNTER_BYTES * tasks.filter((t) => t.shared).length,
  }
}

/** What all jobs of a plan have in common. */
export interface Surroundings {
  readonly words: Uint32Array
  /** Address of offset 0. */
  readonly address: number
  /** Offsets of the table of buffers and of the fault word. */
  readonly table: number
  readonly fault: number
  /** Where a command's function is. */
  functionOf(command: KernelCommand | CopyCommand): number
  /** An entry of the table for a number that is no address. */
  entryOf(value: number): number
  /** The number of the next time that threads note; null where they note none. */
  readonly nextStamp: (() => number) | null
}

/** Writes the job of one segment. */
export class JobWriter {
  private command: number
  private arg: number
  private counter: number

  /** @param at offsets of the job and of its parts */
  constructor(
    private readonly around: Surroundings,
    private readonly at: Sizes & { readonly job: number },
  ) {
    this.command = at.commands
    this.arg = at.args
    this.counter = at.counters
  }

  write({ phases }: Segment): void {
    const { at, around } = this
    const { words, address } = around
    const tasks = phases.flat()
    setPointer(words, at.job + JOB.phases, address + at.phases)
    setPointer(words, at.job + JOB.table, address + around.table)
    setPointer(words, at.job + JOB.fault, address + around.fault)
    setPointer(words, at.job + JOB.counters, address + at.counters)
    setWord(words, at.job + JOB.counts, tasks.filter((t) => t.shared).length)
    const most = Math.max(0, ...tasks.flatMap(commandsOf).map(argCount))
    setWord(words, at.job + JOB.frame, frameBytes(most))
    for (const [p, phase] of phases.entries()) {
      setPointer(words, at.phases + 8 * p, address + this.command)
      this.stamp()
      for (const task of phase) {
        this.task(task)
        this.stamp()
      }
      const last = p === phases.length - 1
      setWord(words, this.command + COMMAND.kind, last ? KIND.end : KIND.barrier)
      setWord(words, this.command + COMMAND.phase, p)
      setWord(words, this.command + COMMAND.next, last ? CLOSED : p + 1)
      this.command += COMMAND.bytes
    }
  }

  private task(task: Task): void {
    const { words, address } = this.around
    if (task.shared) {
      setPointer(words, this.command + COMMAND.counter, address + this.counter)
      this.counter += COUNTER_BYTES
    }
    for (const [i, c] of commandsOf(task).entries()) {
      const kind = i > 0 ? KIND.link : task.shared ? KIND.shared : KIND.alone
      setWord(words, this.command + COMMAND.kind, kind)
      setWord(words, this.command + COMMAND.continues, i < task.links.length ? 1 : 0)
      this.call(c, task)
      this.command += COMMAND.bytes
    }
  }

  private call(c: KernelCommand | CopyCommand, { pieces, draw }: Task): void {
    const { command, around } = this
    const { words, address } = around
    setPointer(words, command + COMMAND.kernel, around.functionOf(c))
    setPointer(words, command + COMMAND.args, address + this.arg)
    setWord(words, command + COMMAND.argCount, argCount(c))
    setWord(words, command + COMMAND.pieces, pieces)
    setWord(words, command + COMMAND.each, gridOf(c) / Math.max(1, pieces))
    setWord(words, command + COMMAND.draw, Math.min(draw, pieces))
    const list = c.op === 'copy' ? [c.to, c.from, around.entryOf(c.bytes)] : c.args
    for (const buffer of list) {
      setWord(words, this.arg, buffer)
      this.arg += 4
    }
  }

  private stamp(): void {
    const { words, nextStamp } = this.around
    if (nextStamp === null) return
    setWord(words, this.command + COMMAND.kind, KIND.stamp)
    setWord(words, this.command + COMMAND.phase, nextStamp())
    this.command += COMMAND.bytes
  }
}

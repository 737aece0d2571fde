// What backends tell of the plans they run, while somebody listens.

import type { Command } from '../compiler/kernel/ir.js'

/** A piece of a plan's work. */
export interface Work {
  readonly kind: 'kernel' | 'copy' | 'host'
  /** What it computes, e.g. `dot+bias+relu [32,784]x[784,128]`. */
  readonly name: string
  /** Arithmetic, and bytes read and written, as the compiler estimates them. */
  readonly flops: number
  readonly bytes: number
}

/** The time one thread spent on a piece of work, in milliseconds of `performance.now()`. */
export interface Stretch {
  readonly work: Work
  /** 0 is the thread that called. */
  readonly thread: number
  /** Threads meet between phases; work of equal ones runs side by side. */
  readonly phase: number
  readonly start: number
  readonly end: number
}

/** One run of a plan. */
export interface PlanRun {
  readonly device: string
  readonly start: number
  readonly end: number
  /** Thread after thread, each in order of time. What is between a thread's stretches is waiting. */
  readonly stretches: readonly Stretch[]
}

/** Who wants to know. */
export interface Listener {
  ran(run: PlanRun): void
  /** A program became a plan: what it is, and how long it took, in milliseconds. */
  compiled(what: string, start: number, end: number): void
}

let current: Listener | null = null

/** Who listens now; plans that run meanwhile take the time of everything. */
export const listener = (): Listener | null => current

/** Tells `next` from now on. @returns who was told before */
export function listen(next: Listener | null): Listener | null {
  const before = current
  current = next
  return before
}

/** What a command of a plan does; null for one that only waits. */
export function workOf(command: Command): Work | null {
  switch (command.op) {
    case 'kernel': {
      const { name, flops, bytes } = command.kernel
      return { kind: 'kernel', name, flops, bytes }
    }
    case 'copy':
      return {
        kind: 'copy',
        name: `copy [${command.bytes} bytes]`,
        flops: 0,
        bytes: 2 * command.bytes,
      }
    case 'host':
      return { kind: 'host', name: `host: ${command.call.name}`, flops: 0, bytes: 0 }
    case 'barrier':
      return null
  }
}

/** What a device does at best, for comparison: in a nanosecond, with the threads it has. */
export interface Limits {
  readonly flops: number
  readonly bytes: number
}

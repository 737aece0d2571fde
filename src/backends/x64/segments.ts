// A plan's commands cut into jobs: stretches that run without leaving machine code, with a host call
// after each; and jobs cut into phases, between which all threads meet.

import type { Command, Kernel } from '../../compiler/kernel/ir.js'
import { CLOSED } from './threads/layout.js'

export type HostCommand = Extract<Command, { op: 'host' }>
export type KernelCommand = Extract<Command, { op: 'kernel' }>
export type CopyCommand = Extract<Command, { op: 'copy' }>

/** A command, and whether threads share it or the first runs it alone. */
export interface Task {
  readonly command: KernelCommand | CopyCommand
  readonly shared: boolean
}

export interface Segment {
  readonly phases: readonly (readonly Task[])[]
  readonly host: HostCommand | null
  /** Estimated nanoseconds of the work that threads can share. */
  readonly shareable: number
}

/** What a thread can do in a nanosecond, roughly; for deciding what is worth sharing. */
const FLOPS_PER_NS = 60
const BYTES_PER_NS = 12
/** Kernels shorter than this are run by one thread: others would come too late. */
const WORTH_SHARING = 2000
/** Nanoseconds of work to take at a time. */
const DRAW_WORTH = 2000
/** Copies of more bytes than this are shared, in pieces. */
const LARGE_COPY = 1 << 17
export const COPY_PIECE = 1 << 15
/** Phases of a job have numbers of 16 bits. */
const MOST_PHASES = CLOSED - 1

const nanoseconds = (k: Kernel): number =>
  Math.max(k.flops / FLOPS_PER_NS, k.bytes / BYTES_PER_NS, 3 * k.grid)

const work = (c: KernelCommand | CopyCommand): number =>
  c.op === 'kernel' ? nanoseconds(c.kernel) : c.bytes / BYTES_PER_NS

/** How many chunks to take at a time: enough to make up for the drawing. */
export const drawOf = (c: KernelCommand | CopyCommand): number =>
  Math.max(1, Math.ceil((DRAW_WORTH * gridOf(c)) / Math.max(1, work(c))))

export const gridOf = (c: KernelCommand | CopyCommand): number =>
  c.op === 'kernel' ? c.kernel.grid : Math.ceil(c.bytes / COPY_PIECE)

const isShared = (c: KernelCommand | CopyCommand): boolean =>
  c.op === 'copy' ? c.bytes > LARGE_COPY : c.kernel.grid > 1 && work(c) > WORTH_SHARING

/**
 * While the first thread does what it does alone, others begin with what is shared. (Where something is
 * shared, a phase has no barriers in it, so any order will do.)
 */
const aloneFirst = (phase: readonly Task[]): Task[] => [
  ...phase.filter((t) => !t.shared),
  ...phase.filter((t) => t.shared),
]

/** Cuts a plan's commands into segments and these into phases. */
export function splitSegments(commands: readonly Command[]): Segment[] {
  const segments: Segment[] = []
  let phases: Task[][] = [[]]
  let shareable = 0
  // A barrier between commands that only the first thread runs would hold everybody up for nothing.
  let wanted = false
  let othersBusy = false
  const close = (host: HostCommand | null): void => {
    segments.push({ phases: phases.map(aloneFirst), host, shareable })
    phases = [[]]
    shareable = 0
    wanted = othersBusy = false
  }
  for (const command of commands) {
    if (command.op === 'host') close(command)
    else if (command.op === 'barrier') wanted = true
    else {
      const shared = isShared(command)
      if (wanted && (shared || othersBusy)) {
        if (phases.length === MOST_PHASES) close(null)
        else phases.push([])
        wanted = othersBusy = false
      }
      if (shared) {
        othersBusy = true
        shareable += work(command)
      }
      phases.at(-1)!.push({ command, shared })
    }
  }
  const isEmpty = phases.every((p) => p.length === 0)
  if (!isEmpty || segments.length === 0) close(null)
  return segments
}

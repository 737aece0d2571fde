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
  /** Kernels that follow, piece by piece, and how many pieces there are. */
  readonly links: readonly KernelCommand[]
  readonly pieces: number
}

/** All commands of a task. */
export const commandsOf = ({ command, links }: Task): (KernelCommand | CopyCommand)[] => [
  command,
  ...links,
]

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

const workOf = (task: Task): number => commandsOf(task).reduce((sum, c) => sum + work(c), 0)

/** How many pieces to take at a time: enough to make up for the drawing. */
export const drawOf = (task: Task): number =>
  Math.max(1, Math.ceil((DRAW_WORTH * task.pieces) / Math.max(1, workOf(task))))

export const gridOf = (c: KernelCommand | CopyCommand): number =>
  c.op === 'kernel' ? c.kernel.grid : Math.ceil(c.bytes / COPY_PIECE)

const isShared = ({ command: c, ...task }: Omit<Task, 'shared'>): boolean =>
  c.op === 'copy'
    ? c.bytes > LARGE_COPY
    : task.pieces > 1 && workOf({ ...task, command: c, shared: true }) > WORTH_SHARING

/**
 * While the first thread does what it does alone, others begin with what is shared. (Where something is
 * shared, a phase has no barriers in it, so any order will do.)
 */
const aloneFirst = (phase: readonly Task[]): Task[] => [
  ...phase.filter((t) => !t.shared),
  ...phase.filter((t) => t.shared),
]

/** A plan's commands, kernels between which no thread waits for another as one task. */
function tasksOf(commands: readonly Command[], chains: boolean): (Task | Command)[] {
  const out: (Task | Command)[] = []
  for (let i = 0; i < commands.length; i++) {
    const command = commands[i]!
    if (command.op === 'host' || command.op === 'barrier') {
      out.push(command)
      continue
    }
    const links: KernelCommand[] = []
    let pieces = gridOf(command)
    while (chains) {
      const [barrier, next] = [commands[i + 1], commands[i + 2]]
      if (barrier?.op !== 'barrier' || barrier.pieces === undefined || next?.op !== 'kernel') break
      pieces = barrier.pieces
      links.push(next)
      i += 2
    }
    const task = { command, links, pieces }
    out.push({ ...task, shared: isShared(task) })
  }
  return out
}

/**
 * Cuts a plan's commands into segments and these into phases. Without `chains` all threads meet also
 * where pieces may follow one another, so that each kernel's time can be noted.
 */
export function splitSegments(commands: readonly Command[], chains = true): Segment[] {
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
  for (const task of tasksOf(commands, chains)) {
    if ('op' in task) {
      if (task.op === 'host') close(task)
      else wanted = true
    } else {
      const { shared } = task
      if (wanted && (shared || othersBusy)) {
        if (phases.length === MOST_PHASES) close(null)
        else phases.push([])
        wanted = othersBusy = false
      }
      if (shared) {
        othersBusy = true
        shareable += workOf(task)
      }
      phases.at(-1)!.push(task)
    }
  }
  const isEmpty = phases.every((p) => p.length === 0)
  if (!isEmpty || segments.length === 0) close(null)
  return segments
}

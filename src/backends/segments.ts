// A plan's commands cut into segments: stretches that run without leaving generated code, with a host call
// after each; and segments cut into phases, between which all threads meet.

import type { Command } from '../compiler/kernel/ir.js'

export type HostCommand = Extract<Command, { op: 'host' }>
export type KernelCommand = Extract<Command, { op: 'kernel' }>
export type CopyCommand = Extract<Command, { op: 'copy' }>

/** What work costs on a backend, and what threads do; roughly, in nanoseconds. */
export interface Costs {
  /** What one thread can do in a nanosecond. */
  readonly flops: number
  readonly bytes: number
  /** What calling a kernel for one chunk takes. */
  readonly chunk: number
  /** Tasks shorter than this are run by one thread: others would come too late. */
  readonly worthSharing: number
  /** Work to take at a time. */
  readonly draw: number
  /** Work after which a segment ends, so that it can run while the code of later ones is being made. */
  readonly segment: number
  /** Work that other threads can share before they are told of it; and before those that sleep are woken. */
  readonly worthTelling: number
  readonly worthWaking: number
}

/** A command, and whether threads share it or the first runs it alone. */
export interface Task {
  readonly command: KernelCommand | CopyCommand
  readonly shared: boolean
  /** Kernels that follow, piece by piece, and how many pieces there are. */
  readonly links: readonly KernelCommand[]
  readonly pieces: number
  /** How many pieces to take at a time: enough to make up for the drawing. */
  readonly draw: number
}

/** All commands of a task. */
export const commandsOf = ({
  command,
  links,
}: Pick<Task, 'command' | 'links'>): (KernelCommand | CopyCommand)[] => [command, ...links]

export interface Segment {
  readonly phases: readonly (readonly Task[])[]
  readonly host: HostCommand | null
  /** Estimated nanoseconds of the work that threads can share. */
  readonly shareable: number
}

/** Copies of more bytes than this are shared, in pieces. */
const LARGE_COPY = 1 << 17
export const COPY_PIECE = 1 << 15
/** Phases of a segment have numbers of 16 bits, the last of which says that nobody can join. */
export const CLOSED = 0xffff
const MOST_PHASES = CLOSED - 1

const nanoseconds = (c: KernelCommand | CopyCommand, { flops, bytes, chunk }: Costs): number =>
  c.op === 'copy'
    ? c.bytes / bytes
    : Math.max(c.kernel.flops / flops, c.kernel.bytes / bytes, chunk * c.kernel.grid)

/** Pieces of a command that different threads may take. */
export const gridOf = (c: KernelCommand | CopyCommand): number =>
  c.op === 'kernel' ? c.kernel.grid : Math.ceil(c.bytes / COPY_PIECE)

const workOf = (task: Pick<Task, 'command' | 'links'>, costs: Costs): number =>
  commandsOf(task).reduce((sum, c) => sum + nanoseconds(c, costs), 0)

function taskOf(
  command: KernelCommand | CopyCommand,
  links: readonly KernelCommand[],
  pieces: number,
  costs: Costs,
): Task {
  const work = workOf({ command, links }, costs)
  const shared =
    command.op === 'copy' ? command.bytes > LARGE_COPY : pieces > 1 && work > costs.worthSharing
  const draw = Math.max(1, Math.ceil((costs.draw * pieces) / Math.max(1, work)))
  return { command, links, pieces, shared, draw }
}

/** A plan's commands; with `chains`, kernels between which no thread waits for another as one task. */
function tasksOf(
  commands: readonly Command[],
  costs: Costs,
  chains: boolean,
): (Task | Exclude<Command, KernelCommand | CopyCommand>)[] {
  const out: ReturnType<typeof tasksOf> = []
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
    out.push(taskOf(command, links, pieces, costs))
  }
  return out
}

/**
 * While the first thread does what it does alone, others begin with what is shared. (Where something is
 * shared, a phase has no barriers in it, so any order will do.)
 */
const aloneFirst = (phase: readonly Task[]): Task[] => [
  ...phase.filter((t) => !t.shared),
  ...phase.filter((t) => t.shared),
]

/**
 * Cuts a plan's commands into segments and these into phases. Without `chains` all threads meet also
 * where pieces may follow one another: for backends that do not walk chains, and so that each kernel's time
 * can be noted.
 */
export function splitSegments(
  commands: readonly Command[],
  costs: Costs,
  { chains }: { readonly chains: boolean },
): Segment[] {
  const segments: Segment[] = []
  let phases: Task[][] = [[]]
  let shareable = 0
  let work = 0
  // A barrier between commands that only the first thread runs would hold everybody up for nothing.
  let wanted = false
  let othersBusy = false
  const close = (host: HostCommand | null): void => {
    segments.push({ phases: phases.map(aloneFirst), host, shareable })
    phases = [[]]
    shareable = work = 0
    wanted = othersBusy = false
  }
  for (const task of tasksOf(commands, costs, chains)) {
    if ('op' in task) {
      if (task.op === 'host') close(task)
      else wanted = true
    } else {
      const { shared } = task
      if (wanted && (shared || othersBusy)) {
        if (phases.length === MOST_PHASES || work > costs.segment) close(null)
        else phases.push([])
        wanted = othersBusy = false
      }
      const nanoseconds = workOf(task, costs)
      work += nanoseconds
      if (shared) {
        othersBusy = true
        shareable += nanoseconds
      }
      phases.at(-1)!.push(task)
    }
  }
  const isEmpty = phases.every((p) => p.length === 0)
  if (!isEmpty || segments.length === 0) close(null)
  return segments
}

// A plan in memory: a table of its buffers' addresses, and for each segment a job (see job.ts). All of it lies
// in one block, which never moves.

import type { Plan } from '../../compiler/kernel/ir.js'
import type { CopyCommand, KernelCommand, Segment } from '../segments.js'
import { getPointer, JobWriter, type Surroundings, setPointer, setWord, sizesOf } from './job.js'
import { LINE, zeroed } from './native/arrays.js'
import { roundUp } from './native/pages.js'
import { JOB } from './threads/layout.js'

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
  private readonly writers: readonly JobWriter[]

  /** @param functionOf where the function of a command's kernel is */
  constructor(
    plan: Plan,
    private readonly segments: readonly Segment[],
    functionOf: (command: KernelCommand | CopyCommand) => number,
    wishes: Wishes,
  ) {
    const layout = new Layout()
    const { length } = plan.buffers
    const copies = plan.commands.filter((c) => c.op === 'copy').length
    const table = layout.place(8 * (length + copies))
    this.fault = layout.place(4)
    this.jobAt = segments.map(() => layout.place(JOB.bytes))
    this.inputs = wishes.inputs.map((bytes) => (bytes > 0 ? layout.place(bytes) : -1))
    this.changing = layout.bytes
    const parts = segments.map((s, i) => {
      const { phases, commands, args, counters } = sizesOf(s, wishes.stamps)
      return {
        job: this.jobAt[i]!,
        phases: layout.place(phases),
        commands: layout.place(commands),
        args: layout.place(args),
        counters: layout.place(counters),
      }
    })
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
    // Numbers of bytes to copy stand in the table behind the buffers.
    let entries = length
    const around: Surroundings = {
      words: this.words,
      address,
      table,
      fault: this.fault,
      functionOf,
      entryOf: (value) => {
        this.bind(entries, value)
        return entries++
      },
      nextStamp: wishes.stamps ? () => this.stamps++ : null,
    }
    this.writers = parts.map((part) => new JobWriter(around, part))
  }

  /** Writes the job of a segment, whose functions are known by now. Segments come in their order. */
  write(segment: number): void {
    this.writers[segment]!.write(this.segments[segment]!)
  }

  /** Sets the address of a plan's buffer. */
  bind(buffer: number, address: number): void {
    setPointer(this.words, 8 * buffer, address)
  }

  /** The address of a plan's buffer. */
  addressOf(buffer: number): number {
    return getPointer(this.words, 8 * buffer)
  }

  /** Says on how many threads a segment runs, and whether those that sleep are woken for it. */
  share(segment: number, threads: number, wake: boolean): void {
    setWord(this.words, this.jobAt[segment]! + JOB.threads, threads)
    setWord(this.words, this.jobAt[segment]! + JOB.wake, wake ? 1 : 0)
  }

  /** Says where threads' scratch memory is. */
  scratch(address: number, stride: number): void {
    for (const at of this.jobAt) {
      setPointer(this.words, at + JOB.scratch, address)
      setPointer(this.words, at + JOB.stride, stride)
    }
  }

  /** Says where threads note times. */
  stampsAt(address: number, stride: number): void {
    for (const at of this.jobAt) {
      setPointer(this.words, at + JOB.stamps, address)
      setPointer(this.words, at + JOB.stampStride, stride)
    }
  }

  get faultCode(): number {
    return this.words[this.fault >> 2]!
  }

  clearFault(): void {
    setWord(this.words, this.fault, 0)
  }

  /** What a run changes, to be put back after another run in its midst. */
  save(): Uint8Array {
    return this.bytes.slice(0, this.changing)
  }

  restore(saved: Uint8Array): void {
    this.bytes.set(saved)
  }
}

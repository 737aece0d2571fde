// Worker threads that run plans together with the main thread, over one shared memory.
//
// A worker waits for its mailbox in linear memory to change: first looking at it again and again, then
// asleep. It receives no messages while it waits, so jobs, and the code they need, are left in memory.
// The barrier at the end of every segment is also how the main thread knows that all are done.

import { DeviceError } from '../../../base/errors.js'
import { BARRIER, MAIL, MAILBOX_BYTES, MAILBOXES, MOST_THREADS } from '../memory/layout.js'
import type { LinearMemory } from '../memory/linear.js'
import { type Spawned, spawn } from '../node.js'

/** Where a segment's function is for workers. */
export interface Job {
  /** Which of a worker's places for modules the code belongs in, its number and its bytes. */
  readonly slot: number
  readonly code: number
  readonly codeAt: number
  readonly codeBytes: number
  readonly segment: number
  readonly table: number
  readonly scratch: number
}

export class Pool {
  private readonly workers: Spawned[] = []

  constructor(private readonly linear: LinearMemory) {}

  /** Starts workers until there are `count`. They take their time; until then there are fewer. */
  start(count: number): void {
    while (this.workers.length < Math.min(count, MOST_THREADS - 1)) {
      const mailbox = MAILBOXES + this.workers.length * MAILBOX_BYTES
      this.linear.i32.fill(0, mailbox >> 2, (mailbox + MAILBOX_BYTES) >> 2)
      this.workers.push(spawn({ memory: this.linear.memory, mailbox }))
    }
  }

  /**
   * Runs a segment on this thread and on up to `others` workers.
   * @param run the segment's function, for this thread
   */
  launch(
    others: number,
    job: Job,
    run: (thread: number, threads: number, table: number, scratch: number) => void,
  ): void {
    const ready = this.ready(others)
    const threads = ready.length + 1
    for (const [i, mailbox] of ready.entries()) this.post(mailbox, i + 1, threads, job)
    try {
      run(0, threads, job.table, job.scratch)
    } catch (error) {
      if (threads === 1) throw error
      const broken = this.word(BARRIER.broken) !== 0
      this.stop()
      if (!broken) throw error
      throw new DeviceError('wasm', 'threads that work', 'a worker thread that failed', { error })
    }
  }

  /** Workers that have started and listen. */
  get listening(): number {
    return this.ready(MOST_THREADS).length
  }

  /** Ends all workers. */
  stop(): void {
    if (this.workers.length === 0) return
    const { i32 } = this.linear
    Atomics.store(i32, BARRIER.broken >> 2, 1)
    Atomics.notify(i32, BARRIER.opened >> 2)
    for (const w of this.workers.splice(0)) w.terminate()
    for (const at of [BARRIER.arrived, BARRIER.sleepers, BARRIER.broken]) {
      Atomics.store(i32, at >> 2, 0)
    }
  }

  private word(address: number): number {
    return Atomics.load(this.linear.i32, address >> 2)
  }

  /** Mailboxes (as indices of words) of workers that listen. */
  private ready(atMost: number): number[] {
    const { i32 } = this.linear
    const out: number[] = []
    for (let i = 0; i < this.workers.length && out.length < atMost; i++) {
      const at = (MAILBOXES + i * MAILBOX_BYTES) >> 2
      if (Atomics.load(i32, at + MAIL.ready) === 1) out.push(at)
    }
    return out
  }

  private post(at: number, thread: number, threads: number, job: Job): void {
    const { i32 } = this.linear
    i32[at + MAIL.thread] = thread
    i32[at + MAIL.threads] = threads
    i32[at + MAIL.segment] = job.segment
    i32[at + MAIL.table] = job.table
    i32[at + MAIL.scratch] = job.scratch
    i32[at + MAIL.slot] = job.slot
    i32[at + MAIL.code] = job.code
    i32[at + MAIL.codeAt] = job.codeAt
    i32[at + MAIL.codeBytes] = job.codeBytes
    Atomics.add(i32, at + MAIL.turn, 1)
    if (Atomics.load(i32, at + MAIL.asleep) === 1) Atomics.notify(i32, at + MAIL.turn)
  }
}

// Worker threads that run plans together with the main thread, over one shared memory.
//
// A worker waits for the board in linear memory to change: first looking at it again and again, then
// asleep. It receives no messages while it waits, so jobs, and the code they need, are left in memory.
// A worker that comes too late for a job goes on waiting.

import { DeviceError } from '../../../base/errors.js'
import { CLOSED } from '../../segments.js'
import { BOARD, BOARD_SLEEPERS, LISTENING, MOST_THREADS, NOTE, TEAM } from '../memory/layout.js'
import type { LinearMemory } from '../memory/linear.js'
import { mayBlock, type Spawned, spawn } from '../node.js'

/** Where a segment's function is for workers, and what to call it with. */
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

/** A segment's function. `job` 0: the caller is alone. */
export type SegmentFunction = (
  thread: number,
  threads: number,
  job: number,
  table: number,
  scratch: number,
) => void

export class Pool {
  private readonly workers: Spawned[] = []
  private job = 0

  constructor(private readonly linear: LinearMemory) {
    linear.i32[TEAM.wakeful >> 2] = mayBlock() ? 0 : 1
  }

  /** Starts workers until there are `count`. Until they listen, jobs are done by those who do. */
  start(count: number): void {
    while (this.workers.length < Math.min(count, MOST_THREADS - 1)) {
      this.workers.push(spawn({ memory: this.linear.memory, thread: this.workers.length + 1 }))
    }
  }

  /**
   * Runs a segment on this thread and on those of the first `threads - 1` workers that come.
   * @param wake whether to wake workers that are asleep, which costs tens of microseconds
   */
  launch(threads: number, job: Job, run: SegmentFunction, wake: boolean): void {
    this.job = (this.job + 1) & 0x3fffffff || 1
    this.post(threads, job, wake)
    try {
      run(0, threads, this.job, job.table, job.scratch)
    } catch (error) {
      const broken = this.word(TEAM.broken) !== 0
      this.stop()
      if (!broken) throw error
      throw new DeviceError('wasm', 'threads that work', 'a worker thread that failed', { error })
    }
  }

  /** Workers that have started and listen. */
  get listening(): number {
    return this.word(LISTENING)
  }

  /** Ends all workers. */
  stop(): void {
    if (this.workers.length === 0) return
    const { i32 } = this.linear
    Atomics.store(i32, TEAM.broken >> 2, 1)
    Atomics.notify(i32, TEAM.state >> 2)
    for (const w of this.workers.splice(0)) w.terminate()
    for (const at of [TEAM.sleepers, TEAM.broken, BOARD_SLEEPERS, LISTENING]) {
      Atomics.store(i32, at >> 2, 0)
    }
  }

  private word(address: number): number {
    return Atomics.load(this.linear.i32, address >> 2)
  }

  private post(threads: number, job: Job, wake: boolean): void {
    const { i32 } = this.linear
    const at = BOARD >> 2
    Atomics.add(i32, at + NOTE.turn, 1)
    // Closed first, so that nobody takes the new job for one they have read of before.
    const state = TEAM.state >> 2
    Atomics.store(i32, state, CLOSED << 16)
    Atomics.store(i32, state + 1, this.job)
    // Phase 0, one member, none finished.
    Atomics.store(i32, state, 1 << 8)
    i32[at + NOTE.threads] = threads
    i32[at + NOTE.job] = this.job
    i32[at + NOTE.segment] = job.segment
    i32[at + NOTE.table] = job.table
    i32[at + NOTE.scratch] = job.scratch
    i32[at + NOTE.slot] = job.slot
    i32[at + NOTE.code] = job.code
    i32[at + NOTE.codeAt] = job.codeAt
    i32[at + NOTE.codeBytes] = job.codeBytes
    Atomics.add(i32, at + NOTE.turn, 1)
    if (wake && this.word(BOARD_SLEEPERS) > 0) Atomics.notify(i32, at + NOTE.turn)
  }
}

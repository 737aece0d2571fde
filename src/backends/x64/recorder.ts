// What the threads did when, in runs of one plan: commands between which each thread notes the time.

import { type Listener, type Stretch, type Work, workOf } from '../profile.js'
import type { Segment } from '../segments.js'
import { LINE, type Placed, zeroed } from './native/arrays.js'
import { type Clock, clock } from './native/clock.js'
import { roundUp } from './native/pages.js'
import type { RunList } from './run-list.js'

/** A task, and the number of the stamp before it; the next stamp follows it. */
interface Noted {
  readonly work: Work
  readonly stamp: number
  readonly phase: number
  /** Whether threads other than the first take part. */
  readonly shared: boolean
}

export class Recorder {
  private readonly noted: Noted[] = []
  private readonly hosts: (Work | null)[]
  private readonly phases: number
  private readonly clock: Clock = clock()
  private times: Placed<Uint8Array> | null = null
  private threads = 0
  private started = 0
  private startTicks = 0
  private calls: Stretch[] = []

  constructor(
    segments: readonly Segment[],
    private readonly list: RunList,
  ) {
    let stamp = 0
    const phases = segments.flatMap((s) => s.phases)
    for (const [phase, tasks] of phases.entries()) {
      for (const { command, shared } of tasks) {
        this.noted.push({ work: workOf(command)!, stamp: stamp++, phase, shared })
      }
      // The stamp after a phase's last task.
      stamp++
    }
    this.phases = phases.length
    this.hosts = segments.map((s) => (s.host === null ? null : workOf(s.host)))
  }

  /** Bytes between the places of two threads. */
  private get stride(): number {
    return roundUp(8 * this.list.stamps, LINE)
  }

  /** Before a run on at most so many threads. */
  begin(threads: number): void {
    if (this.times === null || threads > this.threads) {
      this.threads = threads
      this.times = zeroed(threads * this.stride)
      this.list.stampsAt(this.times.address, this.stride)
    }
    // What a thread does not take part in is 0.
    this.times.array.fill(0)
    this.calls = []
    this.startTicks = this.clock.ticks()
    this.started = performance.now()
  }

  /** Notes the time of the host call after a segment. */
  host(segment: number, call: () => void): void {
    const start = performance.now()
    try {
      call()
    } finally {
      const [work, phase] = [this.hosts[segment]!, this.phases + segment]
      this.calls.push({ work, thread: 0, phase, start, end: performance.now() })
    }
  }

  /** After a run. */
  end(device: string, listener: Listener): void {
    const end = performance.now()
    listener.ran({ device, start: this.started, end, stretches: this.stretches() })
  }

  private stretches(): Stretch[] {
    const { array } = this.times!
    const { ticksPerMillisecond } = this.clock
    const out: Stretch[] = []
    for (let thread = 0; thread < this.threads; thread++) {
      const words = new BigUint64Array(array.buffer, array.byteOffset + thread * this.stride)
      const at = (stamp: number): number =>
        this.started + (Number(words[stamp]!) - this.startTicks) / ticksPerMillisecond
      for (const { work, stamp, phase, shared } of this.noted) {
        if (words[stamp] === 0n || words[stamp + 1] === 0n || (thread > 0 && !shared)) continue
        out.push({ work, thread, phase, start: at(stamp), end: at(stamp + 1) })
      }
      if (thread === 0 && this.calls.length > 0) {
        out.push(...this.calls)
        out.sort((a, b) => a.start - b.start)
      }
    }
    return out
  }
}

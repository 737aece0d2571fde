// The profiler: how long each kernel takes, what lies between kernels, and what the machine could do.

import {
  type Limits,
  type Listener,
  listen,
  type PlanRun,
  type Stretch,
  type Work,
} from '../backends/profile.js'
import { currentDevice, currentDeviceName, getNumThreads } from './devices.js'
import { reportOf } from './report.js'

/** What a profile knows of one kernel, over all its calls. Times are in milliseconds. */
export interface KernelProfile {
  readonly name: string
  readonly kind: Work['kind']
  readonly calls: number
  readonly total: number
  readonly mean: number
  readonly fastest: number
  /** Of all the time plans took, 0 to 1. */
  readonly share: number
  /** Threads that worked on it, on average. */
  readonly threads: number
  readonly gigaflops: number
  /** Gigabytes read and written a second. */
  readonly gigabytes: number
  /**
   * How near it comes to what the machine does at best: of arithmetic or of memory, whichever is nearer.
   * More than 1 for kernels whose values stay in a cache; 0 where limits are not known.
   */
  readonly ofLimit: number
}

export interface ProfileOptions {
  /** Keep every stretch of time for `trace`, not only sums. Default false. */
  readonly trace?: boolean
  /** Measure what the machine does at best first, which takes some tenths of a second. Default true. */
  readonly limits?: boolean
}

/** What is known of one kernel so far. */
interface Row {
  readonly work: Work
  calls: number
  total: number
  fastest: number
  busy: number
  flops: number
  bytes: number
}

interface Event {
  readonly name: string
  readonly category: string
  readonly thread: number
  readonly start: number
  readonly end: number
}

/** Beyond this many events a trace stops growing. */
const MOST_EVENTS = 2_000_000

/**
 * Watches what the devices do between `start` and `stop`, in the manner of `torch.profiler.profile`.
 * Plans that run meanwhile note the time of everything they do; all others cost nothing.
 */
export class Profiler implements Listener {
  private readonly rows = new Map<string, Row>()
  private readonly events: Event[] = []
  private before: Listener | null = null
  private startedAt = 0
  private wall = 0
  private inPlans = 0
  private inKernels = 0
  private compiling = 0
  private bounds: Limits | null = null
  private readonly counts = { run: 0, compiled: 0 }
  private place = { device: '', threads: 1 }

  constructor(private readonly options: ProfileOptions = {}) {}

  /** Begins to watch. Profilers may be nested: the innermost is told. */
  start(): this {
    const device = currentDevice()
    this.place = { device: currentDeviceName(), threads: getNumThreads() }
    if (this.options.limits !== false && this.bounds === null) {
      this.bounds = device.limits?.() ?? null
    }
    this.before = listen(this)
    this.startedAt = performance.now()
    return this
  }

  stop(): this {
    this.wall += performance.now() - this.startedAt
    listen(this.before)
    return this
  }

  /** Backends call this; also whoever watched before is told. */
  ran({ device, start, end, stretches }: PlanRun): void {
    this.counts.run++
    this.inPlans += end - start
    this.note({ name: `plan on ${device}`, category: 'plan', thread: -1, start, end })
    for (const { work, total, busy } of timesOf(stretches)) {
      this.inKernels += total
      let row = this.rows.get(work.name)
      if (row === undefined) {
        row = { work, calls: 0, total: 0, fastest: Infinity, busy: 0, flops: 0, bytes: 0 }
        this.rows.set(work.name, row)
      }
      row.calls++
      row.total += total
      row.fastest = Math.min(row.fastest, total)
      row.busy += busy
      row.flops += work.flops
      row.bytes += work.bytes
    }
    for (const { work, thread, start, end } of stretches) {
      this.note({ name: work.name, category: work.kind, thread, start, end })
    }
    this.before?.ran({ device, start, end, stretches })
  }

  /** As `ran`, for programs that became plans. */
  compiled(what: string, start: number, end: number): void {
    this.counts.compiled++
    this.compiling += end - start
    this.note({ name: `compile ${what}`, category: 'compile', thread: -1, start, end })
    this.before?.compiled(what, start, end)
  }

  private note(event: Event): void {
    if (this.options.trace && this.events.length < MOST_EVENTS) this.events.push(event)
  }

  /** The device, and how many threads it had when this profiler started. */
  get where(): { readonly device: string; readonly threads: number } {
    return this.place
  }

  /** How many plans ran meanwhile, and how many were compiled. */
  get plans(): { readonly run: number; readonly compiled: number } {
    return this.counts
  }

  /** Milliseconds, all together and by what they went to. */
  get times(): {
    readonly wall: number
    /** In kernels, copies and host calls. */
    readonly kernels: number
    /** In plans, between kernels: threads that wait for one another, launches. */
    readonly between: number
    readonly compiling: number
    /** Outside of plans: recording, and the program itself. */
    readonly host: number
  } {
    const { wall, inPlans, inKernels, compiling } = this
    const between = inPlans - inKernels
    return { wall, kernels: inKernels, between, compiling, host: wall - inPlans - compiling }
  }

  /** What the machine does at best, in gigaflops and gigabytes a second; null where it is not known. */
  get limits(): { readonly gigaflops: number; readonly gigabytes: number } | null {
    const { bounds } = this
    return bounds && { gigaflops: bounds.flops, gigabytes: bounds.bytes }
  }

  /** Kernels, the longest together first. */
  get kernels(): KernelProfile[] {
    return [...this.rows.values()]
      .sort((a, b) => b.total - a.total)
      .map(({ work, calls, total, fastest, busy, flops, bytes }) => {
        // A millisecond has 10^6 nanoseconds, and operations a nanosecond are 10^9 a second.
        const rate = (amount: number): number => (total > 0 ? amount / (total * 1e6) : 0)
        const [gigaflops, gigabytes] = [rate(flops), rate(bytes)]
        const limits = this.bounds ?? { flops: Infinity, bytes: Infinity }
        return {
          name: work.name,
          kind: work.kind,
          calls,
          total,
          mean: total / calls,
          fastest,
          share: this.inPlans > 0 ? total / this.inPlans : 0,
          threads: total > 0 ? busy / total : 0,
          gigaflops,
          gigabytes,
          ofLimit: Math.max(gigaflops / limits.flops, gigabytes / limits.bytes),
        }
      })
  }

  /** The profile as text; at most `rows` kernels. */
  table(rows = 40): string {
    return reportOf(this, rows)
  }

  /**
   * Everything as a trace in Chrome's format, one row a thread: write it as JSON, and open it with
   * `chrome://tracing` or https://ui.perfetto.dev. Needs the option `trace`.
   */
  trace(): { readonly traceEvents: readonly object[] } {
    const threads = [...new Set(this.events.map((e) => e.thread))].sort((a, b) => a - b)
    const row = (thread: number): number => thread + 1
    return {
      traceEvents: [
        ...threads.map((thread) => ({
          ph: 'M',
          name: 'thread_name',
          pid: 1,
          tid: row(thread),
          args: { name: thread < 0 ? 'plans' : `thread ${thread}` },
        })),
        ...this.events.map(({ name, category, thread, start, end }) => ({
          ph: 'X',
          name,
          cat: category,
          pid: 1,
          tid: row(thread),
          ts: 1e3 * start,
          dur: 1e3 * (end - start),
        })),
      ],
    }
  }
}

/**
 * How long each piece of work of a run took. Pieces of one phase run side by side, and divide the phase
 * by the time that all threads spent on each.
 */
export function timesOf(
  stretches: readonly Stretch[],
): { readonly work: Work; readonly total: number; readonly busy: number }[] {
  const phases = new Map<number, { start: number; end: number; busy: Map<Work, number> }>()
  for (const { phase, work, start, end } of stretches) {
    let p = phases.get(phase)
    if (p === undefined) {
      p = { start, end, busy: new Map() }
      phases.set(phase, p)
    }
    p.start = Math.min(p.start, start)
    p.end = Math.max(p.end, end)
    p.busy.set(work, (p.busy.get(work) ?? 0) + end - start)
  }
  return [...phases.values()].flatMap(({ start, end, busy }) => {
    let all = 0
    for (const time of busy.values()) all += time
    return [...busy].map(([work, time]) => ({
      work,
      total: all > 0 ? ((end - start) * time) / all : 0,
      busy: time,
    }))
  })
}

/**
 * Runs `body` and tells what it spent its time on. With a promise, waits for it.
 *
 * ```ts
 * const report = profile(() => { for (let i = 0; i < 100; i++) step(x, y) })
 * console.log(report.table())
 * ```
 */
export function profile(body: () => Promise<unknown>, options?: ProfileOptions): Promise<Profiler>
export function profile(body: () => unknown, options?: ProfileOptions): Profiler
export function profile(
  body: () => unknown,
  options: ProfileOptions = {},
): Profiler | Promise<Profiler> {
  const profiler = new Profiler(options).start()
  let result: unknown
  try {
    result = body()
  } catch (error) {
    profiler.stop()
    throw error
  }
  if (!(result instanceof Promise)) return profiler.stop()
  return result.then(
    () => profiler.stop(),
    (error) => {
      profiler.stop()
      throw error
    },
  )
}

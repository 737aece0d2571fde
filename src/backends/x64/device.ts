// The x64 device: machine code for this processor, written here and now.

import { debug, debugging } from '../../base/debug.js'
import { DeviceError, OutOfMemoryError, TesseraError } from '../../base/errors.js'
import { compileProgram } from '../../compiler/compile.js'
import type { Plan } from '../../compiler/kernel/ir.js'
import { formatKernels } from '../../compiler/kernel/print.js'
import type { Program } from '../../ir/program.js'
import type { Device, DeviceInfo, Executable } from '../device.js'
import { type Ports, portsOf } from '../ports.js'
import { type Limits, listener } from '../profile.js'
import { type Segment, splitSegments } from '../segments.js'
import { unoptimized } from '../unoptimized.js'
import { Ahead } from './ahead.js'
import { COSTS } from './costs.js'
import { type Cpu, detectCpu, type Level } from './cpu.js'
import { type Host, type Lease, X64Executable } from './executable.js'
import { measureLimits } from './limits.js'
import { Arrays } from './native/arrays.js'
import { Code, codeBytes } from './native/code.js'
import { whyNoKoffi } from './native/koffi.js'
import { Pages } from './native/pages.js'
import { CodeCache, type Emit } from './plan-code.js'
import { targetFor, type X64Target, x64Target } from './target.js'
import { mayRunAside } from './threads/aside.js'
import { populate } from './threads/populate.js'
import { defaultThreads, MOST_THREADS } from './threads/processors.js'
import { team } from './threads/team.js'

/** For tests and special uses; the defaults suit everybody else. */
export interface X64Options {
  readonly threads?: number
  /** The instruction set, which the processor has to have. */
  readonly level?: Level
  /** Makes machine code of kernels, instead of the emitter. */
  readonly emit?: Emit
}

const unavailable = (detail: string): DeviceInfo => ({ name: 'x64', available: false, detail })

/** Whether machine code can be made and run here, and of what kind; else why not. */
export function x64Available(): DeviceInfo {
  const reason = whyNoKoffi()
  if (reason !== '') return unavailable(reason)
  try {
    // What the system allowed once it may forbid now: try.
    Code.load(Uint8Array.of(0xc3)).free()
    const target = x64Target()
    if ('reason' in target) return unavailable(target.reason)
    const threads = defaultThreads()
    const count = threads === 1 ? '1 thread' : `${threads} threads`
    const detail = `${instructionSet(detectCpu(), target.level)}, ${count}`
    return { name: 'x64', available: true, detail }
  } catch (error) {
    if (!(error instanceof TesseraError)) throw error
    return unavailable(`it needs ${error.expected}, and there was ${error.received}`)
  }
}

function instructionSet(cpu: Cpu, level: Level): string {
  if (level === 'avx2') return 'AVX2 with FMA'
  const more = [cpu.vnni ? 'VNNI' : '', cpu.bf16 ? 'BF16' : ''].filter((s) => s !== '')
  return ['AVX-512', ...more].join(', ')
}

export class X64Device implements Device {
  readonly name = 'x64'
  readonly target: X64Target
  private readonly code: CodeCache
  private readonly memories = new Memories()
  private readonly host: Host
  private wanted: number

  /** Throws `DeviceError` where machine code cannot be run. */
  constructor(options: X64Options = {}) {
    const target = options.level ? targetFor(detectCpu(), options.level) : x64Target()
    if ('reason' in target) throw new DeviceError('x64', 'a processor it knows', target.reason)
    this.target = target
    this.code = new CodeCache(target, options.emit)
    this.wanted = Math.min(options.threads ?? defaultThreads(), MOST_THREADS)
    const threads = (): number => this.wanted
    this.host = {
      device: this,
      team: team(),
      arrays: new Arrays(),
      get threads() {
        return threads()
      },
      lease: (arena, scratch) => this.memories.lease(arena, scratch * threads()),
      giveBack: (lease) => this.memories.giveBack(lease),
    }
  }

  build(program: Program, supplied: (output: number) => boolean = () => false): Executable {
    return unoptimized(() => {
      const ports = portsOf(program)
      const ahead = this.early(() => Ahead.make(ports.outputs, this.host.arrays, supplied))
      const plan = compileProgram(program, this.target)
      this.early(() => {
        const arena = this.memories.reserve(plan.arenaBytes)
        if (arena !== null) populate([arena])
      })
      return this.buildPlan(plan, ports, ahead)
    })
  }

  /** Has memory of the first run ready before it, if another thread can see to it and there is enough. */
  private early<T>(prepare: () => T): T | null {
    if (this.threads === 1) return null
    try {
      return prepare()
    } catch (error) {
      // The run will have more to say about it.
      if (error instanceof OutOfMemoryError) return null
      throw error
    }
  }

  /** Builds a plan that is already compiled. */
  buildPlan(plan: Plan, ports: Ports, ahead: Ahead | null = null): Executable {
    debug('kernels', () => formatKernels(plan))
    const segments = splitSegments(plan.commands, COSTS, { chains: true })
    const code = this.code.codeOf([])
    const executable = new X64Executable(this.host, plan, ports, segments, code, ahead)
    if (!this.mayRunUnfinished(segments)) executable.complete()
    return executable
  }

  /** Whether a plan may begin to run while its code is being made; not if somebody asks what takes how long. */
  private mayRunUnfinished(segments: readonly Segment[]): boolean {
    const long = segments.length > 1 && segments[0]!.host === null
    const watched = listener() !== null || debugging('plans')
    return long && !watched && this.threads > 1 && mayRunAside()
  }

  /** Values are host arrays already. */
  toHost(): void {}

  get threads(): number {
    return this.wanted
  }

  set threads(count: number) {
    this.wanted = Math.min(count, MOST_THREADS)
  }

  /** Threads of the process that have come to work, besides those that call. */
  get listening(): number {
    return this.host.team.listening
  }

  memory(): { bytes: number; detail: string } {
    const mebibytes = (n: number): string => `${(n / 2 ** 20).toFixed(1)} MiB`
    const { bytes } = this.memories
    const code = codeBytes()
    return {
      bytes: bytes + code,
      detail: `host arrays; ${mebibytes(bytes)} for intermediate values, ${mebibytes(code)} of code`,
    }
  }

  limits(): Limits {
    return measureLimits(this)
  }

  /** Frees what is kept between runs. It is mapped again when needed. */
  close(): void {
    this.memories.close()
  }
}

interface Mapped extends Lease {
  readonly pages: readonly (Pages | null)[]
}

/**
 * Arenas and scratch memory. One plan runs at a time, and all use the same memory; a plan that a host call
 * of another plan runs gets its own.
 */
class Memories {
  private arena: Pages | null = null
  private scratch: Pages | null = null
  private depth = 0
  private common: Lease = { arena: 0, scratch: 0 }

  get bytes(): number {
    return (this.arena?.bytes ?? 0) + (this.scratch?.bytes ?? 0)
  }

  lease(arenaBytes: number, scratchBytes: number): Lease {
    if (this.depth > 0) return this.leaseOwn(arenaBytes, scratchBytes)
    // Tested here too, as steps of a microsecond notice a call, and have no arena.
    if (arenaBytes > 0) this.reserve(arenaBytes)
    if (scratchBytes > (this.scratch?.bytes ?? 0)) {
      this.scratch = grown(this.scratch, scratchBytes, 'scratch memory')
      this.common = { ...this.common, scratch: this.scratch!.address }
    }
    this.depth = 1
    return this.common
  }

  /** Sees to it that the next plan to run finds such an arena. @returns the new one, if there is one */
  reserve(arenaBytes: number): Pages | null {
    if (this.depth > 0 || arenaBytes <= (this.arena?.bytes ?? 0)) return null
    this.arena = grown(this.arena, arenaBytes, 'an arena')
    this.common = { ...this.common, arena: this.arena!.address }
    return this.arena
  }

  giveBack(lease: Lease): void {
    this.depth--
    if (lease !== this.common) for (const p of (lease as Mapped).pages) p?.free()
  }

  close(): void {
    if (this.depth > 0) return
    this.arena?.free()
    this.scratch?.free()
    this.arena = this.scratch = null
    this.common = { arena: 0, scratch: 0 }
  }

  private leaseOwn(arenaBytes: number, scratchBytes: number): Mapped {
    const arena = grown(null, arenaBytes, 'an arena')
    const scratch = grown(null, scratchBytes, 'scratch memory')
    this.depth++
    return {
      arena: arena?.address ?? 0,
      scratch: scratch?.address ?? 0,
      pages: [arena, scratch],
    }
  }
}

/** Pages of at least so many bytes, in place of those given if they are fewer. */
function grown(pages: Pages | null, bytes: number, what: string): Pages | null {
  if (bytes <= (pages?.bytes ?? 0)) return pages
  const more = Pages.map(bytes, what)
  pages?.free()
  return more
}

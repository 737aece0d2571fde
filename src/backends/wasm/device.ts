// The WebAssembly device: one linear memory, the plans in it, and the threads that run them.

import { debug } from '../../base/debug.js'
import { DeviceError } from '../../base/errors.js'
import { environment } from '../../base/node.js'
import { compileProgram } from '../../compiler/compile.js'
import type { Plan } from '../../compiler/kernel/ir.js'
import { formatKernels } from '../../compiler/kernel/print.js'
import type { Program } from '../../ir/program.js'
import type { Device, DeviceInfo, Executable } from '../device.js'
import { type Ports, portsOf } from '../ports.js'
import type { Storage } from '../storage.js'
import { unoptimized } from '../unoptimized.js'
import { COSTS } from './costs.js'
import { detectEngine, type Engine } from './engine.js'
import { type Host, type LoadedModule, WasmExecutable } from './executable.js'
import { FAULT_WORD, MOST_THREADS } from './memory/layout.js'
import { LinearMemory } from './memory/linear.js'
import { Residency } from './memory/residency.js'
import { processors } from './node.js'
import { emitPlan, type PlanModule } from './plan-module.js'
import { wasmTarget } from './target.js'
import { Pool, type SegmentFunction } from './threads/pool.js'

/** Whether WebAssembly code of the kind needed runs here, and with what. */
export function wasmAvailable(): DeviceInfo {
  const engine = detectEngine()
  if (engine.problem !== '') return { name: 'wasm', available: false, detail: engine.problem }
  const parts = ['SIMD']
  if (engine.relaxed) parts.push(engine.fused ? 'relaxed SIMD with fma' : 'relaxed SIMD')
  const threads = engine.shared ? defaultThreads() : 1
  parts.push(threads === 1 ? '1 thread' : `${threads} threads`)
  return { name: 'wasm', available: true, detail: parts.join(', ') }
}

/** For tests and special uses; the defaults suit everybody else. */
export interface WasmOptions {
  readonly threads?: number
  /** Whether to use shared memory where there is some. Without it there is one thread. */
  readonly shared?: boolean
  /** Most pages of 64 KiB the memory may have. */
  readonly pages?: number
  /** Bytes of values that are kept in memory as a cache. */
  readonly budget?: number
}

/** Threads to use unless told otherwise: `TESSERA_THREADS`, or all processors. */
function defaultThreads(): number {
  const asked = Number(environment('TESSERA_THREADS'))
  return Number.isInteger(asked) && asked > 0 ? asked : processors()
}

export class WasmDevice implements Device {
  readonly name = 'wasm'
  private readonly engine: Engine
  private readonly residency: Residency
  private readonly host: Host
  private arena = { at: 0, bytes: 0 }
  private scratch = { at: 0, bytes: 0 }
  /** Plans under way: more than one where a host call runs another. */
  private depth = 0
  private readonly pool: Pool | null
  private wanted: number
  private nextCode = 1
  /** Places in workers' lists of modules that are free again. */
  private readonly freeSlots: number[] = []
  private slots = 0

  constructor(options: WasmOptions = {}) {
    const engine = detectEngine()
    const shared = (options.shared ?? true) && engine.shared
    this.engine = { ...engine, shared }
    this.wanted = shared ? Math.max(1, options.threads ?? defaultThreads()) : 1
    const linear = new LinearMemory(shared, options.pages)
    this.residency = new Residency(this, linear, options.budget)
    this.pool = shared ? new Pool(linear) : null
    this.host = {
      residency: this.residency,
      withArena: (bytes, scratch, body) => this.withArena(bytes, scratch, body),
      launch: (module, segment, table, scratch) => this.launch(module, segment, table, scratch),
      load: (module) => this.load(module),
      unload: (module) => this.unload(module),
    }
  }

  /** Worker threads that have started; until they have, plans run on fewer threads. */
  get listening(): number {
    return this.pool?.listening ?? 0
  }

  /** Ends the worker threads. They start again when they are needed. */
  close(): void {
    this.pool?.stop()
  }

  build(program: Program): Executable {
    return unoptimized(() =>
      this.buildPlan(compileProgram(program, wasmTarget(this.engine)), portsOf(program)),
    )
  }

  /** Builds a plan that is already compiled. */
  buildPlan(plan: Plan, ports: Ports): Executable {
    debug('kernels', () => formatKernels(plan))
    return new WasmExecutable(this.host, plan, ports, emitPlan(plan, this.engine))
  }

  toHost(storage: Storage): void {
    this.residency.toHost(storage)
  }

  get threads(): number {
    return this.wanted
  }

  set threads(count: number) {
    if (count > 1 && !this.pool) {
      throw new DeviceError('wasm', 'one thread, as memory cannot be shared here', `${count}`)
    }
    this.wanted = Math.min(count, MOST_THREADS)
  }

  memory(): { bytes: number; detail: string } {
    return { bytes: this.residency.heap.bytesUsed, detail: this.residency.describe() }
  }

  private load(plan: PlanModule): LoadedModule {
    const { residency } = this
    const { memory } = residency.linear
    const module = new WebAssembly.Module(plan.bytes)
    const instance = new WebAssembly.Instance(module, { env: { memory } })
    const run = plan.segments.map((_, i) => instance.exports[`run${i}`] as SegmentFunction)
    const slot = this.freeSlots.pop() ?? this.slots++
    return { plan, run, slot, code: this.nextCode++, codeAt: 0 }
  }

  private unload(module: LoadedModule): void {
    this.residency.release(module.codeAt)
    module.codeAt = 0
    this.freeSlots.push(module.slot)
  }

  private launch(module: LoadedModule, segment: number, table: number, scratch: number): void {
    const run = module.run[segment]!
    const others = this.wanted - 1
    const { shareable } = module.plan.segments[segment]!
    if (!this.pool || others === 0 || shareable < COSTS.worthTelling || this.depth > 1) {
      run(0, 1, 0, table, scratch)
      return
    }
    this.pool.start(others)
    if (module.codeAt === 0) {
      const { bytes } = module.plan
      module.codeAt = this.residency.reserve(bytes.length, 'code')
      this.residency.linear.u8.set(bytes, module.codeAt)
    }
    const { slot, code, codeAt } = module
    const codeBytes = module.plan.bytes.length
    const job = { slot, code, codeAt, codeBytes, segment, table, scratch }
    this.pool.launch(this.wanted, job, run, shareable > COSTS.worthWaking)
  }

  /** The device's arena is everybody's: only one plan runs at a time, unless a host call runs another. */
  private withArena(
    bytes: number,
    scratch: number,
    body: (arena: number, scratch: number) => void,
  ): void {
    const { residency } = this
    if (this.depth > 0) {
      const fault = residency.linear.i32[FAULT_WORD >> 2]!
      const [own, ownScratch] = [reserve(residency, bytes), reserve(residency, scratch)]
      this.depth++
      try {
        body(own, ownScratch)
      } finally {
        this.depth--
        residency.release(own)
        residency.release(ownScratch)
        residency.linear.i32[FAULT_WORD >> 2] = fault
      }
      return
    }
    this.depth = 1
    residency.beginRun()
    try {
      grow(residency, this.arena, bytes)
      grow(residency, this.scratch, scratch * this.threads)
      body(this.arena.at, this.scratch.at)
    } finally {
      this.depth = 0
    }
  }
}

const reserve = (residency: Residency, bytes: number): number =>
  bytes > 0 ? residency.reserve(bytes, 'an arena') : 0

/** Replaces a block that is too small. */
function grow(residency: Residency, block: { at: number; bytes: number }, bytes: number): void {
  if (bytes <= block.bytes) return
  residency.release(block.at)
  block.at = 0
  block.bytes = 0
  block.at = residency.reserve(bytes, 'an arena')
  block.bytes = bytes
}

// The WebAssembly device: one linear memory, the plans in it, and the threads that run them.

import type { Plan } from '../../compiler/kernel/ir.js'
import type { Program } from '../../ir/program.js'
import type { Device, DeviceInfo, Executable } from '../device.js'
import type { Storage } from '../storage.js'
import { detectEngine, type Engine } from './engine.js'
import { type Host, type LoadedModule, type Ports, WasmExecutable } from './executable.js'
import { FAULT_WORD } from './memory/layout.js'
import { LinearMemory } from './memory/linear.js'
import { Residency } from './memory/residency.js'
import { emitPlan, type PlanModule } from './plan-module.js'

/** Whether WebAssembly code of the kind needed runs here, and with what. */
export function wasmAvailable(): DeviceInfo {
  const engine = detectEngine()
  const parts = ['SIMD']
  if (engine.relaxed) parts.push(engine.fused ? 'relaxed SIMD with fma' : 'relaxed SIMD')
  return {
    name: 'wasm',
    available: engine.simd,
    detail: engine.simd ? parts.join(', ') : 'this engine has no WebAssembly SIMD',
  }
}

export class WasmDevice implements Device {
  readonly name = 'wasm'
  private readonly engine: Engine
  private readonly residency: Residency
  private readonly host: Host
  private arena = { at: 0, bytes: 0, busy: false }
  private scratch = { at: 0, bytes: 0 }
  private nextCode = 1

  constructor() {
    this.engine = { ...detectEngine(), shared: false }
    this.residency = new Residency(this, new LinearMemory(this.engine.shared))
    this.host = {
      residency: this.residency,
      withArena: (bytes, scratch, body) => this.withArena(bytes, scratch, body),
      launch: (module, segment, table, scratch) => module.run[segment]!(0, 1, table, scratch),
      load: (module) => this.load(module),
      unload: () => {},
    }
  }

  build(program: Program): Executable {
    throw new Error(`not yet: ${program.outputs.length}`)
  }

  /** Builds a plan that is already compiled. */
  buildPlan(plan: Plan, ports: Ports): Executable {
    return new WasmExecutable(this.host, plan, ports, emitPlan(plan, this.engine))
  }

  toHost(storage: Storage): void {
    this.residency.toHost(storage)
  }

  get threads(): number {
    return 1
  }

  set threads(_count: number) {}

  memory(): { bytes: number; detail: string } {
    return { bytes: this.residency.heap.bytesUsed, detail: this.residency.describe() }
  }

  private load(plan: PlanModule): LoadedModule {
    const { memory } = this.residency.linear
    const instance = new WebAssembly.Instance(new WebAssembly.Module(plan.bytes), {
      env: { memory },
    })
    const run = plan.segments.map(
      (_, i) => instance.exports[`run${i}`],
    ) as LoadedModule['run'][number][]
    return { plan, run, slot: 0, code: this.nextCode++, codeAt: 0 }
  }

  /** The device's arena is everybody's: only one plan runs at a time, unless a host call runs another. */
  private withArena(
    bytes: number,
    scratch: number,
    body: (arena: number, scratch: number) => void,
  ): void {
    const { residency } = this
    if (this.arena.busy) {
      const fault = residency.linear.i32[FAULT_WORD >> 2]!
      const [own, ownScratch] = [reserve(residency, bytes), reserve(residency, scratch)]
      try {
        body(own, ownScratch)
      } finally {
        residency.release(own)
        residency.release(ownScratch)
        residency.linear.i32[FAULT_WORD >> 2] = fault
      }
      return
    }
    this.arena.busy = true
    residency.beginRun()
    try {
      grow(residency, this.arena, bytes)
      grow(residency, this.scratch, scratch * this.threads)
      body(this.arena.at, this.scratch.at)
    } finally {
      this.arena.busy = false
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

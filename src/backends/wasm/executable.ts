// A plan in linear memory: its module, its table of addresses, and one call of `run` after another.

import { DTYPES, type DType, type TypedArray } from '../../base/dtype.js'
import { ClosedError } from '../../base/errors.js'
import { sizeOf } from '../../base/shape.js'
import type { HostCall, Plan } from '../../compiler/kernel/ir.js'
import type { Executable } from '../device.js'
import { raise } from '../fault.js'
import type { Port, Ports } from '../ports.js'
import { listener, type Stretch, type Work, workOf } from '../profile.js'
import { Storage } from '../storage.js'
import { FAULT_WORD } from './memory/layout.js'
import type { Residency } from './memory/residency.js'
import type { PlanModule } from './plan-module.js'
import type { SegmentFunction } from './threads/pool.js'

/** What the device does for the plans it runs. */
export interface Host {
  readonly residency: Residency
  /** An arena and scratch memory, for the time of `body`. Address 0 where nothing is needed. */
  withArena(bytes: number, scratch: number, body: (arena: number, scratch: number) => void): void
  /** Runs a segment of a module on all the threads it is worth. */
  launch(module: LoadedModule, segment: number, table: number, scratch: number): void
  load(module: PlanModule): LoadedModule
  unload(module: LoadedModule): void
}

export interface LoadedModule {
  readonly plan: PlanModule
  readonly run: readonly SegmentFunction[]
  /** Which place in workers' lists of modules it has, its number, and where its bytes are (or 0). */
  readonly slot: number
  readonly code: number
  codeAt: number
}

/** Inputs up to this size are copied in for each run, and results up to `SMALL_OUTPUT` copied out. */
const SMALL_INPUT = 4096
const SMALL_OUTPUT = 65536
const LINE = 64

const roundUp = (n: number): number => (n + LINE - 1) & ~(LINE - 1)

/** What a plan has of its device. */
interface Owned {
  readonly host: Host
  readonly loaded: LoadedModule
  readonly block: number
}

function free({ host, loaded, block }: Owned): void {
  host.unload(loaded)
  host.residency.release(block)
}

/** Frees what plans have that were lost without being disposed of. */
const lost = new FinalizationRegistry<Owned>(free)

export class WasmExecutable implements Executable {
  private readonly loaded: LoadedModule
  /** The plan's own block: table, counters, then places for small inputs, outputs and constants. */
  private readonly block: number
  private readonly blockBytes: number
  private readonly words: number
  /** Places in the block, by number of input or output; 0 where a storage is always needed. */
  private readonly inputPlaces: number[]
  private readonly outputPlaces: number[]
  /** Table entries of each input and output, and of arena buffers. */
  private readonly inputEntries: number[][]
  private readonly outputEntries: number[][]
  private readonly arenaEntries: { entry: number; offset: number }[] = []
  private running = false
  private closed = false

  constructor(
    private readonly host: Host,
    private readonly plan: Plan,
    private readonly ports: Ports,
    module: PlanModule,
  ) {
    const { buffers } = plan
    const tableBytes = roundUp(4 * (buffers.length + module.counters))
    this.words = buffers.length + module.counters
    let bytes = tableBytes
    const place = (size: number): number => {
      const at = bytes
      // Vector loads may read past the end of a place.
      bytes += roundUp(size + LINE)
      return at
    }
    const sizeOf = (p: Port): number => p.length * DTYPES[p.dtype].bytes
    const inputs = ports.inputs.map((p) => (sizeOf(p) <= SMALL_INPUT ? place(sizeOf(p)) : 0))
    const outputs = ports.outputs.map((p) => (sizeOf(p) < SMALL_OUTPUT ? place(sizeOf(p)) : 0))
    const constants = buffers.map((b) => (b.kind === 'constant' ? place(b.bytes) : 0))
    const { residency } = host
    this.blockBytes = bytes
    this.block = residency.reserve(bytes, 'a plan')
    const at = (offset: number): number => (offset === 0 ? 0 : this.block + offset)
    this.inputPlaces = inputs.map(at)
    this.outputPlaces = outputs.map(at)
    this.inputEntries = ports.inputs.map(() => [])
    this.outputEntries = ports.outputs.map(() => [])
    for (const [i, b] of buffers.entries()) {
      if (b.kind === 'input') this.inputEntries[b.index]!.push(i)
      else if (b.kind === 'output') this.outputEntries[b.index]!.push(i)
      else if (b.kind === 'arena') this.arenaEntries.push({ entry: i, offset: b.offset })
      else {
        residency.linear.i32[(this.block >>> 2) + i] = at(constants[i]!)
        residency.linear.u8.set(b.data, at(constants[i]!))
      }
    }
    this.loaded = host.load(module)
    lost.register(this, this.owned(), this)
  }

  run(inputs: readonly (Storage | number)[], targets: readonly (Storage | null)[]): Storage[] {
    if (this.closed)
      throw new ClosedError('plan', 'a plan that was not disposed of', 'a disposed one')
    const { linear } = this.host.residency
    // A host call may run the same plan again: put the outer run's table back afterwards.
    const from = this.block
    const outer = this.running ? linear.u8.slice(from, from + this.blockBytes) : null
    this.running = true
    try {
      return this.runOnce(inputs, targets)
    } finally {
      if (outer) linear.u8.set(outer, from)
      else this.running = false
    }
  }

  private runOnce(
    inputs: readonly (Storage | number)[],
    targets: readonly (Storage | null)[],
  ): Storage[] {
    const { host, plan, loaded } = this
    const { residency } = host
    const { linear } = residency
    const outputs: Storage[] = []
    const { scratchBytes } = loaded.plan
    const told = listener()
    const start = told === null ? 0 : performance.now()
    const stretches: Stretch[] = []
    const timed = (work: () => Work, call: () => void): void => {
      const start = told === null ? 0 : performance.now()
      call()
      if (told === null) return
      const phase = stretches.length
      stretches.push({ work: work(), thread: 0, phase, start, end: performance.now() })
    }
    host.withArena(plan.arenaBytes, scratchBytes, (arena, scratch) => {
      for (let i = 0; i < inputs.length; i++) {
        this.bind(this.inputEntries[i]!, this.placeInput(i, inputs[i]!))
      }
      for (let j = 0; j < this.ports.outputs.length; j++) {
        const { storage, address } = this.placeOutput(j, targets[j] ?? null)
        outputs.push(storage)
        this.bind(this.outputEntries[j]!, address)
      }
      const table = this.block >>> 2
      for (const { entry, offset } of this.arenaEntries) linear.i32[table + entry] = arena + offset
      linear.i32.fill(0, table + plan.buffers.length, table + this.words)
      linear.i32[FAULT_WORD >>> 2] = 0
      for (const [i, { host: call }] of loaded.plan.segments.entries()) {
        timed(
          () => this.workOfSegment(i),
          () => host.launch(loaded, i, this.block, scratch),
        )
        this.checkFault(inputs)
        if (call) {
          timed(
            () => workOf(call)!,
            () => this.callHost(call.call),
          )
        }
      }
    })
    for (const [j, storage] of outputs.entries()) {
      const place = this.outputPlaces[j]!
      if (targets[j]) continue
      const { dtype, length } = this.ports.outputs[j]!
      if (place === 0) residency.settle(storage)
      else storage.host = residency.read(dtype, place, length)
    }
    told?.ran({ device: 'wasm', start, end: performance.now(), stretches })
    return outputs
  }

  /** All that runs between two host calls: nobody looks into WebAssembly while it runs. */
  private workOfSegment(segment: number): Work {
    const works = this.loaded.plan.segments[segment]!.phases.flat().flatMap(
      ({ command }) => workOf(command) ?? [],
    )
    const total = (of: 'flops' | 'bytes'): number => works.reduce((sum, w) => sum + w[of], 0)
    const [first] = [...works].sort((a, b) => b.flops - a.flops)
    const name = `${works.length} kernels, ${first?.name ?? 'empty'} …`
    return { kind: 'kernel', name, flops: total('flops'), bytes: total('bytes') }
  }

  private bind(entries: readonly number[], address: number): void {
    const { i32 } = this.host.residency.linear
    for (const entry of entries) i32[(this.block >>> 2) + entry] = address
  }

  private placeInput(i: number, value: Storage | number): number {
    const { residency } = this.host
    const place = this.inputPlaces[i]!
    if (typeof value === 'number') {
      writeNumber(residency, this.ports.inputs[i]!.dtype, place, value)
      return place
    }
    if (place === 0 || value.pinned || value.host === null) return residency.locate(value)
    residency.write(value.host, place)
    return place
  }

  private placeOutput(j: number, target: Storage | null): { storage: Storage; address: number } {
    const { residency } = this.host
    if (target) return { storage: target, address: residency.target(target) }
    const { dtype, length } = this.ports.outputs[j]!
    const storage = new Storage(dtype, length, null)
    const address = this.outputPlaces[j] || residency.target(storage)
    return { storage, address }
  }

  private callHost(call: HostCall): void {
    const { residency } = this.host
    const view = ({ buffer, shape, dtype }: HostCall['inputs'][number]): TypedArray => {
      const at = residency.linear.i32[(this.block >>> 2) + buffer]!
      const length = sizeOf(shape)
      return residency.view(dtype as DType, at >>> 0, length)
    }
    call.run(call.inputs.map(view), call.outputs.map(view))
  }

  private checkFault(inputs: readonly (Storage | number)[]): void {
    const code = this.host.residency.linear.i32[FAULT_WORD >>> 2]!
    if (code !== 0) raise(this.plan, code, inputs)
  }

  dispose(): void {
    if (this.closed) return
    this.closed = true
    lost.unregister(this)
    free(this.owned())
  }

  private owned(): Owned {
    const { host, loaded, block } = this
    return { host, loaded, block }
  }

  describe(): string {
    const { kernels, bytes, segments } = this.loaded.plan
    const hosts = segments.filter((s) => s.host).length
    return (
      `wasm: ${kernels} kernels in ${this.plan.commands.length} commands, ${bytes.length} bytes of code, ` +
      `${this.plan.arenaBytes} bytes of arena, ${hosts} host calls`
    )
  }
}

function writeNumber(residency: Residency, dtype: DType, place: number, value: number): void {
  const { linear } = residency
  switch (dtype) {
    case 'float32':
      linear.f32[place >>> 2] = value
      return
    case 'float64':
      linear.f64[place >>> 3] = value
      return
    case 'int32':
      linear.i32[place >>> 2] = value
      return
    case 'int64':
      linear.i64[place >>> 3] = BigInt(value)
      return
    default:
      linear.u8[place] = value
  }
}

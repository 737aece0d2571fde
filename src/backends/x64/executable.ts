// A plan ready to run: its code, its run list, and how a run binds inputs and outputs to it.

import { DTYPES, type DType, type TypedArray } from '../../base/dtype.js'
import { ClosedError, DeviceError } from '../../base/errors.js'
import { sizeOf } from '../../base/shape.js'
import type { HostCall, Kernel, Plan } from '../../compiler/kernel/ir.js'
import type { Device, Executable } from '../device.js'
import { raise } from '../fault.js'
import { bytesOf, type Port, type Ports } from '../ports.js'
import { listener } from '../profile.js'
import { commandsOf, type Segment, splitSegments } from '../segments.js'
import { type Residence, Storage } from '../storage.js'
import { unoptimized } from '../unoptimized.js'
import type { Ahead } from './ahead.js'
import { COSTS } from './costs.js'
import { type Arrays, addressOf } from './native/arrays.js'
import { PAGE, roundUp, viewOf } from './native/pages.js'
import type { PlanCode } from './plan-code.js'
import { Recorder } from './recorder.js'
import { RunList } from './run-list.js'
import { Aside } from './threads/aside.js'
import type { Team } from './threads/team.js'

/** Memory of a run. Addresses are 0 where nothing is needed. */
export interface Lease {
  readonly arena: number
  readonly scratch: number
}

/** What the device does for the plans it runs. */
export interface Host {
  readonly device: Device
  readonly team: Team
  readonly arrays: Arrays
  /** Threads to compute with. */
  readonly threads: number
  /** An arena, and scratch memory for each thread, until they are given back. */
  lease(arenaBytes: number, scratchBytes: number): Lease
  giveBack(lease: Lease): void
}

/** The address of a storage's host array, which it keeps alive. */
class Place implements Residence {
  constructor(
    readonly device: Device,
    readonly address: number,
    readonly array: TypedArray,
  ) {}
}

/** Inputs up to this many bytes are copied rather than asked for their address, the first time. */
const SMALL_INPUT = 1024

/**
 * Parts in which code is made that runs meanwhile. Each has to wait until it may be mapped, as the system is busy
 * putting pages under what kernels write.
 */
const PARTS = 8

/** The kernels of a segment, in order. */
const kernelsOf = ({ phases }: Segment): Kernel[] =>
  phases
    .flat()
    .flatMap(commandsOf)
    .flatMap((c) => (c.op === 'kernel' ? [c.kernel] : []))

export class X64Executable implements Executable {
  private readonly list: RunList
  private readonly inputEntries: number[][]
  private readonly outputEntries: number[][]
  private readonly arenaEntries: { readonly entry: number; readonly offset: number }[] = []
  /** Views of the places where inputs are copied to; null where they never are. */
  private readonly inputViews: (TypedArray | null)[]
  private readonly stride: number
  private threads = 0
  private arena = -1
  private scratch = -1
  private running = false
  private closed = false
  /** How many segments there is code of, from the first on. */
  private made = 0
  /** Inputs that a run has addresses of: nobody else may keep them alive. */
  private held: unknown = null
  private readonly recorder: Recorder | null
  /** The same plan, with a list in which threads note the time. */
  private profiled: X64Executable | null = null

  constructor(
    private readonly host: Host,
    private readonly plan: Plan,
    private readonly ports: Ports,
    private readonly segments: readonly Segment[],
    /** What is missing is made by `complete`, or else during the first run. */
    private readonly code: PlanCode,
    /** For the first run. */
    private ahead: Ahead | null = null,
    recording = false,
  ) {
    const { copy } = host.team
    const small = (p: Port): number => (bytesOf(p) <= SMALL_INPUT ? bytesOf(p) : 0)
    this.list = new RunList(
      plan,
      segments,
      (c) => (c.op === 'copy' ? copy : code.addressOf(c.kernel)),
      { inputs: ports.inputs.map(small), stamps: recording },
    )
    this.recorder = recording ? new Recorder(segments, this.list) : null
    const { bytes, inputs } = this.list
    this.inputViews = ports.inputs.map(({ dtype, length }, i) =>
      inputs[i]! < 0
        ? null
        : new DTYPES[dtype].array(bytes.buffer, bytes.byteOffset + inputs[i]!, length),
    )
    this.inputEntries = ports.inputs.map(() => [])
    this.outputEntries = ports.outputs.map(() => [])
    for (const [i, b] of plan.buffers.entries()) {
      if (b.kind === 'input') this.inputEntries[b.index]!.push(i)
      else if (b.kind === 'output') this.outputEntries[b.index]!.push(i)
      else if (b.kind === 'arena') this.arenaEntries.push({ entry: i, offset: b.offset })
    }
    // Threads' scratch areas start on pages of their own.
    this.stride = roundUp(plan.scratchBytes, PAGE)
  }

  /** Makes the code that is missing. */
  complete(): void {
    this.makeCode(this.segments.length)
  }

  /** Makes the code that segments before `end` lack. */
  private makeCode(end: number): void {
    const missing = this.segments.slice(this.made, end)
    if (missing.length === 0) return
    this.code.add(missing.flatMap(kernelsOf))
    for (const _ of missing) this.list.write(this.made++)
  }

  /**
   * Makes the code that is missing part by part, while a thread runs segments that have theirs.
   * @param outputs what they write to
   * @returns how many have been run
   */
  private completeRunning(outputs: readonly Storage[]): number {
    const { segments, list, host } = this
    // What is called between segments is JavaScript.
    const call = segments.findIndex((s) => s.host !== null)
    const most = call < 0 ? segments.length : call
    const aside = new Aside(host.team.address, list.jobs, [this, this.held, outputs])
    let done = 0
    try {
      while (this.made < segments.length) {
        this.makeCode(this.made + Math.ceil(segments.length / PARTS))
        aside.ready(Math.min(this.made, most))
      }
    } finally {
      done = aside.settle()
    }
    return done
  }

  run(inputs: readonly (Storage | number)[], targets: readonly (Storage | null)[]): Storage[] {
    if (this.closed) {
      throw new ClosedError('plan', 'a plan that was not disposed of', 'a disposed one')
    }
    if (listener() !== null && this.recorder === null) return this.runProfiled(inputs, targets)
    // A host call may run the same plan again: the outer run goes on with what it had.
    const { held, arena, scratch, threads } = this
    const outer = this.running ? { list: this.list.save(), held, arena, scratch, threads } : null
    this.running = true
    try {
      return this.runOnce(inputs, targets)
    } finally {
      this.held = null
      if (outer !== null) {
        this.list.restore(outer.list)
        this.held = outer.held
        this.arena = outer.arena
        this.scratch = outer.scratch
        this.threads = outer.threads
      } else {
        this.running = false
        if (this.closed) this.code.free()
      }
    }
  }

  private runProfiled(
    inputs: readonly (Storage | number)[],
    targets: readonly (Storage | null)[],
  ): Storage[] {
    const { host, plan, ports, code } = this
    if (this.profiled === null) {
      const segments = splitSegments(plan.commands, COSTS, { chains: false })
      this.profiled = new X64Executable(host, plan, ports, segments, code, this.ahead, true)
      this.profiled.complete()
      this.ahead = null
    }
    // The code is this plan's, which is running as long as its twin is.
    const outer = this.running
    this.running = true
    try {
      return this.profiled.run(inputs, targets)
    } finally {
      this.running = outer
      if (this.closed && !outer) this.code.free()
    }
  }

  private runOnce(
    inputs: readonly (Storage | number)[],
    targets: readonly (Storage | null)[],
  ): Storage[] {
    const { host, list, segments, recorder } = this
    const outputs: Storage[] = new Array(this.outputEntries.length)
    this.held = inputs
    for (let i = 0; i < this.inputEntries.length; i++) this.bindInput(i, inputs[i]!)
    for (let j = 0; j < this.outputEntries.length; j++) {
      outputs[j] = this.bindOutput(j, j < targets.length ? targets[j]! : null)
    }
    // Tested first, as steps of a microsecond notice a store into an object.
    if (this.ahead !== null) this.ahead = null
    const lease = host.lease(this.plan.arenaBytes, this.stride)
    try {
      this.bindMemory(lease)
      list.clearFault()
      let s = 0
      if (this.made < segments.length) {
        s = unoptimized(() => this.completeRunning(outputs))
        if (list.faultCode !== 0) raise(this.plan, list.faultCode, inputs)
      }
      // Not before: what runs aside is for one thread.
      if (this.threads !== host.threads) this.planThreads()
      recorder?.begin(host.threads)
      for (; s < segments.length; s++) {
        host.team.run(list.jobs[s]!)
        if (list.faultCode !== 0) raise(this.plan, list.faultCode, inputs)
        const call = segments[s]!.host
        if (call === null) continue
        if (recorder === null) this.callHost(call.call)
        else recorder.host(s, () => this.callHost(call.call))
      }
    } finally {
      host.giveBack(lease)
    }
    const told = listener()
    if (recorder !== null && told !== null) recorder.end(host.device.name, told)
    return outputs
  }

  private bindInput(i: number, value: Storage | number): void {
    const entries = this.inputEntries[i]!
    const address = this.placeInput(i, value)
    for (let e = 0; e < entries.length; e++) this.list.bind(entries[e]!, address)
  }

  private placeInput(i: number, value: Storage | number): number {
    const view = this.inputViews[i]!
    if (typeof value === 'number') {
      if (view instanceof BigInt64Array) view[0] = BigInt(value)
      else view![0] = value
      return this.list.address + this.list.inputs[i]!
    }
    const host = value.host ?? value.read()
    const { length } = this.ports.inputs[i]!
    // Machine code would read whatever has come to lie where a transferred array was.
    if (host.length !== length) {
      throw new DeviceError('x64', `a value of ${length} elements`, `one of ${host.length}`)
    }
    const { residence } = value
    if (residence instanceof Place && residence.array === host) return residence.address
    if (view !== null && !value.pinned) {
      view.set(host as never)
      return this.list.address + this.list.inputs[i]!
    }
    return this.settle(value, host)
  }

  /** Looks up where a storage's array is, and notes it. */
  private settle(storage: Storage, host: TypedArray): number {
    const address = addressOf(host)
    storage.residence = new Place(this.host.device, address, host)
    return address
  }

  private bindOutput(j: number, target: Storage | null): Storage {
    const { dtype, length } = this.ports.outputs[j]!
    const storage = target ?? new Storage(dtype, length, null)
    const address = this.placeOutput(storage, j)
    const entries = this.outputEntries[j]!
    for (let e = 0; e < entries.length; e++) this.list.bind(entries[e]!, address)
    return storage
  }

  private placeOutput(storage: Storage, j: number): number {
    const { host, residence } = storage
    if (host !== null) {
      if (residence instanceof Place && residence.array === host) return residence.address
      return this.settle(storage, host)
    }
    const { array, address } =
      this.ahead?.take(j) ?? this.host.arrays.make(storage.dtype, storage.length)
    storage.host = array
    storage.residence = new Place(this.host.device, address, array)
    return address
  }

  private bindMemory({ arena, scratch }: Lease): void {
    if (this.arena !== arena) {
      this.arena = arena
      for (const { entry, offset } of this.arenaEntries) this.list.bind(entry, arena + offset)
    }
    if (this.scratch !== scratch) {
      this.scratch = scratch
      this.list.scratch(scratch, this.stride)
    }
  }

  /** Decides which segments are worth several threads. */
  private planThreads(): void {
    const { threads, team } = this.host
    this.threads = threads
    let most = 1
    for (const [s, { shareable }] of this.segments.entries()) {
      const count = shareable < COSTS.worthTelling ? 1 : threads
      most = Math.max(most, count)
      this.list.share(s, count, shareable > COSTS.worthWaking)
    }
    team.start(most)
  }

  private callHost(call: HostCall): void {
    const view = ({ buffer, shape, dtype }: HostCall['inputs'][number]): TypedArray => {
      const { array: Kind, bytes } = DTYPES[dtype as DType]
      const length = sizeOf(shape)
      return new Kind(viewOf(this.list.addressOf(buffer), length * bytes), 0, length)
    }
    call.run(call.inputs.map(view), call.outputs.map(view))
  }

  dispose(): void {
    if (this.closed) return
    this.closed = true
    this.ahead = null
    // A host call may dispose of the plan it is called from: the code goes when the run is over.
    if (!this.running) this.code.free()
  }

  describe(): string {
    if (!this.closed) this.complete()
    const hosts = this.segments.filter((s) => s.host).length
    return (
      `x64: ${this.code.kernels} kernels in ${this.plan.commands.length} commands, ` +
      `${this.code.functions} functions of ${this.code.bytes} bytes, ` +
      `${this.plan.arenaBytes} bytes of arena, ${hosts} host calls`
    )
  }
}

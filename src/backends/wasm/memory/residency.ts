// Which storages are in linear memory. Blocks of variables stay; blocks of everything else are a cache
// over host arrays, from which the longest unused goes first, written back to the host if need be.

import { allocate, DTYPES, type DType, type TypedArray } from '../../../base/dtype.js'
import { OutOfMemoryError } from '../../../base/errors.js'
import type { Device } from '../../device.js'
import type { Residence, Storage } from '../../storage.js'
import { garbageCollector, mayCollectGarbage } from '../node.js'
import { Heap } from './heap.js'
import type { LinearMemory } from './linear.js'

/** A block of linear memory that holds a storage's elements. Address 0: it was evicted. */
export class Block implements Residence {
  address = 0
  /** The host array with the same elements; null if the block alone has them. */
  mirror: TypedArray | null = null
  /** Elements saved on eviction, for the storage to collect. */
  saved: TypedArray | null = null
  pinned = false
  /** The storage, of a block that has the only copy of its elements, where it helps to ask. */
  owner: WeakRef<Storage> | null = null
  /** Whether a finalizer tells when the storage is gone. */
  watched = false
  /** The run that uses it now or used it last. */
  run = 0

  constructor(
    readonly device: Device,
    readonly dtype: DType,
    readonly length: number,
  ) {}

  get bytes(): number {
    return this.length * DTYPES[this.dtype].bytes
  }
}

/** Unpinned blocks are evicted when they exceed this. */
const BUDGET = 1 << 30
/** Results beyond this many bytes make us look which of them are dead. */
const SWEEP = 256 << 20
/** Inputs that were used once only get this much, so that a stream of batches stays in the cache. */
const ONCE_BUDGET = 8 << 20
/** Host arrays up to this size share buffers. */
const SLAB_PIECE = 2048
const SLAB = 32768

export class Residency {
  readonly heap: Heap
  /** Blocks in order of last use. */
  private readonly once = new Set<Block>()
  private readonly kept = new Set<Block>()
  private onceBytes = 0
  private keptBytes = 0
  private run = 0
  private slab = new ArrayBuffer(0)
  private slabUsed = 0
  /** Bytes of results at which to collect garbage next. */
  private sweepAt = SWEEP
  private collector: (() => void) | null | undefined
  private readonly dead = new FinalizationRegistry<Block>((block) => this.drop(block))

  constructor(
    private readonly device: Device,
    readonly linear: LinearMemory,
    private readonly budget = BUDGET,
    private readonly sweeps = mayCollectGarbage(),
  ) {
    this.heap = new Heap(linear)
  }

  /** Blocks used from now on are not evicted until the next run begins. */
  beginRun(): void {
    this.run++
  }

  /** A view of elements in linear memory. */
  view(dtype: DType, address: number, length: number): TypedArray {
    return new DTYPES[dtype].array(this.linear.u8.buffer, address, length)
  }

  /** Copies elements into linear memory. */
  write(source: TypedArray, address: number): void {
    const { linear } = this
    if (source instanceof Float32Array) linear.f32.set(source, address / 4)
    else if (source instanceof Int32Array) linear.i32.set(source, address / 4)
    else if (source instanceof Float64Array) linear.f64.set(source, address / 8)
    else if (source instanceof BigInt64Array) linear.i64.set(source, address / 8)
    else linear.u8.set(source, address)
  }

  /** Copies elements out of linear memory; small ones into arrays that share a buffer. */
  read(dtype: DType, address: number, length: number): TypedArray {
    const bytes = length * DTYPES[dtype].bytes
    let out: TypedArray
    if (bytes > SLAB_PIECE) {
      out = allocate(dtype, length)
    } else {
      const at = this.slabUsed
      if (at + bytes > this.slab.byteLength) {
        this.slab = new ArrayBuffer(SLAB)
        this.slabUsed = 0
      }
      out = new DTYPES[dtype].array(this.slab, this.slabUsed, length)
      this.slabUsed = (this.slabUsed + bytes + 15) & ~15
    }
    out.set(this.view(dtype, address, length) as never)
    return out
  }

  /** Where a storage's elements are, after bringing them in if they are not. */
  locate(storage: Storage): number {
    const block = this.blockOf(storage)
    this.touch(block, storage)
    if (block.address !== 0 && (storage.host === null || storage.host === block.mirror)) {
      return block.address
    }
    const host = storage.host ?? block.saved
    if (host === null) throw new Error('a storage has neither a host array nor a residence')
    if (block.address === 0) this.place(block, storage, this.once)
    this.write(host, block.address)
    block.saved = null
    block.mirror = host
    if (storage.host === null) storage.host = host
    return block.address
  }

  /** Where a storage's elements are to be written; what it holds is void. */
  target(storage: Storage): number {
    const block = this.blockOf(storage)
    this.touch(block, storage)
    if (block.address === 0) this.place(block, storage, this.kept)
    storage.host = null
    block.mirror = null
    block.saved = null
    return block.address
  }

  /**
   * Called with each large result when it is there. Where nobody tells us which results are dead before the
   * program yields, and a loop need not, results beyond a limit go to the host at once, whose collector
   * knows.
   */
  settle(storage: Storage): void {
    if (this.sweeps) return
    const block = this.blockOf(storage)
    if (this.keptBytes <= Math.min(SWEEP, this.budget)) {
      this.watch(block, storage)
      return
    }
    this.toHost(storage)
    this.drop(block)
    storage.residence = null
  }

  /** Makes sure that a storage has a host array. */
  toHost(storage: Storage): void {
    const block = storage.residence
    if (storage.host !== null || !(block instanceof Block)) return
    if (block.saved !== null) {
      storage.host = block.saved
      storage.residence = null
      return
    }
    storage.host = this.read(block.dtype, block.address, block.length)
    block.mirror = storage.host
  }

  /** A block of memory that is not a storage's, such as an arena. */
  reserve(bytes: number, what: string): number {
    let at = this.heap.allocate(bytes)
    while (at === 0 && this.evict(bytes)) at = this.heap.allocate(bytes)
    if (at !== 0) return at
    throw new OutOfMemoryError(
      what,
      `${bytes} bytes of linear memory (WebAssembly has 4 GiB at most)`,
      `${this.heap.bytesUsed} bytes in use`,
      { bytes, used: this.heap.bytesUsed },
    )
  }

  release(address: number): void {
    if (address !== 0) this.heap.release(address)
  }

  describe(): string {
    const mebibytes = (n: number): string => `${(n / 2 ** 20).toFixed(1)} MiB`
    return (
      `${mebibytes(this.heap.bytesUsed)} in use of ${mebibytes(this.linear.u8.length)}; ` +
      `${this.kept.size + this.once.size} values cached, ${mebibytes(this.keptBytes + this.onceBytes)}`
    )
  }

  // ---- Blocks ----

  private blockOf(storage: Storage): Block {
    const found = storage.residence
    if (found instanceof Block && found.device === this.device) return found
    // Another device has it: it gives the elements to the host, from where they are fetched.
    if (found !== null && storage.host === null) found.device.toHost(storage)
    const block = new Block(this.device, storage.dtype, storage.length)
    storage.residence = block
    return block
  }

  /** Notes a use, moving the block to the end of its queue, or out of it if it is a variable's now. */
  private touch(block: Block, storage: Storage): void {
    if (block.address !== 0 && !block.pinned) {
      const wasOnce = this.once.delete(block)
      if (wasOnce) this.onceBytes -= block.bytes
      else if (this.kept.delete(block)) this.keptBytes -= block.bytes
      if (storage.pinned) this.pin(block, storage)
      // A block used in two runs is worth keeping.
      else this.queue(wasOnce && block.run === this.run ? this.once : this.kept, block)
    }
    block.run = this.run
  }

  private pin(block: Block, storage: Storage): void {
    block.pinned = true
    this.watch(block, storage)
    block.owner = null
  }

  private watch(block: Block, storage: Storage): void {
    if (!block.watched) this.dead.register(storage, block, block)
    block.watched = true
  }

  private queue(queue: Set<Block>, block: Block): void {
    queue.add(block)
    if (queue === this.once) this.onceBytes += block.bytes
    else this.keptBytes += block.bytes
  }

  /** Gives a block memory and, unless it is a variable's, a place in a queue. */
  private place(block: Block, storage: Storage, queue: Set<Block>): void {
    block.run = this.run
    block.address = this.reserve(block.bytes, 'a tensor')
    if (storage.pinned) {
      if (!block.pinned) this.pin(block, storage)
      return
    }
    this.queue(queue, block)
    // Results exist nowhere else; cached inputs are not worth a finalizer.
    if (queue === this.kept && this.sweeps) {
      this.watch(block, storage)
      block.owner = new WeakRef(storage)
      if (this.keptBytes > Math.min(this.sweepAt, this.budget)) this.sweep()
    }
    this.trim(this.once, ONCE_BUDGET)
    this.trim(this.kept, this.budget)
  }

  /** Frees results that nobody can reach any more, without waiting for finalizers. */
  private sweep(): void {
    if (this.collector === undefined) this.collector = garbageCollector()
    if (this.collector === null) return
    this.collector()
    for (const block of this.kept) {
      if (block.owner !== null && block.owner.deref() === undefined) this.drop(block)
    }
    // Not again until there is as much new as there is old, however much is alive.
    this.sweepAt = Math.max(SWEEP, 2 * this.keptBytes)
  }

  private trim(queue: Set<Block>, budget: number): void {
    for (const block of queue) {
      if ((queue === this.once ? this.onceBytes : this.keptBytes) <= budget) return
      if (block.run !== this.run) this.remove(block, true)
    }
  }

  /** Frees about so many bytes of what the current run does not use. @returns whether it freed any */
  private evict(bytes: number): boolean {
    let freed = 0
    for (const queue of [this.once, this.kept]) {
      for (const block of queue) {
        if (freed >= bytes) return true
        if (block.run === this.run) continue
        freed += block.bytes
        this.remove(block, true)
      }
    }
    return freed > 0
  }

  private remove(block: Block, save: boolean): void {
    if (block.address === 0) return
    if (this.once.delete(block)) this.onceBytes -= block.bytes
    if (this.kept.delete(block)) this.keptBytes -= block.bytes
    if (save && block.mirror === null) {
      block.saved = this.read(block.dtype, block.address, block.length)
    }
    this.heap.release(block.address)
    block.address = 0
    block.mirror = null
  }

  /** Frees the block of a storage that is gone, and its finalizer, which a loop that never yields never meets. */
  private drop(block: Block): void {
    if (block.watched) this.dead.unregister(block)
    block.watched = false
    this.remove(block, false)
    block.saved = null
  }
}

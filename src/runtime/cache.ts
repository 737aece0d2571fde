// A least-recently-used cache of executables, found by plan key and compared in full.

import type { Executable } from '../backends/device.js'
import { writer } from './key.js'
import { disposeStep } from './snapshot.js'

interface Entry {
  readonly key: Int32Array
  readonly hash: number
  readonly executable: Executable
  /** Entries of equal hash. */
  next: Entry | null
  lastUsed: number
}

/**
 * Plans by structure. Bounded: when it is full, the plans used longest ago are disposed, a quarter of
 * them at a time, so that lengths that never repeat do not keep code for ever.
 */
export class PlanCache {
  private readonly byHash = new Map<number, Entry>()
  private clock = 0
  size = 0
  hits = 0
  misses = 0

  constructor(readonly capacity: number) {}

  /** The executable for the key in `writer`, or `null`. */
  find(hash: number): Executable | null {
    let entry: Entry | null = this.byHash.get(hash) ?? null
    while (entry !== null && !writer.equals(entry.key)) entry = entry.next
    if (entry === null) {
      this.misses++
      return null
    }
    this.hits++
    entry.lastUsed = ++this.clock
    return entry.executable
  }

  insert(key: Int32Array, hash: number, executable: Executable): void {
    if (this.size >= this.capacity) this.evict(Math.ceil(this.capacity / 4))
    const next = this.byHash.get(hash) ?? null
    this.byHash.set(hash, { key, hash, executable, next, lastUsed: ++this.clock })
    this.size++
  }

  clear(): void {
    this.evict(this.size)
  }

  private evict(count: number): void {
    const all: Entry[] = []
    for (const first of this.byHash.values()) {
      for (let e: Entry | null = first; e !== null; e = e.next) all.push(e)
    }
    all.sort((a, b) => a.lastUsed - b.lastUsed)
    const gone = new Set(all.slice(0, count))
    const kept = all.filter((e) => !gone.has(e))
    this.byHash.clear()
    for (const e of kept) {
      e.next = this.byHash.get(e.hash) ?? null
      this.byHash.set(e.hash, e)
    }
    this.size = kept.length
    for (const e of gone) disposeStep(e.executable)
  }
}

// Plans memory: temporaries that are never alive in the same round may lie in the same place.

import { MEMORY_BYTES } from './kernel/interpret.js'
import type { BufferRef } from './lower/assembly.js'
import { readsOf, type Scheduled, writesOf } from './schedule.js'

/** Every buffer starts on a cache line (and on a vector, whatever its width). */
const ALIGNMENT = 64
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

export const bytesOf = (ref: BufferRef): number => ref.length * MEMORY_BYTES[ref.type]

export interface MemoryPlan {
  /** Offset in the arena of each temporary, by buffer id. */
  readonly offsets: ReadonlyMap<number, number>
  readonly bytes: number
}

interface Life {
  readonly ref: BufferRef
  readonly bytes: number
  from: number
  to: number
}

/** Free ranges of the arena, in order of offset. */
class FreeList {
  private readonly ranges: { offset: number; bytes: number }[] = []
  end = 0

  /** The smallest free range that is large enough, else memory at the end. */
  take(bytes: number): number {
    let best = -1
    for (let i = 0; i < this.ranges.length; i++) {
      const r = this.ranges[i] as { offset: number; bytes: number }
      if (r.bytes < bytes) continue
      if (best < 0 || r.bytes < (this.ranges[best] as { bytes: number }).bytes) best = i
    }
    if (best >= 0) {
      const r = this.ranges[best] as { offset: number; bytes: number }
      const { offset } = r
      if (r.bytes === bytes) this.ranges.splice(best, 1)
      else this.ranges[best] = { offset: offset + bytes, bytes: r.bytes - bytes }
      return offset
    }
    // A free range that touches the end grows.
    const last = this.ranges[this.ranges.length - 1]
    if (last !== undefined && last.offset + last.bytes === this.end) {
      this.ranges.pop()
      this.end = last.offset + bytes
      return last.offset
    }
    const offset = this.end
    this.end += bytes
    return offset
  }

  give(offset: number, bytes: number): void {
    let i = 0
    while (i < this.ranges.length && (this.ranges[i] as { offset: number }).offset < offset) i++
    this.ranges.splice(i, 0, { offset, bytes })
    this.join(i)
    if (i > 0) this.join(i - 1)
  }

  private join(i: number): void {
    const a = this.ranges[i]
    const b = this.ranges[i + 1]
    if (a === undefined || b === undefined || a.offset + a.bytes !== b.offset) return
    this.ranges.splice(i, 2, { offset: a.offset, bytes: a.bytes + b.bytes })
  }
}

/** Places every buffer that `isTemporary`, by its first and last round. */
export function planMemory(
  steps: readonly Scheduled[],
  isTemporary: (ref: BufferRef) => boolean,
): MemoryPlan {
  const lives = new Map<number, Life>()
  for (const { step, round } of steps) {
    for (const ref of [...readsOf(step), ...writesOf(step)]) {
      if (!isTemporary(ref)) continue
      const life = lives.get(ref.id)
      if (life === undefined)
        lives.set(ref.id, { ref, bytes: aligned(bytesOf(ref)), from: round, to: round })
      else {
        life.from = Math.min(life.from, round)
        life.to = Math.max(life.to, round)
      }
    }
  }
  const rounds = steps.length === 0 ? 0 : (steps[steps.length - 1] as Scheduled).round + 1
  const starting = Array.from({ length: rounds }, (): Life[] => [])
  const ending = Array.from({ length: rounds }, (): Life[] => [])
  for (const life of lives.values()) {
    starting[life.from]?.push(life)
    ending[life.to]?.push(life)
  }
  const free = new FreeList()
  const offsets = new Map<number, number>()
  for (let round = 0; round < rounds; round++) {
    // Large ones first: they are the hardest to place.
    for (const life of (starting[round] as Life[]).sort((a, b) => b.bytes - a.bytes)) {
      offsets.set(life.ref.id, free.take(life.bytes))
    }
    for (const life of ending[round] as Life[])
      free.give(offsets.get(life.ref.id) as number, life.bytes)
  }
  return { offsets, bytes: free.end }
}

// Plans memory: temporaries that are never alive in the same round may lie in the same place.

import { mayShare } from './inplace.js'
import type { BufferRef } from './kernel/assembly.js'
import { BYTES } from './kernel/ir.js'
import type { Scheduled } from './schedule.js'
import { type Link, readsOf, writesOf } from './steps.js'

/** Every buffer starts on a cache line (and on a vector, whatever its width). */
const ALIGNMENT = 64
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

export const bytesOf = (ref: BufferRef): number => ref.length * BYTES[ref.type]

export interface MemoryPlan {
  /** Offset in the arena of each temporary, by buffer id. */
  readonly offsets: ReadonlyMap<number, number>
  readonly bytes: number
}

interface Life {
  readonly ref: BufferRef
  readonly bytes: number
  /** Steps that touch the buffer in its first and in its last round. */
  readonly first: Link[]
  last: Link[]
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

/** When each temporary is alive, and who touches it at both ends. */
function livesOf(
  steps: readonly Scheduled[],
  isTemporary: (ref: BufferRef) => boolean,
): Map<number, Life> {
  const lives = new Map<number, Life>()
  for (const { step, round } of steps) {
    for (const ref of new Set([...readsOf(step), ...writesOf(step)])) {
      if (!isTemporary(ref)) continue
      let life = lives.get(ref.id)
      if (life === undefined) {
        const bytes = aligned(bytesOf(ref))
        life = { ref, bytes, first: [], last: [], from: round, to: round }
        lives.set(ref.id, life)
      }
      if (round === life.from) life.first.push(step)
      if (round > life.to) life.last = []
      life.last.push(step)
      life.to = Math.max(life.to, round)
    }
  }
  return lives
}

/** An operand that ends where `life` begins, in one kernel that may put the result in its place. */
function predecessorOf(
  life: Life,
  lives: ReadonlyMap<number, Life>,
  taken: ReadonlySet<Life>,
): Life | null {
  const [step, ...others] = life.first
  if (step === undefined || step.op !== 'kernel' || others.length > 0) return null
  const { kernel, args } = step.call
  const slots = kernel.buffers.filter((b) => b.space === 'slot')
  const to = slots.find((_, i) => args[i]?.id === life.ref.id)
  for (let i = 0; i < slots.length; i++) {
    const operand = lives.get((args[i] as BufferRef).id)
    const from = slots[i] as (typeof slots)[number]
    if (operand === undefined || operand === life || taken.has(operand)) continue
    const ends = operand.to === life.from && operand.from < operand.to && operand.last.length === 1
    const alike = operand.bytes === life.bytes && operand.ref.type === life.ref.type
    if (ends && alike && to !== undefined && mayShare(kernel, from.id, to.id)) return operand
  }
  return null
}

/** Places every buffer that `isTemporary`, by its first and last round. */
export function planMemory(
  steps: readonly Scheduled[],
  isTemporary: (ref: BufferRef) => boolean,
): MemoryPlan {
  const lives = livesOf(steps, isTemporary)
  const rounds = steps.length === 0 ? 0 : (steps[steps.length - 1] as Scheduled).round + 1
  const starting = Array.from({ length: rounds }, (): Life[] => [])
  const ending = Array.from({ length: rounds }, (): Life[] => [])
  for (const life of lives.values()) {
    starting[life.from]?.push(life)
    ending[life.to]?.push(life)
  }
  const free = new FreeList()
  const offsets = new Map<number, number>()
  const taken = new Set<Life>()
  for (let round = 0; round < rounds; round++) {
    // Large ones first: they are the hardest to place.
    for (const life of (starting[round] as Life[]).sort((a, b) => b.bytes - a.bytes)) {
      const operand = predecessorOf(life, lives, taken)
      if (operand === null) offsets.set(life.ref.id, free.take(life.bytes))
      else {
        taken.add(operand)
        offsets.set(life.ref.id, offsets.get(operand.ref.id) as number)
      }
    }
    for (const life of ending[round] as Life[]) {
      // The place of an operand that was taken over is given back with the result.
      if (!taken.has(life)) free.give(offsets.get(life.ref.id) as number, life.bytes)
    }
  }
  return { offsets, bytes: free.end }
}

// Blocks of linear memory: free lists by size class, joined with their neighbours when nothing fits.

import { HEAP } from './layout.js'
import type { LinearMemory } from './linear.js'

/** Addresses and sizes of blocks are multiples of a cache line. */
export const ALIGNMENT = 64

/**
 * The size a request is served with: a multiple of 64 bytes up to 1 KiB, then four sizes to each power
 * of two, so that blocks come back to requests like those they were made for.
 */
export function sizeClass(bytes: number): number {
  const n = Math.max(ALIGNMENT, bytes)
  if (n <= 1024) return Math.ceil(n / ALIGNMENT) * ALIGNMENT
  const step = 2 ** (Math.floor(Math.log2(n - 1)) - 2)
  return Math.ceil(n / step) * step
}

export class Heap {
  /** Sizes of blocks in use, by address. */
  private readonly used = new Map<number, number>()
  /** Addresses of free blocks, by size. */
  private free = new Map<number, number[]>()
  /** Nothing from here on was ever handed out, or all of it came back. */
  private top = HEAP
  /** Bytes in blocks in use. */
  bytesUsed = 0

  constructor(private readonly memory: LinearMemory) {}

  /** Bytes between the first address and the last that was handed out. */
  get bytesTouched(): number {
    return this.top - HEAP
  }

  /** @returns the block's address, or 0 if memory has no room for it. */
  allocate(bytes: number): number {
    const size = sizeClass(bytes)
    const at =
      this.reuse(size) || this.extend(size, false) || this.refit(size) || this.extend(size, true)
    if (at === 0) return 0
    this.used.set(at, size)
    this.bytesUsed += size
    return at
  }

  release(at: number): void {
    const size = this.used.get(at)
    if (size === undefined) throw new Error(`no block at ${at}`)
    this.used.delete(at)
    this.bytesUsed -= size
    this.keep(at, size)
  }

  private keep(at: number, size: number): void {
    const list = this.free.get(size)
    if (list) list.push(at)
    else this.free.set(size, [at])
  }

  private reuse(size: number): number {
    return this.free.get(size)?.pop() ?? 0
  }

  /** Takes a block off the untouched end, growing memory if asked to. */
  private extend(size: number, grow: boolean): number {
    const end = this.top + size
    if (end > this.memory.end && !(grow && this.memory.reach(end))) return 0
    const at = this.top
    this.top = end
    return at
  }

  /** Joins free neighbours, and cuts a block off the smallest free one that is large enough. */
  private refit(size: number): number {
    const blocks: [number, number][] = []
    for (const [s, list] of this.free) for (const at of list) blocks.push([at, s])
    blocks.sort((a, b) => a[0] - b[0])
    const joined: [number, number][] = []
    for (const [at, s] of blocks) {
      const last = joined.at(-1)
      if (last && last[0] + last[1] === at) last[1] += s
      else joined.push([at, s])
    }
    const end = joined.at(-1)
    if (end && end[0] + end[1] === this.top) {
      this.top = end[0]
      joined.pop()
    }
    let best: [number, number] | null = null
    for (const b of joined) if (b[1] >= size && (best === null || b[1] < best[1])) best = b
    this.free = new Map()
    for (const b of joined) {
      if (b !== best) this.keep(b[0], b[1])
      else if (b[1] > size) this.keep(b[0] + size, b[1] - size)
    }
    return best ? best[0] : this.extend(size, false)
  }
}

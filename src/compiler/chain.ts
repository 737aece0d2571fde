// Chains: kernels that run piece by piece, one after the other, without meeting the other threads.
//
// Where kernels are cut along the same rows, a piece of one needs of the kernels before it only what they
// made of the same rows. So whoever does a piece of the first does that piece of all: what one kernel
// leaves in a core's cache the next finds there, and no thread waits for another in between. What all
// pieces read (weights) has to stay in the cache beside it, or it would be fetched for every piece.

import type { KernelCall } from './kernel/assembly.js'
import { type Affine, BYTES, type Kernel, type Target } from './kernel/ir.js'
import { definitionsOf, type Interval, Ranges } from './kernel/ranges.js'
import { walk } from './kernel/walk.js'
import { type Link, readsOf, type Step, writesOf } from './steps.js'

/** Pieces for each processor: enough for one that falls behind to be helped. */
const PIECES_PER_PROCESSOR = 4
const MOST_PIECES = 32
/** Steps to look at for one that continues a chain. */
const LOOK_AHEAD = 24
/** The share of the second-level cache that may be taken by what all pieces read. */
const SHARED_PART = 0.5

/** Pieces that rows are cut into, on a target whose processors are known. */
export const piecesOf = (target: Target): number | null =>
  target.processors === undefined
    ? null
    : Math.min(MOST_PIECES, PIECES_PER_PROCESSOR * target.processors)

/** The elements of a buffer that each piece touches, at least and at most. */
interface Touched {
  readonly reads: readonly Interval[] | null
  readonly writes: readonly Interval[] | null
}

const NOTHING: Interval = { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY }
const hull = (a: Interval, b: Interval): Interval => ({
  low: Math.min(a.low, b.low),
  high: Math.max(a.high, b.high),
})
const isInside = (a: Interval, b: Interval): boolean => a.low >= b.low && a.high <= b.high

const NO_TERMS: Affine['terms'] = []

/** Accesses whose places differ by numbers only, by what they share: as a rule copies of an unrolled one. */
type Accesses = Map<Affine['terms'], Interval>
interface Access {
  readonly terms: Affine['terms']
  readonly near: Interval
}

/** How a kernel reads and writes each of its slots. */
function accessesOf(kernel: Kernel): Map<number, { reads: Accesses; writes: Accesses }> {
  const found = new Map<number, { reads: Accesses; writes: Accesses }>()
  for (const { id, space } of kernel.buffers) {
    if (space === 'slot') found.set(id, { reads: new Map(), writes: new Map() })
  }
  walk(kernel.body, (s) => {
    if (s.op !== 'load' && s.op !== 'store' && s.op !== 'gather' && s.op !== 'scatter') return
    const of = found.get(s.buffer.id)
    if (of === undefined) return
    const accesses = s.op === 'load' || s.op === 'gather' ? of.reads : of.writes
    const known = s.op === 'load' || s.op === 'store'
    const terms = known ? s.at.terms : NO_TERMS
    const low = known ? s.at.constant : 0
    const high = known ? s.at.constant : s.buffer.length - 1
    accesses.set(terms, hull(accesses.get(terms) ?? NOTHING, { low, high }))
  })
  return found
}

const listed = (accesses: Accesses): Access[] =>
  Array.from(accesses, ([terms, near]) => ({ terms, near }))

/** The places of accesses, at least and at most. */
function placesOf(accesses: readonly Access[], ranges: Ranges): Interval {
  let { low, high } = NOTHING
  for (let n = 0; n < accesses.length; n++) {
    const { terms, near } = accesses[n]!
    const from = ranges.affine({ constant: 0, terms })
    low = Math.min(low, from.low + near.low)
    high = Math.max(high, from.high + near.high)
  }
  return { low, high }
}

/** What each piece of a kernel touches of its slots, in order of declaration. */
function touchedBy(kernel: Kernel, pieces: number): Touched[] {
  const slots = kernel.buffers.filter((b) => b.space === 'slot')
  const all = accessesOf(kernel)
  const accesses = slots.map(({ id }) => {
    const { reads, writes } = all.get(id)!
    return { reads: listed(reads), writes: listed(writes) }
  })
  const definitions = definitionsOf(kernel)
  const touched = slots.map(({ access }) => ({
    reads: access === 'write' ? null : ([] as Interval[]),
    writes: access === 'read' ? null : ([] as Interval[]),
  }))
  const each = kernel.grid / pieces
  for (let p = 0; p < pieces; p++) {
    const ranges = new Ranges(kernel, { low: p * each, high: (p + 1) * each - 1 }, definitions)
    for (let i = 0; i < slots.length; i++) {
      const { reads, writes } = accesses[i]!
      touched[i]!.reads?.push(placesOf(reads, ranges))
      touched[i]!.writes?.push(placesOf(writes, ranges))
    }
  }
  return touched
}

/** Whether no two pieces write in one place. */
const areApart = (pieces: readonly Interval[]): boolean =>
  pieces.every((a, i) => i === 0 || (pieces[i - 1] as Interval).high < a.low)

/** A chain that grows, and what its kernels have written so far. */
class Growing {
  readonly calls: KernelCall[] = []
  private readonly written = new Map<number, readonly Interval[]>()
  private shared = 0

  constructor(
    private readonly pieces: number,
    private readonly room: number,
    private readonly touched: (kernel: Kernel) => readonly Touched[],
  ) {}

  wrote(buffer: number): boolean {
    return this.written.has(buffer)
  }

  uses(buffer: number): boolean {
    return this.calls.some(({ args }) => args.some((ref) => ref.id === buffer))
  }

  /** Adds a kernel, if its pieces need nothing of other pieces and the chain has room for it. */
  add(call: KernelCall): boolean {
    const { kernel, args } = call
    if (kernel.grid % this.pieces !== 0) return false
    let shared = 0
    const written: (readonly [number, readonly Interval[]])[] = []
    for (const [i, { reads, writes }] of this.touched(kernel).entries()) {
      const ref = args[i] as KernelCall['args'][number]
      if (reads !== null && writes !== null) return false
      if (writes !== null) {
        if (!areApart(writes)) return false
        written.push([ref.id, writes])
        continue
      }
      const own = this.written.get(ref.id)
      const [first, second] = reads as readonly [Interval, Interval]
      if (own !== undefined) {
        if (!reads?.every((r, p) => isInside(r, own[p] as Interval))) return false
      } else if (first.high >= second.low) {
        shared += (first.high - first.low + 1) * BYTES[ref.type]
      }
    }
    if (this.calls.length > 0 && this.shared + shared > this.room) return false
    this.shared += shared
    for (const [id, intervals] of written) this.written.set(id, intervals)
    this.calls.push(call)
    return true
  }
}

/**
 * Joins steps to chains. Steps in the midst of a chain that have nothing to do with it go before it, and
 * those that need all of something it makes go after it.
 */
export function chain(steps: readonly Step[], target: Target): Link[] {
  const pieces = piecesOf(target)
  if (pieces === null || pieces < 2) return [...steps]
  const known = new Map<Kernel, readonly Touched[]>()
  const touched = (kernel: Kernel): readonly Touched[] => {
    let found = known.get(kernel)
    if (found === undefined) {
      found = touchedBy(kernel, pieces)
      known.set(kernel, found)
    }
    return found
  }
  const room = SHARED_PART * target.cache.l2
  const out: Link[] = []
  let rest = [...steps]
  while (rest.length > 0) {
    const first = rest[0] as Step
    const growing = new Growing(pieces, room, touched)
    if (first.op === 'host' || !isReadSoon(first, rest) || !growing.add(first.call)) {
      out.push(first)
      rest.shift()
      continue
    }
    const { before, after, next } = grow(growing, rest)
    out.push(...before)
    const { calls } = growing
    out.push(calls.length > 1 ? { op: 'chain', calls, pieces } : first)
    rest = [...after, ...rest.slice(next)]
  }
  return out
}

/** Whether a chain that began with the first step could go on: it costs time to find what kernels touch. */
function isReadSoon(first: Step, steps: readonly Step[]): boolean {
  const made = new Set(writesOf(first).map((ref) => ref.id))
  return steps.slice(1, LOOK_AHEAD + 1).some((step) => readsOf(step).some((r) => made.has(r.id)))
}

/** Continues a chain that begins with the first step; what is passed over, and where the chain ends. */
function grow(
  growing: Growing,
  steps: readonly Step[],
): { before: Step[]; after: Step[]; next: number } {
  const before: Step[] = []
  const after: Step[] = []
  const [touchedLater, writtenLater] = [new Set<number>(), new Set<number>()]
  let kept = { before: 0, after: 0, next: 1 }
  for (let i = 1; i < steps.length && i - kept.next < LOOK_AHEAD; i++) {
    const step = steps[i] as Step
    if (step.op === 'host') break
    const [reads, writes] = [readsOf(step), writesOf(step)]
    const waits =
      reads.some((r) => writtenLater.has(r.id)) ||
      writes.some((w) => touchedLater.has(w.id) || growing.uses(w.id))
    const needs = reads.some((r) => growing.wrote(r.id))
    if (!waits && !needs) {
      before.push(step)
    } else if (!waits && growing.add(step.call)) {
      kept = { before: before.length, after: after.length, next: i + 1 }
    } else {
      after.push(step)
      for (const w of writes) writtenLater.add(w.id)
      for (const x of [...reads, ...writes]) touchedLater.add(x.id)
    }
  }
  return {
    before: before.slice(0, kept.before),
    after: after.slice(0, kept.after),
    next: kept.next,
  }
}

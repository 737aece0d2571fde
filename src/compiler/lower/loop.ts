// Lowers a scan to one kernel: the kernels of its body, one after the other, inside a loop over the steps.
//
// A chunk of the kernel goes through all steps, so no thread waits for another between steps. State and
// intermediate values are in the thread's own scratch memory, where they stay in the cache; elements of
// sequences and results are where they belong in the stacked arrays, a stride further in each step.
// Kernels of the body that read only what all steps share run once, before the loop.

import type { Body } from '../../ir/body.js'
import type { ScanAttrs } from '../../ir/build.js'
import type { Node } from '../../ir/node.js'
import type { OutputAttrs } from '../../ir/primitives/structure.js'
import { elementsOf } from '../../ir/sizes.js'
import { isAccess } from '../kernel/addresses.js'
import { affine, ofVar, plus, times, ZERO } from '../kernel/affine.js'
import { type BufferRef, KernelAssembly, type KernelCall } from '../kernel/assembly.js'
import type { Affine, BufferDecl, Stmt } from '../kernel/ir.js'
import { Renaming } from '../kernel/rename.js'
import { resultOf, walk, withBodies } from '../kernel/walk.js'
import { splitRows } from '../scan/rows.js'
import { Buffers } from './buffers.js'
import type { GroupLowering } from './lower.js'

/** What lowering a body gives: its kernels in order, and the buffers its results are in. */
export interface LoweredBody {
  readonly calls: readonly KernelCall[]
  readonly results: readonly BufferRef[]
}

/** Where a buffer of the body is, from the step's point of view. */
interface Place {
  readonly buffer: BufferDecl
  readonly at: Affine
}
type Access = BufferDecl['access']
type PlaceAt = (step: Affine, access: Access) => Place

export function lowerLoop(g: GroupLowering): KernelCall[] {
  const scan = g.group.anchor as Node
  const attrs = scan.attrs as ScanAttrs
  const split = splitRows(attrs)
  return [new Loop(g, scan, attrs, split.body, split.chunks, split.isSplit).lower()]
}

class Loop {
  private readonly k: KernelAssembly
  private readonly inner = new Buffers()
  private readonly places = new Map<number, PlaceAt>()
  private readonly lowered: LoweredBody
  private readonly length: number
  /** Results of the scan that somebody reads, by number. */
  private readonly results = new Map<number, BufferRef>()

  constructor(
    private readonly g: GroupLowering,
    scan: Node,
    private readonly attrs: ScanAttrs,
    /** The body for the rows of one chunk. */
    private readonly body: Body,
    private readonly chunks: number,
    /** Whether a chunk has rows of its own of a shared value. */
    private readonly isSplit: (shared: number) => boolean,
  ) {
    this.length = attrs.length[0] as number
    this.k = new KernelAssembly(`scan ${this.length} x [${scan.shape}]`, chunks)
    this.lowered = g.lowerBody(body, this.inner)
    for (const m of g.group.members.keys()) {
      if (g.group.stored.has(m)) this.results.set((m.attrs as OutputAttrs).index, g.refOf(m))
    }
  }

  lower(): KernelCall {
    const { k, attrs, body, inner, chunks, length, lowered } = this
    const { shared, carries } = attrs
    const states = body.inputs.slice(shared, shared + carries)
    body.inputs.forEach((x, i) => {
      const operand = this.g.operand(i)
      const ref = inner.of(x)
      if (i < shared) this.put(ref, this.rows(operand, this.isSplit(i) ? elementsOf(x) : 0))
      else if (i < shared + carries) {
        const buffer = k.scratch(`state ${i - shared}`, ref.type, Math.max(1, elementsOf(x)))
        this.put(ref, () => ({ buffer, at: ZERO }))
      } else this.put(ref, this.element(operand, elementsOf(x)))
    })
    const copies = this.bindResults()
    const invariant = this.invariant()

    states.forEach((x, i) => {
      const from = this.rows(this.g.operand(shared + i), elementsOf(x))
      this.copy(from, this.placeOf(inner.of(x)), elementsOf(x), ZERO)
    })
    for (const call of lowered.calls) if (invariant.has(call)) this.splice(call, ZERO)
    k.loop('step', length, (step) => {
      for (const call of lowered.calls) if (!invariant.has(call)) this.splice(call, step)
      for (const { from, to, count } of copies) this.copy(from, to, count, step)
    })
    states.forEach((x, i) => {
      const result = this.results.get(i)
      if (result === undefined) return
      this.copy(this.placeOf(inner.of(x)), this.rows(result, elementsOf(x)), elementsOf(x), ZERO)
    })
    for (const { kernel } of lowered.calls) {
      k.flops += chunks * length * kernel.flops
      k.bytes += chunks * length * kernel.bytes
    }
    return k.call()
  }

  private put(ref: BufferRef, place: PlaceAt): void {
    this.places.set(ref.id, place)
  }

  /** The place of a buffer of the body; what is not known yet is in scratch memory. */
  private placeOf(ref: BufferRef): PlaceAt {
    let place = this.places.get(ref.id)
    if (place === undefined) {
      const buffer = this.k.scratch(ref.name, ref.type, Math.max(1, ref.length))
      place = () => ({ buffer, at: ZERO })
      this.places.set(ref.id, place)
    }
    return place
  }

  /** The chunk's rows of an array: `count` elements each, or all of it for 0. */
  private rows(ref: BufferRef, count: number): PlaceAt {
    const at = this.chunks === 1 ? ZERO : ofVar(this.k.chunk, count)
    return (_, access) => ({ buffer: this.k.use(ref, access), at })
  }

  /** The chunk's rows of one step's element of a stacked array. */
  private element(ref: BufferRef, count: number): PlaceAt {
    const { attrs, chunks, length } = this
    const stride = count * chunks
    const rows = this.rows(ref, count)
    return (step, access) => {
      const at = attrs.reverse ? plus(times(step, -1), length - 1) : step
      const { buffer, at: first } = rows(step, access)
      return { buffer, at: plus(times(at, stride), first) }
    }
  }

  /** Gives results of the body their places, and says what is to be copied at the end of a step. */
  private bindResults(): { from: PlaceAt; to: PlaceAt; count: number }[] {
    const { attrs, body, inner, lowered } = this
    const { shared, carries } = attrs
    const copies: { from: PlaceAt; to: PlaceAt; count: number }[] = []
    body.outputs.slice(carries).forEach((out, i) => {
      const result = this.results.get(carries + i)
      if (result === undefined) return
      const ref = lowered.results[carries + i] as BufferRef
      const to = this.element(result, elementsOf(out))
      if (this.places.has(ref.id)) {
        copies.push({ from: this.placeOf(ref), to, count: elementsOf(out) })
      } else this.put(ref, to)
    })
    const stateOf = new Map(
      body.inputs.slice(shared, shared + carries).map((x, i) => [inner.of(x).id, i]),
    )
    const moves: typeof copies = []
    body.outputs.slice(0, carries).forEach((out, i) => {
      const ref = lowered.results[i] as BufferRef
      const to = this.placeOf(inner.of(body.inputs[shared + i] as Node))
      const count = elementsOf(out)
      const state = stateOf.get(ref.id)
      if (state === i) return
      if (state === undefined) {
        moves.push({ from: this.placeOf(ref), to, count })
        return
      }
      // States that change places: all are read before any is written.
      const buffer = this.k.scratch('moved', ref.type, Math.max(1, count))
      const between: PlaceAt = () => ({ buffer, at: ZERO })
      copies.push({ from: this.placeOf(ref), to: between, count })
      moves.push({ from: between, to, count })
    })
    return [...copies, ...moves]
  }

  /** Kernels that do the same in every step. */
  private invariant(): Set<KernelCall> {
    const { attrs, body, inner, lowered } = this
    const fixed = new Set(body.inputs.slice(0, attrs.shared).map((x) => inner.of(x).id))
    const found = new Set<KernelCall>()
    for (const call of lowered.calls) {
      const slots = call.kernel.buffers.filter((b) => b.space === 'slot')
      const written = call.args.filter((_, i) => slots[i]!.access !== 'read')
      const same = call.args.every((ref, i) => slots[i]!.access !== 'read' || fixed.has(ref.id))
      if (!same || written.some((ref) => this.places.has(ref.id))) continue
      for (const ref of written) fixed.add(ref.id)
      found.add(call)
    }
    return found
  }

  private copy(fromAt: PlaceAt, toAt: PlaceAt, count: number, step: Affine): void {
    if (count === 0) return
    const { k, g } = this
    const [from, to] = [fromAt(step, 'read'), toAt(step, 'write')]
    k.vector('copied', count, g.target.mapLanes, (i) => {
      k.store(to.buffer, plus(to.at, i), k.load(from.buffer, plus(from.at, i)))
    })
  }

  /** Writes a kernel of the body out, for one step. */
  private splice({ kernel, args }: KernelCall, step: Affine): void {
    const { k } = this
    const places = new Map<BufferDecl, Place>()
    let slot = 0
    for (const decl of kernel.buffers) {
      if (decl.space === 'scratch') {
        places.set(decl, { buffer: k.scratch(decl.name, decl.type, decl.length), at: ZERO })
        continue
      }
      places.set(decl, this.placeOf(args[slot++] as BufferRef)(step, decl.access))
    }
    const renaming = new Renaming()
    walk(kernel.body, (s) => {
      const reg = resultOf(s)
      if (reg !== null && !renaming.registers.has(reg.id)) {
        renaming.registers.set(reg.id, k.reg(reg.type, reg.lanes))
      }
    })
    const moved = (s: Stmt): Stmt => {
      if (isAccess(s)) {
        const { buffer, at } = places.get(s.buffer) as Place
        return { ...s, buffer, at: plus(s.at, at) }
      }
      return withBodies(s, (body) => body.map(moved))
    }
    const run = (chunk: Affine): void => {
      renaming.values.set(kernel.chunk.id, chunk)
      for (const s of renaming.body(kernel.body)) k.emit(moved(s))
    }
    if (kernel.grid === 1) run(affine(0))
    else k.loop('chunk', kernel.grid, run)
  }
}

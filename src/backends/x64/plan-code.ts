// Machine code of kernels. A plan's new kernels lie one after another in a block; kernels that do the same
// share code, in one plan and between plans; and a block is unmapped when the last plan that uses it is gone.

import { debug } from '../../base/debug.js'
import type { Kernel } from '../../compiler/kernel/ir.js'
import { Firsts } from '../../compiler/kernel/same.js'
import { compileKernel } from './emit/kernel.js'
import { Code } from './native/code.js'
import { roundUp } from './native/pages.js'
import type { X64Target } from './target.js'

/** Machine code of a kernel: `void f(i64 chunk, void* scratch, void** slots, i32* fault)`. */
export interface EmittedKernel {
  readonly bytes: Uint8Array
}
export type Emit = (kernel: Kernel, target: X64Target) => EmittedKernel

const emitted: Emit = (kernel, { level }) => {
  const compiled = compileKernel(kernel, level)
  debug('code', () => `${kernel.name}\n${compiled.text()}`)
  return { bytes: compiled.bytes() }
}

/** Kernels start on cache lines, which the vectors among their constants need too. */
const ALIGNMENT = 64

/** Machine code that several plans may use. */
class Block {
  private readonly code: Code
  private users = 0

  /**
   * @param forget what to do when it goes. Dropped then: a loop that never yields keeps every block that a weak
   *   reference was made of or asked for, and should not keep the kernels as well.
   */
  constructor(
    whole: Uint8Array,
    private forget: (() => void) | null,
  ) {
    this.code = Code.load(whole)
  }

  get address(): number {
    return this.code.address
  }

  use(): void {
    this.users++
  }

  release(): void {
    this.users--
    if (this.users > 0) return
    this.forget?.()
    this.forget = null
    this.code.free()
  }
}

/** Where a kernel's function is, and how long. */
interface Place {
  readonly block: Block
  readonly offset: number
  readonly bytes: number
}
/** The same, weak, so that what is lost without being released is unmapped like any other lost code. */
type Known = Omit<Place, 'block'> & { readonly block: WeakRef<Block> }

/** What is left of a block that was lost: the kernels whose code it was. */
interface Made {
  readonly kernels: readonly Kernel[]
  readonly block: WeakRef<Block>
}

/** The code of the plans of one device. */
export class CodeCache {
  private readonly firsts: Firsts
  /** By the kernels that stand for others. */
  private readonly known = new Map<Kernel, Known>()
  /** Forgets kernels whose plans were lost without being disposed of. */
  private readonly lost = new FinalizationRegistry<Made>(({ kernels, block }) =>
    this.forget(kernels, block),
  )

  /** @param emit makes code of kernels instead of the emitter, for each kernel its own */
  constructor(
    private readonly target: X64Target,
    private readonly emit: Emit | null = null,
  ) {
    this.firsts = new Firsts(emit === null ? undefined : (a, b) => a === b)
  }

  /** Kernels that code is known of. */
  get size(): number {
    return this.known.size
  }

  /** The code of some kernels: what is there already, and the rest in a new block. */
  codeOf(kernels: Iterable<Kernel>): PlanCode {
    const code = new PlanCode(this)
    code.add(kernels)
    return code
  }

  /** Finds the code of some kernels, or makes it, in one new block. */
  find(kernels: Iterable<Kernel>, firsts: Map<Kernel, Kernel>, places: Map<Kernel, Place>): void {
    const missing = new Set<Kernel>()
    for (const kernel of kernels) {
      const first = this.firsts.of(kernel)
      firsts.set(kernel, first)
      const known = this.known.get(first)
      const block = known?.block.deref()
      if (known === undefined || block === undefined) missing.add(first)
      else places.set(first, { ...known, block })
    }
    try {
      if (missing.size > 0) this.add([...missing], places)
    } catch (error) {
      // There is no block now that would forget them when it goes.
      this.forget(missing)
      throw error
    }
  }

  /** Makes code of kernels that stand for others, and notes where it is. */
  private add(kernels: readonly Kernel[], places: Map<Kernel, Place>): void {
    const { target, emit } = this
    const parts: Uint8Array[] = []
    const offsets: number[] = []
    let size = 0
    for (const kernel of kernels) {
      const { bytes } = (emit ?? emitted)(kernel, target)
      parts.push(bytes)
      offsets.push(size)
      size = roundUp(size + bytes.length, ALIGNMENT)
    }
    // Between kernels there is nothing to run: trap.
    const whole = new Uint8Array(size).fill(0xcc)
    for (const [i, bytes] of parts.entries()) whole.set(bytes, offsets[i])
    const block = new Block(whole, () => {
      // The finalizer has the kernels, too, and is not met in a loop that never yields.
      this.lost.unregister(reference)
      this.forget(kernels, reference)
    })
    const reference = new WeakRef(block)
    this.lost.register(block, { kernels, block: reference }, reference)
    for (const [i, kernel] of kernels.entries()) {
      const where = { offset: offsets[i]!, bytes: parts[i]!.length }
      this.known.set(kernel, { ...where, block: reference })
      places.set(kernel, { ...where, block })
    }
  }

  /** Forgets kernels: with a block those whose code is in it, and not in a later one by now. */
  private forget(kernels: Iterable<Kernel>, block?: WeakRef<Block>): void {
    for (const kernel of kernels) {
      if (block !== undefined && this.known.get(kernel)?.block !== block) continue
      this.known.delete(kernel)
      this.firsts.forget(kernel)
    }
  }
}

/** The code of a plan, until it is freed. */
export class PlanCode {
  /** For each kernel the one whose code it runs, and where that code is. */
  private readonly firsts = new Map<Kernel, Kernel>()
  private readonly places = new Map<Kernel, Place>()
  private readonly blocks = new Set<Block>()

  constructor(private readonly cache: CodeCache) {}

  /** Adds kernels: with code that is there already, and the rest in a new block. */
  add(kernels: Iterable<Kernel>): void {
    this.cache.find(kernels, this.firsts, this.places)
    for (const { block } of this.places.values()) {
      if (this.blocks.has(block)) continue
      block.use()
      this.blocks.add(block)
    }
  }

  /** Bytes of instructions and constants. */
  get bytes(): number {
    return [...this.places.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get kernels(): number {
    return this.firsts.size
  }

  get functions(): number {
    return this.places.size
  }

  /** Where a kernel's function is. */
  addressOf(kernel: Kernel): number {
    const { block, offset } = this.places.get(this.firsts.get(kernel)!)!
    return block.address + offset
  }

  free(): void {
    for (const block of this.blocks) block.release()
  }
}

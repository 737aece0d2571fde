// Machine code of kernels. A plan's new kernels lie one after another in a block; kernels that do the same
// share code, in one plan and between plans; and a block is unmapped when the last plan that uses it is gone.

import { debug } from '../../base/debug.js'
import type { Kernel } from '../../compiler/kernel/ir.js'
import { KernelMap } from '../../compiler/kernel/same.js'
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

  constructor(
    whole: Uint8Array,
    private readonly forget: () => void,
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
    this.forget()
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

/** The code of the plans of one device. */
export class CodeCache {
  private readonly known: KernelMap<Known>

  /** @param emit makes code of kernels instead of the emitter, for each kernel its own */
  constructor(
    private readonly target: X64Target,
    private readonly emit: Emit | null = null,
  ) {
    this.known = this.kernelMap()
  }

  /** A map by what kernels do; or, where each has code of its own, by which they are. */
  private kernelMap<V>(): KernelMap<V> {
    return new KernelMap(this.emit === null ? undefined : (a, b) => a === b)
  }

  /** The code of some kernels: what is there already, and the rest in a new block. */
  codeOf(kernels: Iterable<Kernel>): PlanCode {
    const places = new Map<Kernel, Place>()
    const blocks = new Set<Block>()
    const missing = this.kernelMap<Kernel[]>()
    const groups: Kernel[][] = []
    for (const kernel of kernels) {
      const known = this.known.get(kernel)
      const block = known?.block.deref()
      const alike = missing.get(kernel)
      if (known !== undefined && block !== undefined) {
        places.set(kernel, { ...known, block })
        blocks.add(block)
      } else if (alike === undefined) {
        const group = [kernel]
        missing.set(kernel, group)
        groups.push(group)
      } else alike.push(kernel)
    }
    if (groups.length > 0) blocks.add(this.add(groups, places))
    return new PlanCode(places, blocks)
  }

  /** @param groups kernels that do the same */
  private add(groups: readonly (readonly Kernel[])[], places: Map<Kernel, Place>): Block {
    const { target, emit } = this
    const parts: Uint8Array[] = []
    const offsets: number[] = []
    let size = 0
    for (const [kernel] of groups) {
      const { bytes } = (emit ?? emitted)(kernel!, target)
      parts.push(bytes)
      offsets.push(size)
      size = roundUp(size + bytes.length, ALIGNMENT)
    }
    // Between kernels there is nothing to run: trap.
    const whole = new Uint8Array(size).fill(0xcc)
    for (const [i, bytes] of parts.entries()) whole.set(bytes, offsets[i])
    const block = new Block(whole, () => this.forget(reference))
    const reference = new WeakRef(block)
    for (const [i, kernels] of groups.entries()) {
      const where = { offset: offsets[i]!, bytes: parts[i]!.length }
      this.known.set(kernels[0]!, { ...where, block: reference })
      for (const kernel of kernels) places.set(kernel, { ...where, block })
    }
    return block
  }

  private forget(block: WeakRef<Block>): void {
    this.known.prune((known) => known.block === block)
  }
}

/** The code of a plan, until it is freed. */
export class PlanCode {
  /** Bytes of instructions and constants, and functions they make up. */
  readonly bytes: number
  readonly functions: number

  constructor(
    private readonly places: ReadonlyMap<Kernel, Place>,
    private readonly blocks: ReadonlySet<Block>,
  ) {
    for (const block of blocks) block.use()
    const functions = new Map<number, number>()
    for (const { block, offset, bytes } of places.values()) {
      functions.set(block.address + offset, bytes)
    }
    this.functions = functions.size
    this.bytes = [...functions.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  get kernels(): number {
    return this.places.size
  }

  /** Where a kernel's function is. */
  addressOf(kernel: Kernel): number {
    const { block, offset } = this.places.get(kernel)!
    return block.address + offset
  }

  free(): void {
    for (const block of this.blocks) block.release()
  }
}

// Machine code of kernels. A plan's new kernels lie one after another in a block; kernels that do the same
// share code, in one plan and between plans; and a block is unmapped when the last plan that uses it is gone.

import { debug } from '../../base/debug.js'
import type { Kernel } from '../../compiler/kernel/ir.js'
import { signatureOf } from '../../compiler/kernel/signature.js'
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

/** What tells kernels apart: what they compute, or that they are not the same object. */
type Identity = string | Kernel

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
  private readonly known = new Map<Identity, Known>()

  /** @param emit makes code of kernels instead of the emitter, for each kernel its own */
  constructor(
    private readonly target: X64Target,
    private readonly emit: Emit | null = null,
  ) {}

  /** The code of some kernels: what is there already, and the rest in a new block. */
  codeOf(kernels: Iterable<Kernel>): PlanCode {
    const places = new Map<Kernel, Place>()
    const blocks = new Set<Block>()
    const missing = new Map<Identity, Kernel[]>()
    for (const kernel of kernels) {
      const identity = this.emit === null ? signatureOf(kernel) : kernel
      const known = this.known.get(identity)
      const block = known?.block.deref()
      const alike = missing.get(identity)
      if (known !== undefined && block !== undefined) {
        places.set(kernel, { ...known, block })
        blocks.add(block)
      } else if (alike === undefined) missing.set(identity, [kernel])
      else alike.push(kernel)
    }
    if (missing.size > 0) blocks.add(this.add(missing, places))
    return new PlanCode(places, blocks)
  }

  private add(
    missing: ReadonlyMap<Identity, readonly Kernel[]>,
    places: Map<Kernel, Place>,
  ): Block {
    const { target, emit } = this
    const parts: Uint8Array[] = []
    const offsets: number[] = []
    let size = 0
    for (const [kernel] of missing.values()) {
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
    let i = 0
    for (const [identity, kernels] of missing) {
      const where = { offset: offsets[i]!, bytes: parts[i]!.length }
      this.known.set(identity, { ...where, block: reference })
      for (const kernel of kernels) places.set(kernel, { ...where, block })
      i++
    }
    return block
  }

  private forget(block: WeakRef<Block>): void {
    for (const [identity, known] of this.known) {
      if (known.block === block) this.known.delete(identity)
    }
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

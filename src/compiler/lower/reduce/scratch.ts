// Scratch memory of a reduce group: dear values of the whole domain that one pass computes, and later ones
// load rather than compute again.

import { DTYPES } from '../../../base/dtype.js'
import { stridesOf } from '../../../base/shape.js'
import type { Node } from '../../../ir/node.js'
import { linear, ofVar, plus, times } from '../../kernel/affine.js'
import { type KernelAssembly, MEMORY_TYPE } from '../../kernel/assembly.js'
import type { Affine, BufferDecl, Reg } from '../../kernel/ir.js'
import type { Layout } from './layout.js'

const MOST_BYTES = 1 << 19

export class Scratch {
  private readonly buffers = new Map<Node, BufferDecl>()

  constructor(
    private readonly k: KernelAssembly,
    private readonly layout: Layout,
  ) {}

  /** Whether there is room for a value. */
  fits(m: Node): boolean {
    return this.length * DTYPES[m.dtype].bytes <= MOST_BYTES
  }

  /** @param index where the loops stand on each axis of the domain */
  store(m: Node, index: readonly Affine[], value: Reg): void {
    let buffer = this.buffers.get(m)
    if (buffer === undefined) {
      buffer = this.k.scratch(m.op.name, MEMORY_TYPE[m.dtype], this.length)
      this.buffers.set(m, buffer)
    }
    this.k.store(buffer, this.addressAt(index), value)
  }

  load(m: Node, index: readonly Affine[]): Reg {
    return this.k.load(this.buffers.get(m) as BufferDecl, this.addressAt(index))
  }

  /** Elements of a value that one round of the outer loops computes. */
  private get length(): number {
    return this.layout.reduced * (this.layout.walk === 'along' ? 1 : this.columns)
  }

  /** Results that are computed side by side. */
  private get columns(): number {
    const { vector, walk } = this.layout
    if (vector === null) return 1
    return walk === 'streams' ? vector.most : vector.lanes
  }

  /** Row-major over the reduced axes, then the vector's. */
  private addressAt(index: readonly Affine[]): Affine {
    const { inner, rows, vector, walk, reduced } = this.layout
    const sizes = inner.map((l) => l.loop.size)
    const indices = inner.map((l) => ofVar(l.loop.variable))
    if (rows !== null) {
      sizes.push(rows.size)
      indices.push(plus(index[rows.axis] as Affine, times(rows.start, -1)))
    }
    if (vector !== null) {
      const along = reduced / sizes.reduce((p, n) => p * n, 1)
      sizes.push(walk === 'along' ? along : this.columns)
      indices.push(ofVar(vector.variable))
    }
    return linear(indices, stridesOf(sizes))
  }
}

// The rows' operand of a tile where its elements take computing: a block of K of it, written to memory that the
// first-level cache holds before panels pass by. The micro-kernel spreads elements of it over the lanes one
// by one, for every panel; what it would take to compute each is paid once, and for several at a time.

import { affine, plus, times } from '../kernel/affine.js'
import { type KernelAssembly, MEMORY_TYPE } from '../kernel/assembly.js'
import type { Affine, BufferDecl, Reg } from '../kernel/ir.js'
import { nest, unflatten } from './axes.js'
import { type Block, blockLength } from './blocks.js'
import type { FactorShape } from './choose.js'
import type { Product } from './factors.js'

/** Elements between rows beyond those of a block, so that rows do not share a few sets of the cache. */
const APART = 16

export class RowStage {
  private readonly buffer: BufferDecl
  /** Elements between rows, and between steps of K: whichever are neighbours in memory are here, too. */
  private readonly row: number
  private readonly step: number

  constructor(
    private readonly k: KernelAssembly,
    private readonly p: Product,
    private readonly shape: FactorShape,
    tileRows: number,
    private readonly lanes: number,
  ) {
    const length = blockLength(p.numerics, p.contract)
    const along = shape.contiguous === 'free'
    this.row = along ? 1 : length + APART
    this.step = along ? tileRows : 1
    this.buffer = k.scratch(
      'rows',
      MEMORY_TYPE[p.dtype],
      along ? length * tileRows : this.row * tileRows,
    )
  }

  private place(row: Affine, step: Affine): Affine {
    return plus(times(row, this.row), times(step, this.step))
  }

  /** Computes `height` rows of a block from row `first` on. */
  fill(batch: Affine[], block: Block, first: Affine, height: number): void {
    const { k, p, shape, lanes } = this
    const walk = block.walk(shape.follows)
    const put = (i: Affine, local: Affine[]): void => {
      const row = unflatten(k, plus(first, i), p.left.free)
      const value = p.left.read(k, batch, row, block.at(local))
      k.store(this.buffer, this.place(i, block.flat(local)), value)
    }
    if (shape.contiguous === 'free') {
      nest(k, 'k', walk.sizes, (at) => {
        k.vector('row', height, lanes, (i) => put(i, walk.local(at)))
      })
      return
    }
    k.loop('row', affine(height), (i) => {
      nest(k, 'k', walk.sizes.slice(0, -1), (outer) => {
        k.vector('last', walk.sizes.at(-1)!, lanes, (last) => put(i, walk.local([...outer, last])))
      })
    })
  }

  /** Element `local` of a block, of the tile's row i. */
  load(i: number, block: Block, local: Affine[]): Reg {
    return this.k.load(this.buffer, this.place(affine(i), block.flat(local)))
  }
}

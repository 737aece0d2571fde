// Sums that do not fit into one block of K: kept in memory between blocks, and, where K is cut into
// parts for threads to share, added part after part by a kernel of their own.

import type { DType } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import {
  type BufferRef,
  KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
  REGISTER_TYPE,
} from '../kernel/assembly.js'
import type { Affine, Bound, BufferDecl, Reg } from '../kernel/ir.js'
import { unflatten } from './axes.js'
import type { Product } from './factors.js'

/** A chunk's sums, in scratch memory: [rows][columns], columns a little apart. */
export class Sums {
  private readonly buffer: BufferDecl
  private readonly stride: number
  private readonly length: number

  constructor(
    private readonly k: KernelAssembly,
    private readonly dtype: DType,
    rows: number,
    columns: number,
    private readonly lanes: number,
  ) {
    this.stride = columns % 256 === 0 ? columns + 16 : columns
    this.length = rows * this.stride
    this.buffer = k.scratch('sums', MEMORY_TYPE[dtype], this.length)
  }

  /** Sets all to -0: then every block is added alike, as -0 + x is x for every x. */
  clear(): void {
    const { k } = this
    const type = REGISTER_TYPE[this.dtype]
    k.vector('i', this.length, this.lanes, (i) => {
      k.store(this.buffer, i, k.const(type, type === 'f32' || type === 'f64' ? -0 : 0))
    })
  }

  private at = (row: Affine, column: Affine): Affine => plus(times(row, this.stride), column)

  add(row: Affine, column: Affine, sum: Reg): void {
    const at = this.at(row, column)
    this.k.store(this.buffer, at, this.k.set('add', this.k.load(this.buffer, at), sum))
  }

  /** Takes a sum that has but one block. */
  put(row: Affine, column: Affine, sum: Reg): void {
    this.k.store(this.buffer, this.at(row, column), sum)
  }

  load(row: Affine, column: Affine): Reg {
    return this.k.load(this.buffer, this.at(row, column))
  }

  /** Hands all sums on: neighbours of a row together, or those of a column, as `along` says. */
  flush(
    rows: Bound,
    columns: Bound,
    along: 'rows' | 'columns',
    take: (row: Affine, column: Affine, sum: Reg) => void,
  ): void {
    const { k, lanes } = this
    const one = (row: Affine, column: Affine): void => take(row, column, this.load(row, column))
    if (along === 'rows') {
      k.loop('row', rows, (row) => k.vector('column', columns, lanes, (column) => one(row, column)))
    } else {
      k.loop('column', columns, (column) => k.vector('row', rows, lanes, (row) => one(row, column)))
    }
  }
}

/** The sums of all parts: [part][batch][row][column]. */
export class Parts {
  private readonly buffer: BufferRef
  private readonly sizes: readonly number[]

  constructor(
    private readonly p: Product,
    private readonly ctx: LoweringContext,
  ) {
    const rows = sizeOf(p.left.free)
    const columns = sizeOf(p.right.free)
    this.sizes = [p.numerics.parts, sizeOf(p.batch), rows, columns]
    this.buffer = ctx.temporary('parts', MEMORY_TYPE[p.dtype], sizeOf(this.sizes))
  }

  private at(part: Affine, batch: Affine, row: Affine, column: Affine): Affine {
    const [, batches, rows, columns] = this.sizes as [number, number, number, number]
    const line = plus(times(plus(times(part, batches), batch), rows), row)
    return plus(times(line, columns), column)
  }

  store(k: KernelAssembly, at: readonly [Affine, Affine, Affine, Affine], sum: Reg): void {
    k.store(k.use(this.buffer, 'write'), this.at(...at), sum)
  }

  /** Adds the parts in their order. */
  combine(): KernelCall {
    const { p } = this
    const [parts, batches, rows, columns] = this.sizes as [number, number, number, number]
    const lines = batches * rows
    const perChunk = Math.max(1, Math.min(lines, Math.ceil(16384 / (columns * parts))))
    const k = new KernelAssembly(`${p.name}: add parts`, Math.ceil(lines / perChunk))
    k.flops = parts * lines * columns
    k.bytes = 4 * (parts + 1) * lines * columns
    const buffer = k.use(this.buffer, 'read')
    const first = times(ofVar(k.chunk), perChunk)
    const end = { min: [plus(first, perChunk), affine(lines)] as const }
    const oneLine = (line: Affine): void => {
      const [b, row] = unflatten(k, line, [batches, rows]) as [Affine, Affine]
      const batch = unflatten(k, b, p.batch)
      const left = unflatten(k, row, p.left.free)
      k.vector('column', columns, this.ctx.target.mapLanes, (column) => {
        const sum = k.accumulator(REGISTER_TYPE[p.dtype], 0)
        k.move(sum, k.load(buffer, this.at(affine(0), b, row, column)))
        k.loop(
          'part',
          parts,
          (part) => k.update(sum, 'add', sum, k.load(buffer, this.at(part, b, row, column))),
          { from: affine(1) },
        )
        p.write(k, batch, left, unflatten(k, column, p.right.free), sum)
      })
    }
    k.loop('line', end, oneLine, { from: first })
    return k.call()
  }
}

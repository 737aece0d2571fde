// What the kernels of attention share: one head of one sequence at a time, its scores a tile of rows at
// a time, in memory that the first-level cache holds.

import type { AttentionAttrs } from '../../../ir/composites/attention.js'
import type { Node } from '../../../ir/node.js'
import { shapeOf } from '../../../ir/sizes.js'
import { roundUp } from '../../contract/choose.js'
import { microKernel } from '../../contract/micro.js'
import { forTiles, type Span } from '../../contract/tiles.js'
import { IndexSpace } from '../../coordinates/space.js'
import { Emitter } from '../../expressions/emitter.js'
import { affine, ofVar, plus, times } from '../../kernel/affine.js'
import { KernelAssembly } from '../../kernel/assembly.js'
import type { Affine, Bound, BufferDecl, Reg } from '../../kernel/ir.js'
import * as math from '../../math/index.js'
import { REDUCE_LANES } from '../../numerics.js'
import type { GroupLowering } from '../lower.js'
import { type AttentionSizes, attentionSizes } from './claim.js'

/** Rows of a matrix in scratch memory, `stride` elements apart. */
export interface Matrix {
  readonly buffer: BufferDecl
  readonly stride: number
}

/** Some rows of the scores: where they begin, and how many they are. */
export interface Rows {
  readonly first: Affine
  readonly count: number
}

/** A product for every row of a tile: Σ over `depth` of left(row, k) · right(k, lane). */
interface RowProduct {
  readonly rows: Rows
  readonly depth: Bound | number
  left(row: number, k: Affine): Reg
  right(k: Affine, lane: Affine): Reg
  /** Takes the sum for a row of the tile, at a column. */
  done(row: number, column: Affine, sum: Reg): void
}

/** Rows that are reduced side by side. */
const ROWS_TOGETHER = 4

export class Head {
  readonly k: KernelAssembly
  readonly sizes: AttentionSizes
  readonly attrs: AttentionAttrs
  /** Which sequence and which head. */
  private readonly sequence: Affine
  private readonly head: Affine
  private readonly lanes: number
  private readonly copyLanes: number
  readonly tileRows: number

  constructor(
    private readonly g: GroupLowering,
    readonly node: Node,
  ) {
    const sizes = attentionSizes(node)
    this.sizes = sizes
    this.attrs = node.attrs as unknown as AttentionAttrs
    const { target } = g
    this.tileRows = Math.min(target.tile.rows, sizes.queries, sizes.keys)
    this.lanes = target.tile.lanes
    this.copyLanes = target.mapLanes
    this.k = new KernelAssembly(g.name, sizes.batch * sizes.heads)
    const { quotient, remainder } = this.k.divmod(ofVar(this.k.chunk), sizes.heads, 'sequence')
    this.sequence = ofVar(quotient)
    this.head = ofVar(remainder)
  }

  /** Memory of the kernel's own; rows of a length that would meet in few sets of the cache get apart. */
  matrix(name: string, rows: number, columns: number): Matrix {
    const stride = columns % 128 === 0 ? columns + 16 : columns
    return { buffer: this.k.scratch(name, 'f32', rows * stride), stride }
  }

  at(m: Matrix, row: Affine, column: Affine): Affine {
    return plus(times(row, m.stride), column)
  }

  load(m: Matrix, row: Affine, column: Affine): Reg {
    return this.k.load(m.buffer, this.at(m, row, column))
  }

  store(m: Matrix, row: Affine, column: Affine, value: Reg): void {
    this.k.store(m.buffer, this.at(m, row, column), value)
  }

  /** An input's element [sequence, place, head, feature]. */
  private read(x: Node, place: Affine, feature: Affine): Reg {
    const e = new Emitter(this.k, new IndexSpace(), this.g.around)
    return e.read(x, [this.sequence, place, this.head, feature])
  }

  /** Stores an element [sequence, place, head, feature] of a result. */
  write(result: Node, place: Affine, feature: Affine, value: Reg): void {
    const e = new Emitter(this.k, new IndexSpace(), this.g.around)
    const at = e.address(shapeOf(result), [this.sequence, place, this.head, feature])
    this.k.store(this.k.use(this.g.refOf(result), 'write'), at, value)
  }

  /** An input [sequence, place, head, feature] as a matrix [place, feature], maybe times a number. */
  gather(name: string, x: Node, factor = 1): Matrix {
    const { k } = this
    const [, places, , features] = shapeOf(x) as [number, number, number, number]
    const m = this.matrix(name, places, features)
    const scale = factor === 1 ? null : k.const('f32', factor)
    k.loop('place', places, (place) => {
      k.vector('feature', features, this.copyLanes, (feature) => {
        const value = this.read(x, place, feature)
        this.store(m, place, feature, scale === null ? value : k.set('mul', value, scale))
      })
    })
    return m
  }

  /** An input as a matrix [feature, place]. */
  turn(name: string, x: Node): Matrix {
    const { k } = this
    const [, places, , features] = shapeOf(x) as [number, number, number, number]
    const m = this.matrix(name, features, places)
    // Places by fours: with four features they make squares, which can be turned in registers.
    const some = (first: Affine, count: number): void => {
      const each = Array.from({ length: count }, (_, i) => plus(first, i))
      k.vector('feature', features, this.copyLanes, (feature) => {
        const values = each.map((place) => this.read(x, place, feature))
        for (const [i, place] of each.entries()) this.store(m, feature, place, values[i]!)
      })
    }
    const fours = Math.floor(places / 4)
    if (fours > 0) k.loop('four', fours, (i) => some(times(i, 4), 4))
    if (places % 4 > 0) some(affine(4 * fours), places % 4)
    return m
  }

  /** Runs `body` for tiles of so many rows. */
  forRows(total: number, body: (rows: Rows) => void): void {
    const span: Span = { total, chunk: total, chunks: 1, unit: this.tileRows, at: affine(0) }
    forTiles(this.k, 'tile', span, (_, first, count) => body({ first, count }))
  }

  /** Keys that a tile of rows may attend to: all, or those up to its last row's own. */
  reach({ first, count }: Rows): Bound {
    return this.attrs.causal ? plus(first, count) : affine(this.sizes.keys)
  }

  /** Scores (or the like) of a tile of rows with every key in its reach. */
  overKeys(product: RowProduct): void {
    const { keys } = this.sizes
    const { k, lanes } = this
    const whole = Math.floor(keys / lanes)
    const panel = (first: Affine, width: number): void => this.panel(first, width, product)
    const last = plus(product.rows.first, product.rows.count - 1)
    const tail = (): void => panel(affine(whole * lanes), keys % lanes)
    if (!this.attrs.causal) {
      k.loop('panel', whole, (i) => panel(times(i, lanes), lanes))
      if (keys % lanes > 0) tail()
      return
    }
    const { quotient } = k.divmod(last, lanes, 'panels')
    const count: Bound = { min: [plus(ofVar(quotient), 1), affine(whole)] }
    k.loop('panel', count, (i) => panel(times(i, lanes), lanes))
    if (keys % lanes > 0) k.when(last, 'ge', affine(whole * lanes), tail)
  }

  /** Sums over keys (or queries), for all of so many features. */
  overFeatures(features: number, product: RowProduct): void {
    const { lanes } = this
    for (let first = 0; first < features; first += lanes) {
      this.panel(affine(first), Math.min(lanes, features - first), product)
    }
  }

  private panel(
    first: Affine,
    width: number,
    { rows, depth, left, right, done }: RowProduct,
  ): void {
    microKernel(this.k, {
      type: 'f32',
      lanes: roundUp(width, Math.min(this.g.target.nativeLanes, this.lanes)),
      count: width,
      splats: rows.count,
      vectors: 1,
      depth: [depth],
      splat: (row, [at]) => left(row, at!),
      vector: (_, lane, [at]) => right(at!, plus(first, lane)),
      done: (row, _, lane, sum) => done(row, plus(first, lane), sum),
    })
  }

  /** A score as it counts: with the mask, and −∞ where the row must not look. */
  masked(row: Affine, column: Affine, score: Reg, mask: Node | undefined): Reg {
    const { k } = this
    let value = score
    if (mask !== undefined) {
      const e = new Emitter(k, new IndexSpace(), this.g.around)
      const m = e.read(mask, [this.sequence, this.head, row, column])
      value =
        mask.dtype === 'bool'
          ? k.set('select', m, value, k.const('f32', Number.NEGATIVE_INFINITY))
          : k.set('add', value, m)
    }
    if (!this.attrs.causal) return value
    const allowed = k.set('le', k.index('i32', column), k.index('i32', row))
    return k.set('select', allowed, value, k.const('f32', Number.NEGATIVE_INFINITY))
  }

  /**
   * Runs `body` for the rows of a tile, a few at a time: what has to be waited for in one of them is
   * hidden behind the others.
   */
  byRows(count: number, body: (rows: readonly Affine[]) => void): void {
    const some = (first: Affine, several: number): void =>
      body(Array.from({ length: several }, (_, i) => plus(first, i)))
    const rounds = Math.floor(count / ROWS_TOGETHER)
    if (rounds > 0) {
      this.k.loop('rows', rounds, (i) => some(times(i, ROWS_TOGETHER), ROWS_TOGETHER))
    }
    const left = count % ROWS_TOGETHER
    if (left > 0) some(affine(count - left), left)
  }

  /** Sums (or maxima) of rows over the keys in reach, in the order of a reduction. */
  reduceRows(
    rows: readonly Affine[],
    reach: Bound,
    fn: 'add' | 'max',
    value: (row: Affine, number: number, key: Affine) => Reg,
  ): Reg[] {
    const { k } = this
    const start = fn === 'add' ? 0 : Number.NEGATIVE_INFINITY
    const totals = rows.map(() => k.accumulator('f32', start, REDUCE_LANES))
    k.vector('key', reach, REDUCE_LANES, (key) => {
      for (const [i, total] of totals.entries()) k.update(total, fn, total, value(rows[i]!, i, key))
    })
    return totals.map((total) => k.combine(total, fn))
  }

  /**
   * Turns rows of scores into exponentials, in place.
   *
   * @returns What each row has to be multiplied by to be weights.
   */
  exponentials(m: Matrix, rows: readonly Affine[], reach: Bound): Reg[] {
    const { k } = this
    const tops = this.reduceRows(rows, reach, 'max', (row, _, key) => this.load(m, row, key))
    const zero = k.const('f32', 0)
    const lowest = k.const('f32', Number.NEGATIVE_INFINITY)
    const shifts = tops.map((top) => k.set('select', k.set('eq', top, lowest), zero, top))
    const totals = this.reduceRows(rows, reach, 'add', (row, i, key) => {
      const value = math.exp(k, k.set('sub', this.load(m, row, key), shifts[i]!))
      this.store(m, row, key, value)
      return value
    })
    const one = k.const('f32', 1)
    return totals.map((total) =>
      k.set('select', k.set('eq', total, zero), total, k.set('div', one, total)),
    )
  }
}

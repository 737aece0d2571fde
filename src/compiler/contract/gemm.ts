// The tiled matrix product: chunks of results, blocks of K, panels of lanes, tiles of rows.
//
// Chunks of the result are independent and are what threads share. Within one, K runs in blocks; the rows
// of a tile (rows × block elements) stay in the first-level cache while all panels of lanes pass by, and
// the chunk's panels stay in the second. Sums wait in memory from block to block; tiles of the last block
// write results.
// The innermost two loops are the micro-kernel's.

import { DTYPES } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import {
  KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
  REGISTER_TYPE,
} from '../kernel/assembly.js'
import type { Affine, Reg, Target } from '../kernel/ir.js'
import { CACHE_LINE } from '../kernel/scratch.js'
import { unflatten } from './axes.js'
import { type Block, blockLength, forBlocks } from './blocks.js'
import {
  chooseOrientation,
  type FactorShape,
  layOutRows,
  nativeLanes,
  roundUp,
  shapeOf,
  stagesRows,
  type Tile,
} from './choose.js'
import type { Cutting } from './cutting.js'
import { divide, type PanelsFrom } from './divide.js'
import { mergeProduct, type Product, probeWrite, swapProduct } from './factors.js'
import { layOut } from './layout.js'
import { type End, microKernel } from './micro.js'
import { fillPanels, type PackedPanel, packAhead, panelNumber } from './panels.js'
import { amid, computed, type Readings } from './readings.js'
import { RowStage } from './rowstage.js'
import { Parts, Sums } from './sums.js'
import { forTiles, repeat, type Span, spanLength, spanStart, type TileBody } from './tiles.js'

/** A product as it will be tiled: its rows' factor left, its lanes' factor right. */
interface Arranged {
  readonly p: Product
  readonly swap: boolean
  readonly tile: Tile
  readonly rows: FactorShape
}

function arrange(unmerged: Product, target: Target): Arranged {
  const merged = mergeProduct(unmerged)
  const { swap, tile } = chooseOrientation(merged, target, REGISTER_TYPE[merged.dtype])
  const p = swap ? swapProduct(merged) : merged
  return { p, swap, tile, rows: shapeOf(p, 'left') }
}

/** Kernels for a product of at least one multiply-add a result. */
export function lowerProduct(unmerged: Product, ctx: LoweringContext): KernelCall[] {
  const { p, tile, rows } = arrange(unmerged, ctx.target)
  if (!layOutRows(p, rows, sizeOf(p.right.free), tile)) return tiledProduct(p, rows, tile, ctx)
  const calls: KernelCall[] = []
  const ready = layOut(p, rows, ctx, calls)
  return [...calls, ...tiledProduct(ready, shapeOf(ready, 'left'), tile, ctx)]
}

/** How `lowerProduct` reads factors that take computing, left and right. */
export function readingsOfProduct(unmerged: Product, target: Target): Readings {
  const { p, swap, tile, rows } = arrange(unmerged, target)
  const { cutting, from } = divide(p, shapeOf(p, 'right'), tile, target)
  const laidOut = layOutRows(p, rows, cutting.columns, tile)
  const left = computed(laidOut ? 1 : cutting.columnChunks)
  const right =
    from === 'operand'
      ? amid(Math.ceil(cutting.rows / cutting.tile.rows))
      : computed(from === 'ahead' ? 1 : cutting.rowChunks)
  return swap ? [right, left] : [left, right]
}

/** Where the lanes' operand of a panel comes from. */
type PanelSource =
  | { readonly from: Exclude<PanelsFrom, 'ahead'> }
  | { readonly from: 'ahead'; readonly panel: ReturnType<typeof packAhead> }

function tiledProduct(
  p: Product,
  rows: FactorShape,
  tile: Tile,
  ctx: LoweringContext,
): KernelCall[] {
  const calls: KernelCall[] = []
  const { blocks, parts } = p.numerics
  const lanes = shapeOf(p, 'right')
  const { extent, cutting: c, from } = divide(p, lanes, tile, ctx.target)
  const source: PanelSource =
    from === 'ahead' ? { from, panel: packAhead(p, lanes, tile.lanes, ctx, calls) } : { from }

  const grid = parts * c.batchChunks * c.columnChunks * c.rowChunks
  const k = new KernelAssembly(p.name, grid)
  k.flops = 2 * extent.batch * extent.rows * extent.columns * extent.depth
  k.bytes =
    extent.bytes *
    extent.batch *
    (extent.rows * extent.depth + extent.columns * extent.depth + extent.rows * extent.columns)
  // What is not packed is cut into rows: then a thread, which takes neighbouring chunks, has whole lines of
  // the result, like one that goes through the result as it lies in memory.
  const packs = from !== 'operand'
  const inner = packs ? [c.columnChunks, c.rowChunks] : [c.rowChunks, c.columnChunks]
  const at = unflatten(k, ofVar(k.chunk), [parts, c.batchChunks, ...inner])
  const [part, batchChunk] = at as [Affine, Affine]
  const [columnChunk, rowChunk] = (packs ? at.slice(2) : [at[3], at[2]]) as [Affine, Affine]
  const rowSpan: Span = {
    total: c.rows,
    chunk: c.chunkRows,
    chunks: c.rowChunks,
    unit: c.tile.rows,
    at: rowChunk,
  }
  const columnSpan: Span = {
    total: c.columns,
    chunk: c.chunkColumns,
    chunks: c.columnChunks,
    unit: c.tile.lanes,
    at: columnChunk,
  }
  const batchSpan: Span = {
    total: extent.batch,
    chunk: c.chunkBatch,
    chunks: c.batchChunks,
    unit: 1,
    at: batchChunk,
  }
  const emitter = new ChunkEmitter(k, p, ctx, c, rows, lanes, source, rowSpan, columnSpan)
  const partial = parts > 1 ? new Parts(p, ctx) : null
  repeat(k, 'batch', spanLength(batchSpan), (i) => {
    emitter.emit(part, plus(spanStart(batchSpan), i), blocks > 1 || parts > 1, partial)
  })
  calls.push(k.call())
  if (partial !== null) calls.push(partial.combine())
  return calls
}

/** Steps of K that the lanes of a panel are asked for ahead. */
const STEPS_AHEAD = 4
/** Multiply-adds from which on rounds of many steps save more time than their code takes to make. */
const WORTH_LONG_ROUNDS = 1 << 23
/** Most steps of a round before that. */
const SHORT_ROUND = 2
/** Steps of K beside which asking for a tile's results is next to nothing. */
const WORTH_FETCHING = 64

/** Writes the body of one chunk. */
class ChunkEmitter {
  private readonly scratch
  /** Set where the rows' operand takes computing. */
  private readonly rowStage: RowStage | null
  private readonly rowsFollow: readonly boolean[]
  private readonly type
  /** Whether panels are too large to stay in the first-level cache. */
  private readonly fetchesAhead
  /** Whether the lines of results are asked for while K runs: they may lie in none of the caches. */
  private readonly fetchesResults
  /** Steps of K that a round of the innermost loop takes. */
  private readonly steps

  constructor(
    private readonly k: KernelAssembly,
    private readonly p: Product,
    private readonly ctx: LoweringContext,
    private readonly c: Cutting,
    rows: FactorShape,
    private readonly lanes: FactorShape,
    private readonly source: PanelSource,
    private readonly rowSpan: Span,
    private readonly columnSpan: Span,
  ) {
    this.type = REGISTER_TYPE[p.dtype]
    const panels = c.chunkColumns / c.tile.lanes
    const length = blockLength(p.numerics, p.contract)
    this.scratch =
      source.from === 'first' || source.from === 'scratch'
        ? k.scratch('panels', MEMORY_TYPE[p.dtype], panels * length * c.tile.lanes)
        : null
    const staged = stagesRows(rows)
    this.rowStage = staged ? new RowStage(k, p, rows, c.tile.rows, ctx.target.mapLanes) : null
    this.rowsFollow = staged ? rows.follows.map(() => true) : rows.follows
    const bytes = DTYPES[p.dtype].bytes * length * c.chunkColumns
    const { prefetches = false, cache, steps = 1 } = ctx.target
    this.steps = k.flops < 2 * WORTH_LONG_ROUNDS ? Math.min(SHORT_ROUND, steps) : steps
    this.fetchesAhead = prefetches && bytes > cache.l1
    const last = p.batch.length + p.left.free.length + p.right.free.length - 1
    const alongLanes = p.right.free.length === 1 && probeWrite(p).stride(last) === 1
    this.fetchesResults =
      prefetches && p.left.free.length === 1 && alongLanes && length >= WORTH_FETCHING
  }

  /** All results of the chunk for one batch index. */
  emit(part: Affine, b: Affine, keep: boolean, partial: Parts | null): void {
    const { k, p, c, rowSpan, columnSpan } = this
    const batch = unflatten(k, b, p.batch)
    const sums = keep
      ? new Sums(k, p.dtype, c.chunkRows, c.chunkColumns, this.ctx.target.mapLanes)
      : null
    const along = partial === null ? this.flushing() : 'rows'
    // Tiles write what lies in memory as it does in them; parts wait for one another.
    const direct = partial === null && along === 'rows'
    if (!direct) sums?.clear()
    forBlocks(k, p.contract, p.numerics, part, (block) => this.block(b, batch, block, sums, direct))
    if (direct) return
    sums?.flush(spanLength(rowSpan), spanLength(columnSpan), along, (i, j, sum) => {
      const row = plus(spanStart(rowSpan), i)
      const column = plus(spanStart(columnSpan), j)
      if (partial !== null) {
        partial.store(k, [part, b, row, column], sum)
        return
      }
      const [left, right] = [unflatten(k, row, p.left.free), unflatten(k, column, p.right.free)]
      p.write(k, batch, left, right, sum)
    })
  }

  /** Sums are read from near memory: they may be gathered, so that results need not be scattered. */
  private flushing(): 'rows' | 'columns' {
    const { p } = this
    const write = probeWrite(p)
    const left = p.batch.length + p.left.free.length
    const stride = (end: number, free: readonly number[]): number | null =>
      free.length > 0 ? write.stride(end - 1) : null
    const acrossRows = stride(left, p.left.free)
    const alongRow = stride(left + p.right.free.length, p.right.free)
    return alongRow !== 1 && acrossRows === 1 ? 'columns' : 'rows'
  }

  private panelAt(b: Affine, block: Block, panel: Affine): PackedPanel | null {
    if (this.source.from === 'ahead') {
      const number = panelNumber(this.columnSpan, panel)
      return this.source.panel(this.k, b, block.number, number)
    }
    if (this.scratch === null) return null
    const length = blockLength(this.p.numerics, this.p.contract) * this.c.tile.lanes
    return { buffer: this.scratch, base: times(panel, length) }
  }

  private block(
    b: Affine,
    batch: Affine[],
    block: Block,
    sums: Sums | null,
    direct: boolean,
  ): void {
    const { k, p, columnSpan, rowSpan } = this
    if (this.source.from === 'scratch') {
      fillPanels(
        k,
        p,
        this.lanes,
        this.ctx.target.mapLanes,
        batch,
        block,
        columnSpan,
        (panel) => this.panelAt(b, block, panel)!,
      )
    }
    const tiles =
      (packs: boolean): TileBody =>
      (_, row, height) => {
        this.rowStage?.fill(batch, block, row, height)
        forTiles(k, 'panel', columnSpan, (panel, column, width) => {
          const packed = this.panelAt(b, block, panel)
          this.tile(batch, block, row, height, column, width, packed, packs, sums, direct)
        })
      }
    forTiles(k, 'tile', rowSpan, tiles(false), this.source.from === 'first' ? tiles(true) : null)
  }

  private tile(
    batch: Affine[],
    block: Block,
    row: Affine,
    height: number,
    column: Affine,
    width: number,
    packed: PackedPanel | null,
    packs: boolean,
    sums: Sums | null,
    direct: boolean,
  ): void {
    const { k, p, c } = this
    const rows = Array.from({ length: height }, (_, i) => unflatten(k, plus(row, i), p.left.free))
    const write = (left: Affine[], lane: Affine, sum: Reg): void =>
      p.write(k, batch, left, unflatten(k, plus(column, lane), p.right.free), sum)
    // As few loops over K as the operands' strides allow; packed panels follow any.
    const whole: End = {
      done: (i, _, lane, sum) => write(rows[i]!, lane, sum),
      doneInLoop: (i, _, lane, sum) => write(unflatten(k, plus(row, i), p.left.free), lane, sum),
    }
    const inChunk = (i: Affine, lane: Affine): [Affine, Affine] => [
      plus(plus(row, i), times(spanStart(this.rowSpan), -1)),
      plus(plus(column, lane), times(spanStart(this.columnSpan), -1)),
    ]
    const inPanel = packed !== null && !packs
    const walk = block.walk(
      this.rowsFollow.map((follows, i) => follows && (inPanel || this.lanes.follows[i]!)),
    )
    if (this.fetchesResults) {
      const fetch = (): void => this.fetchResults(batch, row, height, column, width)
      if (sums === null) fetch()
      else if (direct) k.when(block.number, 'eq', affine(p.numerics.blocks - 1), fetch)
    }
    microKernel(k, {
      type: this.type,
      lanes: roundUp(width, nativeLanes(this.ctx.target, this.type)),
      count: width,
      splats: height,
      vectors: 1,
      depth: walk.sizes,
      steps: this.steps,
      splat: (i, at) => {
        const local = walk.local(at)
        return (
          this.rowStage?.load(i, block, local) ?? p.left.read(k, batch, rows[i]!, block.at(local))
        )
      },
      vector: (_, lane, at) => {
        const local = walk.local(at)
        const place = plus(times(block.flat(local), c.tile.lanes), lane)
        if (inPanel) return this.loadPacked(packed, place)
        const free = unflatten(k, plus(column, lane), p.right.free)
        const value = p.right.read(k, batch, free, block.at(local))
        if (packed !== null) k.store(packed.buffer, plus(packed.base, place), value)
        return value
      },
      ...whole,
      ends:
        sums === null
          ? undefined
          : (end) => this.ends(block, sums, direct ? whole : null, inChunk, end),
    })
  }

  /** Asks for the lines that a tile's results go to, and for those of what is read with them. */
  private fetchResults(
    batch: Affine[],
    row: Affine,
    height: number,
    column: Affine,
    width: number,
  ): void {
    const { k, p } = this
    const line = CACHE_LINE / DTYPES[p.dtype].bytes
    k.loop('row', height, (i) => {
      for (let lane = 0; lane < width; lane += line) {
        const at = plus(column, lane)
        const writes = k.block(() => p.write(k, batch, [plus(row, i)], [at], k.reg(this.type)))
        for (const s of writes) {
          if (s.op === 'load' || s.op === 'store') {
            k.emit({ op: 'prefetch', buffer: s.buffer, at: s.at, writes: s.op === 'store' })
          }
        }
      }
    })
  }

  /** Lanes of a packed panel. They are asked for ahead: panels pass by from the second-level cache. */
  private loadPacked({ buffer, base }: PackedPanel, at: Affine): Reg {
    const { k, c } = this
    const place = plus(base, at)
    if (this.fetchesAhead) {
      k.emit({ op: 'prefetch', buffer, at: plus(place, STEPS_AHEAD * c.tile.lanes) })
    }
    return k.load(buffer, place)
  }

  /**
   * Between blocks of K, sums wait in memory: the first block's are put there, the last block's are whole
   * with what waits. Where sums are handed on from memory in the end (`whole` is null), it was cleared, and
   * all blocks are added.
   */
  private ends(
    block: Block,
    sums: Sums,
    whole: End | null,
    inChunk: (i: Affine, lane: Affine) => [Affine, Affine],
    end: (e: End) => void,
  ): void {
    const { k } = this
    const { blocks } = this.p.numerics
    const add = (): void =>
      end({ done: (i, _, lane, sum) => sums.add(...inChunk(affine(i), lane), sum) })
    if (whole === null) {
      add()
      return
    }
    const put = (): void =>
      end({ done: (i, _, lane, sum) => sums.put(...inChunk(affine(i), lane), sum) })
    const complete = (i: Affine, lane: Affine, sum: Reg): Reg =>
      k.set('add', sums.load(...inChunk(i, lane)), sum)
    const last = (): void =>
      end({
        done: (i, j, lane, sum) => whole.done(i, j, lane, complete(affine(i), lane, sum)),
        doneInLoop: (i, j, lane, sum) => whole.doneInLoop!(i, j, lane, complete(i, lane, sum)),
      })
    const later = (): void => k.when(block.number, 'eq', affine(blocks - 1), last, add)
    k.when(block.number, 'eq', affine(0), put, blocks > 2 ? later : last)
  }
}

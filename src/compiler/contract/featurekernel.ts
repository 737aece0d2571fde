// The convolution with features across the lanes: units of positions, blocks of K, panels of features,
// tiles of positions. Sums stay [position][feature] until a unit is done, and are turned round then.

import { affine, plus, times } from '../kernel/affine.js'
import {
  type KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
  REGISTER_TYPE,
} from '../kernel/assembly.js'
import type { Affine, BufferDecl, Target } from '../kernel/ir.js'
import { type MergedAxes, mergeAxes, nest, unflatten } from './axes.js'
import { type Block, blockLength, forBlocks } from './blocks.js'
import { nativeLanes, roundUp, shapeOf } from './choose.js'
import { probeWrite, swapProduct } from './factors.js'
import type { FeatureTiling } from './featuretiles.js'
import { microKernel } from './micro.js'
import { fillPanels, type PackedPanel, packAhead, panelNumber } from './panels.js'
import { asProduct, type Patches } from './patches.js'
import { Parts, Sums } from './sums.js'
import { forTiles, repeat, type Span, spanStart } from './tiles.js'
import {
  cutWindows,
  forUnits,
  openChunk,
  type Place,
  stageOfUnit,
  stagesInChunk,
  type UnitAt,
  type WindowCutting,
} from './windowcut.js'
import { columnsOf, linesOf } from './windows.js'

/** Kernels for a convolution cut as `tiling` says. */
export function tiledFeatures(
  c: Patches,
  tiling: FeatureTiling,
  ctx: LoweringContext,
): KernelCall[] {
  const calls: KernelCall[] = []
  const cut = cutWindows(c, tiling.unit, tiling.lanes, ctx.target)
  const kernel = usedOnce(c, tiling, cut, ctx.target)
    ? new FreshKernel(c, tiling, ctx.target)
    : new PackedKernel(c, tiling, ctx, calls)
  const staging = c.staging !== null && stagesInChunk(c, c.staging, tiling.unit, cut, ctx.target)
  if (!staging) c.staging?.ahead(ctx, calls)
  const partial = c.numerics.parts > 1 ? new Parts(asProduct(c), ctx) : null
  const { k, place } = openChunk(c, cut)
  new FeatureEmitter(k, c, tiling, ctx, kernel, partial, place, staging).emit()
  calls.push(k.call())
  if (partial !== null) calls.push(partial.combine())
  return calls
}

/** The kernel packed before the convolution, for all chunks. */
class PackedKernel {
  private readonly packed

  constructor(c: Patches, { lanes }: FeatureTiling, ctx: LoweringContext, calls: KernelCall[]) {
    const p = swapProduct(asProduct(c))
    this.packed = packAhead(p, shapeOf(p, 'right'), lanes, ctx, calls)
  }

  enter(): void {}

  panel(k: KernelAssembly, at: Place, block: Block, panel: Affine): PackedPanel {
    return this.packed(k, at.group, block.number, panelNumber(at.features, panel))
  }
}

/** The kernel packed block by block, in memory that caches hold, where nobody else wants the block. */
class FreshKernel {
  private readonly p
  private readonly shape
  private readonly length: number
  private scratch: BufferDecl | null = null

  constructor(
    c: Patches,
    private readonly tiling: FeatureTiling,
    private readonly target: Target,
  ) {
    this.p = swapProduct(asProduct(c))
    this.shape = shapeOf(this.p, 'right')
    this.length = blockLength(c.numerics, c.contract)
  }

  enter(k: KernelAssembly, at: Place, block: Block): void {
    const elements = at.features.chunk * this.length
    this.scratch ??= k.scratch('panels', MEMORY_TYPE[this.p.dtype], elements)
    const span: Span = { ...at.features, unit: this.tiling.lanes }
    fillPanels(k, this.p, this.shape, this.target.mapLanes, [at.group], block, span, (panel) =>
      this.panel(k, at, block, panel),
    )
  }

  panel(_k: KernelAssembly, _at: Place, _block: Block, panel: Affine): PackedPanel {
    return { buffer: this.scratch!, base: times(panel, this.length * this.tiling.lanes) }
  }
}

/** Whether each block of the kernel is used by one unit of one chunk, and fits the cache with its sums. */
function usedOnce(
  c: Patches,
  { unit }: FeatureTiling,
  { features, images, lines, columns }: WindowCutting,
  target: Target,
): boolean {
  const units = [
    [images, unit.images],
    [lines, unit.lines],
    [columns, unit.columns],
  ] as const
  const bytes = 4 * features.chunk * blockLength(c.numerics, c.contract)
  return units.every(([axis, size]) => axis.total <= size) && bytes <= target.cache.l2 / 2
}

/** Positions that make squares with the lanes, which are turned in registers. */
const SQUARE = 4

class FeatureEmitter {
  private readonly type
  /** Features that are turned round together. */
  private readonly native: number
  private readonly stage: BufferDecl | null
  /** Sums of a unit, [position][feature], and those of some features turned round, [feature][position]. */
  private readonly sums: Sums
  private readonly turned: BufferDecl
  private readonly stride: number
  /** Images and positions, or positions alone, as far as writing sees them as one axis. */
  private readonly all: MergedAxes
  private readonly positions: MergedAxes

  constructor(
    private readonly k: KernelAssembly,
    private readonly c: Patches,
    private readonly tiling: FeatureTiling,
    private readonly ctx: LoweringContext,
    private readonly kernel: PackedKernel | FreshKernel,
    private readonly partial: Parts | null,
    private readonly at: Place,
    staging: boolean,
  ) {
    const { unit } = tiling
    const type = MEMORY_TYPE[c.dtype]
    this.type = REGISTER_TYPE[c.dtype]
    this.native = nativeLanes(ctx.target, this.type)
    this.stage = staging ? stageOfUnit(k, c, unit) : null
    const positions = unit.images * unit.lines * unit.columns
    this.sums = new Sums(k, c.dtype, positions, at.features.chunk, ctx.target.mapLanes)
    // An odd number of cache lines, so that features spread over all sets of the cache.
    this.stride = (Math.ceil(positions / 16) | 1) * 16
    this.turned = k.scratch('turned', type, this.native * this.stride)
    const p = asProduct(c)
    const probe = probeWrite(p)
    const image = p.batch.length + p.left.free.length
    const merges = (from: number) => (outer: number, inner: number, size: number) =>
      partial !== null || probe.merges(from + outer, from + inner, size)
    this.all = mergeAxes(p.right.free, merges(image))
    this.positions = mergeAxes(c.output, merges(image + 1))
  }

  emit(): void {
    const { k, c, at, stage, ctx } = this
    forUnits(k, c, at, { stage, lanes: ctx.target.mapLanes }, (u) => this.unit(u))
  }

  private unit(u: UnitAt): void {
    const { k, c, at, sums } = this
    if (c.numerics.blocks > 1) sums.clear()
    forBlocks(k, c.contract, c.numerics, at.part, (block) => {
      this.kernel.enter(k, at, block)
      forTiles(k, 'panel', at.features, (panel, feature, width) => {
        const packed = this.kernel.panel(k, at, block, panel)
        this.tiles(u, block, packed, feature, width)
      })
    })
    this.flush(u)
  }

  private tiles(u: UnitAt, block: Block, packed: PackedPanel, feature: Affine, width: number) {
    const { k } = this
    const { box } = this.tiling
    const along = (name: string, total: number, unit: number, body: TileBody): void =>
      forTiles(k, name, { total, chunk: roundUp(total, unit), chunks: 1, unit, at: ZERO }, body)
    along('i', u.images, box.images, (_i, image, images) => {
      along('l', u.lines, box.lines, (_l, line, lines) => {
        along('c', u.columns, box.columns, (_c, column, columns) => {
          this.tile(u, block, packed, feature, width, {
            image,
            line,
            column,
            images,
            lines,
            columns,
          })
        })
      })
    })
  }

  /** One tile: the positions of a box that lies somewhere in the unit. */
  private tile(
    u: UnitAt,
    block: Block,
    packed: PackedPanel,
    feature: Affine,
    width: number,
    b: UnitAt,
  ): void {
    const { k, c, at, tiling, sums } = this
    const column = plus(feature, times(spanStart(at.features), -1))
    const places = placesOf(b).map(({ image, line, column }) => ({
      image: plus(u.image, image),
      position: this.position(plus(u.line, line), plus(u.column, column)),
      row: plus(times(plus(times(image, u.lines), line), u.columns), column),
    }))
    microKernel(k, {
      type: this.type,
      lanes: roundUp(width, this.native),
      count: width,
      splats: places.length,
      vectors: 1,
      depth: block.sizes,
      unrolled: tiling.unrolled,
      splat: (i, local) =>
        c.input(k, at.group, places[i]!.image, places[i]!.position, block.at(local)),
      vector: (_j, lane, local) =>
        k.load(
          packed.buffer,
          plus(plus(packed.base, times(block.flat(local), tiling.lanes)), lane),
        ),
      done: (i, _j, lane, sum) => {
        const here = plus(column, lane)
        if (c.numerics.blocks > 1) sums.add(places[i]!.row, here, sum)
        else sums.put(places[i]!.row, here, sum)
      },
    })
  }

  /** Output coordinates of a position in a unit's image. */
  private position(line: Affine, column: Affine): Affine[] {
    if (this.c.output.length === 0) return []
    return [...unflatten(this.k, line, this.c.output.slice(0, -1)), column]
  }

  /** Turns the sums of a unit round, some features at a time, and hands them on. */
  private flush(u: UnitAt): void {
    const { k, sums, turned, at, native, stride } = this
    const positions = u.images * u.lines * u.columns
    const span: Span = { ...at.features, unit: native }
    forTiles(k, 'turn', span, (_, start, count) => {
      const column = plus(start, times(spanStart(span), -1))
      const some = (first: Affine, several: number): void => {
        const rows = Array.from({ length: several }, (_, i) => plus(first, i))
        k.vector('f', count, native, (lane) => {
          const values = rows.map((row) => sums.load(row, plus(column, lane)))
          for (const [i, row] of rows.entries()) {
            k.store(turned, plus(times(lane, stride), row), values[i]!)
          }
        })
      }
      const squares = Math.floor(positions / SQUARE)
      repeat(k, 'square', affine(squares), (i) => some(times(i, SQUARE), SQUARE))
      if (positions % SQUARE > 0) some(affine(SQUARE * squares), positions % SQUARE)
      k.loop('feature', count, (f) => this.write(u, plus(start, f), times(f, stride)))
    })
  }

  /** Hands on the turned sums of a feature, which begin at `base`. */
  private write(u: UnitAt, feature: Affine, base: Affine): void {
    const { k, c, at } = this
    const [lines, columns] = [linesOf(c), columnsOf(c)]
    const run = (from: Affine, count: number, where: (i: Affine) => [Affine, Affine[]]): void => {
      k.vector('position', count, this.ctx.target.mapLanes, (i) => {
        const sum = k.load(this.turned, plus(plus(base, from), i))
        const [image, position] = where(i)
        if (this.partial === null) c.write(k, at.group, image, feature, position, sum)
        else {
          const flat = position.reduce((s, x, axis) => plus(times(s, c.output[axis]!), x), image)
          this.partial.store(k, [at.part, at.group, feature, flat], sum)
        }
      })
    }
    const wholeLines = u.columns === columns
    const wholeImages = wholeLines && u.lines === lines
    if (wholeImages && this.all.sizes.length === 1) {
      const first = times(u.image, lines * columns)
      run(ZERO, u.images * lines * columns, (i) => {
        const [image, ...position] = this.all.expand([plus(first, i)])
        return [image!, position]
      })
      return
    }
    nest(k, 'image', [u.images], ([i]) => {
      const image = plus(u.image, i!)
      const before = times(i!, u.lines * u.columns)
      if (wholeLines && this.positions.sizes.length === 1) {
        const first = times(u.line, columns)
        run(before, u.lines * columns, (j) => [image, this.positions.expand([plus(first, j)])])
        return
      }
      nest(k, 'line', [u.lines], ([l]) => {
        const from = plus(before, times(l!, u.columns))
        run(from, u.columns, (j) => [image, this.position(plus(u.line, l!), plus(u.column, j))])
      })
    })
  }
}

type TileBody = (tile: Affine, start: Affine, size: number) => void
const ZERO = affine(0)

/** All places of a box, last axis fastest. */
function placesOf(b: UnitAt) {
  const each = <T>(count: number, make: (i: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(i))
  return each(b.images, (i) =>
    each(b.lines, (l) =>
      each(b.columns, (c) => ({
        image: plus(b.image, i),
        line: plus(b.line, l),
        column: plus(b.column, c),
      })),
    ),
  ).flat(2)
}

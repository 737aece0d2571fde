// The convolution with features across the lanes: units of positions, blocks of K, panels of features,
// tiles of positions. Sums stay [position][feature] until a unit is done, and are turned round then.

import { affine, plus, times } from '../kernel/affine.js'
import type { Affine, BufferDecl } from '../kernel/ir.js'
import {
  type KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
  REGISTER_TYPE,
} from '../lower/assembly.js'
import { type MergedAxes, mergeAxes, nest, unflatten } from './axes.js'
import { type Block, forBlocks } from './blocks.js'
import { nativeLanes, roundUp, shapeOf } from './choose.js'
import { probeWrite, swapProduct } from './factors.js'
import type { FeatureTiling } from './featuretiles.js'
import { microKernel } from './micro.js'
import { type PackedPanel, packAhead, panelNumber } from './panels.js'
import { asProduct, type Patches } from './patches.js'
import { Parts, Sums } from './sums.js'
import { forTiles, repeat, type Span, spanStart } from './tiles.js'
import { cutWindows, openChunk, type Place, stagesInChunk, type UnitAt } from './windowcut.js'
import { columnsOf, linesOf } from './windows.js'

/** Kernels for a convolution cut as `tiling` says. */
export function tiledFeatures(
  c: Patches,
  tiling: FeatureTiling,
  ctx: LoweringContext,
): KernelCall[] {
  const calls: KernelCall[] = []
  const p = swapProduct(asProduct(c))
  const panel = packAhead(p, shapeOf(p, 'right'), tiling.lanes, ctx, calls)
  const cut = cutWindows(c, tiling.unit, tiling.lanes, ctx.target)
  const staging = c.staging !== null && stagesInChunk(c, c.staging, tiling.unit, cut, ctx.target)
  if (!staging) c.staging?.ahead(ctx, calls)
  const partial = c.numerics.parts > 1 ? new Parts(asProduct(c), ctx) : null
  const { k, place } = openChunk(c, cut)
  new FeatureEmitter(k, c, tiling, ctx, panel, partial, place, staging).emit()
  calls.push(k.call())
  if (partial !== null) calls.push(partial.combine())
  return calls
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
    private readonly panel: ReturnType<typeof packAhead>,
    private readonly partial: Parts | null,
    private readonly at: Place,
    staging: boolean,
  ) {
    const { unit } = tiling
    const type = MEMORY_TYPE[c.dtype]
    this.type = REGISTER_TYPE[c.dtype]
    this.native = nativeLanes(ctx.target, this.type)
    this.stage = staging ? k.scratch('padded', type, unit.images * c.staging!.elements) : null
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
    const { k, at } = this
    forTiles(k, 'image', at.images, (_i, image, images) => {
      if (this.stage !== null) {
        const lanes = this.ctx.target.mapLanes
        this.c.staging!.enter(k, this.stage, lanes, at.group, { image, images })
      }
      forTiles(k, 'line', at.lines, (_l, line, lines) => {
        forTiles(k, 'column', at.columns, (_c, column, columns) => {
          this.unit({ image, line, column, images, lines, columns })
        })
      })
    })
  }

  private unit(u: UnitAt): void {
    const { k, c, at, sums } = this
    if (c.numerics.blocks > 1) sums.clear()
    forBlocks(k, c.contract, c.numerics, at.part, (block) => {
      forTiles(k, 'panel', at.features, (panel, feature, width) => {
        const packed = this.panel(k, at.group, block.number, panelNumber(at.features, panel))
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

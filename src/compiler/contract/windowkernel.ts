// The tiled convolution: units of positions, blocks of K, tiles of features × positions.

import { affine, plus, times } from '../kernel/affine.js'
import {
  type KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
  REGISTER_TYPE,
} from '../kernel/assembly.js'
import type { Affine, BufferDecl, Reg } from '../kernel/ir.js'
import { nest, unflatten } from './axes.js'
import { type Block, blockLength, forBlocks } from './blocks.js'
import { nativeLanes, roundUp, shapeOf, type Tile } from './choose.js'
import { probeWrite } from './factors.js'
import { layOut } from './layout.js'
import { microKernel } from './micro.js'
import { asProduct, asProductPerImage, type Patches } from './patches.js'
import { type PatchesAhead, patchesAhead, sharesPatches, strideOf } from './patchesahead.js'
import { Parts, Sums } from './sums.js'
import { forTiles, spanStart } from './tiles.js'
import {
  cutWindows,
  forUnits,
  openChunk,
  type Place,
  stageOfUnit,
  stagesInChunk,
  type UnitAt,
} from './windowcut.js'
import { columnsOf, type WindowTiling } from './windows.js'

/** Kernels for a convolution cut as `tiling` says. */
export function tiledWindows(c: Patches, tiling: WindowTiling, ctx: LoweringContext): KernelCall[] {
  const calls: KernelCall[] = []
  // The kernel's elements are splats, walked once a tile; packed windows want its K as one axis.
  const shape = shapeOf(asProduct(c), 'left')
  let source = c
  let follows = shape.follows
  if (tiling.mode === 'packed' && !(shape.plain && follows.every((f) => f))) {
    const { left } = layOut(asProduct(c), shape, ctx, calls)
    source = { ...c, kernel: (k, g, f, at) => left.read(k, [g], [f], at) }
    follows = follows.map(() => true)
  }
  const cut = cutWindows(c, tiling.unit, tiling.tile.rows, ctx.target)
  const ahead = sharesPatches(c, tiling, cut) ? patchesAhead(c, ctx, calls) : null
  const staging = c.staging !== null && stagesInChunk(c, c.staging, tiling.unit, cut, ctx.target)
  if (!staging && ahead === null) c.staging?.ahead(ctx, calls)
  const partial = c.numerics.parts > 1 ? new Parts(asProduct(c), ctx) : null
  const { k, place } = openChunk(c, cut)
  new WindowEmitter(k, source, tiling, ctx, follows, partial, place, staging, ahead).emit()
  calls.push(k.call())
  if (partial !== null) calls.push(partial.combine())
  return calls
}

class WindowEmitter {
  private readonly type
  private readonly native: number
  private readonly length: number
  /** Elements between steps of K in packed patches. */
  private readonly stride: number
  private readonly patches: BufferDecl | null
  private readonly stage: BufferDecl | null
  private readonly sums: Sums | null
  private readonly columns: number
  private readonly lineAxes: readonly number[]
  private readonly tile: Tile
  /** Whether all positions of an image may be written as one axis. */
  private readonly oneAxis: boolean

  constructor(
    private readonly k: KernelAssembly,
    private readonly c: Patches,
    private readonly tiling: WindowTiling,
    private readonly ctx: LoweringContext,
    private readonly kernelFollows: readonly boolean[],
    private readonly partial: Parts | null,
    private readonly at: Place,
    staging: boolean,
    private readonly ahead: PatchesAhead | null,
  ) {
    const { unit } = tiling
    this.stage = staging ? stageOfUnit(k, c, unit) : null
    this.tile = tiling.tile
    this.type = REGISTER_TYPE[c.dtype]
    this.native = nativeLanes(ctx.target, this.type)
    this.length = blockLength(c.numerics, c.contract)
    this.columns = columnsOf(c)
    this.lineAxes = c.output.slice(0, -1)
    const positions = unit.images * unit.lines * unit.columns
    this.stride = strideOf(positions)
    this.patches =
      tiling.mode === 'packed' && ahead === null
        ? k.scratch('patches', MEMORY_TYPE[c.dtype], this.length * this.stride)
        : null
    this.oneAxis = positionsMerge(c)
    // Sums wait in memory if K has several blocks, or if a tile's lanes are not neighbours in the output.
    const lanesApart =
      tiling.mode === 'packed' && (unit.images > 1 || (unit.lines > 1 && !this.oneAxis))
    this.sums =
      c.numerics.blocks > 1 || lanesApart
        ? new Sums(k, c.dtype, at.features.chunk, this.stride, ctx.target.mapLanes)
        : null
  }

  emit(): void {
    const { k, c, at, stage, ctx } = this
    forUnits(k, c, at, { stage, lanes: ctx.target.mapLanes }, (u) => this.unit(u))
  }

  private unit(u: UnitAt): void {
    const { k, c, sums, at } = this
    sums?.clear()
    forBlocks(k, c.contract, c.numerics, at.part, (block) => {
      if (this.ahead !== null) {
        const { buffer, base } = this.ahead(k, at.group, block)
        this.packedTiles(u, block, buffer, base)
      } else if (this.patches !== null) {
        this.pack(u, block, this.patches)
        this.packedTiles(u, block, this.patches, affine(0))
      } else {
        this.directTiles(u, block)
      }
    })
    if (sums !== null) this.flush(u, sums)
  }

  /** Output coordinates of a position in a unit's image. */
  private position(line: Affine, column: Affine): Affine[] {
    if (this.c.output.length === 0) return []
    return [...unflatten(this.k, line, this.lineAxes), column]
  }

  /** Copies the unit's windows to [k][position]. */
  private pack(u: UnitAt, block: Block, patches: BufferDecl): void {
    const { k, c, at } = this
    nest(k, 'image', [u.images], ([i]) => {
      nest(k, 'line', [u.lines], ([l]) => {
        const line = unflatten(k, plus(u.line, l!), this.lineAxes)
        const base = times(plus(times(i!, u.lines), l!), u.columns)
        nest(k, 'k', block.sizes, (local) => {
          k.vector('column', u.columns, this.ctx.target.mapLanes, (column) => {
            const where = c.output.length > 0 ? [...line, plus(u.column, column)] : []
            const value = c.input(k, at.group, plus(u.image, i!), where, block.at(local))
            const row = times(block.flat(local), this.stride)
            k.store(patches, plus(plus(row, base), column), value)
          })
        })
      })
    })
  }

  private packedTiles(u: UnitAt, block: Block, patches: BufferDecl, base: Affine): void {
    const { k, c, at, tile } = this
    const positions = u.images * u.lines * u.columns
    const span = { total: positions, chunk: positions, chunks: 1, unit: tile.lanes, at: affine(0) }
    const walk = block.walk(this.kernelFollows)
    forTiles(k, 'panel', span, (_, start, width) => {
      forTiles(k, 'feature', at.features, (_i, feature, height) => {
        microKernel(k, {
          type: this.type,
          lanes: roundUp(width, this.native),
          count: width,
          splats: height,
          vectors: 1,
          depth: walk.sizes,
          steps: this.ctx.target.steps,
          splat: (i, place) => c.kernel(k, at.group, plus(feature, i), block.at(walk.local(place))),
          vector: (_j, lane, place) => {
            const step = plus(base, times(block.flat(walk.local(place)), this.stride))
            return k.load(patches, plus(plus(step, start), lane))
          },
          done: (i, _j, lane, sum) => {
            const here = plus(start, lane)
            if (this.sums !== null) this.add(plus(feature, i), here, sum)
            else if (u.lines === 1) {
              this.write(u, feature, i, this.position(u.line, plus(u.column, here)), sum)
            } else {
              // Lines are whole, so the unit's positions follow those of the lines before it.
              const flat = plus(times(u.line, this.columns), here)
              const zeros = this.lineAxes.map(() => affine(0))
              this.write(u, feature, i, [...zeros, flat], sum)
            }
          },
        })
      })
    })
  }

  private write(u: UnitAt, feature: Affine, i: number, position: Affine[], sum: Reg): void {
    this.c.write(this.k, this.at.group, u.image, plus(feature, i), position, sum)
  }

  private add(feature: Affine, position: Affine, sum: Reg): void {
    const first = spanStart(this.at.features)
    this.sums!.add(plus(feature, times(first, -1)), position, sum)
  }

  private directTiles(u: UnitAt, block: Block): void {
    const { k, c, at, tile, tiling } = this
    const span = { total: u.columns, chunk: u.columns, chunks: 1, unit: tile.lanes, at: affine(0) }
    const lines = Array.from({ length: u.lines }, (_, j) =>
      unflatten(k, plus(u.line, j), this.lineAxes),
    )
    const position = (j: number, column: Affine): Affine[] =>
      c.output.length > 0 ? [...lines[j]!, column] : []
    forTiles(k, 'feature', at.features, (_i, feature, height) => {
      forTiles(k, 'panel', span, (_, start, width) => {
        microKernel(k, {
          type: this.type,
          lanes: roundUp(width, this.native),
          count: width,
          splats: height,
          vectors: u.lines,
          depth: block.sizes,
          unrolled: tiling.mode === 'direct' ? tiling.unrolled : 0,
          splat: (i, local) => c.kernel(k, at.group, plus(feature, i), block.at(local)),
          vector: (j, lane, local) => {
            const where = position(j, plus(plus(u.column, start), lane))
            return c.input(k, at.group, u.image, where, block.at(local))
          },
          done: (i, j, lane, sum) => {
            const column = plus(start, lane)
            if (this.sums !== null) {
              this.add(plus(feature, i), plus(column, j * u.columns), sum)
            } else {
              this.write(u, feature, i, position(j, plus(u.column, column)), sum)
            }
          },
        })
      })
    })
  }

  /** Hands on the sums of a unit. */
  private flush(u: UnitAt, sums: Sums): void {
    const { k, c, at, partial } = this
    const first = spanStart(at.features)
    const count = at.features.chunks === 1 ? affine(at.features.total) : null
    const features =
      count ??
      ({
        min: [affine(at.features.chunk), plus(times(first, -1), at.features.total)],
      } as const)
    const lines = this.oneAxis && u.columns === this.columns ? 1 : u.lines
    const columns = (u.lines / lines) * u.columns
    k.loop('feature', features, (f) => {
      nest(k, 'image', [u.images, lines], ([i, l]) => {
        const base = times(plus(times(i!, lines), l!), columns)
        const start = lines === u.lines ? u.column : times(u.line, this.columns)
        const line =
          lines === u.lines
            ? unflatten(k, plus(u.line, l!), this.lineAxes)
            : this.lineAxes.map(() => affine(0))
        k.vector('column', columns, this.ctx.target.mapLanes, (column) => {
          const sum = sums.load(f, plus(base, column))
          const image = plus(u.image, i!)
          const feature = plus(first, f)
          const where = c.output.length > 0 ? [...line, plus(start, column)] : []
          if (partial === null) {
            c.write(k, at.group, image, feature, where, sum)
            return
          }
          const flat = where.reduce((s, x, axis) => plus(times(s, c.output[axis]!), x), image)
          partial.store(k, [at.part, at.group, feature, flat], sum)
        })
      })
    })
  }
}

/** Whether writing sees all positions of an image as one axis. */
function positionsMerge(c: Patches): boolean {
  const p = asProductPerImage(c)
  const probe = probeWrite(p)
  const before = p.batch.length + p.left.free.length
  return c.output.every((size, i) => i === 0 || probe.merges(before + i - 1, before + i, size))
}

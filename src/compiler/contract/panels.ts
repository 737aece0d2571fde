// Packing: the lanes' operand copied into panels, [panel][k][lane], so that one step of K finds its lanes
// side by side and a panel is one contiguous run of memory, whatever the operand's own layout is.

import { sizeOf } from '../../base/shape.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import {
  KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
} from '../kernel/assembly.js'
import type { Affine, BufferDecl, Reg } from '../kernel/ir.js'
import { nest, unflatten } from './axes.js'
import { type Block, blockLength, forBlocks } from './blocks.js'
import { type FactorShape, roundUp } from './choose.js'
import type { Product } from './factors.js'
import { forTiles, repeat, type Span } from './tiles.js'

/** Where a packed panel's elements are: at `base + k · lanes + lane`. */
export interface PackedPanel {
  readonly buffer: BufferDecl
  readonly base: Affine
}

/** Fills the panels of a span of columns with a block of K. */
export function fillPanels(
  k: KernelAssembly,
  p: Product,
  shape: FactorShape,
  copyLanes: number,
  batch: Affine[],
  block: Block,
  span: Span,
  panelAt: (panel: Affine) => PackedPanel,
): void {
  const lanes = span.unit
  forTiles(k, 'pack', span, (panel, start, count) => {
    const { buffer, base } = panelAt(panel)
    const walk = block.walk(shape.follows)
    const read = (lane: Affine, local: Affine[]): Reg =>
      p.right.read(k, batch, unflatten(k, plus(start, lane), p.right.free), block.at(local))
    const place = (lane: Affine, local: Affine[]): Affine =>
      plus(plus(base, times(block.flat(local), lanes)), lane)
    if (shape.contiguous === 'contract') {
      // Lanes by fours: with four steps of K they make squares, which can be turned in registers.
      const some = (first: Affine, several: number): void => {
        const each = Array.from({ length: several }, (_, i) => plus(first, i))
        nest(k, 'k', walk.sizes.slice(0, -1), (outer) => {
          k.vector('last', walk.sizes.at(-1)!, copyLanes, (last) => {
            const local = walk.local([...outer, last])
            const values = each.map((lane) => read(lane, local))
            for (const [i, lane] of each.entries()) k.store(buffer, place(lane, local), values[i]!)
          })
        })
      }
      const fours = Math.floor(count / 4)
      repeat(k, 'four', affine(fours), (i) => some(times(i, 4), 4))
      if (count % 4 > 0) some(affine(4 * fours), count % 4)
    } else {
      k.vector('lane', count, lanes, (lane) => {
        nest(k, 'k', walk.sizes, (at) => {
          const local = walk.local(at)
          k.store(buffer, place(lane, local), read(lane, local))
        })
      })
    }
  })
}

/** Packs the whole operand before the product; returns where a panel of a block is. */
export function packAhead(
  p: Product,
  shape: FactorShape,
  lanes: number,
  ctx: LoweringContext,
  calls: KernelCall[],
): (k: KernelAssembly, batch: Affine, block: Affine, panel: Affine) => PackedPanel {
  const columns = sizeOf(p.right.free)
  const batches = sizeOf(p.batch)
  const panels = Math.ceil(columns / lanes)
  const length = blockLength(p.numerics, p.contract)
  const { blocks } = p.numerics
  const copy = ctx.temporary(
    'panels',
    MEMORY_TYPE[p.dtype],
    batches * blocks * panels * length * lanes,
  )
  const place =
    (access: 'read' | 'write') =>
    (k: KernelAssembly, batch: Affine, block: Affine, panel: Affine): PackedPanel => ({
      buffer: k.use(copy, access),
      base: times(plus(times(plus(times(batch, blocks), block), panels), panel), length * lanes),
    })
  const chunk = roundUp(Math.min(columns, Math.max(1, (1 << 14) / length)), lanes)
  const chunks = Math.ceil(columns / chunk)
  const k = new KernelAssembly(`${p.name}: pack`, batches * blocks * chunks)
  k.bytes = 8 * batches * sizeOf(p.contract) * columns
  const [b, number, at] = unflatten(k, ofVar(k.chunk), [batches, blocks, chunks]) as [
    Affine,
    Affine,
    Affine,
  ]
  const span: Span = { total: columns, chunk, chunks, unit: lanes, at }
  const batch = unflatten(k, b, p.batch)
  const single = { ...p.numerics, parts: blocks, blocksPerPart: 1 }
  forBlocks(k, p.contract, single, number, (block) => {
    fillPanels(k, p, shape, ctx.target.mapLanes, batch, block, span, (panel) =>
      place('write')(k, b, block.number, plus(panel, times(at, chunk / lanes))),
    )
  })
  calls.push(k.call())
  return place('read')
}

/** The panel number a chunk's own panel has among all. */
export const panelNumber = (span: Span, panel: Affine): Affine =>
  plus(times(span.at, span.chunk / span.unit), panel)

// Copies the rows' factor of a product to a matrix with K contiguous: once, before the product, so that
// what it takes to compute an element, or to find it, is paid once and not for every panel of lanes.

import { sizeOf } from '../../base/shape.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import {
  KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
} from '../kernel/assembly.js'
import type { Affine, Reg } from '../kernel/ir.js'
import { SIDE } from '../kernel/squares.js'
import { flatten, nest, unflatten } from './axes.js'
import type { FactorShape } from './choose.js'
import type { Product } from './factors.js'
import { forTiles, type Span } from './tiles.js'

/** Elements a chunk of copying takes. */
const CHUNK_ELEMENTS = 1 << 14
/** Rows of a chunk that turns them: four lines of a cache for each step of K. */
const TALL = 64

/** The product with its left factor read from a copy, which `calls` is made to fill. */
export function layOut(
  p: Product,
  shape: FactorShape,
  ctx: LoweringContext,
  calls: KernelCall[],
): Product {
  const batches = sizeOf(p.batch)
  const rows = sizeOf(p.left.free)
  const depth = sizeOf(p.contract)
  // Rows a power of two apart would share a few sets of the cache: one cache line more sets them apart.
  const stride = depth % 256 === 0 ? depth + 16 : depth
  const type = MEMORY_TYPE[p.dtype]
  const copy = ctx.temporary('rows', type, batches * rows * stride)
  // Where rows are neighbours in memory, a chunk takes a piece of K of enough of them to fill its lines.
  const turns = shape.contiguous === 'free' && p.contract.length === 1
  const deep = turns ? Math.min(depth, CHUNK_ELEMENTS / TALL) : depth
  const perChunk = Math.max(1, Math.min(rows, Math.floor(CHUNK_ELEMENTS / deep)))
  const chunks = [batches, Math.ceil(rows / perChunk), Math.ceil(depth / deep)]
  const k = new KernelAssembly(`${p.name}: lay out rows`, sizeOf(chunks))
  k.bytes = 8 * batches * rows * depth
  const to = k.use(copy, 'write')
  const [b, chunk, piece] = unflatten(k, ofVar(k.chunk), chunks) as [Affine, Affine, Affine]
  const batch = unflatten(k, b, p.batch)
  const first = times(chunk, perChunk)
  const count =
    rows % perChunk === 0
      ? affine(perChunk)
      : ({ min: [affine(perChunk), plus(times(first, -1), rows)] } as const)
  const read = (row: Affine, at: Affine[]): Reg =>
    p.left.read(k, batch, unflatten(k, row, p.left.free), at)
  const put = (row: Affine, at: Affine[], value: Reg): void => {
    const place = plus(times(plus(times(b, rows), row), stride), flatten(at, p.contract))
    k.store(to, place, value)
  }
  const lanes = ctx.target.mapLanes
  if (turns) {
    const span: Span = { total: depth, chunk: deep, chunks: chunks[2]!, unit: SIDE, at: piece }
    forTiles(k, 'k', span, (_, from, size) => {
      const steps = Array.from({ length: size }, (_, i) => [plus(from, i)])
      k.vector('row', count, lanes, (i) => {
        const row = plus(first, i)
        const values = steps.map((at) => read(row, at))
        for (const [j, at] of steps.entries()) put(row, at, values[j]!)
      })
    })
  } else if (shape.contiguous === 'free') {
    nest(k, 'k', p.contract, (at) => {
      k.vector('row', count, lanes, (i) => {
        const row = plus(first, i)
        put(row, at, read(row, at))
      })
    })
  } else {
    k.loop('row', count, (i) => {
      const row = plus(first, i)
      nest(k, 'k', p.contract.slice(0, -1), (at) => {
        k.vector('last', p.contract.at(-1) ?? 1, lanes, (last) => {
          const place = p.contract.length > 0 ? [...at, last] : []
          put(row, place, read(row, place))
        })
      })
    })
  }
  calls.push(k.call())
  return {
    ...p,
    left: {
      free: [rows],
      read: (kernel, bs, [row], at) =>
        kernel.load(
          kernel.use(copy, 'read'),
          plus(
            times(plus(times(flatten(bs, p.batch), rows), row!), stride),
            flatten(at, p.contract),
          ),
        ),
    },
    write: (kernel, bs, [row], columns, value) =>
      p.write(kernel, bs, unflatten(kernel, row!, p.left.free), columns, value),
  }
}

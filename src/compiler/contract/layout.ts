// Copies the rows' factor of a product to a matrix with K contiguous: once, before the product, so that
// what it takes to compute an element, or to find it, is paid once and not for every panel of lanes.

import { affine, ofVar, plus, times } from '../kernel/affine.js'
import type { Affine } from '../kernel/ir.js'
import {
  KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
} from '../lower/assembly.js'
import { flatten, nest, unflatten } from './axes.js'
import type { FactorShape } from './choose.js'
import type { Product } from './factors.js'
import { product } from './spec.js'

/** Elements a chunk of copying takes. */
const CHUNK_ELEMENTS = 1 << 14

/** The product with its left factor read from a copy, which `calls` is made to fill. */
export function layOut(
  p: Product,
  shape: FactorShape,
  ctx: LoweringContext,
  calls: KernelCall[],
): Product {
  const batches = product(p.batch)
  const rows = product(p.left.free)
  const depth = product(p.contract)
  // Rows a power of two apart would share a few sets of the cache: one cache line more sets them apart.
  const stride = depth % 256 === 0 ? depth + 16 : depth
  const type = MEMORY_TYPE[p.dtype]
  const copy = ctx.temporary('rows', type, batches * rows * stride)
  const perChunk = Math.max(1, Math.min(rows, Math.floor(CHUNK_ELEMENTS / depth)))
  const chunks = Math.ceil(rows / perChunk)
  const k = new KernelAssembly(`${p.name}: lay out rows`, batches * chunks)
  k.bytes = 8 * batches * rows * depth
  const to = k.use(copy, 'write')
  const [b, chunk] = unflatten(k, ofVar(k.chunk), [batches, chunks]) as [Affine, Affine]
  const batch = unflatten(k, b, p.batch)
  const first = times(chunk, perChunk)
  const count =
    rows % perChunk === 0
      ? affine(perChunk)
      : ({ min: [affine(perChunk), plus(times(first, -1), rows)] } as const)
  const put = (row: Affine, at: Affine[]): void => {
    const value = p.left.read(k, batch, unflatten(k, row, p.left.free), at)
    const place = plus(times(plus(times(b, rows), row), stride), flatten(at, p.contract))
    k.store(to, place, value)
  }
  const lanes = ctx.target.mapLanes
  if (shape.contiguous === 'free') {
    nest(k, 'k', p.contract, (at) => {
      k.vector('row', count, lanes, (row) => put(plus(first, row), at))
    })
  } else {
    k.loop('row', count, (row) => {
      nest(k, 'k', p.contract.slice(0, -1), (at) => {
        k.vector('last', p.contract.at(-1) ?? 1, lanes, (last) => {
          put(plus(first, row), p.contract.length > 0 ? [...at, last] : [])
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

// Windows of small images, copied to [k][position] once for all chunks of features.
//
// Of small images a few tiles of lanes are all there is, and what threads share is features. Each chunk would
// copy the same windows, which takes as long as some ten features' multiply-adds; so a kernel ahead of
// the convolution does, and pads what it copies on the way.

import { sizeOf } from '../../base/shape.js'
import { affine, ofVar, plus, times } from '../kernel/affine.js'
import {
  KernelAssembly,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
} from '../kernel/assembly.js'
import type { Affine, BufferDecl } from '../kernel/ir.js'
import { flatten, nest, unflatten } from './axes.js'
import type { Block } from './blocks.js'
import { type Patches, positionsOf } from './patches.js'
import type { WindowCutting } from './windowcut.js'
import type { WindowTiling } from './windows.js'

/** Where a block of a group's windows is: step k of it begins at `base + k · stride`. */
export type PatchesAhead = (
  k: KernelAssembly,
  group: Affine,
  block: Block,
) => { readonly buffer: BufferDecl; readonly base: Affine }

/** Elements from one step of K to the next: an odd number of cache lines, which spread over all sets. */
export const strideOf = (positions: number): number => (Math.ceil(positions / 16) | 1) * 16

/** Whether several chunks would copy the same windows, which are those of one unit. */
export function sharesPatches(
  c: Patches,
  { mode, unit }: WindowTiling,
  { features, images, lines, columns }: WindowCutting,
): boolean {
  const whole =
    images.total <= unit.images && lines.total <= unit.lines && columns.total <= unit.columns
  return mode === 'packed' && whole && features.chunks > 1 && c.output.length > 0
}

/** Elements a chunk of copying makes. */
const CHUNK_ELEMENTS = 1 << 14

/** Copies all windows; returns where those of a block are. */
export function patchesAhead(c: Patches, ctx: LoweringContext, calls: KernelCall[]): PatchesAhead {
  const positions = c.images * positionsOf(c)
  const stride = strideOf(positions)
  const depth = sizeOf(c.contract)
  const [channels, ...window] = c.contract as [number, ...number[]]
  const ref = ctx.temporary('patches', MEMORY_TYPE[c.dtype], c.groups * depth * stride)
  const taps = sizeOf(window)
  let perChunk = Math.max(1, Math.min(channels, Math.floor(CHUNK_ELEMENTS / (taps * stride))))
  while (channels % perChunk !== 0) perChunk--
  const chunks = channels / perChunk
  const k = new KernelAssembly(`${c.name}: windows`, c.groups * chunks)
  k.bytes = 4 * c.groups * depth * (positions + stride)
  const [group, chunk] = unflatten(k, ofVar(k.chunk), [c.groups, chunks]) as [Affine, Affine]
  const to = k.use(ref, 'write')
  const first = times(chunk, perChunk)
  const lanes = ctx.target.mapLanes
  if (c.staging !== null) {
    const elements = c.images * perChunk * (c.staging.elements / channels)
    const padded = k.scratch('padded', MEMORY_TYPE[c.dtype], elements)
    const from = { image: affine(0), images: c.images, channel: first, channels: perChunk }
    c.staging.enter(k, padded, lanes, group, from)
  }
  const [lines, columns] = [c.output.slice(0, -1), c.output.at(-1)!]
  nest(k, 'channel', [perChunk], ([local]) => {
    const channel = plus(first, local!)
    nest(k, 'image', [c.images, ...lines], ([image, ...line]) => {
      nest(k, 'tap', window, (tap) => {
        const step = flatten([group, channel, ...tap], [c.groups, ...c.contract])
        const place = flatten([image!, ...line, affine(0)], [c.images, ...c.output])
        const base = plus(times(step, stride), place)
        k.vector('column', columns, lanes, (column) => {
          const value = c.input(k, group, image!, [...line, column], [channel, ...tap])
          k.store(to, plus(base, column), value)
        })
      })
    })
  })
  calls.push(k.call())
  return (kernel, at, block) => ({
    buffer: kernel.use(ref, 'read'),
    base: times(
      flatten([at, ...block.origin.slice(0, c.contract.length)], [c.groups, ...c.contract]),
      stride,
    ),
  })
}

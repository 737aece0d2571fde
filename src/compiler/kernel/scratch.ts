// Where a kernel's scratch buffers lie in the memory that every thread has for them.

import { type BufferDecl, BYTES, type Kernel } from './ir.js'

/** Bytes of a cache line. */
export const CACHE_LINE = 64

/**
 * The offset of each scratch buffer, on a cache line of its own, and the bytes they take together.
 * @param slack bytes behind each buffer that may be read past its end
 */
export function scratchLayout(
  kernel: Kernel,
  slack = 0,
): { readonly offsets: ReadonlyMap<BufferDecl, number>; readonly bytes: number } {
  const offsets = new Map<BufferDecl, number>()
  let bytes = 0
  for (const b of kernel.buffers) {
    if (b.space !== 'scratch') continue
    offsets.set(b, bytes)
    bytes += Math.ceil((b.length * BYTES[b.type] + slack) / CACHE_LINE) * CACHE_LINE
  }
  return { offsets, bytes }
}

// What is compared between a browser and Node.js: SHA-256 over the bits of tensors.

import type { Tensor, TypedArray } from 'tessera'

/** SHA-256 of dtype, shape and elements of tensors, in hexadecimal. NaN is NaN, whatever bits say so. */
export async function digest(tensors: Iterable<Tensor>): Promise<string> {
  const parts: BlobPart[] = []
  for (const x of tensors) {
    const data = x.dataSync<TypedArray>()
    if (data instanceof Float32Array || data instanceof Float64Array) {
      for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) data[i] = Number.NaN
    }
    parts.push(`${x.dtype} [${x.shape.join(', ')}] `, data as BufferSource)
  }
  const bytes = await new Blob(parts).arrayBuffer()
  const hash = await crypto.subtle.digest('SHA-256', bytes)
  return [...new Uint8Array(hash)].map((b) => b.toString(16).padStart(2, '0')).join('')
}

// Decompression with a bound: a small file may not unpack to more than it should.

import { FormatError } from '../base/errors.js'

export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b

/**
 * Unpacks gzip data of at most `limit` bytes.
 *
 * @param where What errors call the file.
 * @throws FormatError for damaged or truncated data, or more of it than the limit.
 */
export async function gunzip(where: string, bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const packed = new Blob([bytes as Uint8Array<ArrayBuffer>])
  const reader = packed.stream().pipeThrough(new DecompressionStream('gzip')).getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      size += value.length
      if (size > limit) break
      chunks.push(value)
    }
  } catch (error) {
    throw new FormatError(where, 'complete gzip data', (error as Error).message)
  }
  if (size > limit) {
    await reader.cancel().catch(() => {})
    throw new FormatError(where, `at most ${limit} bytes when unpacked`, 'more')
  }
  const out = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

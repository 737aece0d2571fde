// Safetensors files on disk. Node.js only; browsers use `encodeSafetensors` and `decodeSafetensors`.

import { FailedPreconditionError, FormatError } from '../base/errors.js'
import { isNode, loadBuiltin } from '../base/node.js'
import type { Tensor } from '../tensor/tensor.js'
import { writeAtomically } from './atomic.js'
import { type Header, headerLength, PREFIX, parseHeader } from './header.js'
import {
  type Contents,
  contentsOf,
  emptyDict,
  fileParts,
  type Metadata,
  type TensorDict,
  tensorOf,
} from './safetensors.js'

/**
 * Writes tensors to a safetensors file, which PyTorch and others read. The file appears under its name
 * when it is complete: a crash leaves the old one.
 *
 * @param tensors For example `net.stateDict()`.
 * @param metadata Text to keep beside them.
 * @throws FailedPreconditionError in browsers.
 */
export async function saveSafetensors(
  path: string,
  tensors: TensorDict,
  metadata: Metadata = {},
): Promise<void> {
  needFiles('saveSafetensors', 'encodeSafetensors')
  await writeAtomically(path, fileParts('saveSafetensors', tensors, metadata))
}

function needFiles(where: string, instead: string): void {
  if (isNode()) return
  const expected = `Node.js, which has files (${instead} does the same with bytes)`
  throw new FailedPreconditionError(where, expected, 'a place without them, such as a browser')
}

/** A file opened for reading. */
interface OpenFile {
  readonly size: number
  read(start: number, length: number): Promise<Uint8Array>
}

async function withFile<T>(
  where: string,
  path: string,
  use: (file: OpenFile) => Promise<T>,
): Promise<T> {
  const { open } = await loadBuiltin<typeof import('node:fs/promises')>('node:fs/promises')
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    const found = error.code === 'ENOENT' ? 'no such file' : error.message
    throw new FailedPreconditionError(where, `a file to read at ${path}`, found, { path })
  })
  try {
    const { size } = await handle.stat()
    const read = async (start: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(length)
      // One call reads 2 GiB at most.
      for (let done = 0; done < length; ) {
        const chunk = Math.min(length - done, 2 ** 30)
        const { bytesRead } = await handle.read(bytes, done, chunk, start + done)
        if (bytesRead === 0) {
          throw new FormatError(path, `${size} bytes`, `a file that ended after ${start + done}`)
        }
        done += bytesRead
      }
      return bytes
    }
    return await use({ size, read })
  } finally {
    await handle.close()
  }
}

async function readHeader(
  path: string,
  file: OpenFile,
): Promise<{ header: Header; begin: number }> {
  const prefix = await file.read(0, Math.min(PREFIX, file.size))
  const length = headerLength(path, prefix, file.size)
  const begin = PREFIX + length
  const header = parseHeader(path, await file.read(PREFIX, length), file.size - begin)
  return { header, begin }
}

/**
 * The tensors of a safetensors file, by name. The whole header is checked before anything is allocated
 * for a tensor; see `decodeSafetensors` for what is refused.
 *
 * @throws FormatError for a file that is not valid, FailedPreconditionError for one that is not there, and in
 *   browsers.
 */
export async function loadSafetensors(path: string): Promise<Record<string, Tensor>> {
  needFiles('loadSafetensors', 'decodeSafetensors')
  return withFile('loadSafetensors', path, async (file) => {
    const { header, begin } = await readHeader(path, file)
    const tensors = emptyDict()
    for (const entry of header.entries) {
      const bytes = await file.read(begin + entry.start, entry.end - entry.start)
      tensors[entry.name] = tensorOf(path, entry, bytes)
    }
    return tensors
  })
}

/**
 * Names, dtypes and shapes of the tensors of a file, and its metadata; values are not read.
 *
 * @throws FormatError for a file that is not valid, FailedPreconditionError for one that is not there, and in
 *   browsers.
 */
export async function inspectSafetensorsFile(path: string): Promise<Contents> {
  needFiles('inspectSafetensorsFile', 'inspectSafetensors')
  return withFile('inspectSafetensorsFile', path, async (file) =>
    contentsOf((await readHeader(path, file)).header),
  )
}

// Files from mirrors on the network, checked against what they have to be.

import { FailedPreconditionError, FormatError } from '../base/errors.js'

/** A file that can be fetched. */
export interface RemoteFile {
  readonly name: string
  /** SHA-256 of the packed file, in hexadecimal. */
  readonly sha256: string
  /**
   * SHA-256 of the unpacked file, where it is known: for servers that have it without `.gz`, and for those
   * that call the packing an encoding, which browsers undo before anybody sees it.
   */
  readonly unpacked?: string
}

/** No file here is larger; a server that sends more is not the one that was meant. */
const LIMIT = 64 * 2 ** 20
const TIMEOUT_MS = 60_000

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
  return [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, '0')).join('')
}

/** The body of an answer, up to the limit. */
async function body(url: string, response: Response): Promise<Uint8Array> {
  if (!response.ok) throw new FormatError(url, 'status 200', String(response.status))
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = response.body?.getReader()
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done || value === undefined) break
    size += value.length
    if (size > LIMIT) {
      await reader?.cancel()
      throw new FormatError(url, `at most ${LIMIT} bytes`, 'more')
    }
    chunks.push(value)
  }
  const out = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

/**
 * Fetches a file, packed or not, from the first mirror that has it right.
 *
 * @throws FormatError that says what was wrong with each mirror if none has it, FailedPreconditionError for a
 *   page that is not allowed to check what comes.
 */
export async function download(mirrors: readonly string[], file: RemoteFile): Promise<Uint8Array> {
  if (globalThis.crypto?.subtle === undefined) {
    const expected = 'a page served by https or from localhost, as others cannot check SHA-256'
    throw new FailedPreconditionError(file.name, expected, globalThis.location?.origin ?? 'none')
  }
  const { name, sha256: packed, unpacked } = file
  const right = unpacked === undefined ? [packed] : [packed, unpacked]
  const names = unpacked === undefined ? [name] : [name, name.replace(/\.gz$/, '')]
  const problems: string[] = []
  for (const mirror of mirrors) {
    for (const url of names.map((n) => mirror + n)) {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
        const bytes = await body(url, response)
        const found = await sha256(bytes)
        if (right.includes(found)) return bytes
        problems.push(`${url}: SHA-256 ${found}`)
      } catch (error) {
        problems.push(`${url}: ${reasonOf(error)}`)
        // Who gave no answer is not asked for the file's other name.
        if (!(error instanceof FormatError)) break
      }
    }
  }
  throw new FormatError(
    name,
    `a mirror with the file of SHA-256 ${right.join(' or ')}`,
    problems.length === 0 ? 'no mirrors' : problems.join('; '),
    { problems },
  )
}

/** The reason behind a failed fetch, which says no more than "fetch failed" itself. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } }
  const detail = cause?.code ?? cause?.message
  return detail === undefined ? message : `${message} (${detail})`
}

// A web server for the tests: what bundlers made, under different headers.

import { readFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'

/** The headers a page, and all that it loads, is served with: under `/<name>/`. */
export const SITES = {
  /** As most servers do it. */
  plain: {},
  /** With which a page may share memory with its workers. */
  isolated: {
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
  },
  /** Scripts come from this server and nowhere else, and no text becomes code. */
  strict: {
    'content-security-policy':
      "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:",
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
  },
  /** As strict, and no workers but those that have a file. */
  'without-blobs': {
    'content-security-policy': "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
  },
  /** WebAssembly is code, too. */
  'without-wasm': { 'content-security-policy': "default-src 'self'" },
} as const satisfies Record<string, Record<string, string>>

export type Site = keyof typeof SITES

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.gz': 'application/gzip',
}

const EMPTY_PAGE = '<!doctype html><meta charset="utf-8"><title>tessera</title>'

export interface Server {
  /** The address of a site, without a slash at its end, under a name that leads here. */
  url(site: Site, host?: string): string
  close(): Promise<void>
}

/** Serves the files of folders, the first that has one, under each site; `/<site>/` is an empty page. */
export async function serve(folders: readonly string[]): Promise<Server> {
  const server = createServer(({ url = '/' }, response) => {
    const [, site = '', ...rest] = new URL(url, 'http://localhost').pathname.split('/')
    const headers = (SITES as Record<string, Record<string, string>>)[site]
    if (site === 'favicon.ico') response.writeHead(204).end()
    else if (headers === undefined) response.writeHead(404).end()
    else void answer(response, headers, rest.join('/'), folders)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: (site, host = 'localhost') => `http://${host}:${port}/${site}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

async function answer(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  file: string,
  folders: readonly string[],
): Promise<void> {
  const body = file === '' ? EMPTY_PAGE : await firstOf(folders, file)
  if (body === null) {
    response.writeHead(404).end()
    return
  }
  const type = TYPES[path.extname(file || 'index.html')] ?? 'application/octet-stream'
  response.writeHead(200, { 'content-type': type, ...headers }).end(body)
}

async function firstOf(folders: readonly string[], file: string): Promise<Buffer | null> {
  for (const folder of folders) {
    const full = path.join(folder, file)
    if (!full.startsWith(folder)) continue
    const body = await readFile(full).catch(() => null)
    if (body !== null) return body
  }
  return null
}

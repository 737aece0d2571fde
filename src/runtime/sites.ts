// Where in the user's program an operation was called. Capturing costs more than recording does, so it
// is on only while plans are being built: a loop in its steady state pays nothing.

import type { CallSite } from '../ir/node.js'

/** Folder of tessera's own code; frames inside it are not the user's. */
const OWN = ownFolder()

function ownFolder(): string {
  // In the repository this file is src/runtime/sites.ts; in the package it is part of a file somewhere
  // in dist/; in a user's bundle there is no telling the user's code from ours.
  // A classic script has no URL to tell.
  const url: string = import.meta.url ?? ''
  if (/\/src\/runtime\/[^/]*$/.test(url)) return url.replace(/\/runtime\/[^/]*$/, '/')
  return url.replace(/\/dist\/(?!.*\/dist\/).*$/, '/dist/')
}

const FRAME = /^\s*at (?:async )?(?:(.*?) \()?(.*?):(\d+):(\d+)\)?$/

/** A call site whose stack is parsed when somebody looks at it. */
class LazySite implements CallSite {
  private parsed: CallSite | null = null
  constructor(private readonly holder: { readonly stack?: string }) {}

  private get site(): CallSite {
    this.parsed ??= parse(this.holder.stack ?? '')
    return this.parsed
  }
  get file(): string {
    return this.site.file
  }
  get line(): number {
    return this.site.line
  }
  get column(): number {
    return this.site.column
  }
  get functionName(): string {
    return this.site.functionName
  }
}

const isTest = (file: string): boolean => /\.test\.[cm]?[jt]s$/.test(file)

function parse(stack: string): CallSite {
  for (const text of stack.split('\n').slice(1)) {
    const m = FRAME.exec(text)
    if (m === null) continue
    const file = m[2] ?? ''
    const plain = file.replace(/^file:\/\//, '')
    const own = OWN.replace(/^file:\/\//, '')
    if (plain.startsWith('node:') || (own !== '' && plain.startsWith(own) && !isTest(plain)))
      continue
    return { file: plain, line: Number(m[3]), column: Number(m[4]), functionName: m[1] ?? '' }
  }
  return { file: '', line: 0, column: 0, functionName: '' }
}

/** Steps in a row that found their plan before capturing stops. */
const QUIET_AFTER = 3
const FRAMES = 16
let hits = 0

export const capturing = (): boolean => hits < QUIET_AFTER
export function planFound(): void {
  hits++
}
export function planMissed(): void {
  hits = 0
}

export function captureSite(below: (...args: never[]) => unknown): CallSite {
  const holder: { stack?: string } = {}
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = FRAMES
  Error.captureStackTrace?.(holder, below)
  Error.stackTraceLimit = limit
  return new LazySite(holder)
}

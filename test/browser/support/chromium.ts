// The system's Chromium, without a window: found, started, and asked to run functions in pages.

import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { type Answer, Connection } from './protocol.js'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
const ELSEWHERE = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

/** The browser to use: what `TESSERA_CHROMIUM` names, else the first that is installed, else null. */
export function findChromium(): string | null {
  const named = process.env.TESSERA_CHROMIUM
  if (named) return named
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  const candidates = NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)))
  return [...candidates, ...ELSEWHERE].find(executable) ?? null
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const FLAGS = [
  '--headless',
  '--remote-debugging-pipe',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-gpu',
  '--disable-extensions',
  '--disable-component-update',
  '--disable-background-networking',
  // Containers have little of what is behind it.
  '--disable-dev-shm-usage',
  // Chromium's sandbox refuses to be root's.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
]

/** How long a browser may take to start, and then to load a page, in milliseconds. */
const PATIENCE = 30_000

/** A running browser. Each page has its own cookies, caches and processes. */
export class Browser {
  private constructor(
    private readonly process: ChildProcess,
    private readonly connection: Connection,
    private readonly profile: string,
  ) {}

  /** Starts the browser. @param flags added to those that every test needs */
  static async start(flags: readonly string[] = []): Promise<Browser> {
    const binary = findChromium()
    if (binary === null) throw new Error(`none of ${NAMES.join(', ')} is installed`)
    const profile = mkdtempSync(path.join(tmpdir(), 'tessera-chromium-'))
    const child = spawn(binary, [...FLAGS, `--user-data-dir=${profile}`, ...flags], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
      // With all its processes, so that they can be ended together.
      detached: true,
    })
    let complaints = ''
    child.stderr?.on('data', (text) => {
      complaints = (complaints + text).slice(-2000)
    })
    // Nothing was started; the pipes close, too.
    child.on('error', (error) => {
      complaints = error.message
    })
    const connection = new Connection(child.stdio[3] as Writable, child.stdio[4] as Readable)
    const browser = new Browser(child, connection, profile)
    const started = connection.send('Browser.getVersion')
    await within(PATIENCE, 'a browser that starts', started).catch(async (error) => {
      await browser.close()
      throw new Error(`${binary}: ${error.message}\n${complaints}`)
    })
    return browser
  }

  /** Opens a page and waits until it is loaded. */
  async open(url: string): Promise<Page> {
    const { connection } = this
    const { browserContextId } = await connection.send('Target.createBrowserContext')
    const target = { url: 'about:blank', browserContextId }
    const { targetId } = await connection.send('Target.createTarget', target)
    const attach = { targetId, flatten: true }
    const { sessionId } = await connection.send('Target.attachToTarget', attach)
    const page = new Page(url, connection, sessionId)
    await page.load()
    return page
  }

  /**
   * Resident bytes of the process of a page, now and at most: of the largest, so that one page has to be the
   * only one of its size. Linux only.
   */
  async memory(): Promise<{ now: number; most: number }> {
    const { processInfo } = await this.connection.send('SystemInfo.getProcessInfo')
    const sizes = { now: 0, most: 0 }
    for (const { type, id } of processInfo) {
      if (type !== 'renderer') continue
      const status = readFileSync(`/proc/${id}/status`, 'utf8')
      const bytes = (name: string): number =>
        1024 * Number(new RegExp(`${name}:\\s*(\\d+) kB`).exec(status)?.[1] ?? 0)
      sizes.now = Math.max(sizes.now, bytes('VmRSS'))
      sizes.most = Math.max(sizes.most, bytes('VmHWM'))
    }
    return sizes
  }

  /** Ends the browser with all its pages. */
  async close(): Promise<void> {
    const { process: child, profile } = this
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      this.connection.send('Browser.close').catch(() => {})
      await within(5000, 'a browser that ends', gone).catch(() => {})
    }
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // All its processes have ended.
    }
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

/** The functions of a module of a page: what they take and give travels as JSON. */
export type Remote<M> = {
  [K in keyof M as M[K] extends (...args: never[]) => unknown ? K : never]: M[K] extends (
    ...args: infer A
  ) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never
}

export class Page {
  /** What went wrong that nobody caught, and what was written to the console as an error. */
  readonly complaints: string[] = []

  constructor(
    private readonly url: string,
    private readonly connection: Connection,
    private readonly session: string,
  ) {}

  private send(method: string, params: object = {}): Promise<Answer> {
    return this.connection.send(method, params, this.session)
  }

  async load(): Promise<void> {
    const { url, connection, session, complaints } = this
    connection.on('Runtime.exceptionThrown', session, ({ exceptionDetails }) => {
      complaints.push(describe(exceptionDetails))
    })
    connection.on('Runtime.consoleAPICalled', session, ({ type, args }) => {
      if (type !== 'error' && type !== 'warning') return
      complaints.push(args.map((a: Answer) => a.value ?? a.description).join(' '))
    })
    connection.on('Log.entryAdded', session, ({ entry }) => {
      if (entry.level === 'error') complaints.push(`${entry.text} ${entry.url ?? ''}`.trim())
    })
    const loaded = new Promise((resolve) => connection.on('Page.loadEventFired', session, resolve))
    await Promise.all(['Runtime', 'Log', 'Page'].map((domain) => this.send(`${domain}.enable`)))
    const { errorText } = await this.send('Page.navigate', { url })
    if (errorText) throw new Error(`${url}: ${errorText}`)
    await within(PATIENCE, `${url} to load`, loaded)
  }

  /** The value of an expression, or of the promise it gives. */
  async evaluate(expression: string): Promise<Answer> {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })
    if (exceptionDetails) throw new Error(describe(exceptionDetails))
    return result.value
  }

  /** The functions of a module beside the page: `page.module<typeof import('…')>('programs.js')`. */
  module<M>(file: string): Remote<M> {
    const url = new URL(file, this.url).href
    const call = (name: string, args: unknown[]): Promise<Answer> => {
      const list = args.map((a) => JSON.stringify(a) ?? 'undefined').join(', ')
      return this.evaluate(`import(${JSON.stringify(url)}).then((m) => m.${name}(${list}))`)
    }
    return new Proxy({} as Remote<M>, {
      get: (_, name: string) =>
        name === 'then' ? undefined : (...args: unknown[]) => call(name, args),
    })
  }
}

function describe({ text, exception }: Answer): string {
  return exception?.description ?? exception?.value ?? text
}

async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

// The DevTools protocol over a pair of pipes: JSON messages, each closed by a zero byte. The tests need a
// handful of its oldest methods, so this file and `chromium.ts` take the place of a driver, which would be
// megabytes to install and to keep at the version of whatever browser there is.

import type { Readable, Writable } from 'node:stream'

/** A result or the parameters of an event; each test knows what it asked for. */
// biome-ignore lint/suspicious/noExplicitAny: the protocol describes itself, in 15,000 lines
export type Answer = any

interface Waiting {
  readonly method: string
  resolve(answer: Answer): void
  reject(error: Error): void
}

type Listener = (params: Answer) => void

/** A connection to a browser that was started with `--remote-debugging-pipe`. */
export class Connection {
  private last = 0
  private readonly waiting = new Map<number, Waiting>()
  private readonly listeners = new Map<string, Set<Listener>>()
  private pending: Buffer[] = []
  private gone = false

  constructor(
    private readonly out: Writable,
    input: Readable,
  ) {
    input.on('data', (chunk: Buffer) => this.receive(chunk))
    input.on('close', () => this.end())
    // A browser that is gone shows on the other pipe.
    out.on('error', () => {})
  }

  /** Calls a method, in a page's session or, without one, in the browser. */
  send(method: string, params: object = {}, session?: string): Promise<Answer> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      if (this.gone) {
        reject(lost(method))
        return
      }
      this.waiting.set(id, { method, resolve, reject })
      this.out.write(`${JSON.stringify({ id, method, params, sessionId: session })}\0`)
    })
  }

  /** Calls `listener` on each event of that name in a session. */
  on(event: string, session: string, listener: Listener): void {
    const key = `${session} ${event}`
    const known = this.listeners.get(key)
    if (known) known.add(listener)
    else this.listeners.set(key, new Set([listener]))
  }

  private receive(chunk: Buffer): void {
    let rest = chunk
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const text = Buffer.concat([...this.pending, rest.subarray(0, end)]).toString()
      this.pending = []
      rest = rest.subarray(end + 1)
      this.deliver(JSON.parse(text))
    }
    this.pending.push(rest)
  }

  private deliver(message: Answer): void {
    const { id, method, params, sessionId, result, error } = message
    if (id === undefined) {
      for (const listener of this.listeners.get(`${sessionId} ${method}`) ?? []) listener(params)
      return
    }
    const asked = this.waiting.get(id)
    this.waiting.delete(id)
    if (error) asked?.reject(new Error(`${asked.method}: ${error.message}`))
    else asked?.resolve(result)
  }

  private end(): void {
    this.gone = true
    for (const { method, reject } of this.waiting.values()) reject(lost(method))
    this.waiting.clear()
  }
}

const lost = (method: string): Error => new Error(`${method}: the browser is gone`)

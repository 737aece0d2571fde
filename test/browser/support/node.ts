// The same bundles in Node.js, as what browsers are compared with.

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import type { Remote } from './chromium.js'

const SCRIPT = (url: string): string => `
  const { createInterface } = await import('node:readline')
  const module = await import(${JSON.stringify(url)})
  for await (const line of createInterface(process.stdin)) {
    const { name, args } = JSON.parse(line)
    const answer = await Promise.resolve().then(() => module[name](...args)).then((value) => ({ value }), ({ stack }) => ({ stack }))
    console.log(JSON.stringify(answer))
  }`

/** A process that calls functions of one module. */
export class NodeProcess<M> {
  readonly module: Remote<M>
  private readonly child: ChildProcess
  /** Why there are no more answers. */
  private ended: Error | null = null
  private readonly waiting: [(value: unknown) => void, (error: Error) => void][] = []

  constructor(file: string, env: Readonly<Record<string, string>>) {
    const script = SCRIPT(pathToFileURL(file).href)
    this.child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface(this.child.stdout!).on('line', (line) => {
      const { value, stack } = JSON.parse(line)
      const [resolve, reject] = this.waiting.shift()!
      if (stack === undefined) resolve(value)
      else reject(new Error(stack))
    })
    this.child.on('exit', (code) => {
      this.ended = new Error(`Node.js ended with ${code}`)
      for (const [, reject] of this.waiting.splice(0)) reject(this.ended)
    })
    // What is written to a process that is about to end; that it ended is told above.
    this.child.stdin!.on('error', () => {})
    this.module = new Proxy({} as Remote<M>, {
      get: (_, name: string) =>
        name === 'then' ? undefined : (...args: unknown[]) => this.call(name, args),
    })
  }

  private call(name: string, args: unknown[]): Promise<unknown> {
    if (this.ended !== null) return Promise.reject(this.ended)
    this.child.stdin!.write(`${JSON.stringify({ name, args })}\n`)
    return new Promise((resolve, reject) => this.waiting.push([resolve, reject]))
  }

  close(): void {
    this.child.stdin!.end()
  }
}

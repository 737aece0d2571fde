// A peer: a process of its own that is told which workload to time, and stopped while others are timed.
//
// Stopped by a signal, with all it has started: what does not run cannot spin while it waits, whatever its
// threads were made to do.

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import type { Answer, Greeting, Prepare, Time } from './protocol.js'

/** How a peer is started. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export class Peer {
  #greeting: Greeting | null = null
  /** What the process last complained of, for when it ends early. */
  #complaints = ''

  private constructor(
    readonly name: string,
    private readonly process: ChildProcess,
    private readonly lines: AsyncIterator<string>,
  ) {
    process.stderr?.on('data', (text) => {
      this.#complaints = (this.#complaints + String(text)).slice(-4000)
    })
  }

  /** Starts a peer, and waits until it is ready; it rests then. Throws with the reason when it cannot. */
  static async start(name: string, { file, args, env }: Command): Promise<Peer> {
    // Detached: the leader of a process group, so that a signal reaches all that it starts.
    const child = spawn(file, args, {
      detached: true,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin?.on('error', () => {})
    const lines: Interface = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    const peer = new Peer(name, child, lines[Symbol.asyncIterator]())
    // Nothing was started, as there is no such program; the output ends, too.
    child.on('error', (error) => {
      peer.#complaints = error.message
    })
    process.on('exit', () => peer.#signal('SIGKILL'))
    peer.#greeting = (await peer.#next()) as Greeting
    peer.#signal('SIGSTOP')
    return peer
  }

  get version(): string {
    return (this.#greeting as Greeting).version
  }

  has(workload: string): boolean {
    return (this.#greeting as Greeting).workloads.includes(workload)
  }

  /** Wakes the peer for a request, and puts it to rest after its answer: a failure if it has ended. */
  async ask<R extends Prepare | Time>(request: R): Promise<Answer<R>> {
    this.#signal('SIGCONT')
    try {
      this.process.stdin?.write(`${JSON.stringify(request)}\n`)
      return (await this.#next()) as Answer<R>
    } catch (error) {
      return { error: (error as Error).message }
    } finally {
      this.#signal('SIGSTOP')
    }
  }

  end(): void {
    this.#signal('SIGKILL')
  }

  async #next(): Promise<unknown> {
    const { value, done } = await this.lines.next()
    if (done !== true) return JSON.parse(value)
    const last = this.#complaints.trimEnd().split('\n').at(-1)
    throw new Error(last === undefined || last === '' ? 'the process ended' : last)
  }

  #signal(name: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.process
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    try {
      process.kill(-pid, name)
    } catch {
      // It has ended in the meantime.
    }
  }
}

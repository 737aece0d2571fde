// The parts that differ between Node.js and browsers: flags of V8, processors, environment, workers.

import { NODE_WORKER, WEB_WORKER } from './threads/worker-source.js'

interface V8 {
  setFlagsFromString(flags: string): void
}
interface OperatingSystem {
  availableParallelism?(): number
  cpus(): readonly unknown[]
}

/** A built-in module of Node.js, or null elsewhere. Looked up so that bundlers for browsers see nothing. */
function builtin<T>(name: string): T | null {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): unknown; versions?: { node?: string } }
  }
  if (process?.versions?.node === undefined) return null
  return (process.getBuiltinModule?.(name) as T | undefined) ?? null
}

/** Lets V8 of Node 20 use relaxed SIMD, which later ones have without asking. */
export function prepareEngine(): void {
  const v8 = builtin<V8>('node:v8')
  const major = Number(process.versions?.v8?.split('.')[0] ?? 99)
  if (v8 && major < 12) v8.setFlagsFromString('--experimental-wasm-relaxed-simd')
}

/** How many threads this process may keep busy. */
export function processors(): number {
  const os = builtin<OperatingSystem>('node:os')
  if (os) return os.availableParallelism?.() ?? os.cpus().length
  return globalThis.navigator?.hardwareConcurrency ?? 1
}

/** An environment variable, where there are such things. */
export function environment(name: string): string | undefined {
  return builtin('node:os') ? process.env[name] : undefined
}

/** Whether this thread may wait for others: not in the main thread of a browser. */
export function mayBlock(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1)
    return true
  } catch {
    return false
  }
}

export interface Spawned {
  terminate(): void
}

interface NodeWorker {
  unref(): void
  terminate(): unknown
  on(event: 'error', listener: (error: unknown) => void): void
}
interface WorkerThreads {
  Worker: new (
    source: string,
    options: { eval: boolean; workerData: unknown; execArgv: string[] },
  ) => NodeWorker
}

/** Starts a worker thread, which does not keep the process alive. */
export function spawn(data: { memory: WebAssembly.Memory; mailbox: number }): Spawned {
  const threads = builtin<WorkerThreads>('node:worker_threads')
  if (threads) {
    // Without the options of this process: its loaders and hooks are no business of a worker's.
    const options = { eval: true, workerData: data, execArgv: [] }
    const worker = new threads.Worker(NODE_WORKER, options)
    worker.unref()
    worker.on('error', () => {})
    return { terminate: () => void worker.terminate() }
  }
  const url = URL.createObjectURL(new Blob([WEB_WORKER], { type: 'text/javascript' }))
  const worker = new Worker(url)
  worker.postMessage(data)
  return { terminate: () => worker.terminate() }
}

// The parts that differ between Node.js and browsers: flags of V8, processors, workers.

import { builtin } from '../../base/node.js'
import { NODE_WORKER, WEB_WORKER } from './threads/worker-source.js'

interface V8 {
  setFlagsFromString(flags: string): void
}
interface OperatingSystem {
  availableParallelism?(): number
  cpus(): readonly unknown[]
}

/** The major version of V8 in Node.js; elsewhere that of engines newer than any this code avoids. */
export const v8Version = (): number =>
  builtin('node:v8') ? Number(process.versions.v8?.split('.')[0]) : Number.POSITIVE_INFINITY

/** Lets V8 of Node 20 use relaxed SIMD, which later ones have without asking. */
export function prepareEngine(): void {
  const v8 = builtin<V8>('node:v8')
  if (v8 && v8Version() < 12) v8.setFlagsFromString('--experimental-wasm-relaxed-simd')
}

/** How many threads this process may keep busy. */
export function processors(): number {
  const os = builtin<OperatingSystem>('node:os')
  if (os) return os.availableParallelism?.() ?? os.cpus().length
  return globalThis.navigator?.hardwareConcurrency ?? 1
}

/** Whether this thread may sleep until others wake it: the main thread of a page may not. */
export function mayBlock(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1)
    return true
  } catch {
    return false
  }
}

interface VM {
  createContext(globals: object, options: { microtaskMode: 'afterEvaluate' }): object
  runInNewContext(code: string): unknown
  Script: new (code: string) => { runInContext(context: object): unknown }
}

/** Whether there is a `garbageCollector`, as far as one can tell without asking for it. */
export const mayCollectGarbage = (): boolean =>
  builtin('node:vm') !== null && builtin('node:v8') !== null

/**
 * A function that collects garbage here and now, so that a `WeakRef` tells what is dead even in a loop
 * that never yields; null where the engine does not let us.
 */
export function garbageCollector(): (() => void) | null {
  const vm = builtin<VM>('node:vm')
  const v8 = builtin<V8>('node:v8')
  if (!vm || !v8) return null
  v8.setFlagsFromString('--expose-gc')
  const gc = vm.runInNewContext('globalThis.gc') as (() => void) | undefined
  // Programs that look for a global `gc` should find what they would without us.
  if (typeof globalThis.gc !== 'function') v8.setFlagsFromString('--no-expose-gc')
  if (gc === undefined) return null
  // A WeakRef keeps its target until the end of the job that made it. A context with a microtask queue
  // of its own ends a job, as far as V8 is concerned, each time a script in it does.
  const context = vm.createContext({}, { microtaskMode: 'afterEvaluate' })
  const nothing = new vm.Script('0')
  return () => {
    nothing.runInContext(context)
    gc()
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
export function spawn(data: { memory: WebAssembly.Memory; thread: number }): Spawned {
  const threads = builtin<WorkerThreads>('node:worker_threads')
  if (threads) {
    // Without the options of this process: its loaders and hooks are no business of a worker's.
    const options = { eval: true, workerData: data, execArgv: [] }
    const worker = new threads.Worker(NODE_WORKER, options)
    worker.unref()
    worker.on('error', () => {})
    return { terminate: () => void worker.terminate() }
  }
  webWorker ??= URL.createObjectURL(new Blob([WEB_WORKER], { type: 'text/javascript' }))
  // Where a page's Content-Security-Policy forbids it, the worker never listens, and others do its work.
  const worker = new Worker(webWorker)
  worker.postMessage(data)
  return { terminate: () => worker.terminate() }
}

/** The address of the workers' code in a browser. */
let webWorker: string | undefined

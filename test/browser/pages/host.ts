// What a page does besides computing: starting workers, and trying what its policy forbids.

/** Calls a function of a module in a worker of its own. */
export function inWorker(module: string, name: string, args: unknown[] = []): Promise<unknown> {
  const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' })
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => ('value' in data ? resolve(data.value) : reject(data.error))
    worker.onerror = ({ message }) => reject(new Error(message))
    worker.postMessage({ module, name, args })
  }).finally(() => worker.terminate())
}

/** Whether text may become code here. */
export function mayEvaluate(): boolean {
  try {
    return new Function('return 1')() === 1
  } catch {
    return false
  }
}

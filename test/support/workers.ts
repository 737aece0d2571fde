// A training in JavaScript threads of one process. Run by itself with what to do as its argument, it prints
// digests of weights as JSON.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type Training, trainCompiled } from './styles.js'

const training = (steps: number): Training => ({ model: 'mlp', algorithm: 'Adam', steps })
const STEPS = 200

/** The next message of a worker. */
const message = (worker: Worker): Promise<string> =>
  new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
/** A worker that trains when it is told to, or without an end. */
const started = async (what: 'when told' | 'for ever'): Promise<Worker> => {
  const worker = new Worker(process.argv[1]!, { workerData: what })
  await message(worker)
  return worker
}
const train = (worker: Worker): Promise<string> => {
  worker.postMessage('train')
  return message(worker)
}

const TASKS: Readonly<Record<string, () => Promise<unknown>>> = {
  /** Two threads, one after the other and at once. */
  async together() {
    const workers = [await started('when told'), await started('when told')]
    const digests = new Set<string>()
    for (let round = 0; round < 4; round++) {
      for (const w of workers) digests.add(await train(w))
      for (const digest of await Promise.all(workers.map(train))) digests.add(digest)
    }
    for (const w of workers) await w.terminate()
    digests.add(trainCompiled(training(STEPS)))
    return { digests: [...digests] }
  },
  /** Threads are terminated in the middle of steps, again and again; the rest goes on. */
  async terminate() {
    const digests = new Set([trainCompiled(training(20))])
    for (let i = 0; i < 3; i++) {
      const worker = await started('for ever')
      digests.add(trainCompiled(training(20)))
      await worker.terminate()
      digests.add(trainCompiled(training(20)))
    }
    return { digests: [...digests] }
  },
  /** The process ends while threads train. */
  async exit() {
    await Promise.all([started('for ever'), started('for ever')])
    trainCompiled(training(20))
    process.exit(0)
  },
  async throw() {
    await Promise.all([started('for ever'), started('for ever')])
    setTimeout(() => {
      throw new Error('on purpose')
    }, 20)
    for (;;) {
      trainCompiled(training(5))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  },
}

if (isMainThread) {
  console.log(JSON.stringify(await TASKS[process.argv[2]!]!()))
} else {
  trainCompiled(training(5))
  parentPort!.postMessage('ready')
  if (workerData === 'for ever') for (;;) trainCompiled(training(50))
  parentPort!.on('message', () => parentPort!.postMessage(trainCompiled(training(STEPS))))
}

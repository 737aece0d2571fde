// What steps cost beside others: processes that keep every processor busy, and a second JavaScript thread
// that computes as well. `npm run example -- bench/x64/busy.ts [--seconds S] [--rounds N] [workload …]`.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { currentDeviceName, getNumThreads } from 'tessera'
import { inOrder, measured, median } from '../timing.js'
import { WORKLOADS } from '../workloads/index.js'

const { values, positionals } = parseArgs({
  args: isMainThread ? process.argv.slice(2) : [],
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '1' }, rounds: { type: 'string', default: '5' } },
})
const seconds = Number(values.seconds)
const rounds = Number(values.rounds)
const names = positionals.length > 0 ? positionals : ['mlp_b32', 'mnist_cnn_b32', 'matmul_1024']

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const stepOf = (name: string) => WORKLOADS[name]!('compile')

/** Steps a second of a step, for so long. */
async function rate(step: () => unknown, time: number): Promise<number> {
  for (let i = 0; i < 5; i++) await step()
  const start = performance.now()
  let steps = 0
  while (performance.now() < start + 1e3 * time) {
    await step()
    steps++
  }
  return (1e3 * steps) / (performance.now() - start)
}

/** Medians of a step by itself and beside processes that are never idle, in alternating rounds. */
async function beside(name: string): Promise<void> {
  const step = stepOf(name)
  const processes = Array.from({ length: os.availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  )
  const quiet: number[] = []
  const busy: number[] = []
  await step()
  for (let round = 0; round < rounds; round++) {
    for (const [signal, times] of [
      ['SIGSTOP', quiet],
      ['SIGCONT', busy],
    ] as const) {
      for (const p of processes) p.kill(signal)
      await pause(100)
      times.push((await measured(step, seconds)).median_us)
    }
  }
  for (const p of processes) p.kill('SIGKILL')
  await Promise.all(processes.map((p) => once(p, 'exit')))
  const ratios = inOrder(busy.map((t, i) => t / quiet[i]!))
  const spread = `${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)}`
  console.log(
    `${name.padEnd(16)} quiet ${median(inOrder(quiet)).toFixed(0)} µs, ` +
      `beside ${processes.length} busy processes ${median(inOrder(busy)).toFixed(0)} µs: ` +
      `${median(ratios).toFixed(2)} times (${spread})`,
  )
}

/** Two JavaScript threads at once, against one after the other. */
async function together(name: string): Promise<void> {
  const step = stepOf(name)
  const alone = await rate(step, seconds)
  const worker = new Worker(process.argv[1]!, { workerData: { name, time: seconds + 1 } })
  await once(worker, 'message')
  const mine = rate(step, seconds)
  const [theirs] = await Promise.all([once(worker, 'message'), mine])
  const both = (theirs[0] as number) + (await mine)
  console.log(
    `${name.padEnd(16)} one JavaScript thread ${alone.toFixed(0)} steps/s, ` +
      `two at once ${both.toFixed(0)} together: ${(both / alone).toFixed(2)} times`,
  )
}

if (isMainThread) {
  console.log(`${currentDeviceName()}, ${getNumThreads()} threads, ${os.cpus()[0]?.model}`)
  for (const name of names) await beside(name)
  for (const name of names) await together(name)
} else {
  const { name, time } = workerData as { name: string; time: number }
  const step = stepOf(name)
  await step()
  parentPort!.postMessage('ready')
  parentPort!.postMessage(await rate(step, time))
}

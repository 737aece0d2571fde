// A thread that waits for the end of phases, asleep as a rule, while others join the team and wake it for
// nothing. Prints in how many phases it did not wait to the end.

import { Worker } from 'node:worker_threads'
import { ModuleBuilder } from '../../src/backends/wasm/encode/module.js'
import { TEAM } from '../../src/backends/wasm/memory/layout.js'
import { addTeamFunctions } from '../../src/backends/wasm/threads/team.js'

const PHASES = 20
/** Milliseconds of each: long enough to fall asleep. */
const LONG = 10
const MEMBER = 1 << 8
/** Words of memory: the job the other thread is to work on, and the last one it has left. */
const [JOB, LEFT] = [1024, 1025]

const module = new ModuleBuilder(true)
module.export('finish', addTeamFunctions(module).finish)
const bytes = module.finish()
const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true })
const words = new Int32Array(memory.buffer)

const waiting = new Worker(
  `const { workerData: { memory, bytes } } = require('node:worker_threads')
  const words = new Int32Array(memory.buffer)
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
  for (let job = 1; ; job++) {
    while (Atomics.load(words, ${JOB}) !== job);
    exports.finish(1, job, 0, 1)
    Atomics.store(words, ${LEFT}, job)
  }`,
  { eval: true, workerData: { memory, bytes } },
)
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
const finish = exports.finish as (thread: number, job: number, phase: number, next: number) => void

let early = 0
const state = TEAM.state >> 2
for (let job = 1; job <= PHASES; job++) {
  // Two members, neither of which has finished phase 0.
  Atomics.store(words, state + 1, job)
  Atomics.store(words, state, 2 * MEMBER)
  Atomics.store(words, JOB, job)
  const end = performance.now() + LONG
  for (let i = 0; performance.now() < end; i++) {
    Atomics.add(words, state, MEMBER)
    Atomics.notify(words, state)
    Atomics.sub(words, state, MEMBER)
    if (i % 3 === 0) Atomics.notify(words, state)
  }
  if (Atomics.load(words, LEFT) === job) early++
  else finish(0, job, 0, 1)
  while (Atomics.load(words, LEFT) !== job);
}
console.log(early)
await waiting.terminate()

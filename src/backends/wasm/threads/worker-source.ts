// What a worker thread runs, as source text: it has to work from TypeScript sources, from a bundle and in
// a browser alike, so it imports nothing and no tool may touch it.

import { BOARD, BOARD_SLEEPERS, LISTENING, NOTE, TEAM } from '../memory/layout.js'

/** How often a worker looks at the board before it goes to sleep: a few hundred microseconds. */
const SPINS = 100_000

/** Defines `serve({ memory, thread })`, which never returns. */
const SERVE = `
'use strict'
function serve({ memory, thread }) {
  const NOTE = ${JSON.stringify(NOTE)}
  // The first pages never move, so this view stays good however memory grows.
  const words = new Int32Array(memory.buffer)
  const turnAt = ${BOARD >> 2} + NOTE.turn
  const note = (word) => Atomics.load(words, ${BOARD >> 2} + word)
  const modules = []

  function next(last) {
    let spins = ${SPINS}
    for (;;) {
      const turn = Atomics.load(words, turnAt)
      if (turn !== last && (turn & 1) === 0) return turn
      if (--spins > 0) continue
      // The main thread wakes sleepers it sees; those it does not see find that the turn has changed.
      Atomics.add(words, ${BOARD_SLEEPERS >> 2}, 1)
      Atomics.wait(words, turnAt, turn)
      Atomics.sub(words, ${BOARD_SLEEPERS >> 2}, 1)
      spins = ${SPINS}
    }
  }

  function load(slot, code, from, length) {
    const known = modules[slot]
    if (known !== undefined && known.code === code) return known.run
    let exports
    try {
      // A compiler wants bytes that nobody can change.
      const bytes = new Uint8Array(memory.buffer, from >>> 0, length).slice()
      const module = new WebAssembly.Module(bytes)
      exports = new WebAssembly.Instance(module, { env: { memory } }).exports
    } catch {
      // The job was over, and the bytes something else, before we read them; or they lie where memory has
      // grown, and this thread has not heard of that yet.
      return []
    }
    const run = []
    for (let i = 0; exports['run' + i]; i++) run.push(exports['run' + i])
    modules[slot] = { code, run }
    return run
  }

  let last = Atomics.load(words, turnAt) & ~1
  Atomics.add(words, ${LISTENING >> 2}, 1)
  try {
    for (;;) {
      const turn = next(last)
      const threads = note(NOTE.threads)
      const job = note(NOTE.job)
      const segment = note(NOTE.segment)
      const table = note(NOTE.table)
      const scratch = note(NOTE.scratch)
      const slot = note(NOTE.slot)
      const code = note(NOTE.code)
      const codeAt = note(NOTE.codeAt)
      const codeBytes = note(NOTE.codeBytes)
      if (Atomics.load(words, turnAt) !== turn) continue
      last = turn
      if (thread >= threads) continue
      const run = load(slot, code, codeAt, codeBytes)[segment]
      // Joining fails if the job is over.
      if (run !== undefined) run(thread, threads, job, table, scratch)
    }
  } catch {
    Atomics.store(words, ${TEAM.broken >> 2}, 1)
    Atomics.notify(words, ${TEAM.state >> 2})
  }
}
`

/** For worker_threads of Node.js. */
export const NODE_WORKER = `${SERVE}
serve(require('node:worker_threads').workerData)
`

/** For Web Workers. */
export const WEB_WORKER = `${SERVE}
onmessage = (event) => serve(event.data)
`

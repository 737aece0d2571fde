// What a worker thread runs, as source text: it has to work from TypeScript sources, from a bundle and in
// a browser alike, so it imports nothing and no tool may touch it.

import { BARRIER, MAIL } from '../memory/layout.js'

/** How often a worker looks for mail before it goes to sleep: a few hundred microseconds. */
const SPINS = 100_000

/** Defines `serve({ memory, mailbox })`, which never returns. */
const SERVE = `
'use strict'
function serve({ memory, mailbox }) {
  const MAIL = ${JSON.stringify(MAIL)}
  const BARRIER = ${JSON.stringify(BARRIER)}
  // The first pages never move, so this view stays good however memory grows.
  const words = new Int32Array(memory.buffer)
  const at = mailbox >>> 2
  const turnAt = at + MAIL.turn
  const mail = (word) => Atomics.load(words, at + word)
  const modules = []

  function next(last) {
    let spins = ${SPINS}
    for (;;) {
      const turn = Atomics.load(words, turnAt)
      if (turn !== last) return turn
      if (--spins > 0) continue
      // The main thread wakes whom it sees asleep; whom it does not see finds that the turn has changed.
      Atomics.store(words, at + MAIL.asleep, 1)
      Atomics.wait(words, turnAt, last)
      Atomics.store(words, at + MAIL.asleep, 0)
      spins = ${SPINS}
    }
  }

  function load(slot, code) {
    const known = modules[slot]
    if (known !== undefined && known.code === code) return known.run
    const from = mail(MAIL.codeAt) >>> 0
    // A compiler wants bytes that nobody can change.
    const bytes = new Uint8Array(memory.buffer, from, mail(MAIL.codeBytes)).slice()
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } })
    const run = []
    for (let i = 0; exports['run' + i]; i++) run.push(exports['run' + i])
    modules[slot] = { code, run }
    return run
  }

  let turn = Atomics.load(words, turnAt)
  Atomics.store(words, at + MAIL.ready, 1)
  try {
    for (;;) {
      turn = next(turn)
      const run = load(mail(MAIL.slot), mail(MAIL.code))[mail(MAIL.segment)]
      run(mail(MAIL.thread), mail(MAIL.threads), mail(MAIL.table), mail(MAIL.scratch))
    }
  } catch {
    Atomics.store(words, BARRIER.broken >> 2, 1)
    Atomics.notify(words, BARRIER.opened >> 2)
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

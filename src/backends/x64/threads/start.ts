// Threads of the system that begin in machine code. They know nothing of JavaScript, nobody waits for them,
// and signals go to threads that can handle them.

import { libc } from '../native/libc.js'

const SIG_SETMASK = 2
/** Bytes of a set of signals, as the C library has it. */
const SIGNALS = 128

/**
 * Starts a thread in `void start(i64 argument)`, whose code stays as long as the thread lives.
 * @returns false if the system refuses
 */
export function startThread(start: number, argument: number, name: string): boolean {
  const c = libc()
  // New threads inherit what is blocked.
  const before = new Uint8Array(SIGNALS)
  c.pthreadSigmask(SIG_SETMASK, new Uint8Array(SIGNALS).fill(0xff), before)
  try {
    const thread = new BigUint64Array(1)
    if (c.pthreadCreate(thread, null, start, argument) !== 0) return false
    // It may be over by now, and is forgotten once it is both over and detached.
    c.pthreadSetname(thread[0]!, name)
    c.pthreadDetach(thread[0]!)
    return true
  } finally {
    c.pthreadSigmask(SIG_SETMASK, before, null)
  }
}

// Threads of the system that begin in machine code. They know nothing of JavaScript, and signals go to threads
// that can handle them.

import { libc } from '../native/libc.js'

const SIG_SETMASK = 2
/** Bytes of a set of signals, as the C library has it. */
const SIGNALS = 128

/**
 * Starts a thread in `void start(i64 argument)`, whose code stays as long as the thread lives. Nobody waits
 * for it.
 * @returns false if the system refuses
 */
export function startThread(start: number, argument: number, name: string): boolean {
  const thread = createThread(start, argument, name)
  if (thread === null) return false
  // It may be over by now, and is forgotten once it is both over and detached.
  libc().pthreadDetach(thread)
  return true
}

/**
 * As `startThread`, for a thread that is to be joined.
 * @returns the C library's name for it; null if the system refuses
 */
export function createThread(start: number, argument: number, name: string): bigint | null {
  const c = libc()
  // New threads inherit what is blocked.
  const before = new Uint8Array(SIGNALS)
  c.pthreadSigmask(SIG_SETMASK, new Uint8Array(SIGNALS).fill(0xff), before)
  try {
    const thread = new BigUint64Array(1)
    if (c.pthreadCreate(thread, null, start, argument) !== 0) return null
    c.pthreadSetname(thread[0]!, name)
    return thread[0]!
  } finally {
    c.pthreadSigmask(SIG_SETMASK, before, null)
  }
}

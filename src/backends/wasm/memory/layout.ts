// Where things are at the start of linear memory. Everything below HEAP belongs to the runtime; words
// that different threads write are on cache lines of their own.

/** The status word: 0, or the code of the first fault of the plan that runs. */
export const FAULT_WORD = 64

/**
 * The barrier: threads that have arrived, how often it has opened, threads asleep at it, and whether
 * a thread failed and will never come.
 */
export const BARRIER = { arrived: 128, opened: 192, sleepers: 256, broken: 320 } as const

/** One mailbox a worker, in which the main thread leaves jobs. */
export const MAILBOXES = 4096
export const MAILBOX_BYTES = 128
/** Words of a mailbox, by index. `turn` counts jobs; the worker waits for it to change. */
export const MAIL = {
  turn: 0,
  asleep: 1,
  threads: 2,
  segment: 3,
  table: 4,
  scratch: 5,
  /** Which of the worker's module slots the code belongs in, its number, and where its bytes are. */
  slot: 6,
  code: 7,
  codeAt: 8,
  codeBytes: 9,
  /** Which thread of the job the worker is. */
  thread: 10,
  /** Set by the worker once it listens. */
  ready: 11,
} as const
export const MOST_THREADS = 256

/** First address of blocks: far enough from 0 that a pointer a megabyte before one is not negative. */
export const HEAP = 2 << 20
/** Bytes past the last block that may be read, never written. */
export const SLACK = 64 << 10
export const PAGE = 65536
/** Most pages a 32-bit memory can have. */
export const MOST_PAGES = 65536

// Where things are at the start of linear memory. Everything below HEAP belongs to the runtime; words
// that different threads write are on cache lines of their own.

/** The status word: 0, or the code of the first fault of the plan that runs. */
export const FAULT_WORD = 64

/**
 * The team that runs a segment (see threads/team.ts): its state, how many threads are asleep at the end
 * of a phase, whether a thread failed, and whether thread 0 must not sleep.
 */
export const TEAM = { state: 128, sleepers: 256, broken: 320, wakeful: 384 } as const

/** The board on which the main thread leaves jobs, and its words by index. */
export const BOARD = 512
export const NOTE = {
  /** Odd while a job is being written; then even, and different for each. Workers wait for it. */
  turn: 0,
  /** How many threads may take part. */
  threads: 1,
  job: 2,
  segment: 3,
  table: 4,
  scratch: 5,
  /** Which of a worker's places for modules the code belongs in, its number, and where its bytes are. */
  slot: 6,
  code: 7,
  codeAt: 8,
  codeBytes: 9,
} as const
/** Workers asleep in front of the board, and workers that have started. */
export const BOARD_SLEEPERS = 640
export const LISTENING = 704
export const MOST_THREADS = 128

/** First address of blocks: far enough from 0 that a pointer a megabyte before one is not negative. */
export const HEAP = 2 << 20
/** Bytes past the last block that may be read, never written. */
export const SLACK = 64 << 10
export const PAGE = 65536
/** Most pages a 32-bit memory can have. */
export const MOST_PAGES = 65536

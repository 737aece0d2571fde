// What machine code and TypeScript agree on: where words are in memory. Words that different threads
// write are on cache lines of their own.

/**
 * The page through which the threads of a process work together; all zero at first.
 *
 * `state` = job · 2^32 + phase · 2^16 + members · 2^8 + finished, see team-code.ts. Its upper half is the
 * number of the job, for which idle threads wait.
 */
export const TEAM = {
  state: 0,
  /** 1 while some thread has the team. */
  lock: 64,
  /** The number of the last job; then what a job's members need: its description, threads, processor. */
  jobs: 128,
  threads: 132,
  job: 136,
  processor: 144,
  /** Threads asleep before a job, and at the end of a phase. */
  idle: 192,
  waiting: 256,
  /** Threads that were started and that listen, and whether somebody is starting some. */
  started: 320,
  listening: 324,
  starting: 328,
  /** Processors the threads may run on: a bit each. */
  mask: 512,
  bytes: 4096,
} as const

/** Bytes of a set of processors: 1024 of them. */
export const MASK_BYTES = 128

/** A job: a stretch of a plan that is run by one call. */
export const JOB = {
  /** Address of the addresses of each phase's first command. */
  phases: 0,
  /** Address of the table of buffers. */
  table: 8,
  /** Thread i's scratch memory is at scratch + i · stride. */
  scratch: 16,
  stride: 24,
  /** Address of the fault word. */
  fault: 32,
  /** Most threads to run on, and whether to wake those that are asleep. */
  threads: 40,
  wake: 44,
  /** Counters from which threads draw chunks: where, and how many. */
  counters: 48,
  counts: 56,
  /** What the walker takes of the stack; see `frameBytes`. */
  frame: 64,
  /** Where thread i notes times: from stamps + i · stampStride on. */
  stamps: 72,
  stampStride: 80,
  bytes: 88,
} as const

/** A command of a job. They follow one another. */
export const COMMAND = {
  /** Address of the kernel. */
  kernel: 0,
  /** Address of the numbers of its buffers in the table, and how many there are. */
  args: 8,
  argCount: 16,
  /** Pieces that threads share. */
  pieces: 20,
  kind: 24,
  /** Most pieces to draw at a time. */
  draw: 28,
  /** Address of the counter from which pieces are drawn. */
  counter: 32,
  /** For ends of phases: its number, and the next one's. For stamps: its number. */
  phase: 40,
  next: 44,
  /** Whether the next command goes on with the pieces of this one. */
  continues: 48,
  /** Chunks of the kernel in a piece. */
  each: 52,
  bytes: 64,
} as const

export const KIND = {
  /** The first thread runs it. */
  alone: 0,
  /** Threads share its chunks. */
  shared: 1,
  /** All threads meet. */
  barrier: 2,
  /** All threads meet, and the job is done. */
  end: 3,
  /** Each thread notes the time: only in lists made for profiling. */
  stamp: 4,
  /** Was run by whoever ran the same pieces of the command before it. */
  link: 5,
} as const

/**
 * The walker's frame: the pieces at hand, from `start` up to `end`; how many are drawn at a time; where the
 * chunks of a kernel's pieces end; the command that pieces are drawn from; and then the addresses of a
 * kernel's buffers.
 */
export const FRAME = { end: 0, share: 4, start: 8, stop: 12, head: 16, slots: 32 } as const

/** Bytes of a frame for kernels of so many buffers, that align a stack on which an address was pushed. */
export const frameBytes = (buffers: number): number => FRAME.slots + 16 * Math.ceil(buffers / 2) + 8

/** Distance of counters. */
export const COUNTER_BYTES = 64

// How functions are called: which registers arguments come in, and which ones a function leaves as it found
// them. All else about code is the same everywhere.

/** Numbers of registers. */
export interface Convention {
  /** Those of the first four arguments, in order, if they are whole numbers or addresses. */
  readonly arguments: readonly [number, number, number, number]
  /** General registers that belong to the caller, besides rsp. */
  readonly general: readonly number[]
  /** Vector registers whose lower 128 bits belong to the caller. */
  readonly vector: readonly number[]
}

/** Linux and macOS: rdi, rsi, rdx, rcx; the caller has rbx, rbp and r12 to r15. */
export const SYSTEM_V: Convention = {
  arguments: [7, 6, 2, 1],
  general: [3, 5, 12, 13, 14, 15],
  vector: [],
}

/** Windows: rcx, rdx, r8, r9; the caller has rbx, rbp, rsi, rdi, r12 to r15, and xmm6 to xmm15. */
export const WIN64: Convention = {
  arguments: [1, 2, 8, 9],
  general: [3, 5, 6, 7, 12, 13, 14, 15],
  vector: [6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
}

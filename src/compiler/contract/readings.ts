// How often a contraction computes an element of an operand that is not memory as it is: what fusion asks
// before it leaves an operand's arithmetic to the contraction.

/** How one operand is read. */
export interface Reading {
  /** How many times each element is computed. */
  readonly times: number
  /** Whether that happens between multiply-adds, in their registers. */
  readonly amid: boolean
  /** Whether it is written to memory for no other reason than that it takes computing. */
  readonly stored: boolean
}

/** How both operands are read: a dot's left and right, a convolution's input and kernel. */
export type Readings = readonly [Reading, Reading]

/** Computed so many times, by loops of their own, which write it to memory that caches hold. */
export const computed = (times: number): Reading => ({ times, amid: false, stored: false })

/** Computed by the micro-kernel, wherever it is used. */
export const amid = (times: number): Reading => ({ times, amid: true, stored: false })

/** Computed once, into a copy in memory that an operand in memory would do without. */
export const STORED: Reading = { times: 1, amid: false, stored: true }

/** Computed for every multiply-add. */
export const ALWAYS: Reading = amid(Number.POSITIVE_INFINITY)

/** One operand, read by several loops after the other. */
export const together = (readings: readonly Reading[]): Reading => ({
  times: readings.reduce((sum, r) => sum + r.times, 0),
  amid: readings.some((r) => r.amid),
  stored: readings.some((r) => r.stored),
})

// Timing: one first run, a few to warm up, then as many as fit, and their median.

export interface Measurement {
  readonly median_us: number
  readonly min_us: number
  readonly runs: number
}

export interface Timing extends Measurement {
  /** The first run in seconds: tracing, compiling, running. */
  readonly first_s: number
}

const MICRO = 1e3
const WARM_UP = 3
const LEAST_RUNS = 5

export const digits = (x: number, n: number): number => Number(x.toFixed(n))

export const inOrder = (xs: readonly number[]): number[] => [...xs].sort((a, b) => a - b)

/** The middle of sorted numbers, or the mean of the two there. */
export function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2
}

/** Milliseconds of one run. A step that returns a promise is awaited, any other is not. */
async function once(step: () => unknown): Promise<number> {
  const start = performance.now()
  const result = step()
  if (result instanceof Promise) await result
  return performance.now() - start
}

/** Times a step that has run before, for about `seconds`. */
export async function measured(step: () => unknown, seconds: number): Promise<Measurement> {
  for (let i = 0; i < WARM_UP; i++) await once(step)
  const times: number[] = []
  const end = performance.now() + seconds * 1e3
  while (performance.now() < end || times.length < LEAST_RUNS) times.push(await once(step))
  times.sort((a, b) => a - b)
  return {
    median_us: digits(median(times) * MICRO, 2),
    min_us: digits((times[0] as number) * MICRO, 2),
    runs: times.length,
  }
}

/** Times a step, and its first run by itself. */
export async function timed(step: () => unknown, seconds: number): Promise<Timing> {
  const first = await once(step)
  return { ...(await measured(step, seconds)), first_s: digits(first / 1e3, 4) }
}

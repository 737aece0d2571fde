// Timing: one first run, a few to warm up, then as many as fit, and their median.

export interface Timing {
  readonly median_us: number
  readonly min_us: number
  readonly runs: number
  /** The first run in seconds: tracing, compiling, running. */
  readonly first_s: number
}

const MICRO = 1e3
const WARM_UP = 3
const LEAST_RUNS = 5

const digits = (x: number, n: number): number => Number(x.toFixed(n))

/** Times `step` for about `seconds`. A step that returns a promise is awaited, any other is not. */
export async function timed(step: () => unknown, seconds: number): Promise<Timing> {
  const once = async (): Promise<number> => {
    const start = performance.now()
    const result = step()
    if (result instanceof Promise) await result
    return performance.now() - start
  }
  const first = await once()
  for (let i = 0; i < WARM_UP; i++) await once()
  const times: number[] = []
  const end = performance.now() + seconds * 1e3
  while (performance.now() < end || times.length < LEAST_RUNS) times.push(await once())
  times.sort((a, b) => a - b)
  const middle = times.length >> 1
  const median =
    times.length % 2 === 1
      ? (times[middle] as number)
      : ((times[middle - 1] as number) + (times[middle] as number)) / 2
  return {
    median_us: digits(median * MICRO, 2),
    min_us: digits((times[0] as number) * MICRO, 2),
    runs: times.length,
    first_s: digits(first / 1e3, 4),
  }
}

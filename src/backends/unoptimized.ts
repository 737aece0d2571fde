// Building the first plans of a process at full speed, by keeping V8's optimizing compiler out of it.
//
// A compiler that runs for a few tenths of a second never earns back what it costs to optimize it: the
// optimizer takes seconds on other threads, each garbage collection waits until they can be interrupted,
// and much of what it makes is thrown away again, as later kernels are unlike the first. Measured, the
// first step of a network comes after half the time without it. A process that goes on building plans
// gets its compiler optimized after all.

import { builtin, environment } from '../base/node.js'

interface V8 {
  setFlagsFromString(flags: string): void
}

/** Milliseconds of building after which the optimizer is welcome. */
const WORTH_OPTIMIZING = 2_000

let spent = 0
let building = false

/** V8, where this process left its optimizer as it is; else null. */
function engine(): V8 | null {
  const v8 = builtin<V8>('node:v8')
  if (v8 === null) return null
  const chosen = [...process.execArgv, environment('NODE_OPTIONS') ?? ''].join(' ')
  return /--(no-?)?(opt|turbofan)\b|--jitless/.test(chosen) ? null : v8
}

/** Calls `build`, and does not have it optimized while the process is young. */
export function unoptimized<T>(build: () => T): T {
  const v8 = building || spent > WORTH_OPTIMIZING ? null : engine()
  if (v8 === null) return build()
  const start = performance.now()
  building = true
  v8.setFlagsFromString('--no-opt')
  try {
    return build()
  } finally {
    v8.setFlagsFromString('--opt')
    building = false
    spent += performance.now() - start
  }
}

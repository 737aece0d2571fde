// The processor's time-stamp counter, in which machine code notes times.

import { Assembler, rax, rdx } from '../assembler/index.js'
import { Code, callable } from './code.js'

export interface Clock {
  /** The counter now. */
  ticks(): number
  readonly ticksPerMillisecond: number
}

/** How long the counter is watched to learn how fast it runs. */
const WATCH = 20

let known: Clock | null = null

/** The counter of this machine. The first call takes 20 ms. */
export function clock(): Clock {
  known ??= open()
  return known
}

function open(): Clock {
  const a = new Assembler()
  a.rdtsc()
  a.shl(rdx, 32)
  a.or(rax, rdx)
  a.ret()
  const read = callable(Code.forever(a.finish()), 'uint64_t', [])
  const ticks = (): number => Number(read())
  const start = performance.now()
  const first = ticks()
  while (performance.now() < start + WATCH);
  const end = performance.now()
  return { ticks, ticksPerMillisecond: (ticks() - first) / (end - start) }
}

// How threads wait for one another: a while awake, then asleep.

import {
  type Assembler,
  eax,
  edx,
  esi,
  gp32,
  type Label,
  r9,
  rax,
  rdx,
} from '../assembler/index.js'

export const SYSCALL = { schedYield: 24, futex: 202, setAffinity: 203 } as const
/** Operations on words of this process alone. */
export const FUTEX = { wait: 128, wake: 129 } as const
/** How many sleepers to wake. */
export const EVERYBODY = 0x7fff_ffff

/**
 * How long to look for a change, in cycles of the time-stamp counter (some 2 to 4 in a nanosecond): at
 * first without pause, then letting others run in between, then asleep until woken.
 *
 * At the end of a phase a thread that does not come may have been put aside for another process. Who yields
 * then is put aside as well, for as long, while who sleeps is woken at once: beside busy processes steps
 * that yielded took four times as long as alone, and steps that sleep hardly longer.
 */
export const PATIENCE = {
  phase: { spin: 60_000, yielding: 0 },
  idle: { spin: 150_000, yielding: 800_000 },
} as const

type Patience = (typeof PATIENCE)[keyof typeof PATIENCE]

const r10d = gp32(10)

/** A system call on the word at rdi; edx: what it should be, for a wait. Changes rax, rcx, rdx, rsi, r10, r11. */
export function futex(a: Assembler, op: number, count: number): void {
  a.mov(esi, op)
  if (op === FUTEX.wake) a.mov(edx, count)
  a.xor(r10d, r10d)
  a.mov(eax, SYSCALL.futex)
  a.syscall()
}

/** Branches to `again` until `cycles` have gone by since the time in r9. Changes rax and rdx. */
function untilLater(a: Assembler, cycles: number, again: Label): void {
  a.rdtsc()
  a.shl(rdx, 32)
  a.or(rax, rdx)
  a.sub(rax, r9)
  a.cmp(rax, cycles)
  a.jb(again)
}

/** r9 = now. Changes rax and rdx. */
function noteTime(a: Assembler): void {
  a.rdtsc()
  a.shl(rdx, 32)
  a.or(rax, rdx)
  a.mov(r9, rax)
}

/**
 * Looks again and again, more and more patiently: `look` jumps away when there is something to see. Falls
 * through when it is time to sleep. Changes rax, rcx, rdx, r9 and r11.
 */
export function lookFor(a: Assembler, patience: Patience, look: () => void): void {
  noteTime(a)
  const spinning = a.bind(a.label('spin'))
  look()
  a.pause()
  untilLater(a, patience.spin, spinning)
  if (patience.yielding === 0) return
  const yielding = a.bind(a.label('yield'))
  look()
  a.mov(eax, SYSCALL.schedYield)
  a.syscall()
  untilLater(a, patience.yielding, yielding)
}

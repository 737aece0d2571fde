// How threads wait for one another: a while awake, then asleep.

import {
  type Assembler,
  type dword,
  eax,
  edx,
  esi,
  type Gp64,
  gp32,
  r9,
  r10,
  rax,
  rdx,
} from '../assembler/index.js'

export const SYSCALL = {
  munmap: 11,
  schedYield: 24,
  madvise: 28,
  futex: 202,
  setAffinity: 203,
} as const
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
 * that yielded took four times as long as alone, and steps that sleep hardly longer. Before a job, too, a
 * thread yields only while nobody takes it up on that.
 */
export const PATIENCE = {
  phase: { spin: 60_000, yielding: 0 },
  idle: { spin: 150_000, yielding: 800_000 },
} as const

/**
 * Somebody else wants the processor if a yield takes so many cycles; what it would take to find out again,
 * for which some systems have the thread miss a whole turn, is saved for the next waits, so many.
 */
const CROWDED = { yield: 300_000, waits: 128 } as const

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

/** rax = cycles since the time in a register. Changes rdx. */
function elapsed(a: Assembler, since: Gp64): void {
  a.rdtsc()
  a.shl(rdx, 32)
  a.or(rax, rdx)
  a.sub(rax, since)
}

/** A register = now. Changes rax and rdx. */
function noteTime(a: Assembler, r: Gp64): void {
  a.rdtsc()
  a.shl(rdx, 32)
  a.or(rax, rdx)
  a.mov(r, rax)
}

/**
 * Looks again and again, more and more patiently: `look` jumps away when there is something to see. Falls
 * through when it is time to sleep. Changes rax, rcx, rdx, r9, r10 and r11.
 *
 * @param crowded the thread's word for how many waits to go without yielding, 0 at first; for those that
 *   yield
 */
export function lookFor(
  a: Assembler,
  patience: Patience,
  look: () => void,
  crowded?: ReturnType<typeof dword>,
): void {
  noteTime(a, r9)
  const spinning = a.bind(a.label('spin'))
  look()
  a.pause()
  elapsed(a, r9)
  a.cmp(rax, patience.spin)
  a.jb(spinning)
  if (crowded === undefined) return
  const [yielding, taken, sleepy] = a.labels('yield', 'taken', 'sleepy')
  a.cmp(crowded, 0)
  a.je(yielding)
  a.dec(crowded)
  a.jmp(sleepy)
  a.bind(yielding)
  look()
  noteTime(a, r10)
  a.mov(eax, SYSCALL.schedYield)
  a.syscall()
  elapsed(a, r10)
  a.cmp(rax, CROWDED.yield)
  a.ja(taken)
  elapsed(a, r9)
  a.cmp(rax, patience.yielding)
  a.jb(yielding)
  a.jmp(sleepy)
  a.bind(taken)
  a.mov(crowded, CROWDED.waits)
  a.bind(sleepy)
}

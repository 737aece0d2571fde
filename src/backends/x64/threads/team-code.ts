// The machine code of a team: what JavaScript calls to run a job, and what the helping threads do.
//
// The team's state is one 64-bit word: the job's number, the phase under way, how many threads are members
// and how many of them have finished the phase. The caller is the first member; others join while the job
// runs, at the phase they find, and leave when it is closed. A thread that does not come in time is not
// waited for, so nothing depends on how soon the system lets threads run.

import { CLOSED } from '../../segments.js'
import {
  Assembler,
  dword,
  eax,
  ecx,
  edi,
  edx,
  esi,
  gp32,
  type Label,
  mem,
  qword,
  r8,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsp,
} from '../assembler/index.js'
import { COUNTER_BYTES, JOB, MASK_BYTES, TEAM } from './layout.js'
import { EVERYBODY, FUTEX, futex, lookFor, PATIENCE, SYSCALL } from './waiting.js'
import { emitCopy, emitWalk } from './walk.js'

/** Round to nearest, no exceptions, subnormal numbers as they are. */
const MXCSR = 0x1f80

const r13d = gp32(13)
const r15d = gp32(15)

export interface TeamMachine {
  readonly code: Uint8Array
  /** Offsets of `void run(Job*)` and of the function threads start in, `void help(i64 thread)`. */
  readonly run: number
  readonly help: number
  /** Offset of a kernel that copies: slots are to, from and, instead of an address, bytes. */
  readonly copy: number
}

/**
 * @param team address of the page described by `TEAM`
 * @param copyPiece bytes a chunk of a copy has
 * @param rdtscp whether the processor can tell its number
 */
export function assembleTeam(team: number, copyPiece: number, rdtscp: boolean): TeamMachine {
  const a = new Assembler()
  const walk = a.label('walk')
  const copy = emitCopy(a, copyPiece)
  emitWalk(a, walk, team)
  const run = emitRun(a, walk, team, rdtscp)
  const help = emitHelp(a, walk, team, rdtscp)
  const code = a.finish()
  return { code, run: run.offset, help: help.offset, copy: copy.offset }
}

const SAVED = [rbx, rbp, r12, r13, r14, r15]

/** void run(Job*): what JavaScript calls. Alone, or with the team if there is work for it and it is free. */
function emitRun(a: Assembler, walk: Label, team: number, rdtscp: boolean): Label {
  const [alone, start, clear, cleared] = a.labels('alone', 'start', 'clear', 'cleared')
  const [posted, out] = a.labels('posted', 'out')
  a.align(32)
  const entry = a.bind(a.label('run'))
  for (const r of SAVED) a.push(r)
  // Two words: the caller's rounding, and ours. The stack is aligned for calls then.
  a.sub(rsp, 24)
  a.stmxcsr(dword({ base: rsp }))
  a.mov(dword({ base: rsp, disp: 4 }), MXCSR)
  a.ldmxcsr(dword({ base: rsp, disp: 4 }))
  a.mov(rbp, rdi)
  a.xor(r13d, r13d)
  a.mov(r14, mem({ base: rbp, disp: JOB.scratch }))
  a.cmp(dword({ base: rbp, disp: JOB.threads }), 1)
  a.jbe(alone)
  a.movabs(r8, team)
  a.xor(eax, eax)
  a.mov(ecx, 1)
  a.lock_cmpxchg(dword({ base: r8, disp: TEAM.lock }), ecx)
  a.jne(alone)

  a.mov(rdi, mem({ base: rbp, disp: JOB.counters }))
  a.mov(ecx, mem({ base: rbp, disp: JOB.counts }))
  a.test(ecx, ecx)
  a.je(cleared)
  a.bind(clear)
  a.mov(qword({ base: rdi }), 0)
  a.add(rdi, COUNTER_BYTES)
  a.dec(ecx)
  a.jne(clear)
  a.bind(cleared)
  a.mov(qword({ base: r8, disp: TEAM.job }), rbp)
  a.mov(eax, mem({ base: rbp, disp: JOB.threads }))
  a.mov(dword({ base: r8, disp: TEAM.threads }), eax)
  if (rdtscp) {
    a.rdtscp()
    a.and(ecx, 0xfff)
    a.mov(dword({ base: r8, disp: TEAM.processor }), ecx)
  }
  // 0 means no job.
  a.mov(r15d, mem({ base: r8, disp: TEAM.jobs }))
  a.inc(r15d)
  a.jne(posted)
  a.inc(r15d)
  a.bind(posted)
  a.mov(dword({ base: r8, disp: TEAM.jobs }), r15d)
  // Phase 0, one member, none finished: from here on, others may join.
  a.mov(rax, r15)
  a.shl(rax, 32)
  a.or(rax, 1 << 8)
  a.xchg(qword({ base: r8, disp: TEAM.state }), rax)
  a.cmp(dword({ base: rbp, disp: JOB.wake }), 0)
  a.je(start)
  a.cmp(dword({ base: r8, disp: TEAM.idle }), 0)
  a.je(start)
  a.lea(rdi, mem({ base: r8, disp: TEAM.state + 4 }))
  futex(a, FUTEX.wake, EVERYBODY)
  a.jmp(start)

  a.bind(alone)
  a.xor(r15d, r15d)
  a.bind(start)
  a.mov(rax, mem({ base: rbp, disp: JOB.phases }))
  a.mov(r12, mem({ base: rax }))
  a.call(walk)
  a.test(r15d, r15d)
  a.je(out)
  a.movabs(r8, team)
  a.mov(dword({ base: r8, disp: TEAM.lock }), 0)
  a.bind(out)
  a.vzeroupper()
  a.ldmxcsr(dword({ base: rsp }))
  a.add(rsp, 24)
  for (const r of [...SAVED].reverse()) a.pop(r)
  a.ret()
  return entry
}

/** void help(i64 thread): where threads spend their lives. */
function emitHelp(a: Assembler, walk: Label, team: number, rdtscp: boolean): Label {
  const [next, noticed, join] = a.labels('next', 'noticed', 'join')
  // A set of processors, and words for MXCSR and for how crowded it is; aligned for calls.
  const frame = MASK_BYTES + 24
  a.align(32)
  const entry = a.bind(a.label('help'))
  const crowded = dword({ base: rsp, disp: MASK_BYTES + 4 })
  a.sub(rsp, frame)
  a.mov(crowded, 0)
  a.mov(dword({ base: rsp, disp: MASK_BYTES }), MXCSR)
  a.ldmxcsr(dword({ base: rsp, disp: MASK_BYTES }))
  a.mov(r13, rdi)
  a.movabs(r8, team)
  a.xor(r15d, r15d)
  a.lock_inc(dword({ base: r8, disp: TEAM.listening }))

  a.bind(next)
  // r15: the last job seen.
  const look = (): void => {
    a.mov(rax, mem({ base: r8, disp: TEAM.state }))
    a.mov(rdx, rax)
    a.shr(rdx, 32)
    a.cmp(edx, r15d)
    a.jne(noticed)
  }
  lookFor(a, PATIENCE.idle, look, crowded)
  // The caller wakes sleepers it sees; those it does not see find that the job has changed.
  a.lock_inc(dword({ base: r8, disp: TEAM.idle }))
  a.lea(rdi, mem({ base: r8, disp: TEAM.state + 4 }))
  a.mov(edx, r15d)
  futex(a, FUTEX.wait, 0)
  a.lock_dec(dword({ base: r8, disp: TEAM.idle }))
  a.jmp(next)

  // rax: the state. What the job is, is written before its state and not changed while it is open, so it
  // is this job's if the state is still the same when we join.
  a.bind(noticed)
  a.mov(r15d, edx)
  a.cmp(r13d, mem({ base: r8, disp: TEAM.threads }))
  a.jae(next)
  a.mov(rbp, mem({ base: r8, disp: TEAM.job }))
  a.bind(join)
  a.mov(rdx, rax)
  a.shr(rdx, 32)
  a.cmp(edx, r15d)
  a.jne(next)
  a.mov(ecx, eax)
  a.shr(ecx, 16)
  a.cmp(ecx, CLOSED)
  a.je(next)
  a.lea(rdx, mem({ base: rax, disp: 1 << 8 }))
  a.lock_cmpxchg(qword({ base: r8, disp: TEAM.state }), rdx)
  a.jne(join)
  a.mov(rax, mem({ base: rbp, disp: JOB.phases }))
  a.mov(r12, mem({ base: rax, index: rcx, scale: 8 }))
  if (rdtscp) emitMoveAway(a)
  a.mov(r14, mem({ base: rbp, disp: JOB.stride }))
  a.imul(r14, r13)
  a.add(r14, mem({ base: rbp, disp: JOB.scratch }))
  a.call(walk)
  a.movabs(r8, team)
  a.jmp(next)
  return entry
}

/**
 * Leaves the caller's processor if this thread is on it, as the system likes to wake threads where it was
 * woken from. From then on the thread runs on any of the others this process may use.
 */
function emitMoveAway(a: Assembler): void {
  const [fine, loop] = a.labels('fine', 'mask')
  a.rdtscp()
  a.and(ecx, 0xfff)
  a.cmp(ecx, mem({ base: r8, disp: TEAM.processor }))
  a.jne(fine)
  a.cmp(ecx, 8 * MASK_BYTES)
  a.jae(fine)
  a.xor(edx, edx)
  a.bind(loop)
  a.mov(rax, mem({ base: r8, index: rdx, scale: 8, disp: TEAM.mask }))
  a.mov(qword({ base: rsp, index: rdx, scale: 8 }), rax)
  a.inc(edx)
  a.cmp(edx, MASK_BYTES / 8)
  a.jb(loop)
  // Where this is the only processor, the system refuses the empty set, and all stays as it is.
  a.btr(qword({ base: rsp }), rcx)
  a.xor(edi, edi)
  a.mov(esi, MASK_BYTES)
  a.mov(rdx, rsp)
  a.mov(eax, SYSCALL.setAffinity)
  a.syscall()
  a.bind(fine)
}

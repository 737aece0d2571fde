// The machine code that walks a job's commands, as one of the team's threads or alone.

import {
  type Assembler,
  dword,
  eax,
  ebx,
  ecx,
  edi,
  edx,
  gp32,
  type Label,
  low8,
  low16,
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
  rsi,
  rsp,
} from '../assembler/index.js'
import { COMMAND, FRAME, JOB, KIND, TEAM } from './layout.js'
import { EVERYBODY, FUTEX, futex, lookFor, PATIENCE } from './waiting.js'

const r8d = gp32(8)
const r13d = gp32(13)
const r15d = gp32(15)

/**
 * Runs commands from r12 to the end of the job. rbp: the job; r13: which thread this is; r14: its scratch
 * memory; r15: the job's number, 0 for a thread that is alone. Changes everything but r13, r14, r15, rbp.
 */
export function emitWalk(a: Assembler, walk: Label, team: number): void {
  const [next, command, everything] = a.labels('next', 'command', 'everything')
  const [draw, barrier] = a.labels('draw', 'barrier')
  const [pieces, link, linked] = a.labels('pieces', 'link', 'linked')

  a.align(32)
  a.bind(walk)
  a.sub(rsp, mem({ base: rbp, disp: JOB.frame }))
  a.jmp(command)
  a.bind(next)
  a.add(r12, COMMAND.bytes)
  a.bind(command)
  a.mov(eax, mem({ base: r12, disp: COMMAND.kind }))
  a.cmp(eax, KIND.barrier)
  a.jae(barrier)
  // Whoever is alone does everything; else the first thread does what is not shared.
  const shared = a.label('shared')
  a.test(r15d, r15d)
  a.je(everything)
  a.cmp(eax, KIND.shared)
  a.je(shared)
  a.test(r13d, r13d)
  a.jne(next)

  // All pieces at once, or one by one where other commands go on with them. (No share is drawn.)
  a.bind(everything)
  a.mov(dword({ base: rsp, disp: FRAME.share }), 0)
  a.xor(ebx, ebx)
  a.bind(pieces)
  a.mov(ecx, mem({ base: r12, disp: COMMAND.pieces }))
  a.cmp(ebx, ecx)
  a.jae(next)
  a.lea(rax, mem({ base: rbx, disp: 1 }))
  a.cmp(dword({ base: r12, disp: COMMAND.continues }), 0)
  a.cmove(eax, ecx)
  a.mov(dword({ base: rsp, disp: FRAME.end }), eax)

  // Pieces from ebx up to the end in the frame: of this command, and of those that go on with them.
  a.bind(link)
  const chunks = a.label('each')
  a.mov(dword({ base: rsp, disp: FRAME.start }), ebx)
  a.mov(qword({ base: rsp, disp: FRAME.head }), r12)
  a.bind(chunks)
  emitGather(a)
  a.mov(ebx, mem({ base: rsp, disp: FRAME.start }))
  a.mov(ecx, mem({ base: r12, disp: COMMAND.each }))
  a.imul(ebx, ecx)
  a.imul(ecx, mem({ base: rsp, disp: FRAME.end }))
  a.mov(dword({ base: rsp, disp: FRAME.stop }), ecx)
  emitChunks(a)
  a.cmp(dword({ base: r12, disp: COMMAND.continues }), 0)
  a.je(linked)
  a.add(r12, COMMAND.bytes)
  a.jmp(chunks)
  a.bind(linked)
  a.mov(r12, mem({ base: rsp, disp: FRAME.head }))
  a.cmp(dword({ base: rsp, disp: FRAME.share }), 0)
  a.jne(draw)
  a.mov(ebx, mem({ base: rsp, disp: FRAME.end }))
  a.jmp(pieces)

  // As many pieces as make up for the drawing, but at most an eighth of a thread's fair share: in the end
  // all wait for a thread that the system has put aside.
  a.bind(shared)
  a.mov(ecx, mem({ base: rbp, disp: JOB.threads }))
  a.shl(ecx, 3)
  a.mov(eax, mem({ base: r12, disp: COMMAND.pieces }))
  a.xor(edx, edx)
  a.div(ecx)
  a.inc(eax)
  a.mov(ecx, mem({ base: r12, disp: COMMAND.draw }))
  a.cmp(eax, ecx)
  a.cmova(eax, ecx)
  a.mov(dword({ base: rsp, disp: FRAME.share }), eax)
  a.bind(draw)
  emitDraw(a, next)
  a.jmp(link)

  a.bind(barrier)
  const [met, stamp] = a.labels('met', 'stamp')
  a.cmp(eax, KIND.link)
  a.je(next)
  a.cmp(eax, KIND.stamp)
  a.je(stamp)
  a.test(r15d, r15d)
  a.je(met)
  emitFinish(a, team, met)
  a.bind(met)
  a.cmp(dword({ base: r12, disp: COMMAND.kind }), KIND.end)
  a.jne(next)
  a.add(rsp, mem({ base: rbp, disp: JOB.frame }))
  a.ret()

  a.bind(stamp)
  emitStamp(a)
  a.jmp(next)
}

/** Notes the time at the place of the thread and the command. */
function emitStamp(a: Assembler): void {
  a.rdtsc()
  a.shl(rdx, 32)
  a.or(rax, rdx)
  a.mov(rcx, mem({ base: rbp, disp: JOB.stampStride }))
  a.imul(rcx, r13)
  a.add(rcx, mem({ base: rbp, disp: JOB.stamps }))
  a.mov(edx, mem({ base: r12, disp: COMMAND.phase }))
  a.mov(qword({ base: rcx, index: rdx, scale: 8 }), rax)
}

/**
 * Takes pieces from ebx up to the end in the frame, or jumps to `none` when all are taken. Every other
 * thread takes from the end: then two threads get the same pieces in every run, of every command with as
 * many, and find in their caches what they left there. The counter has what was taken from the start in
 * its lower half, and what was taken from the end in its upper one.
 */
function emitDraw(a: Assembler, none: Label): void {
  const [fromStart, odd, taken] = a.labels('start', 'odd', 'taken')
  a.mov(ecx, mem({ base: rsp, disp: FRAME.share }))
  a.mov(rdx, mem({ base: r12, disp: COMMAND.counter }))
  a.mov(eax, ecx)
  a.test(r13d, 1)
  a.je(fromStart)
  a.shl(rax, 32)
  a.bind(fromStart)
  a.lock_xadd(qword({ base: rdx }), rax)
  // What is left: from eax to edx. Draws that found nothing have counted, too, so they may have met.
  a.mov(r8, rax)
  a.shr(r8, 32)
  a.mov(edx, mem({ base: r12, disp: COMMAND.pieces }))
  a.sub(edx, r8d)
  a.mov(eax, eax)
  a.cmp(eax, edx)
  a.jge(none)
  a.test(r13d, 1)
  a.jne(odd)
  a.mov(ebx, eax)
  a.add(ecx, eax)
  a.cmp(ecx, edx)
  a.cmovg(ecx, edx)
  a.mov(dword({ base: rsp, disp: FRAME.end }), ecx)
  a.jmp(taken)
  a.bind(odd)
  a.mov(dword({ base: rsp, disp: FRAME.end }), edx)
  a.mov(ebx, edx)
  a.sub(ebx, ecx)
  a.cmp(ebx, eax)
  a.cmovl(ebx, eax)
  a.bind(taken)
}

/** Looks up the addresses of a command's buffers. */
function emitGather(a: Assembler): void {
  const [loop, none] = a.labels('gather', 'gathered')
  a.mov(ecx, mem({ base: r12, disp: COMMAND.argCount }))
  a.mov(rsi, mem({ base: r12, disp: COMMAND.args }))
  a.mov(rdx, mem({ base: rbp, disp: JOB.table }))
  a.test(ecx, ecx)
  a.je(none)
  a.bind(loop)
  a.mov(eax, mem({ base: rsi, index: rcx, scale: 4, disp: -4 }))
  a.mov(rax, mem({ base: rdx, index: rax, scale: 8 }))
  a.mov(qword({ base: rsp, index: rcx, scale: 8, disp: FRAME.slots - 8 }), rax)
  a.dec(ecx)
  a.jne(loop)
  a.bind(none)
}

/** Calls the kernel for chunks from ebx up to the stop in the frame. */
function emitChunks(a: Assembler): void {
  const [loop, none] = a.labels('chunks', 'called')
  a.cmp(ebx, mem({ base: rsp, disp: FRAME.stop }))
  a.jae(none)
  a.bind(loop)
  a.mov(edi, ebx)
  a.mov(rsi, r14)
  a.lea(rdx, mem({ base: rsp, disp: FRAME.slots }))
  a.mov(rcx, mem({ base: rbp, disp: JOB.fault }))
  a.call(qword({ base: r12, disp: COMMAND.kernel }))
  a.inc(ebx)
  a.cmp(ebx, mem({ base: rsp, disp: FRAME.stop }))
  a.jb(loop)
  a.bind(none)
}

/** Goes to `met` when all members have finished the phase at r12. */
function emitFinish(a: Assembler, team: number, met: Label): void {
  const [retry, last, quiet] = a.labels('retry', 'last', 'quiet')
  a.movabs(r8, team)
  a.mov(rax, mem({ base: r8, disp: TEAM.state }))
  a.bind(retry)
  a.movzx(edx, low8(rax))
  a.inc(edx)
  a.mov(ecx, eax)
  a.shr(ecx, 8)
  a.movzx(ecx, low8(rcx))
  a.cmp(edx, ecx)
  a.je(last)
  a.lea(rdx, mem({ base: rax, disp: 1 }))
  a.lock_cmpxchg(qword({ base: r8, disp: TEAM.state }), rdx)
  a.jne(retry)

  // Job and phase as they are in the state, for as long as the phase lasts.
  a.mov(rbx, r15)
  a.shl(rbx, 16)
  a.mov(eax, mem({ base: r12, disp: COMMAND.phase }))
  a.or(rbx, rax)
  const look = (): void => {
    a.mov(rax, mem({ base: r8, disp: TEAM.state }))
    a.shr(rax, 16)
    a.cmp(rax, rbx)
    a.jne(met)
  }
  lookFor(a, PATIENCE.phase, look)
  const sleep = a.bind(a.label('sleep'))
  // Whoever ends the phase sees the sleeper, or the sleeper sees another state and does not sleep.
  a.lock_inc(dword({ base: r8, disp: TEAM.waiting }))
  a.mov(rax, mem({ base: r8, disp: TEAM.state }))
  a.mov(edx, eax)
  a.shr(rax, 16)
  a.cmp(rax, rbx)
  const awake = a.label('awake')
  a.jne(awake)
  a.lea(rdi, mem({ base: r8, disp: TEAM.state }))
  futex(a, FUTEX.wait, 0)
  a.bind(awake)
  a.lock_dec(dword({ base: r8, disp: TEAM.waiting }))
  look()
  a.jmp(sleep)

  // The last member begins the next phase: same job and members, nobody finished.
  a.bind(last)
  a.mov(rdx, rax)
  a.shr(rdx, 32)
  a.shl(rdx, 32)
  a.movzx(ecx, low16(rax))
  a.shr(ecx, 8)
  a.shl(ecx, 8)
  a.or(rdx, rcx)
  a.mov(ecx, mem({ base: r12, disp: COMMAND.next }))
  a.shl(ecx, 16)
  a.or(rdx, rcx)
  a.lock_cmpxchg(qword({ base: r8, disp: TEAM.state }), rdx)
  a.jne(retry)
  a.cmp(dword({ base: r8, disp: TEAM.waiting }), 0)
  a.je(quiet)
  a.lea(rdi, mem({ base: r8, disp: TEAM.state }))
  futex(a, FUTEX.wake, EVERYBODY)
  a.bind(quiet)
}

/** void copy(chunk, scratch, slots, fault) */
export function emitCopy(a: Assembler, piece: number): Label {
  a.align(16)
  const entry = a.bind(a.label('copy'))
  a.imul(rax, rdi, piece)
  a.mov(r8, mem({ base: rdx, disp: 16 }))
  a.sub(r8, rax)
  a.mov(ecx, piece)
  a.cmp(rcx, r8)
  a.cmova(rcx, r8)
  a.mov(rdi, mem({ base: rdx }))
  a.mov(rsi, mem({ base: rdx, disp: 8 }))
  a.add(rdi, rax)
  a.add(rsi, rax)
  a.rep_movsb()
  a.ret()
  return entry
}

// Memory that will be written soon gets its pages from the system meanwhile, on a thread of its own. Otherwise
// each page interrupts whoever touches it first: for a microsecond or three, and where the system is itself a
// guest and has to ask its host, for 20 µs, or 7 ms for a huge one.

import { Assembler, eax, edx, mem, rbx, rdi, rsi } from '../assembler/index.js'
import { Code } from '../native/code.js'
import { libc, MADV, MAP, PROT } from '../native/libc.js'
import { PAGE, roundUp, viewOf } from '../native/pages.js'
import { startThread } from './start.js'
import { SYSCALL } from './waiting.js'

/** Some memory. */
export interface Stretch {
  readonly address: number
  readonly bytes: number
}

/** Bytes for which a thread is worth starting. */
const WORTHWHILE = 4 << 20
/** Bytes to ask for at a time: meanwhile this process can neither map nor unmap anything. */
const PIECE = 16 << 10

/** What the thread is given: how large it is; then where stretches begin and end, up to a 0. */
const LIST = { bytes: 0, stretches: 8, begin: 0, end: 8, each: 16 } as const

let known: number | null = null

/** Address of `void populate(List*)`; 0 where the system does not know how, which Linux does since 5.14. */
function populator(): number {
  known ??= libc().madvise(0, 0, MADV.populateWrite) === 0 ? Code.forever(assemble()) : 0
  return known
}

function assemble(): Uint8Array {
  const a = new Assembler()
  const [stretch, piece, last, over] = a.labels('stretch', 'piece', 'last', 'over')
  a.push(rbx)
  a.push(rdi)
  a.lea(rbx, mem({ base: rdi, disp: LIST.stretches }))
  a.bind(stretch)
  a.mov(rdi, mem({ base: rbx, disp: LIST.begin }))
  a.test(rdi, rdi)
  a.je(over)
  a.bind(piece)
  a.mov(rsi, mem({ base: rbx, disp: LIST.end }))
  a.sub(rsi, rdi)
  a.cmp(rsi, PIECE)
  a.jbe(last)
  a.mov(rsi, PIECE)
  a.bind(last)
  a.mov(edx, MADV.populateWrite)
  a.mov(eax, SYSCALL.madvise)
  a.syscall()
  // Unmapped meanwhile, or nothing left: then nobody needs the rest.
  a.test(eax, eax)
  a.jne(over)
  a.add(rdi, rsi)
  a.cmp(rdi, mem({ base: rbx, disp: LIST.end }))
  a.jb(piece)
  a.add(rbx, LIST.each)
  a.jmp(stretch)
  // Nobody else knows the list.
  a.bind(over)
  a.pop(rdi)
  a.mov(rsi, mem({ base: rdi, disp: LIST.bytes }))
  a.mov(eax, SYSCALL.munmap)
  a.syscall()
  a.pop(rbx)
  a.ret()
  return a.finish()
}

/**
 * Has the system put pages under stretches of memory while the caller goes on. Nothing is read or written, so
 * others may use the memory meanwhile, or give it up: the system then refuses, or puts pages under what has
 * come to lie there. Where it cannot be done, or is not worth a thread, nothing happens.
 */
export function populate(stretches: readonly Stretch[]): void {
  const wanted = stretches.reduce((sum, { bytes }) => sum + bytes, 0)
  if (wanted < WORTHWHILE || populator() === 0) return
  const c = libc()
  const bytes = roundUp(LIST.stretches + LIST.each * (stretches.length + 1), PAGE)
  const list = c.mmap(0, bytes, PROT.read | PROT.write, MAP.private | MAP.anonymous, -1)
  if (list < 0) return
  const ends = stretches.flatMap(({ address, bytes: n }) => [
    Math.floor(address / PAGE) * PAGE,
    roundUp(address + n, PAGE),
  ])
  new BigUint64Array(viewOf(list, bytes)).set([bytes, ...ends].map(BigInt))
  if (!startThread(populator(), list, 'tessera-pages')) c.munmap(list, bytes)
}

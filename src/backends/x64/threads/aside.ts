// Jobs that run aside: on a thread of their own, one after the other, while the caller's JavaScript makes the
// code of later ones.

import { builtin } from '../../../base/node.js'
import { Assembler, dword, eax, mem, rax, rbx, rdi } from '../assembler/index.js'
import { zeroed } from '../native/arrays.js'
import { Code } from '../native/code.js'
import { libc } from '../native/libc.js'
import { createThread } from './start.js'

/** What the thread is given: how many jobs are ready, and how many it has run; then their addresses. */
const LIST = { ready: 0, done: 4, jobs: 8 } as const

let known: number | null = null

/** Address of `void walk(List*)`, which runs jobs until none is ready. */
function walker(run: number): number {
  known ??= Code.forever(assemble(run))
  return known
}

function assemble(run: number): Uint8Array {
  const a = new Assembler()
  const [next, over] = a.labels('next', 'over')
  // The stack is aligned for calls then.
  a.push(rbx)
  a.mov(rbx, rdi)
  a.bind(next)
  a.mov(eax, mem({ base: rbx, disp: LIST.done }))
  a.cmp(eax, mem({ base: rbx, disp: LIST.ready }))
  a.jae(over)
  a.mov(rdi, mem({ base: rbx, index: rax, scale: 8, disp: LIST.jobs }))
  a.movabs(rax, run)
  a.call(rax)
  a.inc(dword({ base: rbx, disp: LIST.done }))
  a.jmp(next)
  a.bind(over)
  a.pop(rbx)
  a.ret()
  return a.finish()
}

/** What threads use: the collector must not take it, even if JavaScript is ended that waits for them. */
const underWay = new Map<bigint, unknown>()

/** Whether jobs may run aside here: not in a worker, which may be ended at any time, and its memory with it. */
export const mayRunAside = (): boolean =>
  builtin<{ isMainThread: boolean }>('node:worker_threads')?.isMainThread ?? false

/** Some jobs, and the thread that runs them. */
export class Aside {
  private readonly words: Uint32Array
  private readonly list: number
  private thread: bigint | null = null

  /**
   * @param run address of `void run(Job*)`
   * @param jobs their addresses, in the order they are to run in
   * @param uses what must stay as long as they run
   */
  constructor(
    private readonly run: number,
    jobs: readonly number[],
    private readonly uses: unknown,
  ) {
    const { array, address } = zeroed(LIST.jobs + 8 * jobs.length)
    this.list = address
    this.words = new Uint32Array(array.buffer, array.byteOffset, array.byteLength / 4)
    new BigUint64Array(array.buffer, array.byteOffset + LIST.jobs, jobs.length).set(
      jobs.map(BigInt),
    )
  }

  /** Says that so many jobs are ready to run, and sees to it that a thread runs them, if there can be one. */
  ready(jobs: number): void {
    const { words } = this
    Atomics.store(words, LIST.ready >> 2, jobs)
    if (this.thread !== null) {
      if (libc().pthreadTryjoin(this.thread) !== 0) return
      this.forget()
    }
    if (Atomics.load(words, LIST.done >> 2) === jobs) return
    this.thread = createThread(walker(this.run), this.list, 'tessera-aside')
    if (this.thread !== null) underWay.set(this.thread, [this.words, this.uses])
  }

  /**
   * Begins no other job, and waits for the one under way.
   * @returns how many have been run
   */
  settle(): number {
    const { words } = this
    Atomics.store(words, LIST.ready >> 2, 0)
    if (this.thread !== null) {
      libc().pthreadJoin(this.thread)
      this.forget()
    }
    return Atomics.load(words, LIST.done >> 2)
  }

  private forget(): void {
    underWay.delete(this.thread!)
    this.thread = null
  }
}

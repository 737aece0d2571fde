// The team that runs a segment: threads join while it runs, and meet at the end of each phase.
//
// A segment is cut into phases by its barriers. Its state is one 64-bit word: which job it is, the phase
// under way, how many threads are members and how many of them have finished the phase. A worker that
// comes late joins the phase it finds; one that does not come in time is not waited for, so nothing
// depends on how soon the system lets workers run.

import { CLOSED } from '../../segments.js'
import { FunctionBody } from '../encode/function.js'
import type { ModuleBuilder } from '../encode/module.js'
import { TEAM } from '../memory/layout.js'

/** state = job · 2^32 + phase · 2^16 + members · 2^8 + finished */
const MEMBER = 1n << 8n
const PHASE_SHIFT = 16n

/** How often a thread looks whether a phase has ended before it goes to sleep. */
const SPINS = 20_000
/** Nanoseconds after which a sleeper looks whether all is well. */
const NAP = 200_000_000n

export interface TeamFunctions {
  /** join(job): makes the caller a member. Gives the phase to begin with, or -1 if it is too late. */
  readonly join: number
  /** finish(thread, job, phase, next): returns when all members have finished the phase; the next may begin. */
  readonly finish: number
}

export function addTeamFunctions(module: ModuleBuilder): TeamFunctions {
  const sleeping = { sleep: module.add(emitSleep()), wake: module.add(emitWake()) }
  return { join: module.add(emitJoin()), finish: module.add(emitFinish(sleeping)) }
}

// Sleeping and waking are functions of their own, with the address as a parameter: where it is a constant,
// the baseline compiler of V8 11 (Node 20) uses a register for it that holds something else, and threads
// that came out of a sleep were seen to leave a phase before it had ended.

interface SleepFunctions {
  readonly sleep: number
  readonly wake: number
}

/** sleep(address, expected): until it is woken, or for a while, if the address holds what is expected. */
function emitSleep(): FunctionBody {
  const f = new FunctionBody({ parameters: ['i32', 'i32'], results: [] })
  f.get(0)
  f.get(1)
  f.i64(NAP)
  f.memory('memory.atomic.wait32', 0)
  f.op('drop')
  return f
}

/** wake(address): all who sleep there. */
function emitWake(): FunctionBody {
  const f = new FunctionBody({ parameters: ['i32'], results: [] })
  f.get(0)
  f.i32(-1)
  f.memory('memory.atomic.notify', 0)
  f.op('drop')
  return f
}

function loadState(f: FunctionBody): void {
  f.i32(0)
  f.memory('i64.atomic.load', TEAM.state)
}

/** Pops nothing; replaces `old` by what `push` pushes, and pushes whether it was still there. */
function exchange(f: FunctionBody, old: number, push: () => void): void {
  f.i32(0)
  f.get(old)
  push()
  f.memory('i64.atomic.rmw.cmpxchg', TEAM.state)
  f.get(old)
  f.op('i64.eq')
}

function emitJoin(): FunctionBody {
  const f = new FunctionBody({ parameters: ['i32'], results: ['i32'] })
  const [state, phase] = [f.local('i64'), f.local('i32')]
  f.block(() => {
    f.loop(() => {
      loadState(f)
      f.tee(state)
      f.i64(32n)
      f.op('i64.shr_u')
      f.op('i32.wrap_i64')
      f.get(0)
      f.op('i32.ne')
      f.branchIf(1)
      f.get(state)
      f.i64(PHASE_SHIFT)
      f.op('i64.shr_u')
      f.op('i32.wrap_i64')
      f.i32(CLOSED)
      f.op('i32.and')
      f.tee(phase)
      f.i32(CLOSED)
      f.op('i32.eq')
      f.branchIf(1)
      exchange(f, state, () => {
        f.get(state)
        f.i64(MEMBER)
        f.op('i64.add')
      })
      f.op('i32.eqz')
      f.branchIf(0)
      f.get(phase)
      f.op('return')
    })
  })
  f.i32(-1)
  return f
}

function emitFinish({ sleep, wake }: SleepFunctions): FunctionBody {
  const f = new FunctionBody({ parameters: ['i32', 'i32', 'i32', 'i32'], results: [] })
  const [THREAD, JOB, PHASE, NEXT] = [0, 1, 2, 3]
  const [state, finished, spins] = [f.local('i64'), f.local('i64'), f.local('i32')]
  const [low, current] = [f.local('i32'), f.local('i64')]
  f.loop(() => {
    loadState(f)
    f.tee(state)
    f.i64(1n)
    f.op('i64.add')
    f.tee(finished)
    f.i64(0xffn)
    f.op('i64.and')
    f.get(state)
    f.i64(8n)
    f.op('i64.shr_u')
    f.i64(0xffn)
    f.op('i64.and')
    f.op('i64.eq')
    f.if(() => {
      // The last member begins the next phase: job, next, members, 0.
      exchange(f, state, () => {
        f.get(state)
        f.i64(0xffffffff_0000ff00n)
        f.op('i64.and')
        f.get(NEXT)
        f.op('i64.extend_i32_u')
        f.i64(PHASE_SHIFT)
        f.op('i64.shl')
        f.op('i64.or')
      })
      f.op('i32.eqz')
      f.branchIf(1)
      f.i32(0)
      f.memory('i32.atomic.load', TEAM.sleepers)
      f.if(() => {
        f.i32(TEAM.state)
        f.call(wake)
      })
      f.op('return')
    })
    exchange(f, state, () => f.get(finished))
    f.op('i32.eqz')
    f.branchIf(0)
  })
  // Job and phase as they are in the state, for as long as the phase lasts.
  f.get(JOB)
  f.op('i64.extend_i32_u')
  f.i64(16n)
  f.op('i64.shl')
  f.get(PHASE)
  f.op('i64.extend_i32_u')
  f.op('i64.or')
  f.set(current)
  f.loop(() => {
    loadState(f)
    f.tee(state)
    f.i64(PHASE_SHIFT)
    f.op('i64.shr_u')
    f.get(current)
    f.op('i64.ne')
    f.if(() => f.op('return'))
    f.get(spins)
    f.i32(1)
    f.op('i32.add')
    f.tee(spins)
    f.i32(SPINS)
    f.op('i32.lt_s')
    f.branchIf(0)
    // The main thread of a page may not sleep, and goes on looking.
    f.get(THREAD)
    f.i32(0)
    f.memory('i32.load', TEAM.wakeful)
    f.op('i32.eqz')
    f.op('i32.or')
    f.if(() => {
      // Whoever ends the phase sees the sleeper, or the sleeper sees another state and does not sleep.
      f.get(state)
      f.op('i32.wrap_i64')
      f.set(low)
      f.i32(0)
      f.i32(1)
      f.memory('i32.atomic.rmw.add', TEAM.sleepers)
      f.op('drop')
      f.i32(TEAM.state)
      f.get(low)
      f.call(sleep)
      f.i32(0)
      f.i32(-1)
      f.memory('i32.atomic.rmw.add', TEAM.sleepers)
      f.op('drop')
    })
    // A member that failed never finishes: better to fail as well than to wait for it.
    f.i32(0)
    f.memory('i32.atomic.load', TEAM.broken)
    f.if(() => f.op('unreachable'))
    f.branch(0)
  })
  return f
}

// The team: threads of the process that run jobs together with whoever calls. They are created straight
// into machine code, know nothing of JavaScript, and end with the process.

import { COPY_PIECE } from '../../segments.js'
import { detectCpu } from '../cpu.js'
import { Code, callable } from '../native/code.js'
import { libc } from '../native/libc.js'
import { MASK_BYTES, TEAM } from './layout.js'
import { mapTeamPage, type TeamPage } from './page.js'
import { MOST_THREADS } from './processors.js'
import { startThread } from './start.js'
import { assembleTeam } from './team-code.js'

export interface Team {
  /** Runs the job described at an address (see `JOB`). */
  readonly run: (job: number) => void
  /** The address of the same. */
  readonly address: number
  /** Address of the kernel that copies. */
  readonly copy: number
  /** Sees to it that there are threads for jobs of so many, the caller's among them, soon. */
  start(threads: number): void
  /** Threads that were created and have come to work, besides those that call. */
  readonly listening: number
}

let known: Team | null = null

/** The process's team. Throws `DeviceError` where machine code cannot be run. */
export function team(): Team {
  known ??= open()
  return known
}

function open(): Team {
  const page = mapTeamPage()
  const machine = assembleTeam(page.address, COPY_PIECE, detectCpu().rdtscp)
  // Never freed: threads live in it.
  const code = Code.forever(machine.code)
  const run = callable(code + machine.run, 'void', ['int64_t']) as unknown as (job: number) => void
  let refused = false
  const count = (word: number): number => Atomics.load(page.words, word >> 2)
  return {
    run,
    address: code + machine.run,
    copy: code + machine.copy,
    start: (threads) => {
      const wanted = Math.min(threads, MOST_THREADS) - 1
      if (count(TEAM.started) >= wanted || refused) return
      refused = !create(page, code + machine.help, wanted)
    },
    get listening() {
      return count(TEAM.listening)
    },
  }
}

/**
 * Creates threads until there are `wanted`, unless somebody else is at it.
 * @returns false if the system refuses
 */
function create(page: TeamPage, help: number, wanted: number): boolean {
  const c = libc()
  const { words } = page
  if (Atomics.compareExchange(words, TEAM.starting >> 2, 0, 1) !== 0) return true
  try {
    const mask = page.bytes.subarray(TEAM.mask, TEAM.mask + MASK_BYTES)
    if (mask.every((byte) => byte === 0)) c.schedGetaffinity(0, MASK_BYTES, mask)
    for (let n = Atomics.load(words, TEAM.started >> 2); n < wanted; n++) {
      if (!startThread(help, n + 1, `tessera-${n + 1}`)) return false
      Atomics.store(words, TEAM.started >> 2, n + 1)
    }
    return true
  } finally {
    Atomics.store(words, TEAM.starting >> 2, 0)
  }
}

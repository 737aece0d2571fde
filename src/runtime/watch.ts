// Profiles that are asked for from outside, by TESSERA_DEBUG, TESSERA_PROFILE and TESSERA_TRACE.

import { type Listener, listen, listener, type PlanRun } from '../backends/profile.js'
import { debug, debugging } from '../base/debug.js'
import { builtin, environment } from '../base/node.js'
import { currentDeviceName, deviceInfo } from './devices.js'
import { Profiler, timesOf } from './profile.js'

let asked = false

/** Begins to watch, the first time, if the environment asks for it. */
export function watchAsAsked(): void {
  if (asked) return
  asked = true
  if (debugging('plans')) tellDevices()
  if (debugging('times')) listen(new Printer(listener()))
  const trace = environment('TESSERA_TRACE')
  if (environment('TESSERA_PROFILE') !== undefined || trace !== undefined) reportAtExit(trace)
}

function tellDevices(): void {
  const used = currentDeviceName()
  for (const { name, available, detail } of deviceInfo()) {
    debug('plans', () =>
      name === used
        ? `tessera: device ${name}: ${detail}`
        : `tessera: device ${name} is not used: ${available ? 'another is' : detail}`,
    )
    // What comes after it is worse.
    if (name === used) return
  }
}

/** Prints every run. */
class Printer implements Listener {
  private runs = 0

  constructor(private readonly next: Listener | null) {}

  ran(run: PlanRun): void {
    const microseconds = (ms: number): string => `${(1e3 * ms).toFixed(1).padStart(9)} µs`
    const lines = timesOf(run.stretches).map(
      ({ work, total, busy }) =>
        `${microseconds(total)}  ${(busy / total).toFixed(1)} threads  ${work.name}`,
    )
    const head = `tessera: run ${++this.runs} on ${run.device}, ${microseconds(run.end - run.start).trim()}`
    console.error([head, ...lines].join('\n'))
    this.next?.ran(run)
  }

  compiled(what: string, start: number, end: number): void {
    this.next?.compiled(what, start, end)
  }
}

interface FileSystem {
  writeFileSync(path: string, text: string): void
}

/** Profiles all that comes; the table goes to the error output, the trace to a file. */
function reportAtExit(trace: string | undefined): void {
  const profiler = new Profiler({ trace: trace !== undefined }).start()
  process.once('exit', () => {
    profiler.stop()
    console.error(`\n${profiler.table()}`)
    if (trace === undefined) return
    builtin<FileSystem>('node:fs')?.writeFileSync(trace, JSON.stringify(profiler.trace()))
    console.error(`\ntrace: ${trace} (open it with https://ui.perfetto.dev or chrome://tracing)`)
  })
}

// `npm run bench -- [--json] [--mode compile|eager] [--backend B] [--threads N] [--seconds S] [workload …]`
// prints one line per workload: JSON with --json, a table without.

import { parseArgs } from 'node:util'
import { currentDeviceName, getNumThreads, manualSeed, setDevice, setNumThreads } from 'tessera'
import { type Timing, timed } from './timing.js'
import { type Mode, WORKLOADS } from './workloads/index.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    mode: { type: 'string', default: 'compile' },
    backend: { type: 'string' },
    threads: { type: 'string' },
    seconds: { type: 'string', default: '3' },
  },
})

const fail = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const names = positionals.length > 0 ? positionals : Object.keys(WORKLOADS)
const unknown = names.filter((n) => !Object.hasOwn(WORKLOADS, n))
if (unknown.length > 0) {
  fail(`unknown workload ${unknown.join(', ')}; there are ${Object.keys(WORKLOADS).join(', ')}`)
}
if (values.mode !== 'compile' && values.mode !== 'eager') fail('--mode is compile or eager')
const mode = values.mode as Mode

if (values.backend !== undefined) setDevice(values.backend)
if (values.threads !== undefined) setNumThreads(Number(values.threads))
manualSeed(0)

const row = (workload: string, t: Timing): string =>
  [
    workload.padEnd(30),
    `${t.median_us.toFixed(1)} µs`.padStart(14),
    `min ${t.min_us.toFixed(1)}`.padStart(16),
    `${t.runs} runs`.padStart(12),
    `first ${t.first_s.toFixed(3)} s`.padStart(16),
  ].join('')

for (const workload of names) {
  const step = (WORKLOADS[workload] as (typeof WORKLOADS)[string])(mode)
  const timing = await timed(step, Number(values.seconds))
  const peer = `tessera ${currentDeviceName()}`
  console.log(
    values.json
      ? JSON.stringify({ peer, mode, threads: getNumThreads(), workload, ...timing })
      : row(workload, timing),
  )
}

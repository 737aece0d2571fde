// `npm run bench:peers -- [--rounds N] [--seconds S] [--peers torch,jax,…] [--threads N] [--backend B] [--keep-memory]
// [--json | --markdown | --into PAGE] [--targets] [--from FILE] [workload …]`: tessera beside the other
// frameworks that are installed (TESSERA_PYTHON names the Python that has them), in alternating rounds.
//
// --json gives a line for each workload; --from reads such lines instead of measuring, the last of each
// workload, so that a table can be put together from several runs. --into writes the tables of --markdown
// into a page, between its two comments `bench:peers`.

import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type Mode, WORKLOADS } from '../workloads/index.js'
import { PEERS, USUAL } from './list.js'
import { Peer } from './peer.js'
import type { Result } from './result.js'
import { compare } from './rounds.js'
import { serve } from './serve.js'
import { insert, markdown, meanLine, text } from './table.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    peers: { type: 'string', default: USUAL.join() },
    threads: { type: 'string', default: String(availableParallelism()) },
    backend: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    into: { type: 'string' },
    targets: { type: 'boolean', default: false },
    from: { type: 'string' },
    'keep-memory': { type: 'boolean', default: false },
    serve: { type: 'boolean', default: false },
  },
})

/** The names asked for, all of them known, or the end. */
function chosen(what: string, names: readonly string[], known: readonly string[]): string[] {
  const unknown = names.filter((n) => !known.includes(n))
  if (unknown.length === 0) return [...names]
  console.error(`unknown ${what} ${unknown.join(', ')}; there are ${known.join(', ')}`)
  process.exit(2)
}

// Peers end with this process, however it is told to.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(1))
}

/** Starts those that can be; says loudly who is left out, and why. */
async function start(names: readonly string[], threads: number): Promise<Peer[]> {
  const peers: Peer[] = []
  for (const name of names) {
    const settings = { threads, device: values.backend, keepMemory: values['keep-memory'] }
    const command = (PEERS[name] as (typeof PEERS)[string])(settings)
    try {
      peers.push(await Peer.start(name, command))
    } catch (error) {
      console.error(`LEFT OUT: ${name} (${(error as Error).message})`)
    }
  }
  return peers
}

async function* measure(workloads: readonly string[]): AsyncGenerator<Result> {
  const threads = Number(values.threads)
  const peers = await start(chosen('peer', values.peers.split(','), Object.keys(PEERS)), threads)
  const plan = { rounds: Number(values.rounds), seconds: Number(values.seconds), threads }
  for (const workload of workloads) yield await compare(workload, peers, plan)
  for (const peer of peers) peer.end()
}

/** Results that were saved: of each workload the last, in the usual order. */
function saved(file: string, workloads: readonly string[]): Result[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  const latest = new Map(
    lines.map((line) => JSON.parse(line) as Result).map((r) => [r.workload, r]),
  )
  return workloads.flatMap((name) => latest.get(name) ?? [])
}

async function main(): Promise<void> {
  const known = Object.keys(WORKLOADS)
  const workloads = chosen('workload', positionals.length > 0 ? positionals : known, known)
  const results: Result[] = []
  for await (const result of values.from ? saved(values.from, workloads) : measure(workloads)) {
    results.push(result)
    if (values.json) console.log(JSON.stringify(result))
    else if (!values.markdown && !values.into) console.log(`${text(result, values.targets)}\n`)
  }
  const tables = markdown(results, values.targets)
  if (values.into) writeFileSync(values.into, insert(readFileSync(values.into, 'utf8'), tables))
  else if (values.markdown) console.log(tables)
  else if (!values.json) console.log(meanLine(results))
}

if (values.serve) {
  const [mode, device, threads] = positionals as [Mode, string, string]
  await serve(mode, device, Number(threads))
} else {
  await main()
}

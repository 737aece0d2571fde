// Whether a change made workloads faster, on a machine that is not quiet:
// `node scripts/run.mjs bench/paired.ts --than=TREE,torch [--seconds=10] [--threads=2] [workload …]`.
//
// A TREE is the folder of another checkout. This tree and the others take turns for short bursts, so that
// whatever slows the machine down for a second slows both runs of a pair. What counts is the middle of the
// pairs' ratios and how sure it is: in 19 of 20 cases the true one lies within the limits shown.

import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PEERS } from './peers/list.js'
import { type Command, Peer } from './peers/peer.js'
import { inOrder, median } from './timing.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    than: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    threads: { type: 'string', default: '2' },
  },
})
if (values.than === undefined || positionals.length === 0) {
  fail('Expected --than=TREE and workloads.')
}

/** Seconds of a burst, beside the runs that each makes at least. */
const BURST = 0.02
const LEAST_PAIRS = 6

/** tessera of a checkout. */
const tree = (folder: string): Command => ({
  file: process.execPath,
  args: [
    path.join(folder, 'scripts/run.mjs'),
    '--no-enable-source-maps',
    path.join(folder, 'bench/peers/index.ts'),
    ...['--serve', 'compile', '', values.threads],
  ],
})

function commandOf(name: string): Command {
  const settings = { threads: Number(values.threads), device: '', keepMemory: false }
  const known = PEERS[name]?.(settings)
  if (known !== undefined) return known
  const folder = path.resolve(name)
  if (!existsSync(path.join(folder, 'bench/peers/index.ts'))) {
    const peers = Object.keys(PEERS).join(', ')
    fail(`Expected a checkout of tessera, or one of ${peers}. Received ${name}.`)
  }
  return tree(folder)
}

/** Starts a peer; says so where it cannot, as for a missing Python, and ends. */
async function start(name: string, command: Command): Promise<Peer> {
  try {
    return await Peer.start(name, command)
  } catch (error) {
    fail(`${name} does not start: ${(error as Error).message}`)
  }
}

function fail(message: string): never {
  console.error(`paired: ${message}`)
  process.exit(2)
}

/** The middle of some numbers, and the limits within which the true middle lies in 19 of 20 cases. */
function middle(x: readonly number[]): {
  readonly at: number
  readonly from: number
  readonly to: number
} {
  const s = inOrder(x)
  const reach = 0.98 * Math.sqrt(s.length)
  const place = (i: number): number => s[Math.min(s.length - 1, Math.max(0, Math.round(i)))]!
  const half = (s.length - 1) / 2
  return { at: median(s), from: place(half - reach), to: place(half + reach) }
}

async function compare(workload: string, peers: readonly Peer[]): Promise<void> {
  for (const peer of peers) {
    if (!peer.has(workload)) fail(`${peer.name} has no workload ${workload}.`)
    const answer = await peer.ask({ do: 'prepare', workload })
    if ('error' in answer) fail(`${peer.name}: ${answer.error}`)
  }
  const times: number[][] = peers.map(() => [])
  const least = peers.map(() => Number.POSITIVE_INFINITY)
  const end = performance.now() + 1e3 * Number(values.seconds)
  for (let round = 0; round < LEAST_PAIRS || performance.now() < end; round++) {
    for (let i = 0; i < peers.length; i++) {
      const who = (i + round) % peers.length
      const answer = await peers[who]!.ask({ do: 'time', seconds: BURST })
      if ('error' in answer) fail(`${peers[who]!.name}: ${answer.error}`)
      times[who]!.push(answer.median_us)
      least[who] = Math.min(least[who]!, answer.min_us)
    }
  }
  for (const [i, { name }] of peers.entries()) {
    const ratio = middle(times[i]!.map((t, round) => t / times[0]![round]!))
    const [usual, best] = [median(inOrder(times[i]!)), least[i]!]
    console.log(
      `${(i === 0 ? workload : '').padEnd(26)} ${name.padEnd(20)} ${usual.toFixed(0).padStart(8)} µs` +
        `  best ${best.toFixed(0).padStart(8)} µs` +
        (i === 0
          ? `  ${times[0]!.length} pairs`
          : `  takes ${ratio.at.toFixed(3)} times as long (${ratio.from.toFixed(3)} to ${ratio.to.toFixed(3)})`),
    )
  }
}

const here = fileURLToPath(new URL('..', import.meta.url))
const commands = values.than.split(',').map((name) => [name, commandOf(name)] as const)
const peers = [await start('this tree', tree(here))]
for (const [name, command] of commands) peers.push(await start(name, command))
for (const workload of positionals) await compare(workload, peers)
for (const peer of peers) peer.end()

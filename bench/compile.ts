// `npm run bench:compile -- [--backend B] [--runs N] [workload …]`: how long the first result takes in a fresh
// process, from tracing to the loss that is read, and what the time goes to. Each run is a process of its
// own; one more, watched by V8's sampling profiler, tells the shares of the parts.

import { execFileSync } from 'node:child_process'
import { Session } from 'node:inspector'
import { parseArgs } from 'node:util'
import { manualSeed, setDevice } from 'tessera'
import { WORKLOADS } from './workloads/index.js'

/** The parts, by the function in which each begins. A sample counts for the innermost. */
const PARTS: Readonly<Record<string, string>> = {
  recordCall: 'record',
  instantiate: 'gradients',
  programOf: 'gradients',
  simplify: 'simplify',
  fuse: 'fuse',
  lowerGroups: 'lower',
  schedule: 'plan memory',
  planMemory: 'plan memory',
  compileProgram: 'plan memory',
  signatureOf: 'compare kernels',
  compileKernel: 'kernel passes',
  emitBody: 'select instructions',
  finishFunction: 'fold and allocate',
  allocate: 'fold and allocate',
  encode: 'encode',
  codeOf: 'map code',
  buildPlan: 'lay out run',
  runOnce: 'first run',
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'x64' },
    runs: { type: 'string', default: '5' },
    child: { type: 'string' },
  },
})

/** Milliseconds of the first step of a workload in this process. */
function first(workload: string): number {
  setDevice(values.backend)
  manualSeed(0)
  const step = (WORKLOADS[workload] as (typeof WORKLOADS)[string])('compile')
  const start = performance.now()
  step()
  return performance.now() - start
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string }
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Microseconds by part. */
function partsOf({ nodes, samples, timeDeltas }: Profile): Record<string, number> {
  const partOf = new Map<number, string>()
  const byId = new Map(nodes.map((n) => [n.id, n]))
  const mark = (id: number, outer: string): void => {
    const node = byId.get(id)!
    const part = PARTS[node.callFrame.functionName] ?? outer
    partOf.set(id, part)
    for (const child of node.children ?? []) mark(child, part)
  }
  mark(nodes[0]!.id, 'other')
  const parts: Record<string, number> = {}
  for (const [i, id] of samples.entries()) {
    const part = partOf.get(id)!
    parts[part] = (parts[part] ?? 0) + timeDeltas[i]!
  }
  return parts
}

/** What a child process answers. */
interface Answer {
  readonly ms: number
  readonly parts?: Record<string, number>
}

function child(workload: string, profiled: boolean): void {
  if (!profiled) {
    console.log(JSON.stringify({ ms: first(workload) } satisfies Answer))
    process.exit(0)
  }
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval: 200 })
  session.post('Profiler.start')
  const ms = first(workload)
  session.post('Profiler.stop', (_, { profile }) => {
    console.log(JSON.stringify({ ms, parts: partsOf(profile as Profile) } satisfies Answer))
    process.exit(0)
  })
}

function ask(workload: string, how: 'plain' | 'profiled'): Answer {
  const args = [process.argv[1] as string, '--backend', values.backend, '--child', how, workload]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Answer
}

const ms = (n: number): string => `${n.toFixed(0)} ms`

function report(workload: string): void {
  const times = Array.from({ length: Number(values.runs) }, () => ask(workload, 'plain').ms)
  times.sort((a, b) => a - b)
  const median = times[times.length >> 1] as number
  const spread = `${ms(times[0] as number)} to ${ms(times.at(-1) as number)}`
  console.log(`${workload.padEnd(32)}${ms(median).padStart(10)}   (${spread})`)
  const parts = Object.entries(ask(workload, 'profiled').parts ?? {})
  const known = parts.filter(([name]) => name !== 'other').sort((a, b) => b[1] - a[1])
  const total = known.reduce((sum, [, us]) => sum + us, 0)
  for (const [name, us] of known) {
    const share = us / total
    if (share < 0.005) continue
    const percent = `${(100 * share).toFixed(0)}%`
    console.log(`  ${name.padEnd(30)}${ms(share * median).padStart(10)}${percent.padStart(6)}`)
  }
}

if (values.child !== undefined) child(positionals[0] as string, values.child === 'profiled')
else {
  const usual = ['mlp_b32', 'mnist_cnn_b32', 'cifar_cnn_b64', 'gpt_b8', 'resnet18_cifar_b16']
  for (const workload of positionals.length > 0 ? positionals : usual) report(workload)
}

// Where the time of a workload's step goes, command by command, as x64 machine code:
// `node scripts/run.mjs bench/x64/step.ts [--threads=2] [--runs=20] [--least=1] [--show=7] workload`.
//
// Host calls that read the clock are put between the commands of each plan that is built. Printed is the
// median time of each command with its share of the step and its rates, if the share is `least` percent;
// and of command number `show` all statements.

import { manualSeed, setDevice, setNumThreads } from 'tessera'
import type { Ports } from '../../src/backends/ports.js'
import { X64Device } from '../../src/backends/x64/device.js'
import type { X64Executable } from '../../src/backends/x64/executable.js'
import type { Command, Plan } from '../../src/compiler/kernel/ir.js'
import { formatKernel } from '../../src/compiler/kernel/print.js'
import { WORKLOADS } from '../workloads/index.js'

const option = (name: string, otherwise: number): number =>
  Number(process.argv.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3) ?? otherwise)
const workload = process.argv.slice(2).find((a) => !a.startsWith('--')) ?? 'cifar_cnn_b64'

interface Clocked {
  readonly label: string
  readonly flops: number
  readonly bytes: number
  readonly times: number[]
  readonly command: Command
}

/** The commands of the plan that ran last, each with its times. */
let clocked: Clocked[] = []

/** The same plan with its clock read after each command. */
function withClocks(plan: Plan): Plan {
  const rows: Clocked[] = []
  let last = 0
  const stop = (row: Clocked | null): Command => ({
    op: 'host',
    call: {
      name: 'clock',
      inputs: [],
      outputs: [],
      run: () => {
        const now = performance.now()
        if (row === null) clocked = rows
        else row.times.push(now - last)
        last = performance.now()
      },
    },
  })
  const commands: Command[] = [stop(null)]
  for (const c of plan.commands) {
    if (c.op === 'barrier') continue
    commands.push(c)
    const row = { ...describe(c), times: [], command: c }
    rows.push(row)
    commands.push(stop(row))
  }
  return { ...plan, commands }
}

function describe(c: Command) {
  if (c.op === 'kernel') {
    const { name, grid, flops, bytes } = c.kernel
    return { label: `${name} (${grid})`, flops, bytes }
  }
  if (c.op === 'copy') return { label: 'copy', flops: 0, bytes: 2 * c.bytes }
  return { label: `host ${c.op === 'host' ? c.call.name : ''}`, flops: 0, bytes: 0 }
}

const buildPlan = X64Device.prototype.buildPlan
X64Device.prototype.buildPlan = function (plan: Plan, ports: Ports): X64Executable {
  return buildPlan.call(this, withClocks(plan), ports) as X64Executable
}

setDevice('x64')
setNumThreads(option('threads', 2))
manualSeed(0)
const step = WORKLOADS[workload]!('compile')
for (let i = 0; i < option('runs', 20) + 3; i++) step()

const median = (xs: readonly number[]): number =>
  [...xs].sort((a, b) => a - b)[xs.length >> 1] as number
const rows = clocked.map((c) => ({ ...c, us: 1e3 * median(c.times.slice(3)) }))
const total = rows.reduce((sum, r) => sum + r.us, 0)
const least = option('least', 1)
console.log(`${workload}: ${total.toFixed(0)} µs in ${rows.length} commands`)
for (const [i, r] of rows.entries()) {
  const share = (100 * r.us) / total
  if (share < least) continue
  console.log(
    `${String(i).padStart(4)} ${r.us.toFixed(0).padStart(7)} µs ${share.toFixed(1).padStart(5)}% ` +
      `${(r.flops / r.us / 1e3).toFixed(0).padStart(5)} GF/s ` +
      `${(r.bytes / r.us / 1e3).toFixed(0).padStart(4)} GB/s  ${r.label}`,
  )
}

const shown = rows[option('show', -1)]?.command
if (shown?.op === 'kernel') console.log(formatKernel(shown.kernel))

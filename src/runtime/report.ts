// A profile as text.

import type { KernelProfile, Profiler } from './profile.js'

/** Longer names of kernels are cut. */
const WIDEST = 64

type Column = readonly [head: string, cell: (k: KernelProfile) => string]

const COLUMNS: readonly Column[] = [
  ['kernel', ({ name }) => (name.length > WIDEST ? `${name.slice(0, WIDEST - 1)}…` : name)],
  ['calls', (k) => String(k.calls)],
  ['ms', (k) => k.total.toFixed(2)],
  ['mean µs', (k) => (1e3 * k.mean).toFixed(1)],
  ['min µs', (k) => (1e3 * k.fastest).toFixed(1)],
  ['share', (k) => `${(100 * k.share).toFixed(1)}%`],
  ['threads', (k) => k.threads.toFixed(2)],
  ['GFLOP/s', (k) => k.gigaflops.toFixed(1)],
  ['GB/s', (k) => k.gigabytes.toFixed(1)],
  ['of limit', (k) => (k.ofLimit > 0 ? `${(100 * k.ofLimit).toFixed(0)}%` : '')],
]

/** Lines of a table: names to the left, numbers to the right. */
function linesOf(kernels: readonly KernelProfile[]): string[] {
  const rows = [
    COLUMNS.map(([head]) => head),
    ...kernels.map((k) => COLUMNS.map(([, cell]) => cell(k))),
  ]
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  '),
  )
}

/** What `Profiler.table` answers. */
export function reportOf(profiler: Profiler, rows: number): string {
  const { where, plans, times, limits, kernels } = profiler
  const { wall } = times
  const share = (ms: number): string =>
    `${ms.toFixed(1)} ms (${((100 * ms) / Math.max(wall, 1e-9)).toFixed(0)}%)`
  const lines = [
    `${where.device}, ${where.threads} threads: ${plans.run} plans in ${wall.toFixed(1)} ms`,
    `kernels ${share(times.kernels)}, between kernels ${share(times.between)}, ` +
      `compiling ${plans.compiled} plans ${share(times.compiling)}, the program ${share(times.host)}`,
  ]
  if (limits) {
    const { gigaflops, gigabytes } = limits
    lines.push(
      `this machine: ${gigaflops.toFixed(0)} GFLOP/s on registers, ${gigabytes.toFixed(1)} GB/s of memory`,
    )
  }
  lines.push('', ...linesOf(kernels.slice(0, rows)))
  if (kernels.length > rows) lines.push(`and ${kernels.length - rows} more`)
  return lines.join('\n')
}

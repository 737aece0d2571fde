// Kernels and plans as text, for people, errors and tests.

import { formatAffine } from './affine.js'
import type { Bound, Command, Kernel, Plan, PlanBuffer, Reg, Stmt } from './ir.js'

const reg = (r: Reg): string => `r${r.id}`
const typed = (r: Reg): string => `r${r.id}:${r.type}${r.lanes > 0 ? `x${r.lanes}` : ''}`

function formatBound(b: Bound): string {
  return 'min' in b ? `min(${formatAffine(b.min[0])}, ${formatAffine(b.min[1])})` : formatAffine(b)
}

const COMPARE = { lt: '<', ge: '>=', eq: '==' } as const

/** One statement in one line; of a loop, its head. */
export function formatStmt(s: Stmt): string {
  switch (s.op) {
    case 'const':
      return `${typed(s.dst)} = ${s.value}`
    case 'set':
      return `${typed(s.dst)} = ${s.fn}(${s.args.map(reg).join(', ')})`
    case 'move':
      return `${reg(s.dst)} = ${reg(s.from)}`
    case 'convert':
    case 'bitcast':
      return `${typed(s.dst)} = ${s.op}(${reg(s.from)})`
    case 'index':
      return `${typed(s.dst)} = index(${formatAffine(s.value)})`
    case 'divide':
      return `${s.variable.name} = (${formatAffine(s.value)}) / ${s.by}`
    case 'modulo':
      return `${s.variable.name} = (${formatAffine(s.value)}) % ${s.by}`
    case 'load':
      return `${typed(s.dst)} = ${s.buffer.name}[${formatAffine(s.at)}]`
    case 'prefetch':
      return `prefetch${s.writes ? ' to write' : ''} ${s.buffer.name}[${formatAffine(s.at)}]`
    case 'gather':
      return `${typed(s.dst)} = ${s.buffer.name}[${formatAffine(s.at)} + ${s.scale}*${reg(s.offset)}]`
    case 'store': {
      const text = `${s.buffer.name}[${formatAffine(s.at)}] = ${reg(s.from)}`
      return s.when === undefined ? text : `if ${reg(s.when)}: ${text}`
    }
    case 'scatter':
      return `${s.buffer.name}[${formatAffine(s.at)} + ${s.scale}*${reg(s.offset)}] = ${reg(s.from)}`
    case 'for':
      return `for ${s.variable.name} in ${formatAffine(s.from)} ..< ${formatBound(s.to)}${
        s.step === 1 ? '' : ` step ${s.step}`
      }${s.unroll ? ' unroll' : ''}`
    case 'vector':
      return `vector ${s.variable.name} in 0 ..< ${formatBound(s.count)} lanes ${s.lanes}`
    case 'combine':
      return `${typed(s.dst)} = combine.${s.fn}(${reg(s.from)})`
    case 'when':
      return `when ${formatAffine(s.left)} ${COMPARE[s.cmp]} ${formatAffine(s.right)}`
    case 'status':
      return `status ${s.code} if ${reg(s.cond)}`
  }
}

function formatBody(body: readonly Stmt[], indent: string, lines: string[]): void {
  for (const s of body) {
    lines.push(indent + formatStmt(s))
    if (s.op === 'for' || s.op === 'vector' || s.op === 'when') {
      formatBody(s.body, `${indent}  `, lines)
    }
    if (s.op === 'when' && s.otherwise !== undefined) {
      lines.push(`${indent}otherwise`)
      formatBody(s.otherwise, `${indent}  `, lines)
    }
  }
}

/** A kernel as text: its buffers, then its body. */
export function formatKernel(kernel: Kernel): string {
  const lines = [`kernel ${kernel.name}, grid ${kernel.grid}`]
  for (const b of kernel.buffers) {
    lines.push(`  ${b.space} ${b.name}: ${b.type}[${b.length}] ${b.access}`)
  }
  formatBody(kernel.body, '  ', lines)
  return lines.join('\n')
}

/** A plan as text, and each of its kernels once. */
export function formatKernels(plan: Plan): string {
  const kernels = new Set(plan.commands.flatMap((c) => (c.op === 'kernel' ? [c.kernel] : [])))
  return [formatPlan(plan), ...[...kernels].map(formatKernel)].join('\n\n')
}

function formatBuffer(b: PlanBuffer): string {
  if (b.kind === 'arena') return `arena+${b.offset}`
  return b.kind === 'constant' ? 'constant' : `${b.kind}${b.index}`
}

function formatCommand(c: Command, buffers: readonly PlanBuffer[]): string {
  const name = (i: number): string => formatBuffer(buffers[i] as PlanBuffer)
  switch (c.op) {
    case 'kernel':
      return `${c.kernel.name} grid ${c.kernel.grid} (${c.args.map(name).join(', ')})`
    case 'barrier':
      return c.pieces === undefined ? '-- barrier' : `-- by ${c.pieces} pieces`
    case 'copy':
      return `copy ${name(c.from)} -> ${name(c.to)}, ${c.bytes} bytes`
    case 'host':
      return `host ${c.call.name} (${c.call.inputs.map((i) => name(i.buffer)).join(', ')}) -> ${c.call.outputs
        .map((o) => name(o.buffer))
        .join(', ')}`
  }
}

/** A plan as text: one line a command. */
export function formatPlan(plan: Plan): string {
  const head = `plan: ${plan.arenaBytes} bytes of arena, ${plan.scratchBytes} of scratch a thread`
  return [head, ...plan.commands.map((c) => `  ${formatCommand(c, plan.buffers)}`)].join('\n')
}

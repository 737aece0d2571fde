// Which registers and index variables of vector loops differ from lane to lane. The rest is computed
// once for all lanes.

import { coefficientOf } from './affine.js'
import type { Affine, IndexVar, Kernel, Reg, Stmt } from './ir.js'
import { bodiesOf, operandsOf } from './walk.js'

export interface Varying {
  readonly registers: ReadonlySet<number>
  /** Quotients and remainders of the vector loop's variable (not the variable itself). */
  readonly variables: ReadonlySet<number>
}

export function varyingOf(kernel: Kernel): Varying {
  const registers = new Set<number>()
  const variables = new Set<number>()
  let changed = true

  const differs = (a: Affine, v: IndexVar): boolean => {
    if (coefficientOf(a, v) !== 0) return true
    if (variables.size === 0) return false
    return a.terms.some((t) => variables.has(t.variable.id))
  }
  const anyDiffers = (regs: readonly Reg[]): boolean => {
    for (let n = 0; n < regs.length; n++) {
      const { id, lanes } = regs[n]!
      if (lanes > 0 || registers.has(id)) return true
    }
    return false
  }
  const mark = (set: Set<number>, id: number): void => {
    if (!set.has(id)) changed = true
    set.add(id)
  }

  /** `masked`: inside a guard that some lanes pass and others do not. */
  const visit = (body: readonly Stmt[], v: IndexVar, masked: boolean): void => {
    for (let at = 0; at < body.length; at++) {
      const s = body[at]!
      const byAddress = 'at' in s && differs(s.at, v)
      const byIndex = 'value' in s && typeof s.value === 'object' && differs(s.value, v)
      if ('dst' in s && !registers.has(s.dst.id)) {
        if (masked || byAddress || byIndex || anyDiffers(operandsOf(s))) mark(registers, s.dst.id)
      }
      if ((s.op === 'divide' || s.op === 'modulo') && byIndex) mark(variables, s.variable.id)
      const guarded = s.op === 'when' && (differs(s.left, v) || differs(s.right, v))
      const inside = bodiesOf(s)
      for (let n = 0; n < inside.length; n++) visit(inside[n]!, v, masked || guarded)
    }
  }
  const find = (body: readonly Stmt[]): void => {
    for (const s of body) {
      if (s.op === 'vector') visit(s.body, s.variable, false)
      else for (const inner of bodiesOf(s)) find(inner)
    }
  }
  // An accumulator may become varying through a statement after its first use: repeat until stable.
  while (changed) {
    changed = false
    find(kernel.body)
  }
  return { registers, variables }
}

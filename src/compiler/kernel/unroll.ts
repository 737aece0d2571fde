// Repeats the bodies of loops that ask for it, and drops guards whose outcome is known.

import { affine, isConstant } from './affine.js'
import type { Kernel, Reg, Stmt } from './ir.js'
import { Ranges } from './ranges.js'
import { Renaming } from './rename.js'
import { resultOf, walk, withBodies } from './walk.js'

/** The kernel without `unroll` loops of constant bounds. */
export function unrollLoops(kernel: Kernel): Kernel {
  let loops = false
  let guards = false
  walk(kernel.body, (s) => {
    if (s.op === 'for' && s.unroll) loops = true
    if (s.op === 'when') guards = true
  })
  const flat = loops ? expandLoops(kernel) : kernel
  return guards ? dropGuards(flat) : flat
}

function expandLoops(kernel: Kernel): Kernel {
  let next = 0
  /** In how many statements of the whole kernel a register is assigned. */
  const assignments = new Map<number, number>()
  walk(kernel.body, (s) => {
    const dst = resultOf(s)
    if (!dst) return
    next = Math.max(next, dst.id + 1)
    assignments.set(dst.id, (assignments.get(dst.id) ?? 0) + 1)
  })

  const expand = (body: readonly Stmt[]): Stmt[] => {
    const out: Stmt[] = []
    for (let n = 0; n < body.length; n++) one(body[n]!, out)
    return out
  }
  const one = (s: Stmt, out: Stmt[]): void => {
    const inner = withBodies(s, expand)
    const unrolls = inner.op === 'for' && inner.unroll && isConstant(inner.from)
    if (!unrolls || 'min' in inner.to || !isConstant(inner.to)) {
      out.push(inner)
      return
    }
    // Registers that live inside one round only get a name of their own in each.
    const own = new Map<number, { reg: Reg; count: number }>()
    walk(inner.body, (b) => {
      const dst = resultOf(b)
      if (dst) own.set(dst.id, { reg: dst, count: (own.get(dst.id)?.count ?? 0) + 1 })
    })
    let rounds = 0
    for (let i = inner.from.constant; i < inner.to.constant; i += inner.step) {
      rounds++
      const renaming = new Renaming()
      renaming.values.set(inner.variable.id, affine(i))
      for (const { reg, count } of own.values()) {
        if (count !== assignments.get(reg.id)) continue
        const copy = { ...reg, id: next++ }
        renaming.registers.set(reg.id, copy)
        assignments.set(copy.id, count)
      }
      const copies = renaming.body(inner.body)
      for (let n = 0; n < copies.length; n++) out.push(copies[n]!)
    }
    // What keeps its name is assigned in every copy now, which a loop around this one has to know.
    for (const { reg, count } of own.values()) {
      const all = assignments.get(reg.id) ?? 0
      if (count !== all) assignments.set(reg.id, all + count * (rounds - 1))
    }
  }
  return { ...kernel, body: expand(kernel.body) }
}

/** Replaces guards that always or never hold by the branch that is taken. */
function dropGuards(kernel: Kernel): Kernel {
  const ranges = new Ranges(kernel)
  const simplify = (body: readonly Stmt[]): Stmt[] =>
    body.flatMap((s) => {
      const taken = s.op === 'when' ? ranges.holds(s.left, s.cmp, s.right) : null
      if (s.op !== 'when' || taken === null) return [withBodies(s, simplify)]
      return simplify(taken ? s.body : (s.otherwise ?? []))
    })
  return { ...kernel, body: simplify(kernel.body) }
}

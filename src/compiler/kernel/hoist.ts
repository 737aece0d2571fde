// Moves what every round of a loop would compute alike to before the loop: constants, loads of elements
// that do not depend on the loop, index divisions, and arithmetic on these.

import type { Kernel, Reg, Stmt } from './ir.js'
import { Ranges } from './ranges.js'
import { affinesOf, mentions, operandsOf, resultOf, variableOf, walk, withBodies } from './walk.js'

type Loop = Extract<Stmt, { op: 'for' | 'vector' }>

const PURE: ReadonlySet<Stmt['op']> = new Set([
  'const',
  'set',
  'move',
  'convert',
  'bitcast',
  'index',
  'divide',
  'modulo',
  'load',
])

/** The kernel with loop-invariant statements outside their loops. */
export function hoistInvariants(kernel: Kernel): Kernel {
  const ranges = new Ranges(kernel)
  const assignments = new Map<number, number>()
  walk(kernel.body, (s) => {
    const dst = resultOf(s)
    if (dst) assignments.set(dst.id, (assignments.get(dst.id) ?? 0) + 1)
  })
  const single = (r: Reg | null): boolean =>
    r === null || (r.lanes === 0 && assignments.get(r.id) === 1)

  const process = (body: readonly Stmt[]): Stmt[] => body.flatMap(one)
  const one = (s: Stmt): Stmt[] => {
    // Innermost loops first, so that a statement can leave several loops.
    const inner = withBodies(s, process)
    if (inner.op !== 'for' && inner.op !== 'vector') return [inner]
    const { before, body } = split(inner)
    return [...before, { ...inner, body }]
  }

  const split = (loop: Loop): { before: Stmt[]; body: Stmt[] } => {
    const registers = new Set<number>()
    const variables = new Set<number>([loop.variable.id])
    const written = new Set<number>()
    walk(loop.body, (s) => {
      const dst = resultOf(s)
      if (dst) registers.add(dst.id)
      const v = variableOf(s)
      if (v) variables.add(v.id)
      if (s.op === 'store' || s.op === 'scatter') written.add(s.buffer.id)
    })
    const runs = ranges.runs(loop)
    const before: Stmt[] = []
    const body: Stmt[] = []
    for (const s of loop.body) {
      const invariant =
        PURE.has(s.op) &&
        single(resultOf(s)) &&
        operandsOf(s).every((r) => r.lanes === 0 && !registers.has(r.id)) &&
        affinesOf(s).every((a) => !mentions(a, variables)) &&
        // A load moves only to where it is sure to be executed, and past no store to its buffer.
        (s.op !== 'load' || (runs && !written.has(s.buffer.id)))
      if (!invariant) {
        body.push(s)
        continue
      }
      before.push(s)
      const dst = resultOf(s)
      if (dst) registers.delete(dst.id)
      const v = variableOf(s)
      if (v) variables.delete(v.id)
    }
    return { before, body }
  }

  return { ...kernel, body: process(kernel.body) }
}

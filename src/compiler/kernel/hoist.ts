// Moves what every round of a loop would compute alike to before the loop: constants, index divisions (each
// value once), loads of elements that do not depend on the loop, and arithmetic on these.

import { ofVar } from './affine.js'
import type { Affine, IndexVar, Kernel, Reg, Stmt } from './ir.js'
import { Ranges } from './ranges.js'
import { Renaming } from './rename.js'
import { affinesOf, operandsOf, resultOf, walk } from './walk.js'

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

/** A list of statements under construction: the kernel's, a loop's body or a guard's branch. */
interface Frame {
  readonly out: Stmt[]
  /** Set for a loop's body; a guard's branch is as far out as anything in it may move. */
  readonly loop: Loop | null
  /** Quotients and remainders that are known here, by what they are of. */
  readonly quotients: Map<string, IndexVar>
  /** Buffers stored to inside the loop, once somebody asks. */
  written: Set<number> | null
}

/** The kernel with loop-invariant statements outside their loops. */
export function hoistInvariants(kernel: Kernel): Kernel {
  return new Hoister(kernel).run()
}

/** Equal for equal values. */
function keyOf({ constant, terms }: Affine): string {
  let key = `${constant}`
  for (const { variable, coefficient } of terms) key += ` ${coefficient}*${variable.id}`
  return key
}

class Hoister {
  private readonly ranges: Ranges
  private readonly assignments = new Map<number, number>()
  /** Open lists, outermost first, and in which of them a register or variable is defined. */
  private readonly frames: Frame[] = []
  private readonly registers = new Map<number, number>()
  private readonly variables = new Map<number, number>()
  /** The register that holds a constant, by type and value. */
  private readonly constants = new Map<string, Reg>()
  private readonly renaming = new Renaming()

  constructor(private readonly kernel: Kernel) {
    this.ranges = new Ranges(kernel)
    walk(kernel.body, (s) => {
      const dst = resultOf(s)
      if (dst) this.assignments.set(dst.id, (this.assignments.get(dst.id) ?? 0) + 1)
    })
  }

  run(): Kernel {
    this.variables.set(this.kernel.chunk.id, 0)
    const body = this.list(this.kernel.body, null)
    return { ...this.kernel, body }
  }

  private list(body: readonly Stmt[], loop: Loop | null): Stmt[] {
    const frame: Frame = { out: [], loop, quotients: new Map(), written: null }
    this.frames.push(frame)
    if (loop) this.variables.set(loop.variable.id, this.frames.length - 1)
    for (let n = 0; n < body.length; n++) this.statement(body[n]!)
    this.frames.pop()
    return frame.out
  }

  private statement(s: Stmt): void {
    const here = this.frames.length - 1
    const { renaming } = this
    if (s.op === 'for' || s.op === 'vector') {
      const body = this.list(s.body, s)
      const bounds =
        s.op === 'for'
          ? { ...s, from: renaming.affine(s.from), to: renaming.bound(s.to) }
          : { ...s, count: renaming.bound(s.count) }
      this.frames[here]!.out.push({ ...bounds, body })
      return
    }
    if (s.op === 'when') {
      const body = this.list(s.body, null)
      const out = { ...s, left: renaming.affine(s.left), right: renaming.affine(s.right), body }
      if (s.otherwise) out.otherwise = this.list(s.otherwise, null)
      this.frames[here]!.out.push(out)
      return
    }
    const dst = resultOf(s)
    const single = dst === null || (dst.lanes === 0 && this.assignments.get(dst.id) === 1)
    if (s.op === 'const' && dst && single) {
      this.constant(s)
      return
    }
    const renames = renaming.registers.size + renaming.values.size > 0
    const copy = renames ? renaming.simple(s) : s
    const depth = single && PURE.has(s.op) ? this.outermost(copy, here) : here
    if (copy.op === 'divide' || copy.op === 'modulo') {
      if (this.isKnown(copy, depth)) return
      this.variables.set(copy.variable.id, depth)
    }
    this.frames[depth]!.out.push(copy)
    if (dst && !this.registers.has(dst.id)) this.registers.set(dst.id, depth)
  }

  /** Whether a quotient is known at some depth, or further out: its variable then means that one. */
  private isKnown(s: Extract<Stmt, { op: 'divide' | 'modulo' }>, depth: number): boolean {
    const key = `${s.op} ${s.by} ${keyOf(s.value)}`
    for (let at = depth; at >= 0; at--) {
      const known = this.frames[at]!.quotients.get(key)
      if (known === undefined) continue
      this.renaming.values.set(s.variable.id, ofVar(known))
      return true
    }
    this.frames[depth]!.quotients.set(key, s.variable)
    return false
  }

  /** Constants go to the very start. */
  private constant(s: Extract<Stmt, { op: 'const' }>): void {
    const value = Object.is(s.value, -0) ? '-0' : String(s.value)
    const key = `${s.dst.type}:${value}`
    const known = this.constants.get(key)
    if (known) {
      this.renaming.registers.set(s.dst.id, known)
      return
    }
    this.constants.set(key, s.dst)
    this.registers.set(s.dst.id, 0)
    this.frames[0]!.out.push(s)
  }

  /** The outermost list, no further out than the nearest guard, in which `s` can stand. */
  private outermost(s: Stmt, here: number): number {
    let depth = 0
    const operands = operandsOf(s)
    for (let n = 0; n < operands.length; n++) {
      const r = operands[n]!
      // A register with lanes, or one that is assigned again, has its value only here.
      if (r.lanes > 0 || this.assignments.get(r.id) !== 1) return here
      depth = Math.max(depth, this.registers.get(r.id) ?? here)
    }
    const affines = affinesOf(s)
    for (let n = 0; n < affines.length; n++) {
      const { terms } = affines[n]!
      for (let t = 0; t < terms.length; t++) {
        depth = Math.max(depth, this.variables.get(terms[t]!.variable.id) ?? here)
      }
    }
    let at = here
    while (at > depth) {
      const frame = this.frames[at]!
      if (!frame.loop) break
      // A load moves only to where it is sure to be executed, and past no store to its buffer.
      if (s.op === 'load') {
        if (s.buffer.access !== 'read' && this.writtenIn(frame).has(s.buffer.id)) break
        if (!this.ranges.runs(frame.loop)) break
      }
      at--
    }
    return at
  }

  private writtenIn(frame: Frame): Set<number> {
    if (frame.written) return frame.written
    const written = new Set<number>()
    walk(frame.loop!.body, (s) => {
      if (s.op === 'store' || s.op === 'scatter') written.add(s.buffer.id)
    })
    frame.written = written
    return written
  }
}

// Vector loops: rounds of whole parts, and a tail of which only some lanes take part.

import { isMultiple } from '../../../compiler/kernel/affine.js'
import { knownBound } from '../../../compiler/kernel/known.js'
import { boundParts, resultOf, walk } from '../../../compiler/kernel/walk.js'
import { boundValue } from './indices.js'
import { repeat } from './loops.js'
import type { VReg } from './machine/code.js'
import { advancePointers, setPointer } from './pointers.js'
import { quotient } from './quotients.js'
import { type Mask, type Of, partSize, SCALAR, type State, scoped } from './state.js'
import { NO_TABLES, tablesOf } from './tables.js'

/** Statements that make a formula long, and how long one may be for several parts to share a round. */
const LONG = 12
const LONGEST = 240
/** Parts of a round of short and of long formulas. */
const PARTS = { short: 4, long: 2 } as const

interface RoundShape {
  readonly parts: number
  readonly inTurns: boolean
}

/**
 * Parts of a round: enough of them for the processor to overlap. A loop that only maps takes as many as it
 * likes; one with accumulators takes all of their lanes, once or several times.
 */
function shapeOf(
  s: Of<'vector'>,
  size: number,
  accumulates: boolean,
  whole: boolean,
  count: number | null,
): RoundShape {
  const own = s.lanes / size
  if (whole) return { parts: own, inTurns: false }
  let statements = 0
  walk(s.body, () => statements++)
  const long = statements > LONG
  const wanted = statements > LONGEST ? 1 : PARTS[long ? 'long' : 'short']
  const parts = accumulates ? own * Math.ceil(wanted / own) : fitting(wanted, (count ?? 0) / size)
  return { parts, inTurns: long && parts > 1 }
}

/** As many parts as are wanted, or fewer if more than one were left over at the end: those take code too. */
function fitting(wanted: number, all: number): number {
  for (let parts = wanted; parts > 2; parts--) if (all % parts <= 1) return parts
  return Math.min(wanted, 2)
}

export function emitVector(e: State, s: Of<'vector'>): void {
  if (e.lanes.size > 1) throw new Error('vector loops do not nest')
  let accumulates = false
  let whole = false
  walk(s.body, (b) => {
    if ((resultOf(b)?.lanes ?? 0) > 0) accumulates = true
    // Loops inside run once for all lanes; scattered stores keep the order of lanes.
    if (b.op === 'for' || b.op === 'scatter') whole = true
  })
  const size = partSize(s.lanes, e.isa.lanes)
  e.registers.openVector(s.body, size)
  const known = knownBound(e.variables, s.count)
  const shape = shapeOf(s, size, accumulates, whole, known)
  const round = new Round(e, s, size, shape, accumulates || whole)
  if (known !== null) round.constant(known)
  else round.dynamic()
  e.tables = NO_TABLES
  e.lanes = SCALAR
  e.registers.closeVector()
}

/** The rounds of one vector loop. */
class Round {
  private readonly pointers
  private readonly step: number

  constructor(
    private readonly e: State,
    private readonly s: Of<'vector'>,
    private readonly size: number,
    private readonly shape: RoundShape,
    /** Whether lanes have to stay in their places: there are accumulators, or loops to run but once. */
    private readonly keepsLanes: boolean,
  ) {
    this.pointers = e.addresses.loops.get(s) ?? []
    this.step = this.parts * size
  }

  private get parts(): number {
    return this.shape.parts
  }

  /** A count known now: the tail's whole parts need no mask, and its last part a constant one. */
  constant(count: number): void {
    if (count <= 0) return
    const { e, size } = this
    const { code, isa } = e
    e.tables = tablesOf(this.s, count, this.step)
    for (const p of this.pointers) setPointer(e, p, true)
    const full = Math.floor(count / this.step)
    const rest = count % this.step
    if (full === 1) {
      this.at(0)
      this.body(0, this.parts, null)
      if (rest > 0) advancePointers(e, this.pointers, this.step)
    } else if (full > 1) {
      const counter = code.gp()
      code.g('mov', counter, 0)
      this.loop(counter, full * this.step)
    }
    if (rest === 0) return
    this.at(full * this.step)
    const whole = Math.floor(rest / size)
    const last = rest % size
    if (last === 0) {
      this.body(0, whole, null)
      return
    }
    // One pass over all parts, so that loops inside run once and keep all accumulators busy.
    const some = isa.fresh('bool')
    isa.conditionConstant(some, last, size)
    const conditions: VReg[] = []
    conditions[whole] = some
    const prefix = Array.from({ length: whole + 1 }, (_, p) => (p < whole ? size : last))
    this.body(0, whole + 1, { conditions, prefix })
  }

  dynamic(): void {
    const { e, s } = this
    const { code } = e
    const count = boundValue(e, s.count)
    const counter = code.gp()
    for (const p of this.pointers) setPointer(e, p, true)
    code.g('mov', counter, 0)
    const divides = boundParts(s.count).every((b) => isMultiple(b, this.step))
    const after = code.label()
    if (e.ranges.bound(s.count).high >= this.step) {
      let full = count
      if (!divides) {
        full = code.gp()
        if (Number.isInteger(Math.log2(this.step))) {
          code.g('mov', full, count)
          code.g('and', full, -this.step)
        } else {
          const rounds = quotient(e, count, this.step)
          code.g('imul', full, rounds, this.step)
        }
      }
      if (!divides || !e.ranges.runs(s)) {
        code.g('cmp', full, 0)
        code.jump('jle', after)
      }
      this.loop(counter, full)
    }
    code.bind(after)
    if (divides) return
    const end = code.label()
    code.g('cmp', counter, count)
    code.jump('jge', end)
    e.variables.set(s.variable.id, { kind: 'general', reg: counter })
    if (this.keepsLanes) {
      this.masked(count, counter, this.parts)
    } else {
      repeat(e, counter, count, this.size, this.pointers, () => this.masked(count, counter, 1))
    }
    code.bind(end)
  }

  /** The first parts, in which only lanes below `count` take part. */
  private masked(count: VReg, counter: VReg, parts: number): void {
    const { e, size } = this
    const { code, isa } = e
    const conditions = Array.from({ length: parts }, (_, part) => {
      const left = code.gp()
      code.g('mov', left, count)
      code.g('sub', left, counter)
      if (part > 0) {
        const zero = code.gp()
        code.g('mov', zero, 0)
        code.g('sub', left, size * part)
        code.g('cmovl', left, zero)
      }
      const condition = isa.fresh('bool')
      isa.firstLanes(condition, left, size)
      return condition
    })
    this.body(0, parts, { conditions, prefix: null })
  }

  /** Rounds without masks while the variable is below a limit. */
  private loop(counter: VReg, limit: VReg | number): void {
    const { e, s } = this
    e.variables.set(s.variable.id, { kind: 'general', reg: counter })
    repeat(e, counter, limit, this.step, this.pointers, () => this.body(0, this.parts, null))
  }

  private at(value: number): void {
    this.e.variables.set(this.s.variable.id, { kind: 'constant', value })
  }

  private body(from: number, to: number, mask: Mask | null): void {
    const { e, s, size } = this
    const parts = Array.from({ length: to - from }, (_, i) => from + i)
    scoped(e, () => {
      const { inTurns } = this.shape
      e.lanes = { size, parts, mask, inTurns, depth: 0, variable: s.variable.id }
      e.emitBody(s.body)
    })
    e.lanes = SCALAR
  }
}

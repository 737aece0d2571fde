// Loops and guards: serial loops, vector loops with their tails, and branches.

import type { Pointer } from '../../../compiler/kernel/addresses.js'
import { isMultiple } from '../../../compiler/kernel/affine.js'
import type { Affine, Stmt } from '../../../compiler/kernel/ir.js'
import { knownBound, knownValue } from '../../../compiler/kernel/known.js'
import { difference } from '../../../compiler/kernel/ranges.js'
import { boundParts, resultOf, walk } from '../../../compiler/kernel/walk.js'
import {
  advancePointers,
  affineInto,
  affineValue,
  boundValue,
  differsByLane,
  laneValues,
  quotient,
  setPointer,
} from './indices.js'
import { imm, r32, type VReg } from './machine/code.js'
import { type Lanes, type Mask, type Of, partSize, SCALAR, type State, scoped } from './state.js'
import { NO_TABLES, tablesOf } from './tables.js'

const JUMP_UNLESS = { lt: 'jge', ge: 'jl', eq: 'jne' } as const

/** What `round` emits again and again: `counter` goes up by `step` while it is below `limit`. */
function repeat(
  e: State,
  counter: VReg,
  limit: VReg | number,
  step: number,
  pointers: readonly Pointer[],
  round: () => void,
): void {
  const { code } = e
  const top = code.label()
  code.emit('align', [imm(32)])
  code.bind(top)
  code.inLoop(() => {
    round()
    advancePointers(e, pointers, step)
    code.g('add', counter, step)
    compare(e, counter, limit)
    code.jump('jl', top)
  })
}

function compare(e: State, value: VReg, limit: VReg | number): void {
  const { code } = e
  if (typeof limit !== 'number' || (limit | 0) === limit) {
    code.g('cmp', value, limit)
    return
  }
  const t = code.gp()
  code.g('mov', t, limit)
  code.g('cmp', value, t)
}

export function emitFor(e: State, s: Of<'for'>): void {
  const { code, lanes } = e
  if (differsByLane(e, s.from) || boundParts(s.to).some((b) => differsByLane(e, b))) {
    throw new Error(`the bounds of loop ${s.variable.name} differ from lane to lane`)
  }
  const pointers = e.addresses.loops.get(s) ?? []
  const from = knownValue(e.variables, s.from)
  const to = knownBound(e.variables, s.to)
  if (from !== null && to !== null && to <= from) return
  e.lanes = { ...lanes, depth: lanes.depth + 1 }
  const setPointers = (): void => {
    for (const p of pointers) setPointer(e, p, true)
  }
  if (from !== null && to !== null && to - from <= s.step) {
    e.variables.set(s.variable.id, { kind: 'constant', value: from })
    setPointers()
    e.emitBody(s.body)
  } else {
    const counter = affineValue(e, s.from)
    const limit = to ?? boundValue(e, s.to)
    e.variables.set(s.variable.id, { kind: 'general', reg: counter })
    const end = code.label()
    if (!e.ranges.runs(s)) {
      compare(e, counter, limit)
      code.jump('jge', end)
    }
    setPointers()
    repeat(e, counter, limit, s.step, pointers, () => e.emitBody(s.body))
    code.bind(end)
  }
  e.lanes = lanes
}

// ---- Vector loops ----

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
function shapeOf(s: Of<'vector'>, size: number, accumulates: boolean, whole: boolean): RoundShape {
  const own = s.lanes / size
  if (whole) return { parts: own, inTurns: false }
  let statements = 0
  walk(s.body, () => statements++)
  const long = statements > LONG
  const wanted = statements > LONGEST ? 1 : PARTS[long ? 'long' : 'short']
  const parts = accumulates ? own * Math.ceil(wanted / own) : wanted
  return { parts, inTurns: long && parts > 1 }
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
  const round = new Round(e, s, size, shapeOf(s, size, accumulates, whole), accumulates || whole)
  const known = knownBound(e.variables, s.count)
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

// ---- Guards ----

export function emitWhen(e: State, s: Of<'when'>): void {
  const { code } = e
  const distance = difference(s.left, s.right)
  if (differsByLane(e, distance)) {
    emitWhenByLane(e, s, distance)
    return
  }
  const value = code.gp()
  affineInto(e, value, { ...distance, constant: 0 })
  compare(e, value, -distance.constant)
  const [otherwise, end] = [code.label(), code.label()]
  code.jump(JUMP_UNLESS[s.cmp], otherwise)
  e.emitBody(s.body)
  if (s.otherwise) {
    code.jump('jmp', end)
    code.bind(otherwise)
    e.emitBody(s.otherwise)
    code.bind(end)
  } else {
    code.bind(otherwise)
  }
}

/** Part by part: the body runs if any lane passes, masked to the lanes that do. */
function emitWhenByLane(e: State, s: Of<'when'>, distance: Affine): void {
  const { code, isa } = e
  const outer = e.lanes
  const { size } = outer
  for (const part of outer.parts) {
    const [zero, passes] = [code.vector(), isa.fresh('bool')]
    const bits = isa.width('i32', size)
    const values = laneValues(e, distance, part)
    code.v('vzero', bits, zero)
    if (s.cmp === 'ge') isa.compare(passes, 'i32', 'le', zero, values, bits)
    else isa.compare(passes, 'i32', s.cmp, values, zero, bits)
    const branch = (body: readonly Stmt[], how: 'and' | 'andn'): void => {
      const mask = isa.fresh('bool')
      const on = outer.mask?.conditions[part]
      if (on) isa.logic(mask, how, passes, on, size)
      else if (how === 'and') isa.copy(mask, passes, bits)
      else isa.not(mask, passes, size)
      const skip = code.label()
      const any = code.gp()
      isa.bitsOf(any, mask, size)
      code.emit('test', [r32(any), r32(any)])
      code.jump('je', skip)
      const conditions: VReg[] = []
      conditions[part] = mask
      const inner: Lanes = { ...outer, parts: [part], mask: { conditions, prefix: null } }
      e.lanes = inner
      e.emitBody(body)
      e.lanes = outer
      code.bind(skip)
    }
    branch(s.body, 'and')
    if (s.otherwise) branch(s.otherwise, 'andn')
  }
}

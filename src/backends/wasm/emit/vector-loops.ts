// Vector loops: rounds of whole parts, and a tail of which only some lanes take part.

import { isMultiple } from '../../../compiler/kernel/affine.js'
import { knownBound } from '../../../compiler/kernel/known.js'
import { boundParts, resultOf, walk } from '../../../compiler/kernel/walk.js'
import { advancePointers, pushBound, setPointer } from './indices.js'
import { releasePointers } from './loops.js'
import { atPart, type Mask, type Of, PART, type State } from './state.js'

/** Vector statements a round should have: enough for the processor to overlap, few to compile. */
const ROUND = 48

/** Parts of a round. A loop that only maps may take smaller steps than it was written with. */
function partsPerRound(s: Of<'vector'>, accumulates: boolean): number {
  const parts = s.lanes / PART
  if (accumulates) return parts
  let statements = 0
  let loops = false
  walk(s.body, (b) => {
    statements++
    if (b.op === 'for') loops = true
  })
  if (loops) return parts
  let n = parts
  while (n > 1 && n * statements > ROUND && n % 2 === 0) n /= 2
  return n
}

export function emitVector(e: State, s: Of<'vector'>): void {
  if (e.lanes) throw new Error('vector loops do not nest')
  if (s.lanes % PART !== 0) throw new Error(`a vector loop of ${s.lanes} lanes`)
  let accumulates = false
  walk(s.body, (b) => {
    if ((resultOf(b)?.lanes ?? 0) > 0) accumulates = true
  })
  e.registers.openVector(s.body)
  const round = new Round(e, s, partsPerRound(s, accumulates))
  const known = knownBound(e.variables, s.count)
  if (known !== null) round.constant(known)
  else round.dynamic(accumulates)
  e.lanes = null
  releasePointers(e, s)
  e.registers.closeVector()
  e.registers.settleEnd(s)
}

/** The rounds of one vector loop. */
class Round {
  private readonly pointers
  private readonly step: number

  constructor(
    private readonly e: State,
    private readonly s: Of<'vector'>,
    private readonly parts: number,
  ) {
    this.pointers = e.addresses.loops.get(s) ?? []
    this.step = parts * PART
  }

  /** A count known now: the tail's whole parts need no mask, and its last part a constant one. */
  constant(count: number): void {
    if (count <= 0) return
    const { e, s } = this
    for (const p of this.pointers) setPointer(e, p)
    const full = Math.floor(count / this.step)
    const rest = count % this.step
    if (full === 1) {
      this.at(0)
      this.body(0, this.parts, null)
      if (rest > 0) advancePointers(e, this.pointers, this.step)
    } else if (full > 1) {
      this.loop((push) => push(full * this.step))
    }
    if (rest === 0) return
    this.at(full * this.step)
    const whole = Math.floor(rest / PART)
    const last = rest % PART
    if (last === 0) {
      this.body(0, whole, null)
    } else {
      // One pass over all parts, so that loops inside run once and keep all accumulators busy.
      const { f } = e
      const [all, some] = [f.local('v128'), f.local('v128')]
      f.i32x4([-1, -1, -1, -1])
      f.set(all)
      f.i32x4([-1, last > 1 ? -1 : 0, last > 2 ? -1 : 0, 0])
      f.set(some)
      const parts = Array.from({ length: whole + 1 }, (_, part) => part)
      const locals = parts.map((part) => (part < whole ? all : some))
      const prefix = parts.map((part) => (part < whole ? PART : last))
      this.body(0, whole + 1, { locals, prefix })
      f.release('v128', all)
      f.release('v128', some)
    }
    e.variables.delete(s.variable.id)
  }

  dynamic(accumulates: boolean): void {
    const { e, s } = this
    const { f } = e
    const count = f.local('i32')
    const i = f.local('i32')
    pushBound(e, s.count)
    f.set(count)
    for (const p of this.pointers) setPointer(e, p)
    f.i32(0)
    f.set(i)
    e.variables.set(s.variable.id, { kind: 'local', local: i })
    const divides = boundParts(s.count).every((b) => isMultiple(b, this.step))
    const full = f.local('i32')
    f.get(count)
    if (!divides) {
      f.get(count)
      f.i32(this.step)
      f.op('i32.rem_u')
      f.op('i32.sub')
    }
    f.set(full)
    if (e.ranges.bound(s.count).high >= this.step) {
      const run = (): void => this.loop(() => f.get(full), i)
      if (divides && e.ranges.runs(s)) {
        run()
      } else {
        f.get(full)
        f.i32(0)
        f.op('i32.gt_s')
        f.if(run)
      }
    }
    if (!divides) {
      if (accumulates) this.tailByParts(count, i)
      else this.tailLoop(count, i)
    }
    for (const local of [count, i, full]) f.release('i32', local)
    e.variables.delete(s.variable.id)
  }

  /** Accumulators belong to lanes, so each part of the tail is written out. */
  private tailByParts(count: number, i: number): void {
    const { f } = this.e
    for (let part = 0; part < this.parts; part++) {
      f.get(i)
      f.addConstant(PART * part)
      f.get(count)
      f.op('i32.lt_s')
      f.if(() => this.masked(count, i, part))
    }
  }

  /** Without accumulators, four lanes at a time will do. */
  private tailLoop(count: number, i: number): void {
    const { e } = this
    const { f } = e
    f.get(i)
    f.get(count)
    f.op('i32.lt_s')
    f.if(() => {
      f.loop(() => {
        this.masked(count, i, 0)
        advancePointers(e, this.pointers, PART)
        f.get(i)
        f.i32(PART)
        f.op('i32.add')
        f.tee(i)
        f.get(count)
        f.op('i32.lt_s')
        f.branchIf(0)
      })
    })
  }

  /** One part in which only lanes below `count` take part. */
  private masked(count: number, i: number, part: number): void {
    const { f } = this.e
    const mask = f.local('v128')
    const first = PART * part
    f.i32x4([first, first + 1, first + 2, first + 3])
    f.get(count)
    f.get(i)
    f.op('i32.sub')
    f.op('i32x4.splat')
    f.op('i32x4.lt_s')
    f.set(mask)
    this.body(part, part + 1, { locals: atPart(part, mask), prefix: null })
    f.release('v128', mask)
  }

  /** Rounds without masks while the variable is below a limit. */
  private loop(limit: (constant: (n: number) => void) => void, counter?: number): void {
    const { e, s } = this
    const { f } = e
    const i = counter ?? f.local('i32')
    if (counter === undefined) {
      f.i32(0)
      f.set(i)
    }
    e.variables.set(s.variable.id, { kind: 'local', local: i })
    f.loop(() => {
      this.body(0, this.parts, null)
      advancePointers(e, this.pointers, this.step)
      f.get(i)
      f.i32(this.step)
      f.op('i32.add')
      f.tee(i)
      limit((n) => f.i32(n))
      f.op('i32.lt_s')
      f.branchIf(0)
    })
    if (counter === undefined) f.release('i32', i)
  }

  private at(value: number): void {
    this.e.variables.set(this.s.variable.id, { kind: 'constant', value })
  }

  private body(from: number, to: number, mask: Mask | null): void {
    const { e, s } = this
    const parts = Array.from({ length: to - from }, (_, i) => from + i)
    e.lanes = { parts, mask, depth: 0, variable: s.variable.id }
    e.emitBody(s.body)
    releaseLaneVariables(e, s)
    e.lanes = null
  }
}

/** Quotients and remainders by lane do not outlive a round. */
function releaseLaneVariables(e: State, s: Of<'vector'>): void {
  walk(s.body, (b) => {
    if (b.op !== 'divide' && b.op !== 'modulo') return
    const home = e.variables.get(b.variable.id)
    if (home?.kind !== 'lanes') return
    for (const local of home.locals) if (local !== undefined) e.f.release('v128', local)
    e.variables.delete(b.variable.id)
  })
}

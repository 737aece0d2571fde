// Linear-scan register allocation (Poletto and Sarkar, 1999): intervals in the order of their starts take
// what is free; where nothing is, the one that costs least goes without a register.

import type { Code, RegClass, VReg } from './code.js'
import type { Convention } from './convention.js'
import { type Interval, intervalsOf } from './intervals.js'

/** Real registers by class, in the order in which they are handed out. */
export type RegisterFile = { readonly [C in RegClass]: readonly number[] }

const count = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i)

/** All registers there are: rsp (4) is the stack's, and k0 as a mask means `no mask`. */
const ALL = {
  avx2: { gp: count(16).filter((n) => n !== 4), vector: count(16), mask: [] },
  avx512: { gp: count(16).filter((n) => n !== 4), vector: count(32), mask: count(7, 1) },
} as const satisfies Record<string, RegisterFile>

/** The registers of an instruction set, those first that need not be saved. */
export function registerFile(
  level: keyof typeof ALL,
  { general, vector }: Convention,
): RegisterFile {
  const all = ALL[level]
  const last = (numbers: readonly number[], saved: readonly number[]): number[] => [
    ...numbers.filter((n) => !saved.includes(n)),
    ...numbers.filter((n) => saved.includes(n)),
  ]
  return { gp: last(all.gp, general), vector: last(all.vector, vector), mask: all.mask }
}

export interface Allocation {
  /** Real registers by the ids of virtual ones; -1 where there is none. */
  readonly homes: Int8Array
  /** Registers for which none was left. */
  readonly spilled: readonly VReg[]
}

/**
 * Gives registers to all intervals of some code.
 * @param isCheap whether a register's value can be had again without the stack
 */
export function allocate(
  code: Code,
  file: RegisterFile,
  isCheap: (reg: VReg) => boolean,
): Allocation {
  const homes = new Int8Array(code.registers.length).fill(-1)
  const spilled: VReg[] = []
  const copies = copiesOf(code)
  const files = {
    gp: new Bank(file.gp),
    vector: new Bank(file.vector),
    mask: new Bank(file.mask),
  }
  const intervals = intervalsOf(code)
  for (let n = 0; n < intervals.length; n++) {
    const i = intervals[n]!
    const { id, cls, fixed } = i.reg
    if (fixed === null) continue
    homes[id] = fixed
    files[cls].claim(fixed, i)
  }

  const costOf = ({ reg, uses, start, end }: Interval): number =>
    reg.temporary
      ? Number.POSITIVE_INFINITY
      : (uses * (isCheap(reg) ? 0.25 : 1)) / (end - start + 1)

  for (let n = 0; n < intervals.length; n++) {
    const i = intervals[n]!
    const { id, cls, fixed } = i.reg
    if (fixed !== null) continue
    const bank = files[cls]
    const place = bank.freeFor(i, copies[id], homes)
    if (place >= 0) {
      homes[id] = bank.give(place, i)
      continue
    }
    // Somebody has to go: of those whose register would do, the one least missed.
    i.cost = costOf(i)
    let loser = i
    let taken = -1
    for (let p = 0; p < bank.holders.length; p++) {
      const holder = bank.holders[p]!
      if (holder === null || !bank.isOpen(p, i)) continue
      if (holder.cost < 0) holder.cost = costOf(holder)
      if (holder.cost >= loser.cost) continue
      loser = holder
      taken = p
    }
    if (loser.cost === Number.POSITIVE_INFINITY) throw new Error('no register is left to spill')
    spilled.push(loser.reg)
    if (loser === i) continue
    homes[loser.reg.id] = -1
    homes[id] = bank.give(taken, i)
  }
  return { homes, spilled }
}

/** The real registers of a class, and who has them. Places are positions in the order of handing out. */
class Bank {
  /** The last interval that got each register: it has it until it ends. */
  readonly holders: (Interval | null)[]
  /** Intervals that insist on a register. */
  private readonly claims: Interval[][] = []

  constructor(private readonly numbers: readonly number[]) {
    this.holders = numbers.map(() => null)
  }

  claim(number: number, interval: Interval): void {
    const place = this.numbers.indexOf(number)
    if (place < 0) return
    this.claims[place] ??= []
    this.claims[place].push(interval)
  }

  /** Whether nobody claims a register by name during an interval. */
  isOpen(place: number, { start, end }: Interval): boolean {
    const claims = this.claims[place]
    if (claims === undefined) return true
    for (let n = 0; n < claims.length; n++) {
      const c = claims[n]!
      if (c.end >= start && c.start <= end) return false
    }
    return true
  }

  /** A free register: one that a copy of the value has or had, if possible. @returns its place, or -1 */
  freeFor(i: Interval, copies: readonly VReg[] | undefined, homes: Int8Array): number {
    const { holders, numbers } = this
    let first = -1
    for (let place = 0; place < holders.length; place++) {
      const holder = holders[place]!
      if (holder !== null && holder.end >= i.start) continue
      if (this.claims[place] !== undefined && !this.isOpen(place, i)) continue
      if (copies === undefined) return place
      if (first < 0) first = place
      const number = numbers[place]!
      for (let c = 0; c < copies.length; c++) {
        if (homes[copies[c]!.id] === number) return place
      }
    }
    return first
  }

  /** @returns the register's number */
  give(place: number, interval: Interval): number {
    this.holders[place] = interval
    return this.numbers[place]!
  }
}

/** By id, the registers that are copies of one: they had better share a home. */
function copiesOf(code: Code): (VReg[] | undefined)[] {
  const copies: (VReg[] | undefined)[] = new Array(code.registers.length).fill(undefined)
  const note = (of: VReg, copy: VReg): void => {
    const list = copies[of.id]
    if (list) list.push(copy)
    else copies[of.id] = [copy]
  }
  const { instructions } = code
  for (let at = 0; at < instructions.length; at++) {
    const i = instructions[at]!
    if (!i.operation.copies || !i.isCopy()) continue
    note(i.writes[0]!, i.reads[0]!)
    note(i.reads[0]!, i.writes[0]!)
  }
  return copies
}

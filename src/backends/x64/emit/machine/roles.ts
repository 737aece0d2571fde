// What instructions do with their operands: which they write, which they read, and which could be memory.
//
// The rule is Intel's: the first operand is written, the rest are read. The tables list the exceptions.

import type { Instruction, Mem, Operand, VReg } from './code.js'

/** Instructions that read their first operand too. */
const MODIFIES = new Set(
  `add sub and or xor neg not inc dec shl shr sar imul2 cmovg cmovl cmove cmovne
  vpternlogd vpternlogq vpermt2ps vpermt2pd vpermt2d vpermt2q
  vgatherdps vgatherdpd vpgatherdd vpgatherdq vgatherqps vgatherqpd vpgatherqd vpgatherqq`.split(
    /\s+/,
  ),
)
/** Instructions that only read, and set flags or jump. */
const READS = new Set(
  `cmp test bt vptest vtestps kortestw kortestb ktestw vcomiss vcomisd vucomiss vucomisd
  idiv div push jmp label`.split(/\s+/),
)
/** Gathers clear their mask as they go. */
const CLEARS_MASK = /^v(p?gather|p?scatter)/

const isFma = (op: string): boolean => op.startsWith('vfmadd') || op.startsWith('vfnmadd')
export const isJump = (op: string): boolean => op[0] === 'j'

export interface Roles {
  readonly reads: readonly VReg[]
  readonly writes: readonly VReg[]
}

/** What the name of an instruction says about its operands. */
interface Habits {
  readonly reads: boolean
  readonly modifies: boolean
  readonly clears: boolean
  readonly blends: boolean
}

const habits = new Map<string, Habits>()

function habitsOf(op: string): Habits {
  let h = habits.get(op)
  if (!h) {
    h = {
      reads: READS.has(op),
      modifies: MODIFIES.has(op) || isFma(op),
      clears: CLEARS_MASK.test(op),
      // A blend's mask chooses between its sources.
      blends: op.startsWith('vblendm'),
    }
    habits.set(op, h)
  }
  return h
}

/** Instructions never change, so their roles are found out once. */
const known = new WeakMap<Instruction, Roles>()

/** Registers an instruction reads and writes, those in addresses included. */
export function rolesOf(i: Instruction): Roles {
  let roles = known.get(i)
  if (!roles) {
    roles = findRoles(i)
    known.set(i, roles)
  }
  return roles
}

function findRoles(i: Instruction): Roles {
  const reads = i.reads.slice()
  const writes = i.writes.slice()
  const habit = habitsOf(i.op)
  const merges = i.mask !== null && !i.zero && !habit.blends
  for (let at = 0; at < i.operands.length; at++) {
    const o = i.operands[at]!
    if (o.kind === 'mem') {
      if (!('area' in o.base)) reads.push(o.base)
      if (o.index) reads.push(o.index)
    } else if (o.kind === 'view') {
      const modified = at === 0 && (habit.modifies || (merges && o.reg.cls === 'vector'))
      // A gather's mask is a vector on AVX2.
      const cleared = at === 2 && habit.clears
      if (at !== 0 || modified || habit.reads) reads.push(o.reg)
      if ((at === 0 && !habit.reads) || cleared) writes.push(o.reg)
    }
  }
  if (i.mask) {
    reads.push(i.mask)
    if (habit.clears) writes.push(i.mask)
  }
  return { reads, writes }
}

/** Whether an instruction does nothing but set the registers it writes (flags nobody asks about aside). */
export function isPure(i: Instruction): boolean {
  const [first] = i.operands
  if (first?.kind !== 'view' || i.writes.length > 0) return false
  const habit = habitsOf(i.op)
  return !habit.reads && !habit.modifies && !habit.clears
}

const classOf = (o: Operand | undefined): string | null => (o?.kind === 'view' ? o.reg.cls : null)

/** Plain copies between registers of one class. */
export const isCopy = (i: Instruction): boolean =>
  (i.op === 'mov' || i.op === 'vmovaps' || i.op === 'kmovw') &&
  i.mask === null &&
  classOf(i.operands[0]) !== null &&
  classOf(i.operands[0]) === classOf(i.operands[1])

// ---- Memory operands ----

/** Instructions whose last source may be memory, and the bytes of their elements. */
const ELEMENT = new Map<string, 4 | 8>()
for (const op of 'add sub mul div min max sqrt and andn or xor'.split(' ')) {
  ELEMENT.set(`v${op}ps`, 4)
  ELEMENT.set(`v${op}pd`, 8)
}
for (const op of 'add sub mins maxs mulu'.split(' ')) {
  ELEMENT.set(`vp${op}${op === 'mulu' ? 'd' : ''}q`, 8)
  if (op !== 'mulu') ELEMENT.set(`vp${op}d`, 4)
}
for (const op of 'and andn or xor'.split(' ')) {
  ELEMENT.set(`vp${op}d`, 4)
  ELEMENT.set(`vp${op}q`, 8)
}
ELEMENT.set('vpmulld', 4)
ELEMENT.set('vpmullq', 8)
for (const form of ['132', '213', '231']) {
  for (const sign of ['fmadd', 'fnmadd']) {
    ELEMENT.set(`v${sign}${form}ps`, 4)
    ELEMENT.set(`v${sign}${form}pd`, 8)
  }
}
/** VEX forms without an element size: memory, but nothing spread. */
for (const op of ['vpand', 'vpandn', 'vpor', 'vpxor']) ELEMENT.set(op, 4)

/** Compares have their memory operand third, before the predicate. */
const COMPARES = new Map<string, 4 | 8>([
  ['vcmpps', 4],
  ['vcmppd', 8],
  ['vpcmpd', 4],
  ['vpcmpq', 8],
  ['vpcmpeqd', 4],
  ['vpcmpgtd', 4],
  ['vpcmpeqq', 8],
  ['vpcmpgtq', 8],
])

const COMMUTES =
  /^v(add|mul|and|or|xor)p[sd]$|^vp(add|and|or|xor|mull|muludq|mins|maxs)[dq]?$|^vp(and|or|xor)$/

/** Bytes of an instruction's elements if its operand `at` could be memory, else 0. */
export function elementAt(i: Instruction, at: number): 0 | 4 | 8 {
  if (at === 0) return 0
  const compare = COMPARES.get(i.op)
  if (compare !== undefined) return at === 2 ? compare : 0
  return at === i.operands.length - 1 ? (ELEMENT.get(i.op) ?? 0) : 0
}

/** The same instruction with the operand at `at` last, if order does not matter to it; or null. */
export function turned(i: Instruction, at: number): Instruction | null {
  if (i.operands.length !== 3 || at !== 1) return null
  const [d, a, b] = i.operands
  const factors = isFma(i.op) && i.op.includes('231')
  if (!factors && !COMMUTES.test(i.op)) return null
  return { ...i, operands: [d!, b!, a!] }
}

/** Loads that an operand of memory can stand for: what they read, and how wide. */
export function loadOf(i: Instruction): { mem: Mem; bits: number } | null {
  const [d, m] = i.operands
  if (i.mask !== null || d?.kind !== 'view' || m?.kind !== 'mem' || i.operands.length !== 2) {
    return null
  }
  if (i.op === 'vmovups') return { mem: m, bits: d.bits }
  if (i.op === 'vbroadcastss') return { mem: { ...m, spread: 4 }, bits: d.bits }
  if (i.op === 'vbroadcastsd') return { mem: { ...m, spread: 8 }, bits: d.bits }
  return null
}

/** `i` with its register operand at `at` read from memory instead; null where the form does not exist. */
export function withMemory(
  i: Instruction,
  at: number,
  load: { mem: Mem; bits: number },
  spreads: boolean,
): Instruction | null {
  for (const candidate of [i, turned(i, at)]) {
    if (!candidate) continue
    const place = candidate === i ? at : 2
    const element = elementAt(candidate, place)
    const o = candidate.operands[place]
    if (element === 0 || o?.kind !== 'view' || o.bits !== load.bits) continue
    if (load.mem.spread !== 0 && (!spreads || load.mem.spread !== element)) continue
    const operands = candidate.operands.slice()
    operands[place] = load.mem
    return { ...candidate, operands }
  }
  return null
}

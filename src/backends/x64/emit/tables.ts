// Quotients and remainders of a vector loop's variable, of which a pool's gradient is full. Where the loop's
// count is known they are known too, for every lane of every round, and are read from tables behind the
// code. Loads whose lanes differ by nothing else become a load of neighbours and a permutation, if a
// register is wide enough for all that its lanes want.

import type { Term } from '../../../compiler/kernel/addresses.js'
import type { Affine } from '../../../compiler/kernel/ir.js'
import { walk } from '../../../compiler/kernel/walk.js'
import type { PartAccess } from './access.js'
import { type Mem, mem, r64, type VReg } from './machine/code.js'
import type { Of, State } from './state.js'

export interface Tables {
  /** How often the vector loop's body counts: values beyond are never used. */
  readonly count: number
  /** By index variable: its values, for each of the vector loop's variable. */
  readonly values: ReadonlyMap<number, Int32Array>
}

export const NO_TABLES: Tables = { count: 0, values: new Map() }

/** Longest loop with tables: each takes 16 KiB then. */
const LONGEST = 4096

/** Tables of what a vector loop divides, for `count` values of its variable in whole rounds of `step`. */
export function tablesOf(s: Of<'vector'>, count: number, step: number): Tables {
  const values = new Map<number, Int32Array>()
  const length = Math.ceil(count / step) * step
  if (length > LONGEST) return NO_TABLES
  const known = ({ terms }: Affine): boolean =>
    terms.length > 0 && terms.every(({ variable: v }) => v.id === s.variable.id || values.has(v.id))
  walk(s.body, (d) => {
    if ((d.op !== 'divide' && d.op !== 'modulo') || !known(d.value)) return
    const table = new Int32Array(length)
    for (let v = 0; v < length; v++) {
      let x = d.value.constant
      for (const t of d.value.terms) x += t.coefficient * (values.get(t.variable.id)?.[v] ?? v)
      table[v] = d.op === 'divide' ? Math.floor(x / d.by) : x % d.by
    }
    values.set(d.variable.id, table)
  })
  return { count, values }
}

/** Where a table has the value for the first lane of a part. */
function inTable(e: State, table: Int32Array, part: number): Mem {
  const { code, lanes } = e
  const place = code.constant(new Uint8Array(table.buffer))
  const home = e.variables.get(lanes.variable)
  if (home?.kind === 'constant') return mem(place, 4 * (home.value + lanes.size * part))
  if (home?.kind !== 'general') throw new Error('a vector loop counts in general registers')
  const base = code.gp()
  code.emit('lea', [r64(base), mem(place)])
  return mem(base, 4 * lanes.size * part, { index: home.reg, scale: 4 })
}

/** A part's lanes of a table. */
export function tableLanes(e: State, table: Int32Array, part: number): VReg {
  const dst = e.code.vector()
  e.code.v('vmovups', e.isa.width('i32', e.lanes.size), dst, inTable(e, table, part))
  return dst
}

/** The sum of terms that all have tables, in units of so many bytes; null if one has none. */
export function summedTable(e: State, terms: readonly Term[], unit: number): Int32Array | null {
  const { values } = e.tables
  if (terms.length === 0 || !terms.every((t) => values.has(t.variable.id))) return null
  const tables = terms.map((t) => ({ table: values.get(t.variable.id)!, times: t.bytes / unit }))
  return tables[0]!.table.map((_, v) => tables.reduce((x, t) => x + t.times * t.table[v]!, 0))
}

const least = (xs: Int32Array): number => xs.reduce((a, b) => Math.min(a, b))
const most = (xs: Int32Array): number => xs.reduce((a, b) => Math.max(a, b))

/**
 * Where registers of neighbours start that hold what the lanes want, and which of the neighbours each lane
 * wants; null if they are too far apart. Nothing is read outside of what the loop reads.
 */
function windows(wanted: Int32Array, count: number, size: number) {
  const end = most(wanted.subarray(0, count)) + 1
  if (end - least(wanted.subarray(0, count)) < size) return null
  const starts = new Int32Array(wanted.length)
  const order = new Int32Array(wanted.length)
  for (let v = 0; v < count; v += size) {
    const lanes = wanted.subarray(v, Math.min(v + size, count))
    const start = Math.min(least(lanes), end - size)
    if (most(lanes) - start >= size) return null
    starts.fill(start, v, v + size)
    for (const [l, x] of lanes.entries()) order[v + l] = x - start
  }
  return { starts, order }
}

/** Loads lanes of 32 bits by a permutation of neighbours; false where that cannot be. */
export function loadByTable(p: PartAccess<Of<'load' | 'gather'>>): boolean {
  const { e, s, access, base, part, bits } = p
  const { code, lanes, registers, tables } = e
  // A guard's lanes may not be read at all, those of a tail may: as others read what they would.
  if (access.laneBytes !== 0 || (lanes.mask && lanes.mask.prefix === null)) return false
  const wanted = summedTable(e, access.varying, 4)
  const found = wanted && windows(wanted, tables.count, lanes.size)
  if (!found) return false
  registers.assign(s.dst, part, 0, lanes, (dst) => {
    const [at, neighbours] = [code.gp(), code.vector()]
    code.emit('movsxd', [r64(at), inTable(e, found.starts, part)])
    code.v('vmovups', bits, neighbours, mem(base, access.bytes, { index: at, scale: 4 }))
    code.v('vpermps', bits, dst, tableLanes(e, found.order, part), neighbours)
  })
  return true
}

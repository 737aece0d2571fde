// Quotients and remainders of a vector loop's variable, of which a pool's gradient is full. Where the loop's
// count is known they are known too, for every lane of every round, and are read from tables behind the
// code.

import type { Term } from '../../../compiler/kernel/addresses.js'
import type { Affine } from '../../../compiler/kernel/ir.js'
import { walk } from '../../../compiler/kernel/walk.js'
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
export function inTable(e: State, table: Int32Array, part: number): Mem {
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

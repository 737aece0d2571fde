// Index expressions: `'1, ::-1'`, `[0, '...', null, rows]` and the rest, read into one list of items.

import { ValueError } from '../base/errors.js'
import { TensorCore } from './core.js'

/** A range of an axis, with Python's meaning of what is left out or negative. */
export interface Slice {
  readonly start?: number | undefined
  readonly stop?: number | undefined
  readonly step?: number | undefined
}

/**
 * One entry of an index: a position, text (`'2'`, `'1:5'`, `'::-1'`, `'...'`, `'None'`), `null` for a
 * new axis, a range as an object, integers as a tensor or an array, or a mask (a bool tensor).
 */
export type IndexEntry = number | string | null | Slice | TensorCore | readonly number[]

/** What `at` takes: one entry, or a list with an entry per axis. Text may hold several, with commas. */
export type Index = number | string | null | Slice | TensorCore | readonly IndexEntry[]

/** An entry that has been read. */
export type IndexItem =
  | { readonly kind: 'position'; readonly at: number }
  | { readonly kind: 'slice'; readonly slice: Slice }
  | { readonly kind: 'newAxis' }
  | { readonly kind: 'rest' }
  | { readonly kind: 'tensor'; readonly tensor: TensorCore }
  | { readonly kind: 'list'; readonly list: readonly number[] }

const NAMES: Readonly<Record<string, IndexItem>> = {
  '...': { kind: 'rest' },
  None: { kind: 'newAxis' },
  null: { kind: 'newAxis' },
  newaxis: { kind: 'newAxis' },
}

const INTEGER = /^[+-]?\d+$/
const RANGE = /^([+-]?\d+)?\s*:\s*([+-]?\d+)?\s*(?::\s*([+-]?\d+)?)?$/

function parse(where: string, text: string): IndexItem {
  const named = NAMES[text]
  if (named !== undefined) return named
  if (INTEGER.test(text)) return { kind: 'position', at: Number(text) }
  const range = RANGE.exec(text)
  if (range === null) {
    const forms = `indices such as '1', '2:5', '::-1', '...' or 'None'`
    throw new ValueError(where, forms, `'${text}'`)
  }
  const bound = (s: string | undefined): number | undefined =>
    s === undefined ? undefined : Number(s)
  const slice = { start: bound(range[1]), stop: bound(range[2]), step: bound(range[3]) }
  return { kind: 'slice', slice }
}

function readEntry(where: string, entry: IndexEntry): IndexItem[] {
  if (typeof entry === 'string') return entry.split(',').map((s) => parse(where, s.trim()))
  if (typeof entry === 'number') return [{ kind: 'position', at: entry }]
  if (entry === null) return [{ kind: 'newAxis' }]
  if (entry instanceof TensorCore) return [{ kind: 'tensor', tensor: entry }]
  if (Array.isArray(entry)) return [{ kind: 'list', list: entry }]
  if (typeof entry === 'object') return [{ kind: 'slice', slice: entry as Slice }]
  throw new ValueError(where, 'a number, text, null, a range, a tensor or an array', typeof entry)
}

/** The items of an index. */
export function readIndex(where: string, index: Index): IndexItem[] {
  const entries = Array.isArray(index) ? (index as readonly IndexEntry[]) : [index as IndexEntry]
  return entries.flatMap((entry) => readEntry(where, entry))
}

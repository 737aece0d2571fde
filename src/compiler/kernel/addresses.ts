// Strength reduction of addresses: every access becomes a pointer plus a constant. Pointers advance by a
// constant at the end of each round of a loop, so inner loops contain no multiplications; accesses that
// differ by a constant share one. Where many buffers are gone through alike, as those of an optimizer's
// update, they may share one offset from the start of each.

import { type BufferDecl, BYTES, type IndexVar, type Kernel, type Stmt } from './ir.js'
import { bodiesOf, variableOf } from './walk.js'

/**
 * Accesses further apart than this do not share a pointer, so that a pointer is never further than this
 * from an element that is touched. Emitters rely on it for offsets that fit their instructions.
 */
export const REACH = 1 << 20

/** Lanes that span more than this are addressed one by one, without constant offsets. */
const LANE_REACH = 1 << 16

/** A number of bytes for each step of an index variable. */
export interface Term {
  readonly variable: IndexVar
  readonly bytes: number
}

/** What a pointer points into; null for an offset from the start of any buffer, if those are asked for. */
export type Pointee = BufferDecl | null

/** An integer register that holds an address, or an offset. */
export interface Pointer<B extends Pointee = Pointee> {
  readonly id: number
  readonly buffer: B
  /** Set to this pointer (or, if null, the buffer's base, or 0) + Σ terms + bytes … */
  readonly from: Pointer<B> | null
  readonly terms: readonly Term[]
  readonly bytes: number
  /** … and advanced by this a step of its loop's variable; 0 where no loop carries it. */
  readonly step: number
}

export interface Access<B extends Pointee = Pointee> {
  /** A pointer into the buffer, or an offset from its start. */
  readonly pointer: Pointer<B>
  /** Constant distance from the pointer, for lane 0. */
  readonly bytes: number
  /** Distance from lane to lane, by the coefficient of the vector loop's variable. */
  readonly laneBytes: number
  /** Whether all lanes are near enough for constant offsets (and the pointer allows for them). */
  readonly near: boolean
  /** Further terms that differ from lane to lane irregularly. */
  readonly varying: readonly Term[]
}

export interface AddressPlan<B extends Pointee = Pointee> {
  /** Pointers to set where the kernel starts, in order. */
  readonly entry: readonly Pointer<B>[]
  /** Pointers to set before a loop, and to advance by `step` · the loop's step after each round. */
  readonly loops: ReadonlyMap<Stmt, readonly Pointer<B>[]>
  /** Pointers to set after a `divide` or `modulo`. */
  readonly after: ReadonlyMap<Stmt, readonly Pointer<B>[]>
  readonly accesses: ReadonlyMap<Stmt, Access<B>>
}

type AccessStmt = Extract<Stmt, { op: 'load' | 'prefetch' | 'gather' | 'store' | 'scatter' }>
const ACCESSES: ReadonlySet<string> = new Set<AccessStmt['op']>([
  'load',
  'prefetch',
  'gather',
  'store',
  'scatter',
])
/** Whether a statement has an address in a buffer. */
export const isAccess = (s: Stmt): s is AccessStmt => ACCESSES.has(s.op)

/** An access's address, by how its parts change. */
interface Parts {
  /** Whether its lanes are one element or neighbours, so that one instruction can take them. */
  readonly plain: boolean
  /** The same for all lanes, or advancing with the loops. */
  readonly terms: readonly Term[]
  readonly varying: readonly Term[]
  readonly laneBytes: number
  readonly lanes: number
  readonly near: boolean
}

interface Found {
  readonly stmt: AccessStmt
  /** The lowest constant distance of any lane. */
  readonly low: number
  readonly parts: Parts
}

/** Accesses that go through buffers alike, by buffer. */
interface Alike {
  readonly scope: Scope
  readonly terms: readonly Term[]
  readonly found: Map<BufferDecl, Found[]>
}

interface Made {
  readonly buffer: BufferDecl | null
  readonly terms: readonly Term[]
  readonly bias: number
  readonly pointer: Pointer
}

/** A block of statements that runs again and again: the kernel's, or a loop's. */
interface Scope {
  readonly parent: Scope | null
  readonly loop: Extract<Stmt, { op: 'for' | 'vector' }> | null
  readonly defines: Set<number>
  /** Pointers made here, by hash. */
  readonly pointers: Map<number, Made[]>
}

/** A number that is equal for equal pointers, and seldom for others. */
function hashOf(buffer: BufferDecl | null, terms: readonly Term[], bias: number): number {
  let h = Math.imul((buffer?.id ?? -1) + 1, 0x9e3779b1) ^ bias
  for (let n = 0; n < terms.length; n++) {
    const { variable, bytes } = terms[n]!
    h = Math.imul(h ^ variable.id, 0x85ebca6b) ^ bytes
  }
  return h | 0
}

function sameTerms(a: readonly Term[], b: readonly Term[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    if (a[i]!.variable.id !== b[i]!.variable.id || a[i]!.bytes !== b[i]!.bytes) return false
  }
  return true
}

/** Puts terms in one order, so that equal sums are seen to be equal: they are few, and mostly in it. */
function sorted(terms: Term[]): Term[] {
  for (let n = 1; n < terms.length; n++) {
    const t = terms[n]!
    let at = n
    for (; at > 0 && terms[at - 1]!.variable.id > t.variable.id; at--) terms[at] = terms[at - 1]!
    terms[at] = t
  }
  return terms
}

/**
 * @param varying index variables that differ from lane to lane (see varying.ts)
 * @param sharing buffers from which on those that are gone through alike share an offset, for targets whose
 *   instructions can add one
 */
export function planAddresses(kernel: Kernel, varying: ReadonlySet<number>): AddressPlan<BufferDecl>
export function planAddresses(
  kernel: Kernel,
  varying: ReadonlySet<number>,
  sharing: number,
): AddressPlan
export function planAddresses(
  kernel: Kernel,
  varying: ReadonlySet<number>,
  sharing = Number.POSITIVE_INFINITY,
): AddressPlan {
  const entry: Pointer[] = []
  const loops = new Map<Stmt, Pointer[]>()
  const after = new Map<Stmt, Pointer[]>()
  const accesses = new Map<Stmt, Access>()
  /** Position of the statement that defines a quotient or remainder. */
  const divisions = new Map<number, { stmt: Stmt; order: number }>()
  const places = new Map<number, Alike[]>()

  const push = (map: Map<Stmt, Pointer[]>, s: Stmt, p: Pointer): void => {
    const list = map.get(s)
    if (list) list.push(p)
    else map.set(s, [p])
  }

  let nextId = 0
  /** What a pointer is set from, if it is not the start. */
  const origin = (buffer: BufferDecl | null, terms: readonly Term[], at: Scope): Pointer | null =>
    terms.length === 0 ? null : pointer(buffer, terms, at, 0)
  const pointer = (
    buffer: BufferDecl | null,
    terms: readonly Term[],
    at: Scope,
    bias: number,
  ): Pointer => {
    let scope = at
    while (scope.parent && !terms.some((t) => scope.defines.has(t.variable.id)))
      scope = scope.parent
    const hash = hashOf(buffer, terms, bias)
    const alike = scope.pointers.get(hash)
    for (const m of alike ?? []) {
      if (m.buffer === buffer && m.bias === bias && sameTerms(m.terms, terms)) return m.pointer
    }
    const make = (
      from: Pointer | null,
      extra: readonly Term[],
      bytes: number,
      step: number,
      id = nextId++,
    ): Pointer => {
      const p = { id, buffer, from, terms: extra, bytes, step }
      const made = { buffer, terms, bias, pointer: p }
      const list = scope.pointers.get(hash)
      if (list) list.push(made)
      else scope.pointers.set(hash, [made])
      return p
    }
    const quotients = terms.filter(
      (t) => scope.defines.has(t.variable.id) && divisions.has(t.variable.id),
    )
    if (quotients.length > 0) {
      const rest = terms.filter((t) => !quotients.includes(t))
      const from = origin(buffer, rest, scope)
      const last = quotients
        .map((t) => divisions.get(t.variable.id)!)
        .reduce((a, b) => (b.order > a.order ? b : a))
      const p = make(from, quotients, bias, 0)
      push(after, last.stmt, p)
      return p
    }
    const { loop, parent } = scope
    if (loop && parent) {
      const own = terms.find((t) => t.variable.id === loop.variable.id)!
      const rest = terms.filter((t) => t !== own)
      const start = loop.op === 'for' ? loop.from : { constant: 0, terms: [] }
      const initial = addTerms(
        rest,
        start.terms.map((t) => ({ variable: t.variable, bytes: t.coefficient * own.bytes })),
      )
      const from = origin(buffer, initial, parent)
      const p = make(from, [], bias + start.constant * own.bytes, own.bytes)
      push(loops, loop, p)
      return p
    }
    const p = make(null, terms, bias, 0)
    entry.push(p)
    return p
  }

  // First all accesses, so that those which can share a pointer are known …
  let order = 0
  const visit = (body: readonly Stmt[], scope: Scope): void => {
    for (let n = 0; n < body.length; n++) {
      const s = body[n]!
      order++
      if (s.op === 'divide' || s.op === 'modulo') {
        divisions.set(s.variable.id, { stmt: s, order })
        scope.defines.add(s.variable.id)
      }
      if (isAccess(s)) {
        const parts = split(s, scope)
        const { laneBytes, lanes, near } = parts
        const c = s.at.constant * BYTES[s.buffer.type]
        const reach = near ? laneBytes * (lanes - 1) : 0
        note({ stmt: s, low: c + Math.min(0, reach), parts }, scope)
      }
      const inside = bodiesOf(s)
      for (let b = 0; b < inside.length; b++) {
        if (s.op === 'for' || s.op === 'vector') visit(inside[b]!, scopeOf(s, scope))
        else visit(inside[b]!, scope)
      }
    }
  }
  const note = (access: Found, scope: Scope): void => {
    const { terms } = access.parts
    const hash = hashOf(null, terms, 0)
    const near = places.get(hash)
    let alike = near?.find((a) => a.scope === scope && sameTerms(a.terms, terms))
    if (alike === undefined) {
      alike = { scope, terms, found: new Map() }
      if (near) near.push(alike)
      else places.set(hash, [alike])
    }
    const list = alike.found.get(access.stmt.buffer)
    if (list) list.push(access)
    else alike.found.set(access.stmt.buffer, [access])
  }
  const split = (s: AccessStmt, scope: Scope): Parts => {
    const size = BYTES[s.buffer.type]
    let laneBytes = 0
    let lanes = 1
    for (let at: Scope | null = scope; at; at = at.parent) {
      if (at.loop?.op !== 'vector') continue
      lanes = at.loop.lanes
      const id = at.loop.variable.id
      laneBytes = (s.at.terms.find((t) => t.variable.id === id)?.coefficient ?? 0) * size
    }
    const all = s.at.terms.map((t) => ({ variable: t.variable, bytes: t.coefficient * size }))
    const irregular = varying.size === 0 ? [] : all.filter((t) => varying.has(t.variable.id))
    const regular = irregular.length === 0 ? all : all.filter((t) => !varying.has(t.variable.id))
    return {
      plain: irregular.length === 0 && (laneBytes === 0 || laneBytes === size) && !('offset' in s),
      terms: sorted(regular),
      varying: irregular,
      laneBytes,
      lanes,
      near: Math.abs(laneBytes) * (lanes - 1) <= LANE_REACH,
    }
  }
  const root: Scope = {
    parent: null,
    loop: null,
    defines: new Set([kernel.chunk.id]),
    pointers: new Map(),
  }
  visit(kernel.body, root)

  // … then pointers for clusters of accesses that are close together.
  const place = (group: Found[], { scope, terms }: Alike, shares: boolean): void => {
    let bias = 0
    let end = Number.NEGATIVE_INFINITY
    for (const { stmt, low, parts } of group.sort((a, b) => a.low - b.low)) {
      if (low > end) {
        // Small distances from the plain pointer need no pointer of their own.
        bias = low >= 0 && low < REACH ? 0 : low
        end = bias + REACH
      }
      const { laneBytes, near } = parts
      accesses.set(stmt, {
        pointer: pointer(shares ? null : stmt.buffer, terms, scope, bias),
        bytes: stmt.at.constant * BYTES[stmt.buffer.type] - bias,
        laneBytes,
        near,
        varying: parts.varying,
      })
    }
  }
  const mayShare = (group: readonly Found[]): boolean =>
    group.every(({ low, parts }) => parts.plain && low >= 0 && low < REACH)
  for (const near of places.values()) {
    for (const alike of near) {
      const groups = [...alike.found.values()]
      const many = alike.terms.length > 0 && groups.length >= sharing
      const shares = many && groups.filter(mayShare).length >= sharing
      for (const group of groups) place(group, alike, shares && mayShare(group))
    }
  }
  return { entry, loops, after, accesses }
}

function scopeOf(loop: Extract<Stmt, { op: 'for' | 'vector' }>, parent: Scope): Scope {
  const own = variableOf(loop)!
  return { parent, loop, defines: new Set([own.id]), pointers: new Map() }
}

function addTerms(a: readonly Term[], b: readonly Term[]): Term[] {
  const out = a.map((t) => ({ ...t }))
  for (const t of b) {
    const same = out.find((u) => u.variable.id === t.variable.id)
    if (same) same.bytes += t.bytes
    else out.push({ ...t })
  }
  return sorted(out.filter((t) => t.bytes !== 0))
}

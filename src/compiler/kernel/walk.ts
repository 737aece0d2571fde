// Looking at kernel statements: the registers they read and write, the statements inside them.

import type { Affine, Bound, IndexVar, Reg, Stmt } from './ir.js'

/** Most statements have nothing of a kind: one list for all of them. */
const NOTHING: readonly never[] = []

/** Registers a statement itself reads (not what is inside it). */
export function operandsOf(s: Stmt): readonly Reg[] {
  switch (s.op) {
    case 'set':
      return s.args
    case 'move':
    case 'convert':
    case 'bitcast':
    case 'combine':
      return [s.from]
    case 'gather':
      return [s.offset]
    case 'store':
      return s.when === undefined ? [s.from] : [s.from, s.when]
    case 'scatter':
      return [s.offset, s.from]
    case 'status':
      return [s.cond]
    default:
      return NOTHING
  }
}

/** The register a statement writes. */
export const resultOf = (s: Stmt): Reg | null => ('dst' in s ? s.dst : null)

/** Statement lists inside a statement. */
export function bodiesOf(s: Stmt): readonly (readonly Stmt[])[] {
  switch (s.op) {
    case 'for':
    case 'vector':
      return [s.body]
    case 'when':
      return s.otherwise ? [s.body, s.otherwise] : [s.body]
    default:
      return NOTHING
  }
}

/** The same statement around other bodies. */
export function withBodies(s: Stmt, change: (body: readonly Stmt[]) => readonly Stmt[]): Stmt {
  switch (s.op) {
    case 'for':
    case 'vector':
      return { ...s, body: change(s.body) }
    case 'when':
      return s.otherwise
        ? { ...s, body: change(s.body), otherwise: change(s.otherwise) }
        : { ...s, body: change(s.body) }
    default:
      return s
  }
}

/** Visits every statement, outer ones first. (By index: to a young process, iterators are garbage.) */
export function walk(body: readonly Stmt[], visit: (s: Stmt) => void): void {
  for (let at = 0; at < body.length; at++) {
    const s = body[at]!
    visit(s)
    if (s.op === 'for' || s.op === 'vector') walk(s.body, visit)
    else if (s.op === 'when') {
      walk(s.body, visit)
      if (s.otherwise) walk(s.otherwise, visit)
    }
  }
}

export const boundParts = (b: Bound): readonly Affine[] => ('min' in b ? b.min : [b])

/** Affine values a statement itself mentions. */
export function affinesOf(s: Stmt): readonly Affine[] {
  switch (s.op) {
    case 'index':
    case 'divide':
    case 'modulo':
      return [s.value]
    case 'load':
    case 'prefetch':
    case 'gather':
    case 'store':
    case 'scatter':
      return [s.at]
    case 'for':
      return [s.from, ...boundParts(s.to)]
    case 'vector':
      return boundParts(s.count)
    case 'when':
      return [s.left, s.right]
    default:
      return NOTHING
  }
}

/** The index variable a statement defines. */
export const variableOf = (s: Stmt): IndexVar | null => ('variable' in s ? s.variable : null)

// Emits lists of statements: one value at a time outside vector loops, part by part inside them.

import type { Stmt } from '../../../compiler/kernel/ir.js'
import { findSquares } from '../../../compiler/kernel/squares.js'
import { operandsOf } from '../../../compiler/kernel/walk.js'
import { FAULT_WORD } from '../memory/layout.js'
import { emitWhen } from './guards.js'
import {
  differsByLane,
  divideLanes,
  divideScalar,
  indexScalar,
  pushAffine,
  pushLaneValues,
  setPointersAfter,
} from './indices.js'
import { combineLanes, convertLanes, setLanes } from './lanewise.js'
import {
  gatherLanes,
  gatherScalar,
  gatherUniform,
  loadLanes,
  loadScalar,
  loadUniform,
} from './loads.js'
import { emitFor } from './loops.js'
import { constantScalar, convertScalar, setScalar } from './scalar.js'
import { storeSquare } from './squares.js'
import { halvesOf, isWhole, type Lanes, type Of, type State } from './state.js'
import { storeLanes, storeScalar } from './stores.js'
import { emitVector } from './vector-loops.js'

type Rules = { readonly [Op in Stmt['op']]?: (e: State, s: Of<Op>, part: number) => void }

/** Statements with statements inside. */
const STRUCTURES: Rules = { for: emitFor, vector: emitVector, when: emitWhen }

const SCALAR: Rules = {
  const: (e, s) => {
    if (s.dst.lanes > 0) {
      e.registers.fill(s.dst, () => e.registers.pushConstant(s.dst.type, s.value))
    } else {
      constantScalar(e, s.dst, s.value)
    }
  },
  set: (e, s) => setScalar(e, s.dst, s.fn, s.args),
  move: (e, s) => {
    e.registers.pushScalar(s.from)
    e.registers.setScalar(s.dst)
  },
  convert: (e, s) => convertScalar(e, s.dst, s.from, '>'),
  bitcast: (e, s) => convertScalar(e, s.dst, s.from, '='),
  index: indexScalar,
  divide: divideScalar,
  modulo: divideScalar,
  load: loadScalar,
  gather: gatherScalar,
  store: storeScalar,
  scatter: storeScalar,
  combine: (e, s) => combineLanes(e, s.dst, s.from, s.fn),
  status: (e, s) => {
    e.registers.pushScalar(s.cond)
    emitFault(e, s.code)
  },
}

const LANES: Rules = {
  const: (e, s, part) => {
    for (let half = 0; half < homeHalves(e, s); half++) {
      e.registers.assign(s.dst, part, half, e.lanes, () =>
        e.registers.pushConstant(s.dst.type, s.value),
      )
    }
  },
  set: (e, s, part) => setLanes(e, s.dst, s.fn, s.args, part),
  move: (e, s, part) => {
    for (let half = 0; half < homeHalves(e, s); half++) {
      e.registers.assign(s.dst, part, half, e.lanes, () => e.registers.push(s.from, part, half))
    }
  },
  convert: (e, s, part) => convertLanes(e, s.dst, s.from, '>', part),
  bitcast: (e, s, part) => convertLanes(e, s.dst, s.from, '=', part),
  index: indexLanes,
  divide: divideByLane,
  modulo: divideByLane,
  load: (e, s, part) => (e.registers.isUniform(s.dst) ? loadUniform(e, s) : loadLanes(e, s, part)),
  gather: (e, s, part) =>
    e.registers.isUniform(s.dst) ? gatherUniform(e, s) : gatherLanes(e, s, part),
  store: storeLanes,
  scatter: storeLanes,
  status: (e, s, part) => {
    e.registers.push(s.cond, part)
    if (e.lanes?.mask) {
      e.f.get(e.lanes.mask.locals[part]!)
      e.f.op('v128.and')
    }
    e.f.op('v128.any_true')
    emitFault(e, s.code)
  },
}

const homeHalves = (e: State, s: Of<'const' | 'move' | 'index'>): number =>
  e.registers.isUniform(s.dst) ? 1 : halvesOf(s.dst.type)

function rule(table: Rules, s: Stmt): (e: State, s: Stmt, part: number) => void {
  const found = table[s.op] as ((e: State, s: Stmt, part: number) => void) | undefined
  if (!found) throw new Error(`${s.op} cannot stand here`)
  return found
}

export function emitBody(e: State, body: readonly Stmt[]): void {
  let run: Stmt[] = []
  const flush = (): void => {
    if (run.length > 0) emitRun(e, run)
    run = []
  }
  for (const s of body) {
    if (s.op in STRUCTURES) {
      flush()
      rule(STRUCTURES, s)(e, s, 0)
    } else if (e.lanes) {
      run.push(s)
    } else {
      rule(SCALAR, s)(e, s, 0)
      setAfter(e, s)
      e.registers.settle(s, null, 0)
    }
  }
  flush()
}

/**
 * Statements without structure inside a vector loop. Part after part keeps few values alive; but where
 * values that serve all parts are loaded inside a loop (the rows of a contraction), statement after
 * statement does, because then each such value dies at once.
 */
function emitRun(e: State, run: readonly Stmt[]): void {
  const lanes = e.lanes as Lanes
  const squares = squaresOf(e, run)
  const one = (s: Stmt, part: number): void => {
    const first = part === lanes.parts[0]
    const square = isWhole(lanes.mask, part) ? squares.get(s) : undefined
    if (square !== undefined) {
      // The four are stored together, when the last one's turn comes.
      if (s !== square.at(-1)) return
      storeSquare(e, square, part)
      for (const member of square) e.registers.settle(member, lanes, part)
      return
    }
    if (first || !isShared(e, s)) rule(LANES, s)(e, s, part)
    if (first) setAfter(e, s)
    e.registers.settle(s, lanes, part)
  }
  const shared = lanes.depth > 0 && run.some((s) => s.op === 'load' && isShared(e, s))
  if (shared) for (const s of run) for (const part of lanes.parts) one(s, part)
  else for (const part of lanes.parts) for (const s of run) one(s, part)
}

/** Stores that can be made together. Which lanes of a part take part has to be known. */
function squaresOf(e: State, run: readonly Stmt[]): ReturnType<typeof findSquares> {
  if (e.lanes?.mask && e.lanes.mask.prefix === null) return new Map()
  return findSquares(run, e.addresses.accesses, (r) => e.registers.isUniform(r))
}

/** Whether a statement's result serves all lanes. */
function isShared(e: State, s: Stmt): boolean {
  if (s.op === 'divide' || s.op === 'modulo') return !differsByLane(e, s.value)
  if (s.op === 'status')
    return operandsOf(s).every((r) => e.registers.isUniform(r)) && !e.lanes?.mask
  return 'dst' in s && e.registers.isUniform(s.dst)
}

function setAfter(e: State, s: Stmt): void {
  if (s.op === 'divide' || s.op === 'modulo') setPointersAfter(e, s)
}

function divideByLane(e: State, s: Of<'divide' | 'modulo'>, part: number): void {
  if (differsByLane(e, s.value)) divideLanes(e, s, part)
  else divideScalar(e, s)
}

/** An index (plus the lane) as a value of each lane. */
function indexLanes(e: State, s: Of<'index'>, part: number): void {
  const { f, registers } = e
  const push = (): void => {
    if (differsByLane(e, s.value)) {
      pushLaneValues(e, s.value, part)
    } else {
      pushAffine(e, s.value)
      f.op('i32x4.splat')
    }
  }
  const { type } = s.dst
  for (let half = 0; half < homeHalves(e, s); half++) {
    registers.assign(s.dst, part, half, e.lanes, () => {
      push()
      if (type === 'f32') f.op('f32x4.convert_i32x4_s')
      else if (type === 'i64') {
        f.op(half === 0 ? 'i64x2.extend_low_i32x4_s' : 'i64x2.extend_high_i32x4_s')
      } else if (type === 'f64') {
        if (half === 1) {
          push()
          f.shuffle32([2, 3, 2, 3])
        }
        f.op('f64x2.convert_low_i32x4_s')
      }
    })
  }
}

/** Pops a condition; where it holds, the plan's fault word becomes `code` unless it has a lower one. */
function emitFault(e: State, code: number): void {
  const { f } = e
  const before = f.local('i32')
  // One less, as an unsigned number: no code is higher than all.
  const isLower = (): void => {
    f.i32(code - 1)
    f.i32(FAULT_WORD)
    f.memory(e.features.shared ? 'i32.atomic.load' : 'i32.load', 0)
    f.tee(before)
    f.i32(1)
    f.op('i32.sub')
    f.op('i32.lt_u')
  }
  f.if(() => {
    if (!e.features.shared) {
      isLower()
      f.if(() => {
        f.i32(FAULT_WORD)
        f.i32(code)
        f.memory('i32.store', 0)
      })
      return
    }
    f.loop(() => {
      isLower()
      f.if(() => {
        f.i32(FAULT_WORD)
        f.get(before)
        f.i32(code)
        f.memory('i32.atomic.rmw.cmpxchg', 0)
        f.get(before)
        f.op('i32.ne')
        f.branchIf(1)
      })
    })
  })
  f.release('i32', before)
}

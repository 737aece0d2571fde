// Emits lists of statements: one value at a time outside vector loops, part by part inside them.
//
// Both go by the same rules: a value outside is one lane in a register of 128 bits, computed by the same
// instructions, so that it has the same bits.

import type { Stmt } from '../../../compiler/kernel/ir.js'
import { findSquares } from '../../../compiler/kernel/squares.js'
import { operandsOf } from '../../../compiler/kernel/walk.js'
import { emitCombine } from './combine.js'
import { emitConvert } from './convert.js'
import { emitWhen } from './guards.js'
import { differsByLane, emitIndex } from './indices.js'
import { emitSet } from './lanewise.js'
import { emitGather, emitLoad, emitPrefetch } from './loads.js'
import { emitFor } from './loops.js'
import { imm, mem, r32 } from './machine/code.js'
import { setPointersAfter } from './pointers.js'
import { emitDivide } from './quotients.js'
import { storeSquare } from './squares.js'
import { maskOf, type Of, type State } from './state.js'
import { emitStore } from './stores.js'
import { emitVector } from './vector-loops.js'

type Rules = { readonly [Op in Stmt['op']]?: (e: State, s: Of<Op>, part: number) => void }

/** Statements with statements inside. */
const STRUCTURES: Rules = { for: emitFor, vector: emitVector, when: emitWhen }

const RULES: Rules = {
  const: (e, s, part) => {
    const { registers, lanes } = e
    if (s.dst.lanes > 0 && lanes.size === 1) {
      registers.fill(s.dst, s.value)
      return
    }
    for (let half = 0; half < registers.halves(s.dst, lanes); half++) {
      registers.assign(s.dst, part, half, lanes, (dst) =>
        registers.setConstant(dst, s.dst.type, s.value, lanes.size),
      )
    }
  },
  set: (e, s, part) => emitSet(e, s.dst, s.fn, s.args, part),
  move: (e, s, part) => emitConvert(e, s.dst, s.from, true, part),
  convert: (e, s, part) => emitConvert(e, s.dst, s.from, false, part),
  bitcast: (e, s, part) => emitConvert(e, s.dst, s.from, true, part),
  index: emitIndex,
  divide: emitDivide,
  modulo: emitDivide,
  load: emitLoad,
  prefetch: emitPrefetch,
  gather: emitGather,
  store: emitStore,
  scatter: emitStore,
  combine: (e, s) => emitCombine(e, s.dst, s.from, s.fn),
  status: emitStatus,
}

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
  for (let n = 0; n < body.length; n++) {
    const s = body[n]!
    if (s.op in STRUCTURES) {
      flush()
      rule(STRUCTURES, s)(e, s, 0)
    } else {
      run.push(s)
    }
  }
  flush()
}

/**
 * Statements without structure. Part after part keeps few values alive; but where values that serve all
 * parts are loaded inside a loop (the rows of a contraction), statement after statement does, because then
 * each such value dies at once. So do long formulas, which would keep the processor waiting.
 */
function emitRun(e: State, run: readonly Stmt[]): void {
  const { lanes } = e
  const squares = squaresOf(e, run)
  const one = (s: Stmt, part: number): void => {
    const first = part === lanes.parts[0]
    const square = squares.get(s)
    if (square) {
      // The four are stored together, when the last one's turn comes.
      if (s === square.at(-1)) storeSquare(e, square, part)
      return
    }
    if (first || !isShared(e, s)) rule(RULES, s)(e, s, part)
    if (first && (s.op === 'divide' || s.op === 'modulo')) setPointersAfter(e, s)
  }
  const shared = lanes.depth > 0 && run.some((s) => s.op === 'load' && isShared(e, s))
  const { parts } = lanes
  if (shared || lanes.inTurns) {
    for (const s of run) for (let p = 0; p < parts.length; p++) one(s, parts[p]!)
  } else {
    for (const part of parts) for (let n = 0; n < run.length; n++) one(run[n]!, part)
  }
}

/** Stores that can be made together. Which lanes of a part take part has to be known. */
function squaresOf(e: State, run: readonly Stmt[]): ReturnType<typeof findSquares> {
  const { lanes, registers } = e
  if (lanes.size === 1 || (lanes.mask && lanes.mask.prefix === null)) return new Map()
  return findSquares(run, e.addresses.accesses, (r) => registers.isUniform(r))
}

/** Whether a statement's result serves all lanes. */
function isShared(e: State, s: Stmt): boolean {
  if (s.op === 'divide' || s.op === 'modulo') return !differsByLane(e, s.value)
  if (s.op === 'status')
    return operandsOf(s).every((r) => e.registers.isUniform(r)) && !e.lanes.mask
  return 'dst' in s && e.registers.isUniform(s.dst)
}

/**
 * Where the condition holds in a lane that takes part, the fault word becomes `code` unless it has a lower
 * one. Whoever takes a lower code out of the word, which another thread put there meanwhile, puts it back.
 */
function emitStatus(e: State, s: Of<'status'>, part: number): void {
  const { code, isa, lanes, registers } = e
  let condition = registers.get(s.cond, part, 0, lanes)
  const mask = maskOf(lanes, part)
  if (mask) {
    const both = isa.fresh('bool')
    isa.logic(both, 'and', condition, mask, lanes.size)
    condition = both
  }
  const [bits, end] = [code.gp(), code.label()]
  isa.bitsOf(bits, condition, lanes.size)
  code.emit('test', [r32(bits), imm(2 ** lanes.size - 1)])
  code.jump('je', end)
  const [word, held, before, after] = [code.gp(), code.gp(), code.gp(), code.gp()]
  const again = code.label()
  code.emit('mov', [r32(held), imm(s.code)])
  code.emit('mov', [r32(word), mem(e.fault)])
  code.bind(again)
  // One less, as an unsigned number: no code is higher than all.
  code.emit('lea', [r32(before), mem(word, -1)])
  code.emit('lea', [r32(after), mem(held, -1)])
  code.emit('cmp', [r32(before), r32(after)])
  code.jump('jbe', end)
  code.emit('mov', [r32(word), r32(held)])
  code.emit('xchg', [mem(e.fault), r32(held)], { writes: [held] })
  code.jump('jmp', again)
  code.bind(end)
}

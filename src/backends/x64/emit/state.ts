// What the parts of the kernel emitter share: the code being written, and where values are.

import type { AddressPlan } from '../../../compiler/kernel/addresses.js'
import type { BufferDecl, Stmt } from '../../../compiler/kernel/ir.js'
import type { Ranges } from '../../../compiler/kernel/ranges.js'
import type { Varying } from '../../../compiler/kernel/varying.js'
import type { Isa } from './isa/isa.js'
import type { Code, VReg } from './machine/code.js'
import type { Registers } from './registers.js'
import type { Tables } from './tables.js'

export type { Of } from '../../../compiler/kernel/ir.js'

/** Which lanes of each part take part: as conditions, or as the number of leading lanes. */
export interface Mask {
  /** By part. */
  readonly conditions: readonly (VReg | undefined)[]
  /** Set where the mask is the first n lanes of each part, n known: n by part. */
  readonly prefix: readonly number[] | null
}

/** The lanes for which statements are being emitted. Outside vector loops: one part of one lane. */
export interface Lanes {
  /** Lanes of a part, and the parts at work; lane l of part p is p·size + l from the loop's variable. */
  readonly size: number
  readonly parts: readonly number[]
  readonly mask: Mask | null
  /** Whether parts take turns, statement after statement, so that the latencies of one hide those of others. */
  readonly inTurns: boolean
  /** Inside how many `for` loops of the vector loop's body. */
  readonly depth: number
  /** The vector loop's variable; -1 outside. */
  readonly variable: number
}

/** One value at a time. */
export const SCALAR: Lanes = {
  size: 1,
  parts: [0],
  mask: null,
  inTurns: false,
  depth: 0,
  variable: -1,
}

/** Where an index variable's value is. */
export type VariableHome =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'general'; readonly reg: VReg }
  /** 32-bit integers, a register a part. */
  | { readonly kind: 'lanes'; readonly regs: VReg[] }

export interface State {
  readonly code: Code
  readonly isa: Isa
  readonly addresses: AddressPlan
  readonly varying: Varying
  readonly ranges: Ranges
  readonly registers: Registers
  /** IR registers that hold a constant, for instructions with a cheaper form for it. */
  readonly constants: ReadonlyMap<number, number | bigint>
  variables: Map<number, VariableHome>
  /** Pointers, by id, and bases of buffers. */
  pointers: Map<number, VReg>
  readonly bases: Map<BufferDecl, VReg>
  /** Pointers of accesses, moved by an offset that all lanes of the statement at work share. */
  readonly moved: Map<Stmt, VReg>
  /** Address of the fault word. */
  readonly fault: VReg
  lanes: Lanes
  /** What is known of quotients in the vector loop at work, and how often it goes round. */
  tables: Tables
  /** Emits a list of statements: what structures do with what is inside them. */
  readonly emitBody: (body: readonly Stmt[]) => void
}

/** Whether all lanes of a part take part, as far as is known now. */
export const isWhole = (lanes: Lanes, part: number): boolean =>
  lanes.mask === null || lanes.mask.prefix?.[part] === lanes.size

/** The condition of the lanes of a part that take part; null if all do. */
export const maskOf = (lanes: Lanes, part: number): VReg | null =>
  isWhole(lanes, part) ? null : lanes.mask!.conditions[part]!

/** Lanes of a part in a vector loop: the most that fill one register and divide the loop's. */
export function partSize(lanes: number, most: number): number {
  let size = most
  while (lanes % size !== 0) size /= 2
  if (size < 4) throw new Error(`a vector loop of ${lanes} lanes`)
  return size
}

/**
 * Runs `emit`, after which values it gave homes are homeless: code that is written out more than once
 * uses fresh registers each time, so that none lives from one copy to the next.
 */
export function scoped(e: State, emit: () => void): void {
  const { variables, pointers } = e
  const homes = e.registers.save()
  e.variables = new Map(variables)
  e.pointers = new Map(pointers)
  emit()
  e.variables = variables
  e.pointers = pointers
  e.registers.restore(homes)
}

// What the parts of the kernel emitter share: the function being written, and where values are.

import type * as addresses from '../../../compiler/kernel/addresses.js'
import type { BufferDecl, RegType, Stmt } from '../../../compiler/kernel/ir.js'
import type { Liveness } from '../../../compiler/kernel/liveness.js'
import type { Ranges } from '../../../compiler/kernel/ranges.js'
import type { Varying } from '../../../compiler/kernel/varying.js'
import type { FunctionBody } from '../encode/function.js'
import type { Helpers } from './helpers.js'
import type { Registers } from './registers.js'

export type { Of } from '../../../compiler/kernel/ir.js'

/** What the engine that will run the code can do. */
export interface Features {
  /** Relaxed SIMD: fused multiply-add, and selection by lanes in one instruction. */
  readonly relaxed: boolean
  /** The memory is shared among threads. */
  readonly shared: boolean
}

/** Elements that one part holds: the float32 lanes of a v128. */
export const PART = 4

/** How many v128 hold the four lanes of a part. */
export const halvesOf = (type: RegType): number => (type === 'f64' || type === 'i64' ? 2 : 1)

/** Which of the four lanes of each part take part: as masks, or as the number of leading lanes. */
export interface Mask {
  /** A v128 of all-ones lanes for each part under emission, by part. */
  readonly locals: readonly number[]
  /** Set where the mask is the first n lanes of each part, n known: n by part. */
  readonly prefix: readonly number[] | null
}

/** A local for one part, by part. */
export const atPart = (part: number, local: number): number[] => {
  const locals: number[] = []
  locals[part] = local
  return locals
}

/** Whether all lanes of a part take part, as far as is known now. */
export const isWhole = (mask: Mask | null, part: number): boolean =>
  mask === null || mask.prefix?.[part] === PART

/** The lanes of a vector loop for which statements are being emitted. */
export interface Lanes {
  /** Groups of four lanes; a part's lanes are 4·part + 0, 1, 2, 3 from the loop's variable. */
  readonly parts: readonly number[]
  readonly mask: Mask | null
  /** Inside how many `for` loops of the vector loop's body. */
  readonly depth: number
  readonly variable: number
}

/** Where an index variable's value is. */
export type VariableHome =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'local'; readonly local: number }
  /** A v128 of i32 a part. */
  | { readonly kind: 'lanes'; readonly locals: number[] }

/** Every pointer is into a buffer: no instruction adds an offset that buffers share to the start of one. */
export type Pointer = addresses.Pointer<BufferDecl>
export type Access = addresses.Access<BufferDecl>

export interface State {
  readonly f: FunctionBody
  readonly features: Features
  readonly helpers: Helpers
  readonly addresses: addresses.AddressPlan<BufferDecl>
  readonly varying: Varying
  readonly liveness: Liveness
  readonly ranges: Ranges
  readonly registers: Registers
  /** Registers that hold a constant, for instructions with a cheaper form for it. */
  readonly constants: ReadonlyMap<number, number | bigint>
  readonly variables: Map<number, VariableHome>
  /** Locals of pointers, by id, and of buffers' bases. */
  readonly pointers: Map<number, number>
  readonly bases: Map<BufferDecl, number>
  /** Set inside a vector loop. */
  lanes: Lanes | null
  /** Emits a list of statements: what structures do with what is inside them. */
  readonly emitBody: (body: readonly Stmt[]) => void
}

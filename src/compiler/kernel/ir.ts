// The kernel IR: typed loop nests over virtual registers, between the scheduler and every code emitter.
//
// A kernel is a function of a chunk number. Its grid says how many chunks there are; chunks are
// independent, and which thread runs which chunk never changes a bit of the result.
//
// Inside, statements form a tree of loops. A `vector` loop is written as scalar code for ONE index and
// executed `lanes` indices at a time, lane by lane: every operation in it is lanewise, and how an access
// moves across lanes follows from the coefficient of the loop's variable in its address (0: the same
// element for all lanes; 1: neighbours; anything else: gathered). The last round masks lanes beyond
// `count` — masked lanes load nothing that matters, store nothing, and leave accumulators unchanged.
// Lanes are virtual: an emitter cuts them into the registers it has (16 float32 lanes are one zmm, two
// ymm or four v128). How many lanes a reduction has is part of its meaning (it fixes the order of
// additions), so it comes from `numerics`, never from the target.

import type { CallSite, Node } from '../../ir/node.js'

/** Element types in memory. */
export type MemoryType = 'f32' | 'f64' | 'i32' | 'i64' | 'u8'
/** Bytes of an element. */
export const BYTES: Readonly<Record<MemoryType, number>> = { f32: 4, f64: 8, i32: 4, i64: 8, u8: 1 }
/** Types of registers. `u8` widens to `i32` when loaded; `bool` is a mask a lane. */
export type RegType = 'f32' | 'f64' | 'i32' | 'i64' | 'bool'

/** An integer known to loops and addresses: a loop's variable, the chunk, or one computed from them. */
export interface IndexVar {
  readonly id: number
  readonly name: string
}

/** `constant + Σ coefficient · variable`, in elements. */
export interface Affine {
  readonly constant: number
  readonly terms: readonly { readonly variable: IndexVar; readonly coefficient: number }[]
}

/** A loop bound: one affine value, or the smaller of two. */
export type Bound = Affine | { readonly min: readonly [Affine, Affine] }

/**
 * A virtual register. Assigned once, except accumulators, which `set` may assign again.
 * Inside a `vector` loop a register holds a value a lane; outside it holds one value. An accumulator
 * with `lanes` is declared outside the vector loop that updates it and keeps a value a lane.
 */
export interface Reg {
  readonly id: number
  readonly type: RegType
  /** For accumulators that live across rounds of a vector loop: how many lanes they keep. Else 0. */
  readonly lanes: number
}

/** A buffer a kernel touches; which memory it is, is bound by the plan. */
export interface BufferDecl {
  readonly id: number
  readonly name: string
  readonly type: MemoryType
  /** `slot`: bound by the plan (inputs, outputs, arena). `scratch`: this thread's own, not initialised. */
  readonly space: 'slot' | 'scratch'
  readonly access: 'read' | 'write' | 'readwrite'
  /** Size in elements (for scratch: what to reserve; for slots: what may be touched). */
  readonly length: number
}

/** Lanewise operations by name; each works for the types its row in `LANEWISE` lists. */
export type Fn =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'rem'
  | 'min'
  | 'max'
  | 'neg'
  | 'abs'
  | 'sqrt'
  | 'floor'
  | 'ceil'
  | 'trunc'
  | 'round'
  | 'fma'
  | 'scale'
  | 'and'
  | 'or'
  | 'xor'
  | 'not'
  | 'shl'
  | 'shr'
  | 'ushr'
  | 'eq'
  | 'ne'
  | 'lt'
  | 'le'
  | 'select'

/** Conversions: value-preserving where possible, saturating (NaN to 0) from float to integer. */
export type Convert = 'convert' | 'bitcast'

export type Stmt =
  /** A literal. `value` is a bigint for i64 only. */
  | { readonly op: 'const'; readonly dst: Reg; readonly value: number | bigint }
  /**
   * `dst = fn(args)`. For accumulators this reassigns. `fma(a, b, c)` is a·b + c, fused if the target can.
   * `scale(a, n)` is a·2ⁿ rounded once, for a near 1 and whole |n| ≤ 250 (f64: 2000).
   */
  | { readonly op: 'set'; readonly dst: Reg; readonly fn: Fn; readonly args: readonly Reg[] }
  | { readonly op: 'move'; readonly dst: Reg; readonly from: Reg }
  | { readonly op: Convert; readonly dst: Reg; readonly from: Reg }
  /** An index (plus the lane, if it involves the vector variable) as a value of type i32, i64, f32 or f64. */
  | { readonly op: 'index'; readonly dst: Reg; readonly value: Affine }
  /** `variable = floor(value / by)` or `value mod by`, for `value` ≥ 0: an index that is not affine. */
  | {
      readonly op: 'divide' | 'modulo'
      readonly variable: IndexVar
      readonly value: Affine
      readonly by: number
    }
  | { readonly op: 'load'; readonly dst: Reg; readonly buffer: BufferDecl; readonly at: Affine }
  /** `buffer[at + scale · offset]` with an i32 register of offsets (already checked or clamped). */
  | {
      readonly op: 'gather'
      readonly dst: Reg
      readonly buffer: BufferDecl
      readonly at: Affine
      readonly offset: Reg
      readonly scale: number
    }
  | {
      readonly op: 'store'
      readonly buffer: BufferDecl
      readonly at: Affine
      readonly from: Reg
      readonly when?: Reg
    }
  /** Says that `buffer[at]`, which may lie outside the buffer, will be read or written soon. Changes nothing. */
  | {
      readonly op: 'prefetch'
      readonly buffer: BufferDecl
      readonly at: Affine
      readonly writes?: boolean
    }
  /** `buffer[at + scale · offset] = from`, lane after lane in order. */
  | {
      readonly op: 'scatter'
      readonly buffer: BufferDecl
      readonly at: Affine
      readonly offset: Reg
      readonly scale: number
      readonly from: Reg
    }
  /** Serial loop. `unroll` asks for the body to be repeated; it is only set on small constant counts. */
  | {
      readonly op: 'for'
      readonly variable: IndexVar
      readonly from: Affine
      readonly to: Bound
      readonly step: number
      readonly unroll?: boolean
      readonly body: readonly Stmt[]
    }
  /** Vector loop over `variable` in 0 … count-1 (see the header). Vector loops do not nest. */
  | {
      readonly op: 'vector'
      readonly variable: IndexVar
      readonly count: Bound
      readonly lanes: number
      readonly body: readonly Stmt[]
    }
  /** Combines an accumulator's lanes: l with l + lanes/2, and so on, down to one. */
  | {
      readonly op: 'combine'
      readonly dst: Reg
      readonly from: Reg
      readonly fn: 'add' | 'mul' | 'min' | 'max'
    }
  /** Runs `body` when `left cmp right` (indices, so the same for all lanes unless it involves the vector variable). */
  | {
      readonly op: 'when'
      readonly left: Affine
      readonly cmp: 'lt' | 'ge' | 'eq'
      readonly right: Affine
      readonly body: readonly Stmt[]
      readonly otherwise?: readonly Stmt[]
    }
  /**
   * Sets the plan's status word to `code` if `cond` holds (in any lane that is not masked) and the word is 0 or
   * higher: the lowest code of all faults stays, whichever thread comes first.
   */
  | { readonly op: 'status'; readonly cond: Reg; readonly code: number }

/** The statements of one kind, or of several. */
export type Of<Op extends Stmt['op']> = Matching<Stmt, Op>
type Matching<S, Op> = S extends { readonly op: infer O } ? (Op extends O ? S : never) : never

export interface Kernel {
  /** For people: what it computes, e.g. `dot+bias+relu [32,784]x[784,128]`. */
  readonly name: string
  readonly buffers: readonly BufferDecl[]
  /** Number of independent chunks. */
  readonly grid: number
  readonly chunk: IndexVar
  readonly body: readonly Stmt[]
  /** Estimates, for profiling and for deciding how many threads are worth waking. */
  readonly flops: number
  readonly bytes: number
}

// ---- Plans -------------------------------------------------------------------------------------

/** Where a buffer of a plan lives. */
export type PlanBuffer =
  | { readonly kind: 'input'; readonly index: number; readonly bytes: number }
  | { readonly kind: 'output'; readonly index: number; readonly bytes: number }
  | { readonly kind: 'arena'; readonly offset: number; readonly bytes: number }
  | { readonly kind: 'constant'; readonly data: Uint8Array; readonly bytes: number }

/** One step of a plan. All threads walk the list together. */
export type Command =
  /** `args[i]` is the plan buffer bound to the kernel's i-th buffer of space `slot`. */
  | { readonly op: 'kernel'; readonly kernel: Kernel; readonly args: readonly number[] }
  /**
   * Everything before is finished, and seen by every thread, before anything after starts. With `pieces`
   * it stands between two kernels, and less will do: whoever runs the p-th of so many equal shares of the
   * second's chunks has run that share of the first's before.
   */
  | { readonly op: 'barrier'; readonly pieces?: number }
  | { readonly op: 'copy'; readonly from: number; readonly to: number; readonly bytes: number }
  /** A primitive no kernel was generated for, evaluated on the host. Implies barriers around it. */
  | { readonly op: 'host'; readonly call: HostCall }

export interface HostCall {
  readonly name: string
  /** Plan buffers read and written, with their types. */
  readonly inputs: readonly {
    readonly buffer: number
    readonly shape: readonly number[]
    readonly dtype: string
  }[]
  readonly outputs: readonly {
    readonly buffer: number
    readonly shape: readonly number[]
    readonly dtype: string
  }[]
  /** Computes outputs from inputs; both are views on the plan's memory. */
  run(inputs: readonly ArrayBufferView[], outputs: readonly ArrayBufferView[]): void
}

/** What the compiler hands to a backend. */
export interface Plan {
  readonly buffers: readonly PlanBuffer[]
  readonly commands: readonly Command[]
  readonly arenaBytes: number
  /** Largest scratch any kernel wants, per thread. */
  readonly scratchBytes: number
  /** What a status code means: index into this list is code - 1. */
  readonly faults: readonly Fault[]
  /** The inputs as the graph has them: what faults are searched from. Plans made by hand have none. */
  readonly parameters?: readonly Node[]
}

/** Something a kernel may find wrong with the data. */
export interface Fault {
  readonly kind: 'index' | 'divide'
  /** What the user called, and where: who formats that finds the file's line ends, which takes milliseconds. */
  readonly op: string
  readonly site: CallSite | null
  readonly expected: string
  readonly received: string
  /** What tells more of what was received, as kernels leave no more than the fault's code. */
  readonly search?: Search
}

/** Indices that are to lie in [0, size), or a loop in which they come up: who computes it again meets the fault. */
export interface Search {
  readonly node: Node
  readonly size: number
}

/** What the compiler asks of a target before it shapes loops. */
export interface Target {
  readonly name: string
  /** float32 lanes of one native register. */
  readonly nativeLanes: number
  /** Lanes an elementwise loop should use. */
  readonly mapLanes: number
  /** Whether `fma` is one rounding. (Where it is not, results differ in bits from targets where it is.) */
  readonly fusedMultiplyAdd: boolean
  /** Whether `fma` can spread an element of memory over its lanes as it reads it. Default false. */
  readonly spreads?: boolean
  /** Rows and columns (in lanes) of the contraction micro-kernel. */
  readonly tile: { readonly rows: number; readonly lanes: number }
  /** The same for products so large that their lanes come from the second-level cache. Default: the same. */
  readonly largeTile?: { readonly rows: number; readonly lanes: number }
  /** Steps of K that the micro-kernel of a long product takes in one round of its loop. Default 1. */
  readonly steps?: number
  /** Whether it is worth saying what will be read soon (`prefetch`). Default false. */
  readonly prefetches?: boolean
  /** Most buffers a kernel may touch. */
  readonly maxBuffers: number
  readonly cache: { readonly l1: number; readonly l2: number }
  /** Processors this process may use, where they are known: work need not be cut much finer. */
  readonly processors?: number
}

// How lowerings talk to each other: virtual buffers, kernels that use them, and readers and writers
// through which elementwise work is fused into the loads and stores of somebody else's loops.

import type { DType } from '../../base/dtype.js'
import { KernelBuilder } from './builder.js'
import type { Affine, BufferDecl, Kernel, MemoryType, Reg, RegType, Target } from './ir.js'

export const MEMORY_TYPE: Record<DType, MemoryType> = {
  float32: 'f32',
  float64: 'f64',
  int32: 'i32',
  int64: 'i64',
  uint8: 'u8',
  bool: 'u8',
}

/** The register type elements of a dtype are computed in. (`bool` is a mask, not the byte in memory.) */
export const REGISTER_TYPE: Record<DType, RegType> = {
  float32: 'f32',
  float64: 'f64',
  int32: 'i32',
  int64: 'i64',
  uint8: 'i32',
  bool: 'bool',
}

/** A buffer of the plan before memory is planned. Lowerings make temporary ones as they need. */
export interface BufferRef {
  readonly id: number
  readonly type: MemoryType
  readonly length: number
  readonly name: string
}

/** A kernel with the plan buffers its slots are bound to, in the order of its declarations. */
export interface KernelCall {
  readonly kernel: Kernel
  readonly args: readonly BufferRef[]
}

/** A kernel builder that declares a plan buffer once, however often it is used. */
export class KernelAssembly extends KernelBuilder {
  private readonly declared = new Map<number, { decl: BufferDecl; ref: BufferRef }>()

  /** The kernel's name for a plan buffer. */
  use(ref: BufferRef, access: 'read' | 'write' | 'readwrite'): BufferDecl {
    const known = this.declared.get(ref.id)
    if (known !== undefined) {
      if (known.decl.access === access || known.decl.access === 'readwrite')
        return known.decl
        // Widen the access in place: earlier statements hold the same object.
      ;(known.decl as { access: BufferDecl['access'] }).access = 'readwrite'
      return known.decl
    }
    const decl = this.buffer(ref.name, ref.type, access, ref.length)
    this.declared.set(ref.id, { decl, ref })
    return decl
  }

  call(): KernelCall {
    const args: BufferRef[] = []
    for (const b of this.buffers) {
      if (b.space !== 'slot') continue
      for (const { decl, ref } of this.declared.values()) if (decl === b) args.push(ref)
    }
    return { kernel: this.finish(), args }
  }
}

/** Reads an operand element by element: a plain load, or a fused expression over loads. */
export interface Reader {
  readonly shape: readonly number[]
  readonly dtype: DType
  /** Set when the operand is plain memory: element c is at offset + Σ c[i]·strides[i]. */
  readonly direct: {
    readonly buffer: BufferRef
    readonly offset: number
    readonly strides: readonly number[]
  } | null
  /** Emits what computes the element at `coords` (which must be inside the shape). */
  read(k: KernelAssembly, coords: readonly Affine[]): Reg
}

/** Takes results element by element: applies what is fused after the operation, and stores. */
export interface Writer {
  /** Set when `write` is one plain store. */
  readonly direct: {
    readonly buffer: BufferRef
    readonly offset: number
    readonly strides: readonly number[]
  } | null
  write(k: KernelAssembly, coords: readonly Affine[], value: Reg): void
}

export interface LoweringContext {
  readonly target: Target
  /** A temporary buffer of the plan, alive from its first to its last use. */
  temporary(name: string, type: MemoryType, length: number): BufferRef
}

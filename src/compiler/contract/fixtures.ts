// For tests and benchmarks of contractions: readers and writers over plain buffers, and a runner that
// binds what a lowering made to memory.

import type { DType } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import { linear, plus } from '../kernel/affine.js'
import {
  type BufferRef,
  type KernelCall,
  type LoweringContext,
  MEMORY_TYPE,
  REGISTER_TYPE,
  type Reader,
  type Writer,
} from '../kernel/assembly.js'
import { interpretKernel, MEMORY_ARRAY, type Memory, poison } from '../kernel/interpret.js'
import type { MemoryType, Target } from '../kernel/ir.js'

export const target = (rows: number, lanes: number, native: number, fused = true): Target => ({
  name: `test ${rows}x${lanes}`,
  nativeLanes: native,
  mapLanes: 4 * native,
  fusedMultiplyAdd: fused,
  tile: { rows, lanes },
  steps: 4,
  maxBuffers: 16,
  cache: { l1: 32 << 10, l2: 512 << 10 },
})

export const rowMajor = (shape: readonly number[]): number[] =>
  shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1))

/** Small values with many different bits. */
export function values(length: number, seed: number): Float32Array {
  const out = new Float32Array(length)
  let x = seed * 2654435761 + 1
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0
    out[i] = (x >> 8) / 2 ** 23
  }
  return out
}

/** All coordinates of a shape, last axis fastest. */
export function* coordinates(shape: readonly number[]): Generator<number[]> {
  const total = sizeOf(shape)
  for (let flat = 0; flat < total; flat++) {
    const at: number[] = []
    let rest = flat
    for (let i = shape.length - 1; i >= 0; i--) {
      at.unshift(rest % shape[i]!)
      rest = Math.floor(rest / shape[i]!)
    }
    yield at
  }
}

/** Position of coordinates in a shape's row-major order. */
export const flatAt = (shape: readonly number[], coords: readonly number[]): number =>
  shape.reduce((flat, size, i) => flat * size + coords[i]!, 0)

/** Buffers of a program under test, and the memory each is bound to. */
export class Workspace implements LoweringContext {
  readonly memory = new Map<number, Memory>()
  private next = 0
  readonly temporaries: BufferRef[] = []

  constructor(readonly target: Target) {}

  buffer(name: string, type: MemoryType, length: number): BufferRef {
    const ref: BufferRef = { id: this.next++, type, length, name }
    const memory = new MEMORY_ARRAY[type](length)
    poison(memory)
    this.memory.set(ref.id, memory)
    return ref
  }

  temporary(name: string, type: MemoryType, length: number): BufferRef {
    const ref = this.buffer(name, type, length)
    this.temporaries.push(ref)
    return ref
  }

  /** A plain operand; `perm` says which axis of memory each axis of the operand is. */
  reader(
    name: string,
    dtype: DType,
    shape: readonly number[],
    data: ArrayLike<number>,
    perm: readonly number[] = shape.map((_, i) => i),
    reversed: readonly number[] = [],
  ): Reader {
    const stored = new Array<number>(shape.length)
    for (const [i, p] of perm.entries()) stored[p] = shape[i]!
    const ref = this.buffer(name, MEMORY_TYPE[dtype], data.length)
    this.fill(ref, data)
    const memoryStrides = rowMajor(stored)
    const strides = perm.map((p, i) => memoryStrides[p]! * (reversed.includes(i) ? -1 : 1))
    const offset = reversed.reduce((sum, i) => sum - strides[i]! * (shape[i]! - 1), 0)
    return direct(ref, dtype, shape, offset, strides)
  }

  fill(ref: BufferRef, data: ArrayLike<number>): void {
    const memory = this.memory.get(ref.id)!
    for (let i = 0; i < data.length; i++) {
      memory[i] = memory instanceof BigInt64Array ? BigInt(data[i]!) : data[i]!
    }
  }

  /** x·2 + 1 of an operand: one that takes computing. */
  fused(x: Reader): Reader {
    return {
      ...x,
      direct: null,
      read: (k, coords) => {
        const v = x.read(k, coords)
        const two = k.const(v.type, 2)
        return k.set('add', k.set('mul', v, two), k.const(v.type, 1))
      },
    }
  }

  writer(ref: BufferRef, shape: readonly number[]): Writer {
    const strides = rowMajor(shape)
    return {
      direct: { buffer: ref, offset: 0, strides },
      write: (k, coords, value) => k.store(k.use(ref, 'write'), linear(coords, strides), value),
    }
  }

  /** Adds a bias along one axis before storing. */
  biased(ref: BufferRef, shape: readonly number[], bias: Reader, axis: number): Writer {
    const plain = this.writer(ref, shape)
    return {
      direct: null,
      write: (k, coords, value) =>
        plain.write(k, coords, k.set('add', value, bias.read(k, [coords[axis]!]))),
    }
  }

  /** Runs kernels with the interpreter. */
  interpret(calls: readonly KernelCall[], fused = true): void {
    for (const { kernel, args } of calls) {
      interpretKernel(
        kernel,
        args.map((a) => this.memory.get(a.id)!),
        { fused },
      )
    }
  }
}

function direct(
  buffer: BufferRef,
  dtype: DType,
  shape: readonly number[],
  offset: number,
  strides: readonly number[],
): Reader {
  return {
    shape,
    dtype,
    direct: { buffer, offset, strides },
    read: (k, coords) => {
      const value = k.load(k.use(buffer, 'read'), plus(linear(coords, strides), offset))
      return REGISTER_TYPE[dtype] === 'bool' ? k.convert('bool', value) : value
    },
  }
}

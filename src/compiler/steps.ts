// The steps of a plan before memory is planned, and the buffers that each of them reads and writes.

import type { Node } from '../ir/node.js'
import type { BufferRef, KernelCall } from './kernel/assembly.js'
import type { HostCall } from './kernel/ir.js'

/** A step: a kernel, or a primitive the host evaluates. */
export type Step =
  | { readonly op: 'kernel'; readonly call: KernelCall }
  | {
      readonly op: 'host'
      readonly call: Omit<HostCall, 'inputs' | 'outputs'>
      readonly node: Node
      readonly inputs: readonly BufferRef[]
      /** Results that are wanted, each with its buffer. */
      readonly outputs: readonly { readonly node: Node; readonly ref: BufferRef }[]
    }

/** Kernels that run piece by piece: piece p of each is the p-th of `pieces` equal shares of its chunks. */
export interface Chain {
  readonly op: 'chain'
  readonly calls: readonly KernelCall[]
  readonly pieces: number
}
export type Link = Step | Chain

/** Buffers that a step reads. */
export const readsOf = (step: Link): readonly BufferRef[] =>
  step.op === 'host' ? step.inputs : callsOf(step).flatMap((call) => touched(call, 'read'))
/** Buffers that a step writes. */
export const writesOf = (step: Link): readonly BufferRef[] =>
  step.op === 'host'
    ? step.outputs.map((o) => o.ref)
    : callsOf(step).flatMap((call) => touched(call, 'write'))

/** The kernels of a step, in order. */
export const callsOf = (step: Exclude<Link, { op: 'host' }>): readonly KernelCall[] =>
  step.op === 'chain' ? step.calls : [step.call]

function touched({ kernel, args }: KernelCall, how: 'read' | 'write'): BufferRef[] {
  const out: BufferRef[] = []
  let slot = 0
  for (let n = 0; n < kernel.buffers.length; n++) {
    const b = kernel.buffers[n]!
    if (b.space !== 'slot') continue
    const ref = args[slot++] as BufferRef
    if (b.access === how || b.access === 'readwrite') out.push(ref)
  }
  return out
}

// Runs whole plans with the kernel interpreter, and checks what a plan promises: barriers where needed.

import { type InterpretOptions, interpretKernel, MEMORY_ARRAY, type Memory } from './interpret.js'
import type { BufferDecl, Command, Kernel, Plan, PlanBuffer } from './ir.js'

export interface PlanResult {
  readonly outputs: readonly Uint8Array[]
  /** 0, or the lowest code of a fault: `plan.faults[status - 1]` says what it means. */
  readonly status: number
}

interface Range {
  readonly space: string
  readonly from: number
  readonly to: number
  readonly writes: boolean
  readonly by: string
}

/**
 * Runs a plan on the bytes of its inputs. Memory nobody wrote is poisoned, chunks run in reverse order,
 * and two commands that touch the same bytes (one of them writing) without a barrier between throw.
 */
export function interpretPlan(
  plan: Plan,
  inputs: readonly Uint8Array[],
  options: InterpretOptions = {},
): PlanResult {
  const arena = new Uint8Array(plan.arenaBytes).fill(0xff)
  const outputs: Uint8Array[] = []
  const bytesOf = plan.buffers.map((b) => bind(b, inputs, outputs, arena))
  let status = 0
  let open: Range[] = []
  const touch = (ranges: Range[]): void => {
    for (const r of ranges) {
      for (const o of open) {
        const overlap = o.space === r.space && o.from < r.to && r.from < o.to
        if (overlap && (o.writes || r.writes)) {
          throw new Error(`no barrier between ${o.by} and ${r.by}, which share ${r.space}`)
        }
      }
    }
    open.push(...ranges)
  }
  for (const c of plan.commands) {
    if (c.op === 'barrier') {
      open = []
      continue
    }
    // A host call brings its own barriers, before and after.
    if (c.op === 'host') {
      if (status !== 0) break
      open = []
    }
    touch(rangesOf(plan, c))
    if (c.op === 'host') open = []
    const fault = runCommand(c, bytesOf, options)
    if (fault !== 0 && (status === 0 || fault < status)) status = fault
  }
  return { outputs, status }
}

function bind(
  b: PlanBuffer,
  inputs: readonly Uint8Array[],
  outputs: Uint8Array[],
  arena: Uint8Array,
): Uint8Array {
  switch (b.kind) {
    case 'input': {
      const given = inputs[b.index]
      if (given === undefined || given.byteLength < b.bytes) {
        throw new Error(`input ${b.index} needs ${b.bytes} bytes, has ${given?.byteLength}`)
      }
      return given
    }
    case 'output': {
      const made = outputs[b.index] ?? new Uint8Array(b.bytes).fill(0xff)
      outputs[b.index] = made
      return made
    }
    case 'constant':
      return b.data
    case 'arena':
      if (b.offset + b.bytes > arena.byteLength) throw new Error('a buffer reaches past the arena')
      return arena.subarray(b.offset, b.offset + b.bytes)
  }
}

function runCommand(c: Command, bytes: readonly Uint8Array[], options: InterpretOptions): number {
  if (c.op === 'copy') {
    ;(bytes[c.to] as Uint8Array).set((bytes[c.from] as Uint8Array).subarray(0, c.bytes))
  } else if (c.op === 'host') {
    const view = (io: { buffer: number }): Uint8Array => bytes[io.buffer] as Uint8Array
    c.call.run(c.call.inputs.map(view), c.call.outputs.map(view))
  } else if (c.op === 'kernel') {
    const decls = slots(c.kernel)
    const memories = decls.map((d, i) => typedView(bytes[c.args[i] as number] as Uint8Array, d))
    return interpretKernel(c.kernel, memories, options)
  }
  return 0
}

const slots = (kernel: Kernel): BufferDecl[] => kernel.buffers.filter((b) => b.space === 'slot')

function typedView(bytes: Uint8Array, decl: BufferDecl): Memory {
  const array = MEMORY_ARRAY[decl.type]
  const length = Math.floor(bytes.byteLength / array.BYTES_PER_ELEMENT)
  return new array(bytes.buffer as ArrayBuffer, bytes.byteOffset, length)
}

function rangesOf(plan: Plan, c: Exclude<Command, { op: 'barrier' }>): Range[] {
  const range = (index: number, writes: boolean, by: string): Range => {
    const b = plan.buffers[index] as PlanBuffer
    const from = b.kind === 'arena' ? b.offset : 0
    const space =
      b.kind === 'arena' ? 'arena' : b.kind === 'constant' ? `c${index}` : b.kind + b.index
    return { space, from, to: from + b.bytes, writes, by }
  }
  if (c.op === 'copy') return [range(c.from, false, 'copy'), range(c.to, true, 'copy')]
  if (c.op === 'host') {
    const reads = c.call.inputs.map((i) => range(i.buffer, false, c.call.name))
    return [...reads, ...c.call.outputs.map((o) => range(o.buffer, true, c.call.name))]
  }
  return slots(c.kernel).map((d, i) =>
    range(c.args[i] as number, d.access !== 'read', c.kernel.name),
  )
}

// Kernel calls as plans on the WebAssembly device, for the benchmarks beside this file.

import type { Executable } from '../../src/backends/device.js'
import type { WasmDevice } from '../../src/backends/wasm/device.js'
import type { DType } from '../../src/base/dtype.js'
import type { BufferRef, KernelCall } from '../../src/compiler/kernel/assembly.js'
import type { Command, Plan, PlanBuffer } from '../../src/compiler/kernel/ir.js'

const SIZE = { f32: 4, f64: 8, i32: 4, i64: 8, u8: 1 } as const

/** A plan whose inputs and outputs are buffers of the calls, and whose temporaries are an arena. */
export function planOf(
  calls: readonly KernelCall[],
  inputs: readonly BufferRef[],
  outputs: readonly BufferRef[],
): Plan {
  const refs = new Map<number, BufferRef>()
  for (const c of calls) for (const a of c.args) refs.set(a.id, a)
  const index = new Map<number, number>()
  const buffers: PlanBuffer[] = []
  let offset = 0
  for (const ref of refs.values()) {
    index.set(ref.id, buffers.length)
    const bytes = ref.length * SIZE[ref.type]
    const input = inputs.findIndex((r) => r.id === ref.id)
    const output = outputs.findIndex((r) => r.id === ref.id)
    if (input >= 0) buffers.push({ kind: 'input', index: input, bytes })
    else if (output >= 0) buffers.push({ kind: 'output', index: output, bytes })
    else {
      buffers.push({ kind: 'arena', offset, bytes })
      offset += (bytes + 127) & ~63
    }
  }
  const commands: Command[] = []
  for (const c of calls) {
    if (commands.length > 0) commands.push({ op: 'barrier' })
    commands.push({ op: 'kernel', kernel: c.kernel, args: c.args.map((a) => index.get(a.id)!) })
  }
  return { buffers, commands, arenaBytes: offset, scratchBytes: 0, faults: [] }
}

export function build(
  device: WasmDevice,
  calls: readonly KernelCall[],
  inputs: readonly BufferRef[],
  outputs: readonly BufferRef[],
): Executable {
  const dtype: Record<string, DType> = {
    f32: 'float32',
    f64: 'float64',
    i32: 'int32',
    i64: 'int64',
    u8: 'uint8',
  }
  const port = (r: BufferRef) => ({ dtype: dtype[r.type]!, length: r.length })
  return device.buildPlan(planOf(calls, inputs, outputs), {
    inputs: inputs.map(port),
    outputs: outputs.map(port),
  })
}

export const median = (xs: number[]): number => [...xs].sort((a, b) => a - b)[xs.length >> 1]!

/** Seconds a call takes undisturbed (the best tenth), over about `seconds`: machines are shared. */
export function time(body: () => void, seconds = 1): number {
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  do {
    const t = performance.now()
    body()
    times.push((performance.now() - t) / 1000)
  } while (performance.now() < end)
  return times.sort((a, b) => a - b)[Math.floor(times.length / 10)]!
}

// The reference as a device: the last fallback, and what the others are compared with.

import { allocate, type TypedArray } from '../../base/dtype.js'
import type { StaticShape } from '../../base/shape.js'
import { type Node, topological } from '../../ir/node.js'
import type { NDArray } from '../../ir/op.js'
import type { Program } from '../../ir/program.js'
import type { Device, DeviceInfo, Executable } from '../device.js'
import { Storage } from '../storage.js'
import { evaluateGraph } from './evaluate.js'

export const referenceInfo = (): DeviceInfo => ({
  name: 'reference',
  available: true,
  detail: 'plain TypeScript, 1 thread: slow, for checking and where nothing else works',
})

/** Evaluates programs node by node on the host. */
export class ReferenceDevice implements Device {
  readonly name = 'reference'
  threads = 1

  build(program: Program): Executable {
    return new ReferenceExecutable(program)
  }

  toHost(): void {}

  memory(): { bytes: number; detail: string } {
    return { bytes: 0, detail: 'host arrays only' }
  }
}

class ReferenceExecutable implements Executable {
  constructor(private readonly program: Program) {}

  run(inputs: readonly (Storage | number)[], targets: readonly (Storage | null)[]): Storage[] {
    const bindings = new Map<Node, NDArray>()
    this.program.inputs.forEach((node, i) => {
      bindings.set(node, {
        shape: node.shape as StaticShape,
        dtype: node.dtype,
        data: hostValue(node, inputs[i] as Storage | number),
      })
    })
    const results = evaluateGraph(this.program.outputs, bindings)
    return results.map((result, j) => {
      const target = targets[j] ?? null
      // An output may be an input: results are copied, so storages never share an array.
      const data = result.data.slice()
      if (target === null) return Storage.of(result.dtype, data)
      target.host = data
      return target
    })
  }

  dispose(): void {}

  describe(): string {
    return `reference: ${topological(this.program.outputs).length} nodes`
  }
}

function hostValue(node: Node, bound: Storage | number): TypedArray {
  if (typeof bound !== 'number') return bound.read()
  const one = allocate(node.dtype, 1)
  if (one instanceof BigInt64Array) one[0] = BigInt(bound)
  else one[0] = bound
  return one
}

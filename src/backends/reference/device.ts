// The reference as a device: the last fallback, and what the others are compared with.

import { topological } from '../../ir/node.js'
import type { Program } from '../../ir/program.js'
import type { Device, DeviceInfo, Executable } from '../device.js'
import { Storage } from '../storage.js'
import { bindingsOf } from './bind.js'
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
    const bindings = bindingsOf(this.program.inputs, inputs)
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

// Programs become plans here, whoever asks for them: what profiles and TESSERA_DEBUG tell of it.

import type { Executable } from '../backends/device.js'
import { listener } from '../backends/profile.js'
import { debug, debugging } from '../base/debug.js'
import { formatShape } from '../base/shape.js'
import { topological } from '../ir/node.js'
import type { Program } from '../ir/program.js'
import { currentDevice } from './devices.js'
import { watchAsAsked } from './watch.js'

/** Builds a program for the device in use; `supplied` is explained at `Device.build`. */
export function buildProgram(program: Program, supplied?: (output: number) => boolean): Executable {
  const device = currentDevice()
  watchAsAsked()
  const start = performance.now()
  const executable = device.build(program, supplied)
  const end = performance.now()
  listener()?.compiled(executable.describe(), start, end)
  if (debugging('plans')) tell(program, executable, end - start)
  return executable
}

/** Inputs of the last plan of each sequence of operations, and its number: for telling what changed. */
const earlier = new Map<string, { readonly plan: number; readonly inputs: readonly string[] }>()
let plans = 0

function tell(program: Program, executable: Executable, milliseconds: number): void {
  const nodes = topological(program.outputs)
  const operations = nodes.map((node) => node.op.name).join(' ')
  const inputs = program.inputs.map((node) => `${node.dtype} ${formatShape(node.shape)}`)
  const before = earlier.get(operations)
  const plan = ++plans
  earlier.set(operations, { plan, inputs })
  debug('plans', () => {
    const text = `tessera: plan ${plan} of ${nodes.length} nodes in ${milliseconds.toFixed(1)} ms; `
    return text + executable.describe() + (before === undefined ? '' : again(before, inputs))
  })
}

function again(
  before: { readonly plan: number; readonly inputs: readonly string[] },
  inputs: readonly string[],
): string {
  const changed = inputs.flatMap((type, i) =>
    type === before.inputs[i] ? [] : [`${type} instead of ${before.inputs[i]}`],
  )
  const what = changed.length === 0 ? 'other numbers or attributes' : changed.join(', ')
  return `; the operations of plan ${before.plan} with ${what}`
}

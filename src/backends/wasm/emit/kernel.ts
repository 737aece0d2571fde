// A kernel as one WebAssembly function: (chunk, scratch, slot bases …) → nothing.

import { planAddresses } from '../../../compiler/kernel/addresses.js'
import { hoistInvariants } from '../../../compiler/kernel/hoist.js'
import type { BufferDecl, Kernel } from '../../../compiler/kernel/ir.js'
import { constantsOf } from '../../../compiler/kernel/known.js'
import { livenessOf } from '../../../compiler/kernel/liveness.js'
import { Ranges } from '../../../compiler/kernel/ranges.js'
import { expandScaling } from '../../../compiler/kernel/scaling.js'
import { scratchLayout } from '../../../compiler/kernel/scratch.js'
import { unrollLoops } from '../../../compiler/kernel/unroll.js'
import { varyingOf } from '../../../compiler/kernel/varying.js'
import { FunctionBody } from '../encode/function.js'
import type { Helpers } from './helpers.js'
import { setPointer } from './indices.js'
import { Registers } from './registers.js'
import type { Features, State } from './state.js'
import { emitBody } from './statements.js'

const CHUNK = 0
const SCRATCH = 1
const FIRST_SLOT = 2

/** Vector loads may read past the end of a scratch buffer. */
export const scratchOf = (kernel: Kernel) => scratchLayout(kernel, 64)

export function emitKernel(source: Kernel, helpers: Helpers, features: Features): FunctionBody {
  const kernel = hoistInvariants(unrollLoops(expandScaling(source)))
  const slots = kernel.buffers.filter((b) => b.space === 'slot')
  const f = new FunctionBody({
    parameters: ['i32', 'i32', ...slots.map(() => 'i32' as const)],
    results: [],
  })
  const varying = varyingOf(kernel)
  const liveness = livenessOf(kernel)
  const constants = constantsOf(kernel)
  const bases = new Map<BufferDecl, number>(slots.map((b, i) => [b, FIRST_SLOT + i]))
  const state: State = {
    f,
    features,
    helpers,
    addresses: planAddresses(kernel, varying.variables),
    varying,
    liveness,
    ranges: new Ranges(kernel),
    registers: new Registers(f, liveness, varying.registers, constants, features.relaxed),
    constants,
    variables: new Map([[kernel.chunk.id, { kind: 'local', local: CHUNK }]]),
    pointers: new Map(),
    bases,
    lanes: null,
    emitBody: (body) => emitBody(state, body),
  }
  for (const [buffer, offset] of scratchOf(kernel).offsets) {
    const local = f.local('i32')
    f.get(SCRATCH)
    f.addConstant(offset)
    f.set(local)
    bases.set(buffer, local)
  }
  for (const p of state.addresses.entry) setPointer(state, p)
  emitBody(state, kernel.body)
  return f
}

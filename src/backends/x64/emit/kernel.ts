// A kernel as one function of machine code:
// void kernel(i64 chunk, void* scratch, void** slots, i32* fault). Threads call it by System V's convention,
// whatever the system's is, since generated code calls generated code.

import { planAddresses } from '../../../compiler/kernel/addresses.js'
import { hoistInvariants } from '../../../compiler/kernel/hoist.js'
import type { BufferDecl, Kernel } from '../../../compiler/kernel/ir.js'
import { constantsOf } from '../../../compiler/kernel/known.js'
import { Ranges } from '../../../compiler/kernel/ranges.js'
import { expandScaling } from '../../../compiler/kernel/scaling.js'
import { scratchLayout } from '../../../compiler/kernel/scratch.js'
import { unrollLoops } from '../../../compiler/kernel/unroll.js'
import { varyingOf } from '../../../compiler/kernel/varying.js'
import { Avx2 } from './isa/avx2.js'
import { Avx512 } from './isa/avx512.js'
import type { CpuLevel, Isa } from './isa/isa.js'
import { Code, mem, r64, type VReg } from './machine/code.js'
import { type Convention, SYSTEM_V } from './machine/convention.js'
import { finishFunction, type MachineFunction } from './machine/function.js'
import { setPointer } from './pointers.js'
import { Registers } from './registers.js'
import { SCALAR, type State } from './state.js'
import { emitBody } from './statements.js'
import { NO_TABLES } from './tables.js'

export type { CpuLevel } from './isa/isa.js'

const ISAS = { avx2: Avx2, avx512: Avx512 } as const

/**
 * Buffers that share an offset, at least: registers are scarce where they are many. Where they are few, each
 * has a pointer that moves, as memory operands without an index are cheaper.
 */
const SHARING = 4

/** The bytes of a kernel's function: position-independent, constants behind the code. */
export const emitKernel = (
  kernel: Kernel,
  cpu: CpuLevel,
  convention: Convention = SYSTEM_V,
): Uint8Array => compileKernel(kernel, cpu, convention).bytes()

/** The function of a kernel before its bytes: for listings and tests. */
export function compileKernel(
  source: Kernel,
  cpu: CpuLevel,
  convention: Convention = SYSTEM_V,
): MachineFunction {
  const code = new Code()
  const isa = new ISAS[cpu](code)
  const kernel = prepared(source, isa)
  const varying = varyingOf(kernel)
  const constants = constantsOf(kernel)
  const [chunk, scratch, slots, fault] = argumentsOf(code, convention)
  const bases = basesOf(code, kernel, scratch, slots)
  const state: State = {
    code,
    isa,
    addresses: planAddresses(kernel, varying.variables, SHARING),
    varying,
    ranges: new Ranges(kernel),
    registers: new Registers(isa, varying.registers, constants),
    constants,
    variables: new Map([[kernel.chunk.id, { kind: 'general', reg: kept(code, chunk) }]]),
    pointers: new Map(),
    bases,
    moved: new Map(),
    fault: kept(code, fault),
    lanes: SCALAR,
    tables: NO_TABLES,
    emitBody: (body) => emitBody(state, body),
  }
  for (const p of state.addresses.entry) setPointer(state, p, false)
  emitBody(state, kernel.body)
  return finishFunction(code, isa, convention)
}

/** The kernel after the passes that need not know of registers. */
function prepared(kernel: Kernel, isa: Isa): Kernel {
  return hoistInvariants(unrollLoops(isa.scales ? kernel : expandScaling(kernel)))
}

/** The function's arguments, in the registers that the convention gives them. */
function argumentsOf(code: Code, convention: Convention): [VReg, VReg, VReg, VReg] {
  return convention.arguments.map((number) => code.reg('gp', number)) as [VReg, VReg, VReg, VReg]
}

/** An argument that is needed for long, in a register of its own. */
function kept(code: Code, given: VReg): VReg {
  const own = code.gp()
  code.g('mov', own, given)
  return own
}

/** Where buffers start: those of the plan as the caller says, others in the thread's scratch memory. */
function basesOf(code: Code, kernel: Kernel, scratch: VReg, slots: VReg): Map<BufferDecl, VReg> {
  const bases = new Map<BufferDecl, VReg>()
  for (const [buffer, offset] of scratchLayout(kernel).offsets) {
    const base = code.gp()
    code.emit('lea', [r64(base), mem(scratch, offset)])
    bases.set(buffer, base)
  }
  for (const [i, buffer] of kernel.buffers.filter((b) => b.space === 'slot').entries()) {
    const base = code.gp()
    code.emit('mov', [r64(base), mem(slots, 8 * i)])
    bases.set(buffer, base)
  }
  return bases
}

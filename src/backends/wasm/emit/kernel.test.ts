// Emitted kernels against the interpreter of the kernel IR, bit for bit.

import { testAddresses } from '../../../../test/support/kernels/addresses.js'
import { testFunctions } from '../../../../test/support/kernels/functions.js'
import { testLoops } from '../../../../test/support/kernels/loops.js'
import { testPressure } from '../../../../test/support/kernels/pressure.js'
import { compare, type Subject } from '../../../../test/support/kernels/subject.js'
import { detectEngine } from '../engine.js'
import { runKernel } from './harness.js'

const { relaxed } = detectEngine()

const run: Subject['run'] = (kernel, slots) => runKernel(kernel, slots, relaxed)
const wasm: Subject = {
  check: (kernel, slots) => compare(kernel, slots, [{ name: 'WebAssembly', run }], relaxed),
  run,
}

testFunctions(wasm)
testAddresses(wasm)
testLoops(wasm)
testPressure(wasm)

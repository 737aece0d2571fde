// Emitted kernels against the interpreter of the kernel IR, bit for bit, between pages nobody may touch.

import { describe } from 'vitest'
import { testAddresses } from '../../../../test/support/kernels/addresses.js'
import { testFunctions } from '../../../../test/support/kernels/functions.js'
import { testLoops } from '../../../../test/support/kernels/loops.js'
import { testPressure } from '../../../../test/support/kernels/pressure.js'
import { LEVELS, x64 } from '../../../../test/support/kernels/x64.js'

describe.skipIf(LEVELS.length === 0)('machine code', () => {
  testFunctions(x64)
  testAddresses(x64)
  testLoops(x64)
  testPressure(x64)
})

// Errors that kernels find in the data, as users see them.

import { ArithmeticError, IndexError } from '../base/errors.js'
import type { Plan } from '../compiler/kernel/ir.js'

/** Throws what a status word other than 0 stands for. */
export function raise({ faults }: Plan, code: number): never {
  const fault = faults[code - 1]
  if (!fault) throw new ArithmeticError('plan', 'a known fault', `code ${code}`)
  const Kind = fault.kind === 'index' ? IndexError : ArithmeticError
  throw new Kind(fault.op, fault.expected, fault.received).located(fault.site)
}

// Errors that kernels find in the data, as users see them.

import { ArithmeticError, IndexError } from '../base/errors.js'
import type { Plan, Search } from '../compiler/kernel/ir.js'
import { formatSite, type Node } from '../ir/node.js'
import type { NDArray } from '../ir/op.js'
import { bindingsOf } from './reference/bind.js'
import { evaluateGraph } from './reference/evaluate.js'
import type { Storage } from './storage.js'

/** Throws what a status word other than 0 stands for. `inputs` are those the plan ran with. */
export function raise(
  { faults, parameters }: Plan,
  code: number,
  inputs: readonly (Storage | number)[],
): never {
  const fault = faults[code - 1]
  if (!fault) throw new ArithmeticError('plan', 'a known fault', `code ${code}`)
  const { kind, op, expected, received, site, search } = fault
  const Kind = kind === 'index' ? IndexError : ArithmeticError
  const found = search && parameters && firstOutside(search, parameters, inputs)
  throw new Kind(op, expected, found ?? received).located(formatSite(site))
}

/**
 * The first index that is wrong. Threads leave the code of a fault and nothing else, so that it is the same
 * one whoever comes first; what was wrong is computed once more by the reference, which stops there itself if
 * it happens in a loop.
 */
function firstOutside(
  { node, size }: Search,
  parameters: readonly Node[],
  inputs: readonly (Storage | number)[],
): string | undefined {
  try {
    const [indices] = evaluateGraph([node], bindingsOf(parameters, inputs))
    const { data } = indices as NDArray
    return (data as Int32Array).find((index) => index < 0 || index >= size)?.toString()
  } catch (error) {
    if (error instanceof IndexError) throw error
    return undefined // Too little memory for it, say: then the range has to do.
  }
}

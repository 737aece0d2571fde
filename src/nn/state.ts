// The state of a module as a dictionary of tensors: what is saved and loaded.

import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, shapeEqual } from '../base/shape.js'
import { flushPending, realize } from '../runtime/flush.js'
import { modes, withGrad } from '../runtime/modes.js'
import { Tensor } from '../tensor/tensor.js'
import { variablesOf } from './members.js'
import type { Module } from './module.js'

/** Tensors by dotted name. */
export type StateDict = Record<string, Tensor>

export interface LoadOptions {
  /** Whether the names have to agree exactly. Default true. */
  readonly strict?: boolean
}

/** A dictionary that has no entries of its own accord, whatever names a file comes with. */
export const emptyDict = (): StateDict => Object.create(null) as StateDict

export function stateDict(module: Module): StateDict {
  const dict = emptyDict()
  for (const [name, variable] of variablesOf(module)) dict[name] = variable.detach()
  // Computed now: a value that is read later would be that of a later step, or gone.
  realize(Object.values(dict).map((x) => x.node))
  return dict
}

/** Throws for what is no dictionary of tensors. */
function checkDict(where: string, dict: unknown): void {
  if (typeof dict !== 'object' || dict === null) {
    throw new ValueError(where, 'tensors by name', dict === null ? 'null' : typeof dict)
  }
  for (const [name, value] of Object.entries(dict)) {
    if (value instanceof Tensor) continue
    throw new ValueError(where, 'tensors by name', `${typeof value} for '${name}'`)
  }
}

const NAMED = 8

/** Names in quotes; of many, the first few and how many there are. */
function list(names: readonly string[]): string {
  const shown = names.slice(0, NAMED).map((n) => `'${n}'`)
  const more = names.length - shown.length
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '')
}

export function loadStateDict(
  module: Module,
  dict: StateDict,
  { strict = true }: LoadOptions,
): { missing: string[]; unexpected: string[] } {
  const where = `${module.constructor.name}.loadStateDict`
  checkDict(where, dict)
  const own = variablesOf(module)
  const names = new Set(own.map(([name]) => name))
  const missing = [...names].filter((name) => !Object.hasOwn(dict, name))
  const unexpected = Object.keys(dict).filter((name) => !names.has(name))
  if (strict && missing.length + unexpected.length > 0) {
    const problems = [
      missing.length > 0 ? `a dict without ${list(missing)}` : null,
      unexpected.length > 0
        ? `a dict with ${list(unexpected)}, which the module does not have`
        : null,
    ]
    throw new ValueError(
      where,
      `the ${names.size} names of the module (or { strict: false })`,
      problems.filter((p) => p !== null).join(', and '),
      { missing, unexpected },
    )
  }
  const given = own.filter(([name]) => Object.hasOwn(dict, name))
  const misfits = given.filter(([name, v]) => !shapeEqual(v.shape, (dict[name] as Tensor).shape))
  if (misfits.length > 0) {
    const shapes = (of: (name: string, v: Tensor) => Tensor): string =>
      misfits
        .slice(0, NAMED)
        .map(([name, v]) => `'${name}' ${formatShape(of(name, v).shape)}`)
        .join(', ')
    throw new ShapeError(
      where,
      shapes((_, v) => v),
      shapes((name) => dict[name] as Tensor),
      { names: misfits.map(([name]) => name) },
    )
  }
  withGrad(false, () => {
    for (const [name, variable] of given) {
      const value = dict[name] as Tensor
      variable.assign(value.dtype === variable.dtype ? value : value.cast(variable.dtype))
    }
  })
  if (modes.trace === null) flushPending()
  return { missing, unexpected }
}

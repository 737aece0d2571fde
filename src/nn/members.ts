// Which modules and variables belong to a module, and under which names: a walk over its own fields.

import { isBranch } from '../base/tree.js'
import { Parameter, Variable } from '../tensor/variable.js'
import type { Module } from './module.js'

/**
 * The method by which a module lists its members, as pairs of a name and a value. By default these are
 * its own fields in the order they were defined; containers list their items, and layers whose names in
 * a saved file differ from their fields' names say so here. A symbol, so that no field can hide it.
 */
export const MEMBERS: unique symbol = Symbol('tessera.members')

/** Whether a value is a module. A question about the symbol, so that this file loads before the class. */
const isModule = (x: unknown): x is Module =>
  typeof x === 'object' && x !== null && typeof (x as Partial<Module>)[MEMBERS] === 'function'

/** A module or variable that a module holds, directly or in arrays and plain objects. */
export type Member = readonly [name: string, value: Module | Variable]

function collect(name: string, value: unknown, open: Set<object>, into: Member[]): void {
  if (value instanceof Variable || isModule(value)) into.push([name, value])
  else if (isBranch(value) && !open.has(value)) {
    open.add(value)
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner === 'object') collect(`${name}.${key}`, inner, open, into)
    }
  }
}

function membersOf(module: Module): Member[] {
  const into: Member[] = []
  const open = new Set<object>()
  for (const [name, value] of module[MEMBERS]()) collect(name, value, open, into)
  return into
}

/** The modules a module holds itself, each once. */
export function childrenOf(module: Module): [name: string, child: Module][] {
  const seen = new Set<Module>()
  const out: [string, Module][] = []
  for (const [name, value] of membersOf(module)) {
    if (!isModule(value) || seen.has(value)) continue
    seen.add(value)
    out.push([name, value])
  }
  return out
}

/** The variables a module holds itself: parameters first, then buffers. A variable may come twice. */
export function ownVariables(module: Module): [name: string, variable: Variable][] {
  const own = membersOf(module).filter((m): m is [string, Variable] => m[1] instanceof Variable)
  return [...own.filter(([, v]) => isParameter(v)), ...own.filter(([, v]) => !isParameter(v))]
}

/** Whether a variable is trained: a `Parameter`, frozen or not, or one that collects gradients. */
export const isParameter = (v: Variable): boolean => v instanceof Parameter || v.requiresGrad

export const join = (prefix: string, name: string): string =>
  prefix === '' ? name : `${prefix}.${name}`

/** A module and all modules below it, each once, a module before its children. */
export function modulesOf(
  module: Module,
  prefix = '',
  seen = new Set<Module>(),
): [name: string, module: Module][] {
  if (seen.has(module)) return []
  seen.add(module)
  const out: [string, Module][] = [[prefix, module]]
  for (const [name, child] of childrenOf(module))
    out.push(...modulesOf(child, join(prefix, name), seen))
  return out
}

/** All variables with their dotted names. A variable that is shared comes once under each of its names. */
export function variablesOf(module: Module): [name: string, variable: Variable][] {
  return modulesOf(module).flatMap(([prefix, m]) =>
    ownVariables(m).map(([name, v]): [string, Variable] => [join(prefix, name), v]),
  )
}

/** The entries whose variables have not come before. */
export function unique(
  entries: readonly [name: string, variable: Variable][],
): [name: string, variable: Variable][] {
  const seen = new Set<Variable>()
  return entries.filter(([, v]) => !seen.has(v) && seen.add(v))
}

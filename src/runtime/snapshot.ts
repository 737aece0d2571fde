// A look back at a step: gradients the optimizer has used up, for whoever reads them afterwards.

import type { Executable } from '../backends/device.js'
import type { Storage } from '../backends/storage.js'
import { StaleValueError } from '../base/errors.js'
import type { Node } from '../ir/node.js'
import { buildProgram } from './build.js'
import { instantiate } from './instantiate.js'
import type { Role } from './key.js'
import { type Binding, Deferred } from './value.js'

/** Throws if a storage was overwritten since its version was noted. */
export function checkVersions(inputs: readonly Binding[], versions: readonly number[]): void {
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i] as Binding
    if (typeof x === 'number' || x.version === versions[i]) continue
    throw new StaleValueError(
      'grad',
      'a gradient that is read before variables change twice (keep it with keep(x))',
      'variables that have changed again since',
    )
  }
}

export const versionsOf = (inputs: readonly Binding[]): number[] =>
  inputs.map((x) => (typeof x === 'number' ? 0 : x.version))

/** An executable that is built when it is first run, and again after it was disposed of. */
export function lazily(build: () => Executable): Executable {
  let built: Executable | null = null
  return {
    run: (inputs, targets) => {
      built ??= build()
      return built.run(inputs, targets)
    },
    dispose: () => {
      built?.dispose()
      built = null
    },
    describe: () => built?.describe() ?? 'not built',
  }
}

/** For the plan of a step, plans for values it did not store, by the numbers of their nodes. */
const plans = new WeakMap<Executable, Map<string, Executable>>()

/**
 * Gives `results`, which were part of a plan that has run but were not stored, values that are computed
 * if somebody reads one: most steps' gradients nobody does, and large ones are not worth storing. To be
 * called before the graph is used up.
 */
export function deferResults(
  results: readonly Node[],
  graph: { readonly order: readonly Node[]; readonly roles: readonly Role[] },
  inputs: readonly Binding[],
  step: Executable,
): void {
  const known = plans.get(step) ?? new Map<string, Executable>()
  plans.set(step, known)
  const key = results.map((node) => node.index).join()
  const plan = known.get(key) ?? planFor(results, graph)
  known.set(key, plan)
  const versions = versionsOf(inputs)
  let computed: Storage[] | null = null
  const compute = (): Storage[] => {
    checkVersions(inputs, versions)
    return plan.run(inputs, [])
  }
  results.forEach((node, i) => {
    node.value = new Deferred(() => {
      computed ??= compute()
      return computed[i] as Storage
    })
  })
}

/** The graph is copied now: nodes forget what they were made from, and that gradients pass through. */
function planFor(
  results: readonly Node[],
  { order, roles }: { readonly order: readonly Node[]; readonly roles: readonly Role[] },
): Executable {
  const program = instantiate(order, roles, results)
  return lazily(() => buildProgram(program))
}

/** Disposes of a step's plan and of the plans that look back at it. */
export function disposeStep(step: Executable): void {
  for (const plan of plans.get(step)?.values() ?? []) plan.dispose()
  step.dispose()
}

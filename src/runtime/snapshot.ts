// A look back at a step: gradients the optimizer has used up, for whoever reads them afterwards.

import type { Executable } from '../backends/device.js'
import type { Storage } from '../backends/storage.js'
import { StaleValueError } from '../base/errors.js'
import type { Node } from '../ir/node.js'
import { currentDevice } from './devices.js'
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

/** Plans for the gradients of a step, found by the plan of the step. */
const plans = new WeakMap<Executable, Executable>()

/**
 * Gives `results`, which were part of a plan that has run but were not stored, values that are computed
 * if somebody reads one: most steps' gradients nobody does, and large ones are not worth storing.
 */
export function deferResults(
  results: readonly Node[],
  graph: { readonly order: readonly Node[]; readonly roles: readonly Role[] },
  inputs: readonly Binding[],
  step: Executable,
): void {
  const order = graph.order.slice()
  const roles = graph.roles.slice(0, order.length)
  const madeFrom = order.map((node) => node.inputs)
  const versions = versionsOf(inputs)
  let computed: Storage[] | null = null
  const compute = (): Storage[] => {
    checkVersions(inputs, versions)
    let plan = plans.get(step)
    if (plan === undefined) {
      plan = currentDevice().build(instantiate(order, roles, results, madeFrom))
      plans.set(step, plan)
    }
    return plan.run(inputs, new Array(results.length).fill(null))
  }
  results.forEach((node, i) => {
    node.value = new Deferred(() => {
      computed ??= compute()
      return computed[i] as Storage
    })
  })
}

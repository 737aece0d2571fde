// The state of an optimizer as plain data and tensors: what is saved and loaded.

import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, shapeEqual } from '../base/shape.js'
import { flushPending, realize } from '../runtime/flush.js'
import { modes, withGrad } from '../runtime/modes.js'
import type { Tensor } from '../tensor/tensor.js'
import { Variable } from '../tensor/variable.js'
import type { Hyperparameters, ParamGroup, Slots } from './optimizer.js'

/** State of an optimizer, in the structure PyTorch has: parameters are numbered over all groups. */
export interface OptimizerState {
  /** For each parameter that has any: its state by name. */
  readonly state: Readonly<Record<number, Readonly<Record<string, Tensor>>>>
  /** The settings of each group, and the numbers of its parameters. */
  readonly paramGroups: readonly { readonly params: readonly number[]; readonly lr: number }[]
}

type Groups = readonly ParamGroup<Hyperparameters>[]

export function readState(groups: Groups, slots: ReadonlyMap<Variable, Slots>): OptimizerState {
  const state: Record<number, Record<string, Tensor>> = {}
  const snapshots = new Map<Variable, Tensor>()
  let next = 0
  const paramGroups = groups.map(({ params, ...settings }) => ({
    ...settings,
    params: params.map((param) => {
      const own = slots.get(param)
      if (own !== undefined) {
        state[next] = Object.fromEntries(
          Object.entries(own).map(([name, v]) => {
            if (!snapshots.has(v)) snapshots.set(v, v.detach())
            return [name, snapshots.get(v) as Tensor]
          }),
        )
      }
      return next++
    }),
  }))
  realize([...snapshots.values()].map((x) => x.node))
  return { state, paramGroups }
}

export function writeState(
  where: string,
  dict: OptimizerState,
  groups: Groups,
  slots: Map<Variable, Slots>,
): void {
  const counts = (list: readonly { readonly params: readonly unknown[] }[]): string =>
    `${list.length} groups of [${list.map((g) => g.params.length).join(', ')}] parameters`
  if (counts(groups) !== counts(dict.paramGroups)) {
    throw new ValueError(where, counts(groups), counts(dict.paramGroups))
  }
  const pairs = groups.flatMap((group, g) =>
    group.params.map((param, i) => ({
      param,
      own: dict.state[dict.paramGroups[g]?.params[i] as number],
    })),
  )
  for (const { param, own } of pairs) {
    for (const [name, value] of Object.entries(own ?? {})) {
      const fits = name === 'step' ? value.ndim === 0 : shapeEqual(value.shape, param.shape)
      if (fits) continue
      const expected = `${name} of shape ${formatShape(name === 'step' ? [] : param.shape)} for ${param.name}`
      throw new ShapeError(where, expected, formatShape(value.shape))
    }
  }
  // One saved tensor becomes one variable, so that counters which were shared stay shared.
  const made = new Map<Tensor | number, Variable>()
  withGrad(false, () => {
    slots.clear()
    for (const { param, own } of pairs) {
      if (own === undefined) continue
      const loaded: Slots = {}
      for (const [name, value] of Object.entries(own)) {
        const key = name === 'step' ? value.item() : value
        const dtype = name === 'step' ? 'float32' : param.dtype
        const v = made.get(key) ?? new Variable(value.cast(dtype).detach(), { requiresGrad: false })
        made.set(key, v)
        loaded[name] = v
      }
      slots.set(param, loaded)
    }
  })
  groups.forEach((group, i) => {
    const { params: _, ...settings } = dict.paramGroups[i] as (typeof dict.paramGroups)[number]
    Object.assign(group, settings)
  })
  if (modes.trace === null) flushPending()
}

// What optimizers have in common: groups of parameters, state for each, and a step that is one plan.

import { Storage } from '../backends/storage.js'
import { allocate, type DType } from '../base/dtype.js'
import { ShapeError, ValueError } from '../base/errors.js'
import { formatShape, type StaticShape, shapeEqual, sizeOf } from '../base/shape.js'
import { add, fullLike } from '../ir/build.js'
import type { Node } from '../ir/node.js'
import { flushPending } from '../runtime/flush.js'
import { modes, withGrad } from '../runtime/modes.js'
import { recorded } from '../runtime/record.js'
import { HostScalar, slotNode, storedNode } from '../runtime/value.js'
import { enableGrad } from '../tensor/autograd.js'
import { seedOf } from '../tensor/backward.js'
import { wrap } from '../tensor/core.js'
import { tensor } from '../tensor/create.js'
import { differentiate } from '../tensor/differentiate.js'
import type { Tensor } from '../tensor/tensor.js'
import { Variable } from '../tensor/variable.js'
import { type OptimizerState, readState, writeState } from './state.js'

/** Settings every optimizer has. */
export interface Hyperparameters {
  /** Learning rate. It may be changed at any time, and costs no new plan. */
  lr: number
}

/** Parameters that share settings. Settings may be changed between steps. */
export type ParamGroup<H extends Hyperparameters> = H & { readonly params: Variable[] }

/** What an optimizer is made for: parameters, or groups of them with settings of their own. */
export type Params<H extends Hyperparameters> =
  | Iterable<Variable>
  | Iterable<{ readonly params: Iterable<Variable> } & Partial<H>>

/** State of one parameter, by name. */
export type Slots = Record<string, Variable>

/**
 * The base class of all optimizers. Mirrors `torch.optim.Optimizer`: `zeroGrad`, `step`, groups of
 * parameters, `stateDict`.
 *
 * A step records the updates of all parameters and then runs them, with whatever is pending, as one
 * plan. Under `compile` it is part of the traced function. Parameters without a gradient are skipped.
 * An optimizer made without parameters learns of them from `applyGradients` or `minimize`.
 */
export abstract class Optimizer<H extends Hyperparameters = Hyperparameters> {
  readonly paramGroups: ParamGroup<H>[] = []
  /** @internal */
  readonly state = new Map<Variable, Slots>()
  private readonly defaults: H

  /**
   * @param first Parameters, or groups of them, with settings in `second`; or settings alone.
   * @param defaults Every setting there is, with its default.
   * @throws ValueError for settings that make no sense or are none, and for what are no parameters.
   */
  constructor(
    first: Params<H> | Partial<H> | undefined,
    second: Partial<H> | undefined,
    defaults: H,
  ) {
    const params = isIterable(first) ? first : null
    const settings = params === null ? first : second
    if (settings !== undefined && !isPlain(settings)) {
      const expected = params === null ? 'parameters (net.parameters()) or settings' : 'settings'
      throw new ValueError(this.name, `${expected} such as { lr: 0.1 }`, describe(settings))
    }
    const unknown = Object.keys(settings ?? {}).find((key) => !Object.hasOwn(defaults, key))
    if (unknown !== undefined) {
      throw new ValueError(this.name, `settings among ${Object.keys(defaults).join(', ')}`, unknown)
    }
    this.defaults = { ...defaults, ...settings }
    this.check(this.defaults)
    const list = [...(params ?? [])]
    if (params !== null && list.length === 0) {
      throw new ValueError(this.name, 'at least one parameter', 'an empty list')
    }
    if (list.every((p) => p instanceof Variable)) this.addParamGroup({ params: list } as never)
    else for (const group of list) this.addParamGroup(group as never)
  }

  /** Throws `ValueError` for settings that make no sense. */
  protected check(settings: H): void {
    this.atLeastZero('lr', settings.lr)
  }

  protected atLeastZero(what: string, value: number): void {
    if (typeof value === 'number' && value >= 0) return
    throw new ValueError(this.name, `${what} of at least 0`, String(value))
  }

  protected get name(): string {
    return this.constructor.name
  }

  /** Adds parameters, with settings of their own where they are given. */
  addParamGroup(group: { readonly params: Iterable<Variable> } & Partial<H>): void {
    if (!isGroup(group)) {
      throw new ValueError(this.name, 'parameters (or groups { params })', describe(group))
    }
    const params = [...group.params]
    const known = new Set(this.paramGroups.flatMap((g) => g.params))
    for (const p of params) {
      if (!(p instanceof Variable)) {
        throw new ValueError(this.name, 'a group of parameters', describe(p))
      }
      if (known.has(p)) {
        throw new ValueError(this.name, 'each parameter once', `${p.name} twice`)
      }
      known.add(p)
    }
    const settings = { ...this.defaults, ...group, params } as ParamGroup<H>
    this.check(settings)
    this.paramGroups.push(settings)
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    for (const { params } of this.paramGroups) for (const p of params) p.grad = null
  }

  /**
   * Updates all parameters that have a gradient.
   *
   * @param closure Computes the loss and its gradients first; its result is returned.
   */
  step(): void
  step(closure: () => Tensor): Tensor
  step(closure?: () => Tensor): Tensor | undefined {
    const loss = closure && enableGrad(closure)
    this.run((p) => p.grad?.node ?? null)
    return loss
  }

  /**
   * Updates variables by gradients that are given, as those of a `GradientTape`; a `null` is skipped.
   * Mirrors `apply_gradients` of Keras. Variables that are new to the optimizer join its first group.
   */
  applyGradients(grads: readonly (Tensor | null)[], variables: readonly Variable[]): void {
    const where = `${this.name}.applyGradients`
    if (grads.length !== variables.length) {
      const expected = `a gradient for each of ${variables.length} variables`
      throw new ValueError(where, expected, `${grads.length} gradients`)
    }
    const known = new Set(this.paramGroups.flatMap((g) => g.params))
    const given = new Map<Variable, Node>()
    variables.forEach((v, i) => {
      const gradient = grads[i] ?? null
      if (!known.has(v)) {
        known.add(v)
        this.paramGroups[0]!.params.push(v)
      }
      if (gradient === null) return
      if (!shapeEqual(gradient.shape, v.shape)) {
        const expected = `a gradient of shape ${formatShape(v.shape)} for ${v.name}`
        throw new ShapeError(where, expected, formatShape(gradient.shape))
      }
      given.set(v, gradient.node)
    })
    this.run((p) => given.get(p) ?? null)
  }

  /**
   * Computes gradients of a loss and applies them. Mirrors `minimize` of TensorFlow; `.grad` is not
   * touched. Returns the loss.
   *
   * @param loss A scalar, or a function that computes one.
   * @param variables Default: the optimizer's parameters.
   */
  minimize(loss: Tensor | (() => Tensor), variables?: readonly Variable[]): Tensor {
    const where = `${this.name}.minimize`
    const isOwn = typeof loss === 'function'
    const value = isOwn ? enableGrad(loss) : loss
    const by = variables ?? this.paramGroups.flatMap((g) => g.params)
    if (by.length === 0) throw new ValueError(where, 'variables', 'none')
    const seeds = [seedOf(where, value.node, undefined)]
    const frees = isOwn ? 'yes' : 'no'
    this.applyGradients(differentiate(where, { roots: [value.node], seeds, by, frees }), by)
    return value
  }

  /** Settings and state, in PyTorch's structure: state by the parameters' positions. */
  stateDict(): OptimizerState {
    return readState(this.paramGroups, this.state)
  }

  /** Takes settings and state over. The groups have to have as many parameters as the saved ones. */
  loadStateDict(dict: OptimizerState): void {
    writeState(`${this.name}.loadStateDict`, dict, this.paramGroups, this.state)
  }

  // ---- for subclasses ----------------------------------------------------------------------------------

  /** Records the update of one parameter: `replace`s it, and its state. `lr` is a scalar node. */
  protected abstract update(
    param: Variable,
    grad: Node,
    settings: ParamGroup<H>,
    lr: Node,
    slots: Slots,
  ): void

  /** Whether a parameter's updates depend on how many there were: then `slots.step` counts them. */
  protected countsSteps(_settings: H): boolean {
    return false
  }

  /** State of a parameter that starts as zeros, in its shape and dtype. */
  protected slot(slots: Slots, name: string, param: Variable): Variable {
    slots[name] ??= zeroState(param.shape as StaticShape, param.dtype, `${param.name}.${name}`)
    return slots[name]
  }

  private run(gradientOf: (p: Variable) => Node | null): void {
    const { trace } = modes
    trace?.guard(() => this.paramGroups.length)
    withGrad(false, () => {
      this.paramGroups.forEach((group, at) => {
        trace?.guard(() => group.params.length)
        if (trace !== null) guardSettings(group)
        const active = group.params
          .map((param) => ({ param, grad: gradientOf(param) }))
          .filter((x): x is { param: Variable; grad: Node } => x.grad !== null)
        if (this.countsSteps(group)) this.count(active.map((x) => x.param))
        const rates = new Map<DType, Node>()
        for (const { param, grad } of active) {
          const rate = rates.get(param.dtype) ?? this.rate(at, param.dtype)
          rates.set(param.dtype, rate)
          this.update(param, grad, group, rate, this.slotsOf(param))
        }
      })
    })
    if (trace === null) flushPending()
  }

  /** The learning rate as an input of the plan: changing it changes no plan. */
  private rate(group: number, dtype: DType): Node {
    const read = (): number => (this.paramGroups[group] as ParamGroup<H>).lr
    return slotNode(modes.trace === null ? read() : new HostScalar(read), dtype)
  }

  private slotsOf(param: Variable): Slots {
    const known = this.state.get(param)
    if (known !== undefined) return known
    const fresh: Slots = {}
    this.state.set(param, fresh)
    return fresh
  }

  /**
   * Counts a step for each of `active`. Parameters that have always been stepped together share one
   * counter, so that what depends on it is computed once and not for each parameter.
   */
  private count(active: readonly Variable[]): void {
    const sharing = new Map<Variable | undefined, Slots[]>()
    for (const p of active) {
      const slots = this.slotsOf(p)
      const members = sharing.get(slots.step)
      if (members === undefined) sharing.set(slots.step, [slots])
      else members.push(slots)
    }
    for (const [counter, members] of sharing) {
      const alone = counter !== undefined && this.sharers(counter) === members.length
      const own = alone ? counter : stepCounter(counter)
      for (const slots of members) slots.step = own
      own.replace(recorded(add(own.node, fullLike(own.node, 1))))
    }
  }

  private sharers(counter: Variable): number {
    let count = 0
    for (const slots of this.state.values()) if (slots.step === counter) count++
    return count
  }
}

const isGroup = ({ params }: { readonly params?: unknown }): boolean =>
  typeof params === 'object' && isIterable(params)

const isIterable = <T>(x: Iterable<T> | object | null | undefined): x is Iterable<T> =>
  x !== null && x !== undefined && Symbol.iterator in Object(x)

/** Whether a value is an object as `{ }` makes it: not a module, say. */
function isPlain(x: unknown): x is object {
  if (typeof x !== 'object' || x === null) return false
  const prototype = Object.getPrototypeOf(x)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function describe(x: unknown): string {
  if (typeof x === 'function') return 'a function'
  return typeof x === 'object' && x !== null ? (x.constructor?.name ?? 'an object') : String(x)
}

/** Everything but the learning rate is part of a plan: a trace holds only as long as it stays. */
function guardSettings(group: object): void {
  const { trace } = modes
  for (const [name, value] of Object.entries(group)) {
    if (name === 'lr' || name === 'params') continue
    const now = (): unknown => (group as Record<string, unknown>)[name]
    if (!Array.isArray(value)) trace?.guard(now)
    else for (const i of value.keys()) trace?.guard(() => (now() as unknown[])[i])
  }
}

/** State may be made in any trace: it is made once, and belongs to no call. */
function outsideTraces<T>(make: () => T): T {
  const { trace } = modes
  modes.trace = null
  try {
    return make()
  } finally {
    modes.trace = trace
  }
}

/** A new variable of zeros, made without running anything. */
export function zeroState(shape: StaticShape, dtype: DType, name: string): Variable {
  return outsideTraces(() => {
    // Fresh arrays are zero, and the system gives them memory only once they are written.
    const zeros = Storage.of(dtype, allocate(dtype, sizeOf(shape)))
    const start = wrap(storedNode(zeros, shape))
    return new Variable(start, { requiresGrad: false, name, owned: true })
  })
}

/** A counter of steps that goes on from another, or begins. */
function stepCounter(from: Variable | undefined): Variable {
  return outsideTraces(() => {
    const start = tensor(from === undefined ? 0 : settled(from), { dtype: 'float32' })
    return new Variable(start, { requiresGrad: false, name: 'step' })
  })
}

/** The value a counter has before this step, also while a trace has a new one pending. */
const settled = (counter: Variable): number => Number(counter.cell.front.read()[0])

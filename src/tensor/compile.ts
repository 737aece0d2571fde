// `compile`: a function traced once per kind of call, and replayed as one plan.

import type { Executable } from '../backends/device.js'
import type { Storage } from '../backends/storage.js'
import type { StaticShape } from '../base/shape.js'
import { flatten, mapTree, type Tree } from '../base/tree.js'
import { Node, topological } from '../ir/node.js'
import { parameter } from '../ir/primitives/source.js'
import type { Program } from '../ir/program.js'
import { shapeOf } from '../ir/sizes.js'
import { buildProgram } from '../runtime/build.js'
import { currentDevice } from '../runtime/devices.js'
import { flushPending, realize } from '../runtime/flush.js'
import { instantiate } from '../runtime/instantiate.js'
import { Role } from '../runtime/key.js'
import { modes } from '../runtime/modes.js'
import { takeDraws } from '../runtime/random.js'
import { checkVersions, lazily, versionsOf } from '../runtime/snapshot.js'
import { Trace, type TracedState } from '../runtime/trace.js'
import { runUpdating, supplied } from '../runtime/update.js'
import {
  type Binding,
  type Cell,
  CellRead,
  Deferred,
  Draw,
  GradientInput,
  type LeafValue,
  resolve,
  storedNode,
  TraceInput,
} from '../runtime/value.js'
import { fits, leavesOf, type Pattern, patternOf, settle } from './arguments.js'
import { wrap } from './core.js'
import { Tensor } from './tensor.js'

/** A finished trace: the plan, and where its inputs come from and its results go. */
interface Traced {
  readonly executable: Executable
  readonly sources: readonly LeafValue[]
  /** What the function returned, with a slot for each tensor. */
  readonly results: Tree<unknown>
  readonly resultCount: number
  readonly outputCount: number
  readonly effects: readonly TracedState[]
  /** What the effects change. */
  readonly cells: readonly Cell[]
  readonly gradients: readonly TracedGradient[]
  readonly deferred: DeferredGradients | null
  readonly draws: number
  // What the trace was made for:
  readonly guards: Trace['guards']
  readonly arguments: Pattern
  readonly gradEnabled: boolean
  readonly device: string
}

/** A tensor of the result: its position among the outputs, and its shape. */
class Slot {
  constructor(
    readonly at: number,
    readonly shape: StaticShape,
    /** Whether gradients flowed to it in the trace: the calls have none, and say so if asked. */
    readonly differentiable = false,
  ) {}
}

/** What `.grad` of a tensor is after a call. */
interface TracedGradient {
  readonly owner: Tensor
  /** Its position among the outputs, or among the deferred gradients; `null`: cleared. */
  readonly slot: Slot | null
  readonly deferred: boolean
}

export interface CompiledFunction<A extends unknown[], R> {
  (...args: A): R
  /** Plans made so far: one per kind of call. */
  readonly plans: number
  /** Forgets them. */
  clear(): void
}

/** Traces kept per function; the one used longest ago goes first. */
const CAPACITY = 32

/**
 * A function that is traced at its first call with arguments of given shapes and dtypes, and then
 * replayed as one plan: none of its TypeScript runs again. Mirrors `tf.function` and `jax.jit`, for
 * functions with effects: assignments to variables, optimizer steps and random draws happen in each
 * call.
 *
 * Arguments may be tensors, trees of tensors, and other values; those others, and modes such as
 * `train()` and `requiresGrad`, are part of what a trace is made for. Tensors the function captures keep
 * the value they have at the first call; variables are read anew each time.
 *
 * Gradients are for the inside: call `backward()`, or `grad(fn)`, within the function. No gradient
 * passes through a call from outside, and a backward pass that would have to is a `GradientError`.
 *
 * @throws TraceError when the function reads a value, or makes variables in a trace after the first.
 */
export function compile<A extends unknown[], R>(fn: (...args: A) => R): CompiledFunction<A, R> {
  const traces: Traced[] = []
  let traced = false

  const run = (...args: A): R => {
    // Inside another trace the function is simply part of it.
    if (modes.trace !== null) return fn(...args)
    flushPending()
    const leaves = leavesOf(args)
    settle(leaves)
    let at = 0
    while (at < traces.length && !matches(traces[at] as Traced, args)) at++
    if (at === traces.length) {
      traces.unshift(trace(fn, args, !traced))
      traced = true
      at = 0
      for (const old of traces.splice(CAPACITY)) discard(old)
    } else if (at > 0) {
      traces.unshift(traces.splice(at, 1)[0] as Traced)
    }
    return replay(traces[0] as Traced, leaves) as R
  }
  return Object.defineProperties(run, {
    plans: { get: () => traces.length },
    clear: {
      value: () => {
        for (const t of traces.splice(0)) discard(t)
      },
    },
  }) as unknown as CompiledFunction<A, R>
}

function discard(t: Traced): void {
  t.executable.dispose()
  t.deferred?.dispose()
}

function matches(t: Traced, args: readonly unknown[]): boolean {
  if (t.gradEnabled !== modes.gradEnabled || t.device !== currentDevice().name) return false
  if (!fits(t.arguments, args)) return false
  for (let i = 0; i < t.guards.length; i++) {
    const { read, value } = t.guards[i] as Trace['guards'][number]
    if (!Object.is(read(), value)) return false
  }
  return true
}

/** What one run of the function under a trace recorded. */
interface Recording {
  readonly result: Tree<unknown>
  readonly tensors: readonly Tensor[]
  readonly effects: readonly TracedState[]
  readonly effectNodes: readonly Node[]
  readonly gradients: readonly { readonly owner: Tensor; readonly node: Node | null }[]
}

function recordCall<R>(state: Trace, call: () => R): Recording {
  modes.trace = state
  try {
    const result = call() as Tree<unknown>
    const tensors = flatten(result).filter((x): x is Tensor => x instanceof Tensor)
    const effects = [...state.assigned.values()]
    const owners = state.gradientOwners<Tensor>() as Tensor[]
    return {
      result,
      tensors,
      effects,
      effectNodes: effects.map((e) => e.current()),
      gradients: owners.map((owner) => ({ owner, node: owner.grad?.node ?? null })),
    }
  } finally {
    modes.trace = null
    for (const e of state.assigned.values()) e.restore()
    state.restoreGradients()
  }
}

function trace<A extends unknown[], R>(fn: (...args: A) => R, args: A, mayCreate: boolean): Traced {
  const state = new Trace(mayCreate)
  const pattern = patternOf(args, (x, n) => {
    const node = parameter(x.shape, x.dtype)
    node.value = new TraceInput(n)
    return node
  })
  const inner = mapTree(pattern, (x) => (x instanceof Node ? wrap(x) : x)) as A
  const r = recordCall(state, () => fn(...inner))

  // Gradients an optimizer has used up are rarely looked at: they are computed if they are.
  const stepped = new Set(r.effects.map((e) => e.cell))
  const isDeferred = (owner: Tensor): boolean => stepped.has(cellOf(owner) as Cell)
  const roots = [...r.tensors.map((t) => t.node), ...r.effectNodes]
  const deferredRoots: Node[] = []
  const gradients = r.gradients.map(({ owner, node }): TracedGradient => {
    if (node === null) return { owner, slot: null, deferred: false }
    const deferred = isDeferred(owner)
    const list = deferred ? deferredRoots : roots
    list.push(node)
    return { owner, slot: new Slot(list.length - 1, shapeOf(node)), deferred }
  })
  settleCaptured([...roots, ...deferredRoots], state)
  guardGradients([...roots, ...deferredRoots], state)
  const { program, sources } = programOf(roots)
  const cells = r.effects.map((e) => e.cell)
  return {
    executable: buildProgram(program, supplied(r.tensors.length, cells)),
    sources,
    results: mapTree(r.result, (x) =>
      x instanceof Tensor ? new Slot(r.tensors.indexOf(x), shapeOf(x.node), x.node.needsGrad) : x,
    ),
    resultCount: r.tensors.length,
    outputCount: roots.length,
    effects: r.effects,
    cells,
    gradients,
    deferred: deferredRoots.length === 0 ? null : new DeferredGradients(deferredRoots),
    draws: state.draws,
    guards: state.guards,
    arguments: pattern,
    gradEnabled: modes.gradEnabled,
    device: currentDevice().name,
  }
}

const cellOf = (x: Tensor): Cell | null => ('cell' in x ? (x.cell as Cell) : null)

function programOf(roots: readonly Node[]): { program: Program; sources: LeafValue[] } {
  const order = topological(roots, (n) => n.value !== null)
  const roles = order.map((n) => (n.value === null ? Role.Computed : Role.Bound))
  const sources = order.filter((n) => n.value !== null).map((n) => n.value as LeafValue)
  return { program: instantiate(order, roles, roots), sources }
}

/** Tensors from outside the trace that were never computed are computed now, and become inputs. */
function settleCaptured(roots: readonly Node[], trace: Trace): void {
  const outside = (n: Node): boolean => !trace.owns(n)
  const pending = topological(roots, (n) => n.value !== null || outside(n)).filter(
    (n) => n.value === null && outside(n) && n.inputs.length > 0,
  )
  if (pending.length > 0) realize(pending)
}

/** Which variables collect gradients is part of what was traced: freezing one asks for a new trace. */
function guardGradients(roots: readonly Node[], trace: Trace): void {
  for (const { owner } of topological(roots, (n) => n.value !== null)) {
    if (owner instanceof Tensor) {
      trace.guards.push({ read: () => owner.requiresGrad, value: owner.requiresGrad })
    }
  }
}

/** Gradients of one trace that are computed when somebody reads one, all together. */
class DeferredGradients {
  private plan: { executable: Executable; sources: LeafValue[] } | null = null

  constructor(private readonly roots: readonly Node[]) {}

  /** A way to compute the gradients of a call with these arguments, for as long as its state lasts. */
  at(leaves: readonly unknown[], firstDraw: number): (slot: number) => Storage {
    const sources = this.prepare().sources
    const inputs = sources.map((s) => bind(s, leaves, firstDraw))
    const versions = versionsOf(inputs)
    let computed: Storage[] | null = null
    return (slot) => {
      if (computed === null) {
        checkVersions(inputs, versions)
        const { executable } = this.prepare()
        computed = executable.run(inputs, [])
      }
      return computed[slot] as Storage
    }
  }

  dispose(): void {
    this.plan?.executable.dispose()
  }

  private prepare(): { executable: Executable; sources: LeafValue[] } {
    if (this.plan === null) {
      const { program, sources } = programOf(this.roots)
      this.plan = { executable: lazily(() => buildProgram(program)), sources }
    }
    return this.plan
  }
}

function bind(source: LeafValue, leaves: readonly unknown[], firstDraw: number): Binding {
  if (source instanceof CellRead) return source.cell.front
  if (source instanceof TraceInput) {
    return resolve((leaves[source.index] as Tensor).node.value as LeafValue)
  }
  if (source instanceof Draw) return (firstDraw + source.offset) | 0
  if (source instanceof GradientInput) {
    return resolve((source.owner.grad as Tensor).realize().node.value as LeafValue)
  }
  return resolve(source)
}

function replay(t: Traced, leaves: readonly unknown[]): unknown {
  const firstDraw = takeDraws(t.draws)
  const inputs: Binding[] = new Array(t.sources.length)
  for (let i = 0; i < inputs.length; i++) {
    inputs[i] = bind(t.sources[i] as LeafValue, leaves, firstDraw)
  }
  const gradientAt = t.deferred?.at(leaves, firstDraw)
  const stored = runUpdating(t.executable, inputs, t.outputCount, t.resultCount, t.cells)
  for (let i = 0; i < t.effects.length; i++) (t.effects[i] as TracedState).refresh()
  for (const { owner, slot, deferred } of t.gradients) {
    if (slot === null) owner.grad = null
    else if (!deferred) owner.grad = tensorOf(stored[slot.at] as Storage, slot.shape)
    else {
      const node = parameter(slot.shape, owner.dtype)
      node.value = new Deferred(() => (gradientAt as (at: number) => Storage)(slot.at))
      owner.grad = wrap(node)
    }
  }
  return mapTree(t.results, (x) => {
    if (!(x instanceof Slot)) return x
    const result = tensorOf(stored[x.at] as Storage, x.shape)
    result.node.spent = x.differentiable
    return result
  })
}

const tensorOf = (storage: Storage, shape: StaticShape): Tensor => wrap(storedNode(storage, shape))

// The module: state and a forward function, composed as a tree.

import { TraceError } from '../base/errors.js'
import type { Tree } from '../base/tree.js'
import { flatten } from '../base/tree.js'
import { modes } from '../runtime/modes.js'
import { Tensor } from '../tensor/tensor.js'
import type { Variable } from '../tensor/variable.js'
import { childrenOf, isParameter, MEMBERS, modulesOf, unique, variablesOf } from './members.js'
import { type LoadOptions, loadStateDict, type StateDict, stateDict } from './state.js'

/** Runs before `forward`; may return other arguments, as an array. */
export type ForwardPreHook = (module: Module, args: readonly unknown[]) => unknown
/** Runs after `forward`; may return another output. */
export type ForwardHook = (module: Module, args: readonly unknown[], output: unknown) => unknown

type ForwardInputs<M extends Module> = Parameters<M['forward']>

/** What `call` takes: what `forward` takes; tensors for a module of which no more is known. */
export type Inputs<M extends Module> =
  never[] extends ForwardInputs<M>
    ? ForwardInputs<M> extends never[]
      ? Tensor[]
      : ForwardInputs<M>
    : ForwardInputs<M>
/** What `call` gives: what `forward` gives; a tensor for a module of which no more is known. */
export type Output<M extends Module> =
  unknown extends ReturnType<M['forward']> ? Tensor : ReturnType<M['forward']>

/** Takes a hook away again. */
export interface HookHandle {
  remove(): void
}

/** Module calls that are running now, from the outermost in. */
let running = 0

const customInspect = Symbol.for('nodejs.util.inspect.custom')

/**
 * The base class of every layer and model. Mirrors `torch.nn.Module`.
 *
 * A module defines `forward` and is invoked with `call`. What it consists of is found by looking at its
 * own fields, in the order they are defined: variables are its state, modules its children, and arrays
 * and plain objects of either count too. A `Parameter` (or any variable that collects gradients) is a
 * parameter; another variable is a buffer: saved with the parameters and not trained. Names are the
 * fields' names, joined by dots, as in PyTorch: `conv1.weight`. Private `#fields` cannot be found.
 *
 * @example
 * class Net extends nn.Module {
 *   fc1 = new nn.Linear(784, 128)
 *   fc2 = new nn.Linear(128, 10)
 *   forward(x: Tensor) {
 *     return this.fc2.call(F.relu(this.fc1.call(x)))
 *   }
 * }
 */
export abstract class Module {
  // The module's own notes are private in the strict sense: a field of the same name cannot break them.
  #training = true
  #preHooks: ForwardPreHook[] | null = null
  #hooks: ForwardHook[] | null = null

  /** What the module computes. Defined by each class, invoked through `call`. */
  abstract forward(...args: never[]): unknown

  /** Runs `forward`, with the hooks around it. */
  call<M extends Module>(this: M, ...args: Inputs<M>): Output<M>
  call(...args: unknown[]): unknown {
    running++
    try {
      const inputs = this.#preHooks === null ? args : this.#before(args)
      let output = this.forward(...(inputs as never[]))
      if (this.#hooks !== null) output = this.#after(inputs, output)
      if (running === 1) keepOutputs(output)
      return output
    } finally {
      running--
    }
  }

  #before(args: readonly unknown[]): readonly unknown[] {
    let inputs = args
    for (const hook of this.#preHooks ?? []) {
      inputs = (hook(this, inputs) as readonly unknown[] | undefined) ?? inputs
    }
    return inputs
  }

  #after(inputs: readonly unknown[], output: unknown): unknown {
    let result = output
    for (const hook of this.#hooks ?? []) result = hook(this, inputs, result) ?? result
    return result
  }

  /** @internal See `MEMBERS`. */
  [MEMBERS](): Iterable<readonly [name: string, value: unknown]> {
    return Object.entries(this)
  }

  // ---- what it consists of ---------------------------------------------------------------------------

  /** The modules directly below. */
  children(): Module[] {
    return childrenOf(this).map(([, child]) => child)
  }

  /** The modules directly below, with their names. */
  namedChildren(): [name: string, child: Module][] {
    return childrenOf(this)
  }

  /** This module and all below it, each once, a module before its children. */
  modules(): Module[] {
    return modulesOf(this).map(([, module]) => module)
  }

  /** As `modules`, with dotted names; this module's own name is empty. */
  namedModules(): [name: string, module: Module][] {
    return modulesOf(this)
  }

  /** Everything an optimizer trains, each once. */
  parameters(): Variable[] {
    return this.namedParameters().map(([, p]) => p)
  }

  /** The parameters with their dotted names; one that is shared has the first of its names. */
  namedParameters(): [name: string, parameter: Variable][] {
    return unique(variablesOf(this)).filter(([, v]) => isParameter(v))
  }

  /** State that is saved with the parameters and not trained, such as running averages. */
  buffers(): Variable[] {
    return this.namedBuffers().map(([, b]) => b)
  }

  /** The buffers with their dotted names. */
  namedBuffers(): [name: string, buffer: Variable][] {
    return unique(variablesOf(this)).filter(([, v]) => !isParameter(v))
  }

  /** How many numbers the parameters hold; `{ trainable: true }` leaves out frozen ones. */
  numParameters(options: { readonly trainable?: boolean } = {}): number {
    const counted = this.parameters().filter((p) => p.requiresGrad || options.trainable !== true)
    return counted.reduce((sum, p) => sum + p.size, 0)
  }

  /** Calls `fn` with every module below and then with this one. Mirrors `torch.nn.Module.apply`. */
  apply(fn: (module: Module) => void): this {
    for (const child of this.children()) child.apply(fn)
    fn(this)
    return this
  }

  // ---- modes ---------------------------------------------------------------------------------------

  /**
   * Whether the module trains: dropout drops and batch normalization uses the batch. Functions made by
   * `compile` that depend on it are traced again when it changes.
   */
  get training(): boolean {
    return modes.trace === null ? this.#training : modes.trace.guard(() => this.#training)
  }

  /** Sets this module and all below it to training, or to evaluation with `false`. */
  train(on = true): this {
    for (const [, module] of modulesOf(this)) module.#training = on
    return this
  }

  /** Sets this module and all below it to evaluation. */
  eval(): this {
    return this.train(false)
  }

  /** Forgets the parameters' gradients. */
  zeroGrad(): void {
    for (const p of this.parameters()) p.grad = null
  }

  /** Freezes all parameters (`false`), or thaws them. Mirrors `torch.nn.Module.requires_grad_`. */
  requiresGrad_(on = true): this {
    if (modes.trace !== null) {
      throw new TraceError(
        'requiresGrad_',
        'a call outside of compiled functions',
        'one inside a trace',
      )
    }
    for (const p of this.parameters()) p.requiresGrad = on
    return this
  }

  // ---- state -----------------------------------------------------------------------------------------

  /**
   * A copy of all parameters and buffers by name, in PyTorch's names and layouts: what
   * `io.saveSafetensors` saves. Training on does not change it.
   */
  stateDict(): StateDict {
    return stateDict(this)
  }

  /**
   * Takes values over from a state dict. Nothing is changed unless all of it fits. By default names
   * have to agree; with `{ strict: false }` missing and unexpected ones are left alone and returned.
   *
   * @throws ValueError naming what is missing or unexpected, ShapeError naming what does not fit.
   */
  loadStateDict(
    dict: StateDict,
    options: LoadOptions = {},
  ): { readonly missing: readonly string[]; readonly unexpected: readonly string[] } {
    return loadStateDict(this, dict, options)
  }

  // ---- hooks ----------------------------------------------------------------------------------------

  /** Calls `hook` before each `forward`, with the arguments; what it returns takes their place. */
  registerForwardPreHook(hook: ForwardPreHook): HookHandle {
    this.#preHooks ??= []
    return entered(this.#preHooks, hook)
  }

  /** Calls `hook` after each `forward`, with arguments and output; what it returns takes its place. */
  registerForwardHook(hook: ForwardHook): HookHandle {
    this.#hooks ??= []
    return entered(this.#hooks, hook)
  }

  // ---- printing --------------------------------------------------------------------------------------

  /** What is shown between the parentheses: sizes and options. Classes override it. */
  extraRepr(): string {
    return ''
  }

  /** The tree of modules, as PyTorch prints it. */
  toString(): string {
    const name = this.constructor.name
    const extra = this.extraRepr()
    const children = childrenOf(this)
    if (children.length === 0) return `${name}(${extra})`
    const lines = children.map(([key, child]) => `  (${key}): ${indent(child.toString())}`)
    return [`${name}(${extra}`, ...lines, ')'].join('\n')
  }

  [customInspect](): string {
    return this.toString()
  }
}

const indent = (text: string): string => text.replaceAll('\n', '\n  ')

function entered<H>(hooks: H[], hook: H): HookHandle {
  // A wrapper of its own, so that a hook registered twice can be removed once.
  const own = ((...args: never[]) => (hook as (...args: never[]) => unknown)(...args)) as H
  hooks.push(own)
  return {
    remove: () => {
      const at = hooks.indexOf(own)
      if (at >= 0) hooks.splice(at, 1)
    },
  }
}

/** What the outermost call returns is kept by the next computation, whatever its size. */
function keepOutputs(output: unknown): void {
  if (output instanceof Tensor) output.node.kept = true
  else {
    for (const leaf of flatten(output as Tree<unknown>)) {
      if (leaf instanceof Tensor) leaf.node.kept = true
    }
  }
}

// Modules that hold modules: in a chain, in a list, by name.

import { IndexError, ValueError } from '../base/errors.js'
import type { Tensor } from '../tensor/tensor.js'
import { MEMBERS } from './members.js'
import { Module } from './module.js'

const numbered = (items: readonly Module[]): [string, Module][] =>
  items.map((item, i) => [String(i), item])

/** The item at a position that may count from the end. */
function itemAt<M>(where: string, items: readonly M[], index: number): M {
  const found = items.at(index)
  if (found !== undefined && Number.isInteger(index)) return found
  const range =
    items.length === 0
      ? 'no index (it is empty)'
      : `an index in [${-items.length}, ${items.length - 1}]`
  throw new IndexError(where, range, String(index))
}

/**
 * Layers one after the other. Mirrors `torch.nn.Sequential`: names are positions (`0.weight`), or keys
 * when an object is given.
 *
 * @example
 * new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 10))
 * new nn.Sequential({ flatten: new nn.Flatten(), classify: new nn.Linear(784, 10) })
 */
export class Sequential extends Module {
  readonly #layers: [name: string, layer: Module][]

  constructor(...layers: Module[] | [Readonly<Record<string, Module>>]) {
    super()
    const [first] = layers
    const byName = layers.length === 1 && first !== undefined && !(first instanceof Module)
    const entries = byName ? Object.entries(first) : numbered(layers as Module[])
    for (const [name, layer] of entries) {
      if (layer instanceof Module) continue
      throw new ValueError(
        'Sequential',
        'modules',
        `${layer === null ? 'null' : typeof layer} at ${name}`,
      )
    }
    this.#layers = entries as [string, Module][]
  }

  override [MEMBERS](): Iterable<readonly [string, unknown]> {
    return [...this.#layers, ...Object.entries(this)]
  }

  get length(): number {
    return this.#layers.length
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#layers.map(([, layer]) => layer)[Symbol.iterator]()
  }

  /** The layer at a position; negative ones count from the end. */
  at(index: number): Module {
    return itemAt('Sequential.at', this.#layers, index)[1]
  }

  /** Adds a layer at the end. */
  append(layer: Module): this {
    this.#layers.push([String(this.#layers.length), layer])
    return this
  }

  forward(x: Tensor): Tensor {
    let out = x
    for (const [, layer] of this.#layers) out = layer.call(out)
    return out
  }
}

/**
 * A list of modules. Mirrors `torch.nn.ModuleList`. A plain array in a field is found as well; the list
 * can stand where a module is wanted.
 */
export class ModuleList<M extends Module = Module> extends Module {
  readonly #items: M[]

  constructor(items: Iterable<M> = []) {
    super()
    this.#items = [...items]
  }

  override [MEMBERS](): Iterable<readonly [string, unknown]> {
    return [...numbered(this.#items), ...Object.entries(this)]
  }

  get length(): number {
    return this.#items.length
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#items[Symbol.iterator]()
  }

  /** The module at a position; negative ones count from the end. */
  at(index: number): M {
    return itemAt('ModuleList.at', this.#items, index)
  }

  append(...items: M[]): this {
    this.#items.push(...items)
    return this
  }

  map<T>(fn: (module: M, index: number) => T): T[] {
    return this.#items.map(fn)
  }

  forward(): never {
    throw new ValueError('ModuleList', 'calls of its modules', 'a call of the list itself')
  }
}

/** Modules by name. Mirrors `torch.nn.ModuleDict`. */
export class ModuleDict<M extends Module = Module> extends Module {
  readonly #items: Map<string, M>

  constructor(items: Readonly<Record<string, M>> | Iterable<readonly [string, M]> = {}) {
    super()
    this.#items = new Map(Symbol.iterator in items ? items : Object.entries(items))
  }

  override [MEMBERS](): Iterable<readonly [string, unknown]> {
    return [...this.#items, ...Object.entries(this)]
  }

  get size(): number {
    return this.#items.size
  }

  [Symbol.iterator](): Iterator<[string, M]> {
    return this.#items[Symbol.iterator]()
  }

  has(name: string): boolean {
    return this.#items.has(name)
  }

  /** The module of a name. */
  get(name: string): M {
    const found = this.#items.get(name)
    if (found !== undefined) return found
    const names = [...this.#items.keys()].map((n) => `'${n}'`).join(', ')
    throw new ValueError('ModuleDict.get', `one of ${names}`, `'${name}'`)
  }

  set(name: string, module: M): this {
    this.#items.set(name, module)
    return this
  }

  forward(): never {
    throw new ValueError('ModuleDict', 'calls of its modules', 'a call of the dict itself')
  }
}

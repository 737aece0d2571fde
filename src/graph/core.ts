// The books of a graph: its operations and tensors, their names, and how calls become operations.

import { IndexError, ValueError } from '../base/errors.js'
import { isStatic } from '../base/shape.js'
import type { Node } from '../ir/node.js'
import type { Attrs } from '../ir/op.js'
import { realize } from '../runtime/flush.js'
import { modes } from '../runtime/modes.js'
import { CellRead } from '../runtime/value.js'
import { onConstruct } from '../tensor/core.js'
import { Tensor } from '../tensor/tensor.js'
import { Names, typeOf } from './names.js'
import { Operation } from './operation.js'
import { GraphTensor } from './tensor.js'

// A node knows the number of its graph only, so that nodes do not keep a graph's books alive.
const graphs = new Map<number, WeakRef<GraphCore>>()
const forgotten = new FinalizationRegistry<number>((id) => {
  graphs.delete(id)
  modes.strictGraphs.delete(id)
})
let made = 0

export function graphOf(id: number): GraphCore {
  const graph = graphs.get(id)?.deref()
  if (graph === undefined) throw new Error(`graph ${id} is gone`)
  return graph
}

// What is made from a graph's tensors is a tensor of the graph.
onConstruct((node) => (node.graph === 0 ? new Tensor(node) : graphOf(node.graph).tensorOf(node)))

export interface GraphOptions {
  /** Whether operands of different dtypes are an error instead of being promoted. Default true. */
  readonly strictTypes?: boolean
}

/** See `Graph`. */
export abstract class GraphCore {
  /** @internal The number its nodes carry. */
  readonly id = ++made
  readonly strictTypes: boolean
  /** @internal */
  readonly names = new Names()
  private readonly byName = new Map<string, Operation>()
  private readonly tensors = new Map<Node, GraphTensor>()
  /** Operations with several results, by the node that computes them. */
  private readonly several = new Map<Node, Operation>()
  private calling = false

  constructor({ strictTypes = true }: GraphOptions = {}) {
    this.strictTypes = strictTypes
    if (strictTypes) modes.strictGraphs.add(this.id)
    graphs.set(this.id, new WeakRef(this))
    forgotten.register(this, this.id)
  }

  /** All operations, in the order they were made. */
  get operations(): readonly Operation[] {
    return [...this.byName.values()]
  }

  /** The operation of a name. Throws `ValueError` where there is none. */
  getOperationByName(name: string): Operation {
    const found = this.byName.get(name)
    if (found !== undefined) return found
    const near = name.includes(':') ? ' (a name with : is a tensor: use getTensorByName)' : ''
    throw new ValueError('getOperationByName', `an operation of this graph${near}`, `'${name}'`)
  }

  /** The tensor of a name such as `add:0`. Throws `ValueError` or `IndexError` where there is none. */
  getTensorByName(name: string): GraphTensor {
    const parts = /^(.+):(\d+)$/.exec(name)
    if (parts === null) {
      throw new ValueError('getTensorByName', "a name like 'add:0'", `'${name}'`)
    }
    const operation = this.getOperationByName(parts[1] as string)
    const tensor = operation.outputs[Number(parts[2])]
    if (tensor !== undefined) return tensor
    const count = operation.outputs.length
    throw new IndexError('getTensorByName', `one of ${count} results of ${operation.name}`, name)
  }

  /** Runs `fn` with names of new operations prefixed by `name/`; scopes may be nested. It is given the scope. */
  nameScope<T>(name: string, fn: (scope: string) => T): T {
    return this.names.within(name, fn)
  }

  /**
   * @internal Runs `fn` as one operation: what it returns are the results, and what it calls on the way
   * stays unnamed. `what` is a method's name or an operation's type.
   */
  call<T>(what: string, name: string | undefined, fn: () => T): T {
    if (this.calling) return fn()
    const { strictTypes, graph } = modes
    this.calling = true
    modes.strictTypes = this.strictTypes
    modes.graph = this.id
    let result: T
    try {
      result = fn()
    } finally {
      this.calling = false
      modes.strictTypes = strictTypes
      modes.graph = graph
    }
    this.adopt(typeOf(what), name, result)
    return result
  }

  /** @internal Makes the tensors in `result` that have no operation yet the results of a new one. */
  adopt(type: string, name: string | undefined, result: unknown): void {
    const list = (
      result instanceof GraphTensor ? [result] : Object.values(result ?? {})
    ) as unknown[]
    const fresh = list.filter(
      (x): x is GraphTensor => x instanceof GraphTensor && x.made === null && x.graph === this,
    )
    if (fresh.length === 0) return
    const operation = this.addOperation(type, name, this.inputsOf(fresh.map((x) => x.node)))
    for (const tensor of new Set(fresh)) this.enter(tensor, operation, operation.outputs.length)
  }

  /** @internal Adds an operation, so far without results. */
  addOperation(
    type: string,
    name: string | undefined,
    inputs: readonly GraphTensor[] = [],
    controlInputs: readonly Operation[] = [],
  ): Operation {
    const unique = this.names.unique(name ?? type)
    const operation = new Operation(this, unique, type, inputs, controlInputs)
    this.byName.set(unique, operation)
    return operation
  }

  /** @internal Gives an operation another name. */
  rename(operation: Operation, name: string): void {
    this.byName.delete(operation.name)
    this.names.release(operation.name)
    const unique = this.names.unique(name)
    operation.name = unique
    this.byName.set(unique, operation)
  }

  /** @internal The tensor of a node, made and named if there is none. */
  tensorOf(node: Node): GraphTensor {
    const known = this.tensors.get(node)
    if (known !== undefined) return known
    const tensor = new GraphTensor(node, this)
    if (this.calling) return tensor
    const { op } = node
    if (op.name !== 'output') {
      this.adopt(typeOf(op.name), undefined, tensor)
      return tensor
    }
    const source = node.inputs[0] as Node
    let operation = this.several.get(source)
    if (operation === undefined) {
      operation = this.addOperation(typeOf(source.op.name), undefined, this.inputsOf([source]))
      this.several.set(source, operation)
    }
    return this.enter(tensor, operation, (node.attrs as Attrs & { index: number }).index)
  }

  /** @internal A leaf of the graph as the only result of an operation. */
  source<T extends GraphTensor>(operation: Operation, tensor: T): T {
    tensor.node.graph = this.id
    tensor.node.exposed = true
    return this.enter(tensor, operation, 0)
  }

  private enter<T extends GraphTensor>(tensor: T, operation: Operation, index: number): T {
    tensor.made = { operation, index }
    operation.outputs[index] = tensor
    this.tensors.set(tensor.node, tensor)
    return tensor
  }

  /** The tensors that nodes were made from: the nearest that the user has seen. */
  private inputsOf(nodes: readonly Node[]): GraphTensor[] {
    const found = new Set<GraphTensor>()
    const seen = new Set<Node>(nodes)
    const visit = (node: Node): void => {
      for (const input of node.inputs) {
        if (seen.has(input)) continue
        seen.add(input)
        const tensor = this.tensors.get(input) ?? this.captured(input)
        if (tensor !== null) found.add(tensor)
        else visit(input)
      }
    }
    for (const node of nodes) visit(node)
    return [...found]
  }

  /**
   * An eager tensor that is used in the graph, as a constant of it; `null` for what is not one. What is
   * still to be computed is computed now. A variable keeps being one: every run reads its value.
   */
  private captured(node: Node): GraphTensor | null {
    if (node.graph !== 0 || typeof node.value === 'number') return null
    if (node.value === null) {
      const isTensor = node.exposed || node.owner !== null
      if (!isTensor || node.inputs.length === 0 || !isStatic(node.shape)) return null
      realize([node])
      if (typeof node.value === 'number') return null
    }
    const type = node.value instanceof CellRead ? 'ReadVariableOp' : 'Const'
    return this.enter(new GraphTensor(node, this), this.addOperation(type, undefined), 0)
  }
}

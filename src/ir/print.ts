// Graphs as text: one line a node, in order of computation, with the user's source line beside it.

import { formatShape } from '../base/shape.js'
import { type Node, type TensorType, topological } from './node.js'
import type { AttrKind, AttrValue } from './op.js'
import { resultsOf } from './primitives/structure.js'

/** `float32[32, 10]`, or `float32` for a scalar. */
export const printType = ({ dtype, shape }: TensorType): string =>
  shape.length === 0 ? dtype : `${dtype}${formatShape(shape)}`

export function printAttr(kind: AttrKind | undefined, value: AttrValue): string {
  if (Array.isArray(value)) {
    return kind === 'names'
      ? `[${(value as readonly string[]).map((s) => `'${s}'`).join(', ')}]`
      : formatShape(value as readonly number[])
  }
  if (kind === 'name') return `'${String(value)}'`
  return Object.is(value, -0) ? '-0' : String(value)
}

/** What a node does: `reduceSum(%2, axes=[1])`. */
function printCall(node: Node, nameOf: (node: Node) => string): string {
  const kinds = node.op.attrs as Readonly<Record<string, AttrKind>>
  const attrs = Object.entries(node.attrs).map(([k, v]) => `${k}=${printAttr(kinds[k], v)}`)
  return `${node.op.name}(${[...node.inputs.map(nameOf), ...attrs].join(', ')})`
}

function printLine(node: Node, nameOf: (node: Node) => string): string {
  const types = resultsOf(node).map(printType)
  const type = node.outputs === null ? types[0]! : `(${types.join(', ')})`
  const notes: string[] = []
  if (node.name !== null) notes.push(`'${node.name}'`)
  if (node.site !== null) notes.push(`${node.site.file}:${node.site.line}`)
  const line = `${nameOf(node)} = ${printCall(node, nameOf)} : ${type}`
  return notes.length === 0 ? line : `${line}   # ${notes.join(' ')}`
}

/** One node alone, its inputs by their types: for messages. */
export const printNode = (node: Node): string =>
  `${printCall(node, printType)} : ${resultsOf(node).map(printType).join(', ')}`

/**
 * The graph below `roots`, for people to read:
 *
 *     %0 = param() : float32[32, 784]   # 'x'
 *     %3 = add(%1, %2) : float32[32, 10]   # model.ts:12
 *     return %3
 */
export function printGraph(roots: readonly Node[]): string {
  const order = topological(roots)
  // Not `node.index`: the next traversal may overwrite it.
  const numbers = new Map(order.map((node, i) => [node, i]))
  const nameOf = (node: Node): string => `%${numbers.get(node)}`
  const lines = order.map((node) => printLine(node, nameOf))
  return [...lines, `return ${roots.map(nameOf).join(', ')}`].join('\n')
}

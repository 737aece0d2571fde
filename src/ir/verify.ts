// The rules of the representation, checked: what every pass may rely on, and must leave true.

import { SymDim } from '../base/dim.js'
import { DTYPES } from '../base/dtype.js'
import { VerifyError } from '../base/errors.js'
import { type Shape, shapeEqual } from '../base/shape.js'
import { Body } from './body.js'
import { type Node, type TensorType, topological } from './node.js'
import { type AttrKind, type AttrValue, OPS, type Op } from './op.js'
import { resultsOf } from './primitives/structure.js'
import { printNode, printType } from './print.js'

const isDim = (d: unknown): boolean =>
  d instanceof SymDim || (typeof d === 'number' && Number.isInteger(d))
const listOf =
  (test: (x: unknown) => boolean) =>
  (v: AttrValue): boolean =>
    Array.isArray(v) && v.every(test)

/** What each kind of attribute may hold. */
const KINDS: { readonly [K in AttrKind]: (v: AttrValue) => boolean } = {
  number: (v) => typeof v === 'number',
  int: (v) => Number.isInteger(v),
  flag: (v) => typeof v === 'boolean',
  name: (v) => typeof v === 'string',
  dtype: (v) => typeof v === 'string' && Object.hasOwn(DTYPES, v),
  ints: listOf(Number.isInteger),
  dims: listOf(isDim),
  names: listOf((s) => typeof s === 'string'),
  body: (v) => v instanceof Body,
}

/** Operations that take as many inputs as there are parts, axes or outputs. */
const VARIADIC: ReadonlySet<string> = new Set([
  'concat',
  'dynamicSlice',
  'dynamicUpdate',
  'gradOf',
  'output',
  'param',
  'scan',
])

const arities = new Map<Op, readonly [number, number] | null>()

/** The least and most inputs an operation is used with in its own samples; `null` for any number. */
function arityOf(op: Op): readonly [number, number] | null {
  let range = arities.get(op)
  if (range === undefined) {
    const counts = op.samples().map((s) => s.inputs.length)
    const open = counts.length === 0 || VARIADIC.has(op.name)
    range = open ? null : [Math.min(...counts), Math.max(...counts)]
    arities.set(op, range)
  }
  return range
}

function fail(node: Node, expected: string, received: string): never {
  throw new VerifyError('verify', `${expected} in ${printNode(node)}`, received, { node })
}

function checkAttrs(node: Node): void {
  const kinds = node.op.attrs as Readonly<Record<string, AttrKind>>
  const [wanted, given] = [Object.keys(kinds).sort(), Object.keys(node.attrs).sort()]
  if (wanted.join() !== given.join()) {
    fail(node, `attributes [${wanted.join(', ')}]`, `[${given.join(', ')}]`)
  }
  for (const [key, kind] of Object.entries(kinds)) {
    const value = node.attrs[key]!
    if (!KINDS[kind](value)) fail(node, `attribute ${key} of kind ${kind}`, String(value))
    if (value instanceof Body) checkBody(node, value)
  }
}

/** A body is a graph like any other, and closed: it reads its own parameters only. */
function checkBody(node: Node, { inputs, outputs }: Body): void {
  verify(outputs)
  const own = new Set(inputs)
  for (const leaf of topological(outputs)) {
    if (leaf.op.name !== 'param' || own.has(leaf)) continue
    fail(node, 'a body that reads its own parameters only', printType(leaf))
  }
}

const sameType = (a: TensorType, b: TensorType): boolean =>
  a.dtype === b.dtype && shapeEqual(a.shape, b.shape)
const isShape = (shape: Shape): boolean =>
  shape.every((d) => isDim(d) && (typeof d !== 'number' || d >= 0))
const list = (types: readonly TensorType[]): string => types.map(printType).join(', ')

/** The types the operation's own rule gives for the node's inputs. */
function inferAgain(node: Node): readonly TensorType[] {
  try {
    const types = node.op.infer(node.inputs, node.attrs)
    return Array.isArray(types) ? (types as readonly TensorType[]) : [types as TensorType]
  } catch (error) {
    return fail(node, 'inputs the operation accepts', (error as Error).message)
  }
}

function checkTypes(node: Node): void {
  const stored = resultsOf(node)
  for (const { shape, dtype } of [node, ...stored]) {
    const valid = isShape(shape) && Object.hasOwn(DTYPES, dtype)
    if (!valid) fail(node, 'a dtype and sizes of at least 0', printType({ shape, dtype }))
  }
  // A parameter's type is given where it is made, not inferred.
  if (node.op.name === 'param') return
  const types = inferAgain(node)
  const same = types.length === stored.length && types.every((t, i) => sameType(t, stored[i]!))
  if (!same || !sameType(node, types[0]!)) fail(node, `results ${list(types)}`, list(stored))
}

/**
 * Checks the graph below `roots`: operations are those of the table, attributes are what their schema
 * says, the number of inputs fits, types are what the operation infers, and there is no cycle.
 * Throws VerifyError, which names the first node that is wrong.
 */
export function verify(roots: readonly Node[]): void {
  const order = topological(roots)
  const done = new Set<Node>()
  for (const node of order) {
    // A walk over a cycle meets some node before one of its inputs.
    for (const input of node.inputs) {
      if (!done.has(input)) fail(node, 'inputs that do not depend on the node', 'a cycle')
    }
    if (OPS.get(node.op.name) !== node.op) fail(node, 'an operation of the table', node.op.name)
    checkAttrs(node)
    const arity = arityOf(node.op)
    const count = node.inputs.length
    if (arity !== null && (count < arity[0] || count > arity[1])) {
      fail(node, `${arity.join(' to ')} inputs`, String(count))
    }
    checkTypes(node)
    done.add(node)
  }
}
